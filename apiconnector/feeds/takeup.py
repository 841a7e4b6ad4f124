"""Take up a few due runs in the background, so that a site delivers without a worker and without cron.

Only where the task backend sends in the request, as Django's default does: elsewhere workers do it. One thread for a
process, at most every few seconds, for a few runs. Nobody waits for it.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final

from django.db import connections, router

from apiconnector.feeds import round as rounds
from apiconnector.feeds.away import AWAY
from apiconnector.models import FeedRun
from apiconnector.redaction import get_logger

if TYPE_CHECKING:
    from typing import Any

logger = get_logger(__name__)

#: Seconds between two looks of this process.
EVERY: Final = 5.0
#: Runs of one look, and seconds after which none is begun any more.
MOST: Final = 5
LONGEST: Final = 10.0
#: Seconds until it begins, so that the request it came with is over: on SQLite the two would be in each other's way.
LATER: Final = 0.5

_lock = threading.Lock()
_next_at = 0.0
_running: threading.Thread | None = None
_ended = threading.Event()


def begin() -> None:
    """Look for due runs in a thread, unless one is at it or has just been. Returns at once, and asks no database."""
    global _running, _next_at  # noqa: PLW0603 - one for the process
    if time.monotonic() < _next_at or _sees_too_little() or not _sends_at_once():
        return
    # No daemon: a process that ends waits for what is being sent.
    thread = threading.Thread(target=_take_up, name="apiconnector-takeup")
    with _lock:
        if _running is not None or time.monotonic() < _next_at:
            return
        _running, _next_at = thread, time.monotonic() + EVERY
    try:
        thread.start()
    except RuntimeError:  # the interpreter is ending
        _running = None


def wait(timeout: float = 30.0) -> bool:
    """Wait until nothing is taken up, and begin nothing that has not begun; false if ``timeout`` was not enough."""
    global _next_at  # noqa: PLW0603 - likewise
    thread = _running
    if thread is not None:
        _ended.set()
        thread.join(timeout)
    _next_at = 0.0
    return thread is None or not thread.is_alive()


def _sends_at_once() -> bool:
    try:
        from apiconnector import tasks

        return tasks.sends_at_once()
    except Exception:
        # A setting that is wrong is no reason to fail for the page that was asked for.
        logger.exception("Due feed runs are not taken up: the task backend can't be used.")
        return False


def _sees_too_little() -> bool:
    """Whether another thread would not see this one's rows: in a ``TestCase``, and where the database is in memory."""
    database: Any = connections[router.db_for_write(FeedRun)]
    if any(getattr(block, "_from_testcase", False) for block in database.atomic_blocks):
        return True
    return database.vendor == "sqlite" and bool(database.is_in_memory_db())


def _take_up() -> None:
    global _running  # noqa: PLW0603 - likewise
    try:
        if not _ended.wait(LATER):
            rounds.deliver(limit=MOST, stop=_Late(time.monotonic() + LONGEST))
    except AWAY as error:
        logger.warning("Nothing was taken up: the database did not answer (%s).", type(error).__name__)
    except Exception:
        logger.exception("Due feed runs could not be taken up.")
    finally:
        _running = None
        _ended.clear()
        connections.close_all()


class _Late(threading.Event):
    """Set when it is told, and from a moment on."""

    def __init__(self, moment: float) -> None:
        super().__init__()
        self._moment = moment

    def is_set(self) -> bool:
        """Whether no further run shall be begun."""
        return _ended.is_set() or time.monotonic() > self._moment or not threading.main_thread().is_alive()


def _forget() -> None:
    """Forget the thread of the parent, for the child of a fork, and the lock that it may hold for ever."""
    global _lock, _running, _ended
    _lock, _running, _ended = threading.Lock(), None, threading.Event()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget)
