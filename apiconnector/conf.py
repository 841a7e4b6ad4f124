"""The package's settings, read when used and never from the environment."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.utils.module_loading import import_string

from apiconnector.exceptions import ConfigurationError

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

_BLANK = re.compile(r"[\s\\]")
_HOST = re.compile(r"\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?", re.IGNORECASE)
# A last label of digits is an address that was mistyped: no host ends so.
_NUMERIC = re.compile(r"(?:.*\.)?[0-9]+\.?")


def keys() -> tuple[str, ...]:
    """The Fernet keys of ``APICONNECTOR_KEYS``, newest first.

    Raises ``ConfigurationError`` when there is none, or one that is no Fernet key. The message never holds a
    key.
    """
    value: Any = getattr(settings, "APICONNECTOR_KEYS", None)
    if isinstance(value, str) and "." in value:
        try:
            provider: Callable[[], Sequence[str]] = import_string(value)
        except ImportError:
            # Not chained: a key pasted in place of the path would be in the text of the ImportError.
            raise ConfigurationError(
                "APICONNECTOR_KEYS is neither a list of keys nor the path of a callable."
            ) from None
        value = provider()
    if not value:
        raise ConfigurationError(f"APICONNECTOR_KEYS is empty: secrets can't be kept. {GENERATE_HINT}")
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise ConfigurationError("APICONNECTOR_KEYS must be a list of Fernet keys, or the dotted path of a callable.")
    for position, key in enumerate(value):
        try:
            Fernet(key)
        except (ValueError, TypeError):
            raise ConfigurationError(f"APICONNECTOR_KEYS[{position}] is no Fernet key. {GENERATE_HINT}") from None
    return tuple(value)


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
    if not valid or parts.username is not None or _BLANK.search(parts.netloc):
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
    return bool(_HOST.fullmatch(entry)) and not _NUMERIC.fullmatch(entry)


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
