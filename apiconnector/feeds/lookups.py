"""Look something up for a page: a GET feed whose values are cached, and which never holds the page for long.

What was found is used until it is too old, then looked up again by a thread, for which the page waits so long and no
longer. Where it does not come in time, or not at all, the page gets what was found before.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.cache import cache
from django.db import connections

from apiconnector.exceptions import ApiConnectorError, FeedMisconfigured, FeedNotFound, InvalidFeedData
from apiconnector.feeds.data import plain_data
from apiconnector.feeds.runner import find_feed, run_feed
from apiconnector.models import Feed, apart
from apiconnector.redaction import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = get_logger(__name__)

#: How long something is kept for when the API is down, in seconds.
KEPT: Final = 7 * 24 * 3600
#: Threads at a time. What can't be looked up beyond that is taken from what was found before.
MOST: Final = 8
#: After a look-up that failed or was not waited for any longer, pages don't wait for so long, in seconds.
REST: Final = 30.0
_MOST_REMEMBERED: Final = 1_000


@dataclass
class Found:
    """What a run found: what the feed keeps of an answer, and the parsed answer."""

    values: dict[str, Any]
    data: Any
    at: float = 0.0


@dataclass
class _LookUp:
    """One that is under way."""

    done: threading.Event = field(default_factory=threading.Event)
    found: Found | None = None
    error: ApiConnectorError | None = None


_lock = threading.Lock()
_running: dict[str, _LookUp] = {}
#: Until when (``time.monotonic()``) pages don't wait for a look-up, by its key.
_resting: dict[str, float] = {}


def for_page(slug: str, data: Mapping[str, Any] | None, *, timeout: float, keep: float) -> Found | None:
    """``look_up`` for a visitor's page, which no feed may break: what is wrong with it is logged as an error.

    With ``DEBUG`` it is raised.
    """
    try:
        return look_up(slug, data, timeout=timeout, keep=keep)
    except (FeedNotFound, FeedMisconfigured, InvalidFeedData) as error:
        if settings.DEBUG:
            raise
        # Without the traceback, whose frames hold what the page handed over.
        logger.error("A page could not look up “%s”: %s", slug, error)  # noqa: TRY400 - see above
        return None


def look_up(
    slug: str, data: Mapping[str, Any] | None = None, *, timeout: float = 2.0, keep: float = 300
) -> Found | None:
    """What the GET feed ``slug`` finds with ``data``; None where it was never found, which is logged.

    It is looked up again where what is in the cache is older than ``keep`` seconds; the caller waits for that at most
    ``timeout`` seconds. A run is kept of each look-up, and none of what comes from the cache.

    Raises ``FeedNotFound`` for an unknown or inactive feed, ``FeedMisconfigured`` for one that is no GET or has
    ``for_each``, ``InvalidFeedData`` for data that can't be kept, and ``ValueError`` for a time-out or a time to keep
    that is none; the feed is looked at only where something has to be looked up.
    """
    # In a template a number is easily written as text.
    if not isinstance(timeout, int | float) or not 0 < timeout <= threading.TIMEOUT_MAX:
        raise ValueError("A look-up needs a time-out: a positive number of seconds, without quotes in a template.")
    if not isinstance(keep, int | float):
        raise ValueError("The cache of a look-up is a number of seconds, without quotes in a template.")  # noqa: TRY004 - as for the time-out
    plain = plain_data(data)
    key = _key(slug, plain)
    before = _read(key)
    if before is not None and 0 <= time.time() - before.at < keep:
        return before
    found = _fresh(key, slug, plain, timeout, is_needed=before is None) or before
    if found is None:
        logger.warning("The feed “%s” found nothing for a page, and there is nothing from before.", slug)
    return found


def _fresh(key: str, slug: str, data: dict[str, Any], timeout: float, *, is_needed: bool) -> Found | None:
    """What is found now; None where it does not come in time."""
    with _lock:
        known = _running.get(key)
    if known is None:
        if time.monotonic() < _resting.get(key, 0):
            return None
        _require_fit(find_feed(slug))
        known = _begin(key, slug, data)
        if known is None:
            return None
    elif not is_needed or time.monotonic() < _resting.get(key, 0):
        # Somebody is at it already.
        return None
    if not known.done.wait(timeout):
        _rest(key)
        logger.warning("The feed “%s” did not find what a page needs within %s seconds.", slug, timeout)
        return None
    if known.error is not None:
        raise known.error.with_traceback(None)
    return known.found


def _require_fit(feed: Feed) -> None:
    if feed.method != Feed.Method.GET:
        raise FeedMisconfigured(
            f"Feed “{feed.slug}” is a {feed.method}: pages look up with GET only, which changes nothing at the API. "
            "Send it with run_feed() or submit()."
        )
    if feed.for_each:
        raise FeedMisconfigured(f"Feed “{feed.slug}” makes one request for each item: a page looks up one thing.")


def _begin(key: str, slug: str, data: dict[str, Any]) -> _LookUp | None:
    """Look up in a thread; None where enough of them are at it."""
    with _lock:
        if key in _running:
            return _running[key]
        if len(_running) >= MOST:
            return None
        started = _running[key] = _LookUp()
    if apart.must_stay():
        _run(key, slug, data, started)
        return started
    # No daemon: a process that ends waits for what is being sent, and for its record.
    thread = threading.Thread(target=_run_and_close, args=(key, slug, data, started), name="apiconnector-lookup")
    try:
        thread.start()
    except RuntimeError:  # no more threads, or the interpreter is ending
        _ended(key, started)
    return started


def _run_and_close(key: str, slug: str, data: dict[str, Any], own: _LookUp) -> None:
    try:
        _run(key, slug, data, own)
    finally:
        connections.close_all()


def _run(key: str, slug: str, data: dict[str, Any], own: _LookUp) -> None:
    try:
        run = run_feed(slug, data)
        if run.ok:
            own.found = Found(run.values, run.data, time.time())
            _write(key, own.found)
            _resting.pop(key, None)
        else:
            logger.warning("The feed “%s” was not sent well for a page: run %s, %s", slug, run.pk, run.error_message)
    except ApiConnectorError as error:
        # Without the frames of this thread: they hold what was handed over.
        own.error = error.with_traceback(None)
    except Exception:
        logger.exception("The feed “%s” could not be sent for a page.", slug)
    finally:
        _ended(key, own)


def _ended(key: str, own: _LookUp) -> None:
    if own.found is None:
        _rest(key)
    with _lock:
        _running.pop(key, None)
    own.done.set()


def _rest(key: str) -> None:
    if len(_resting) >= _MOST_REMEMBERED:
        _resting.clear()
    _resting[key] = time.monotonic() + REST


def _key(slug: str, data: dict[str, Any]) -> str:
    """By a hash: what is looked up may be long, and hold what a cache does not take in a key."""
    text = json.dumps([slug, data], sort_keys=True)
    return f"apiconnector:lookup:{hashlib.sha256(text.encode()).hexdigest()}"


def _read(key: str) -> Found | None:
    try:
        kept = cache.get(key)
    except Exception as error:  # noqa: BLE001 - whatever a cache does, the page goes on
        logger.warning("The cache could not be read for a look-up: %s.", type(error).__name__)
        return None
    return Found(*kept) if isinstance(kept, tuple) and len(kept) == 3 else None


def _write(key: str, found: Found) -> None:
    try:
        cache.set(key, (found.values, found.data, found.at), KEPT)
    except Exception as error:  # noqa: BLE001 - likewise
        logger.warning("The cache could not keep what a look-up found: %s.", type(error).__name__)


def _forget() -> None:
    """Forget the threads of the parent, for the child of a fork, and the lock that one of them may hold for ever."""
    global _lock  # noqa: PLW0603 - the only way to be rid of one
    _lock = threading.Lock()
    _running.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget)
