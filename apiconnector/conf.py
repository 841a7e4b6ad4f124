"""The package's settings, read when used and never from the environment."""

from __future__ import annotations

import ipaddress
import logging
import math
import os
import re
import threading
from collections.abc import Sequence
from functools import lru_cache
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from apiconnector.exceptions import ConfigurationError

logger = logging.getLogger(__name__)

#: The longest time-out of a connection or feed, in seconds.
MAX_TIMEOUT = 3600

#: Every setting there is; a check names any other ``APICONNECTOR_…`` as a mistake.
NAMES = (
    "APICONNECTOR_KEYS",
    "APICONNECTOR_BASE_URL",
    "APICONNECTOR_TRUSTED_HOSTS",
    "APICONNECTOR_TIMEOUT",
    "APICONNECTOR_RETENTION_DAYS",
)

GENERATE_HINT = (
    'Run "python manage.py apiconnector keys generate" and put the key it prints into APICONNECTOR_KEYS, '
    "a list, from a place that is not in version control."
)

_BLANK = r"[\s\\]"
_HOST = r"\.?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?"
# A last label of digits is an address that was mistyped: no host ends so.
_NUMERIC = r"(?:.*\.)?[0-9]+\.?"


#: How long the keys that a callable returned are used before it is called again, in seconds.
KEYS_KEPT = 60.0
#: While a callable fails that gave keys before, those are used: so long until it is called again, and until the next
#: line in the log.
KEYS_PAUSE, KEYS_LOGGED = 5.0, 60.0
#: A call that fails after so many seconds is slow: it is not repeated at once, but after as long as it took.
_SLOW = 0.1


def keys() -> tuple[str, ...]:
    """The Fernet keys of ``APICONNECTOR_KEYS``, newest first.

    Those that a callable returned are used for a minute. Raises ``ConfigurationError`` when there is none, or one that
    is no Fernet key, or the callable fails and never gave any. Neither the message nor the frame it is raised from
    holds a key.
    """
    found = _keys_or_problem()
    if isinstance(found, str):
        raise ConfigurationError(found)
    return found


def _keys_or_problem() -> tuple[str, ...] | str:
    value: Any = getattr(settings, "APICONNECTOR_KEYS", None)
    if isinstance(value, str) and "." in value:
        return _provided.get(value)
    return _usable_keys(value)


def _usable_keys(value: Any) -> tuple[str, ...] | str:
    """The keys, or what is wrong with them. It is returned, not raised: a frame here holds keys, which pages show."""
    if not value:
        return f"APICONNECTOR_KEYS is empty: secrets can't be kept. {GENERATE_HINT}"
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        return "APICONNECTOR_KEYS must be a list of Fernet keys, or the dotted path of a callable."
    keys = tuple(value)
    try:
        position = _first_unusable(keys)
    except TypeError:  # one that is a list
        position = _first_unusable.__wrapped__(keys)
    return keys if position < 0 else f"APICONNECTOR_KEYS[{position}] is no Fernet key. {GENERATE_HINT}"


@lru_cache(maxsize=16)  # asked for with every secret that is opened
def _first_unusable(keys: tuple[Any, ...]) -> int:
    from cryptography.fernet import Fernet

    for position, key in enumerate(keys):
        try:
            Fernet(key)
        except (ValueError, TypeError):
            return position
    return -1


class _Kept:
    """What calling ``path`` gave: keys, or what was wrong; good until then, by ``time.monotonic()``."""

    __slots__ = ("found", "path", "until")

    def __init__(self, path: str, found: tuple[str, ...] | str, until: float) -> None:
        self.path, self.found, self.until = path, found, until


class _ProvidedKeys:
    """The keys that a callable returns. It may ask a server, and each secret that is opened asks for the keys.

    One thread calls it at a time. The others go on with the keys it gave before; only where there are none they wait.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._caller: int | None = None
        self._kept: _Kept | None = None
        self._logged_at = -math.inf

    def start_afresh(self) -> None:
        """Give up the lock, for the child of a fork: the thread that held it is not there to release it."""
        self._lock, self._caller = threading.Lock(), None

    def forget(self, *, setting: str, **_: Any) -> None:
        """Call it again, because the setting was changed: ``override_settings`` says so."""
        if setting == "APICONNECTOR_KEYS":
            self._kept, self._logged_at = None, -math.inf

    def get(self, path: str) -> tuple[str, ...] | str:
        """The keys, or what is wrong."""
        if (kept := self._fresh(path)) is not None:
            return kept.found
        if self._caller == threading.get_ident():
            # What it opens to find the keys would need the keys.
            return "The callable in APICONNECTOR_KEYS uses secrets of this app itself: it has to do without."
        earlier = self._earlier(path)
        if not self._lock.acquire(blocking=earlier is None) and earlier is not None:
            return earlier
        try:
            # Another thread may have called it meanwhile.
            kept = self._fresh(path) or self._call(path)
        finally:
            self._lock.release()
        return kept.found

    def _fresh(self, path: str) -> _Kept | None:
        kept = self._kept
        return kept if kept is not None and kept.path == path and monotonic() < kept.until else None

    def _earlier(self, path: str) -> tuple[str, ...] | None:
        kept = self._kept
        return kept.found if kept is not None and kept.path == path and not isinstance(kept.found, str) else None

    def _call(self, path: str) -> _Kept:
        began, self._caller = monotonic(), threading.get_ident()
        try:
            found = _called(path)
        finally:
            self._caller = None
        earlier, ended = self._earlier(path), monotonic()
        if not isinstance(found, str):
            kept = _Kept(path, found, ended + KEYS_KEPT)
        elif earlier is not None:
            self._warn(found)
            kept = _Kept(path, earlier, ended + max(KEYS_PAUSE, ended - began))
        else:
            # Not kept, unless every secret of a page would wait for it anew.
            kept = _Kept(path, found, ended + (ended - began if ended - began > _SLOW else 0))
        self._kept = kept
        return kept

    def _warn(self, problem: str) -> None:
        if monotonic() - self._logged_at >= KEYS_LOGGED:
            self._logged_at = monotonic()
            logger.warning("%s The keys it gave before are used on.", problem)


def _called(path: str) -> tuple[str, ...] | str:
    """Call the callable at ``path``.

    Of what it raises, the text is left out, and the error itself is not chained: either may hold a key, or the
    password of a store.
    """
    try:
        provider = import_string(path)
    except ImportError:
        provider = None
    except Exception as error:  # noqa: BLE001 - the site's own module, which may raise anything
        return f"The module of the callable in APICONNECTOR_KEYS can't be imported: it raised {type(error).__name__}."
    if not callable(provider):
        return "APICONNECTOR_KEYS is neither a list of keys nor the path of a callable that can be imported."
    try:
        value = provider()
    except Exception as error:  # noqa: BLE001 - the site's own callable, which may ask any kind of store
        return f"APICONNECTOR_KEYS could not be read: its callable raised {type(error).__name__}."
    return _usable_keys(value)


_provided = _ProvidedKeys()
setting_changed.connect(_provided.forget, dispatch_uid="apiconnector.keys")
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_provided.start_afresh)


def base_url() -> str:
    """The public origin for the callback, without a trailing slash; empty: the request's own.

    Raises ``ConfigurationError`` when ``APICONNECTOR_BASE_URL`` is no http(s) origin.
    """
    value = getattr(settings, "APICONNECTOR_BASE_URL", "") or ""
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        # Nothing else, not even an empty query, or a blank that came along from the environment.
        valid = valid and str(value).rstrip("/").lower() == f"{parts.scheme}://{parts.netloc}".lower()
    except (ValueError, AttributeError, TypeError):
        valid = False
    if not valid or parts.username is not None or re.search(_BLANK, parts.netloc):
        raise ConfigurationError(
            'APICONNECTOR_BASE_URL must be an origin such as "https://www.example.org"; the path is added to it.'
        )
    return str(value).rstrip("/")


def trusted_hosts() -> tuple[str, ...]:
    """``APICONNECTOR_TRUSTED_HOSTS`` in lower case: hosts, ``.suffix`` and CIDR, without port; none unless set.

    A single address counts as a network of one. Raises ``ConfigurationError`` that names the entry by its position.
    """
    value: Any = getattr(settings, "APICONNECTOR_TRUSTED_HOSTS", None) or ()
    if not isinstance(value, list | tuple | set | frozenset):
        raise ConfigurationError('APICONNECTOR_TRUSTED_HOSTS must be a list of hosts, such as ["localhost"].')
    try:
        return _checked_hosts(tuple(value))
    except TypeError:  # an entry that is a list
        return _checked_hosts.__wrapped__(tuple(value))


@lru_cache(maxsize=16)  # asked for with every request
def _checked_hosts(entries: tuple[Any, ...]) -> tuple[str, ...]:
    for position, entry in enumerate(entries):
        if not (isinstance(entry, str) and (_is_network(entry) or _is_host(entry))):
            raise ConfigurationError(
                f"APICONNECTOR_TRUSTED_HOSTS[{position}] is no host, .suffix or network: they are written without "
                "scheme, port and path, a network with the bits behind its prefix at zero, and names beyond ASCII in "
                "their xn-- form."
            )
    return tuple(entry.lower() for entry in entries)


def _is_network(entry: str) -> bool:
    try:
        return bool(ipaddress.ip_network(entry))
    except ValueError:
        return False


def _is_host(entry: str) -> bool:
    return bool(re.fullmatch(_HOST, entry)) and not re.fullmatch(_NUMERIC, entry)


def timeout() -> float:
    """``APICONNECTOR_TIMEOUT`` in seconds, 10 unless set.

    Raises ``ConfigurationError`` when it is no positive number: a request without a time-out can hang for ever.
    """
    value = getattr(settings, "APICONNECTOR_TIMEOUT", 10)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ConfigurationError("APICONNECTOR_TIMEOUT must be a positive number of seconds.")
    return float(value)


def retention_days() -> int:
    """``APICONNECTOR_RETENTION_DAYS``: how long ended runs and events are kept, 30 unless set.

    Raises ``ConfigurationError`` when it is no whole number of at least 1.
    """
    value = getattr(settings, "APICONNECTOR_RETENTION_DAYS", 30)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError("APICONNECTOR_RETENTION_DAYS must be a whole number of days, at least 1.")
    return value
