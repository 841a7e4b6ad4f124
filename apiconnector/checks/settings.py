"""The settings of this app: usable values, and no name that nothing reads."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's own name

from apiconnector import conf
from apiconnector.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

_PREFIX = "APICONNECTOR_"

#: What reads a setting, the id of the check, and what to do about a bad value.
_VALUES: tuple[tuple[Callable[[], object], str, str], ...] = (
    (
        conf.base_url,
        "apiconnector.E002",
        'For example "https://www.example.org". Leave the setting out to use the origin of each request.',
    ),
    (
        conf.trusted_hosts,
        "apiconnector.E003",
        'For example ["localhost", ".internal.example", "10.0.0.0/8"]. Leave the setting out to trust none.',
    ),
    (conf.timeout, "apiconnector.E004", "For example 10. A connection may have its own."),
    (conf.retention_days, "apiconnector.E005", "For example 30."),
)


def check_keys(**_: Any) -> list[CheckMessage]:
    """``apiconnector.E001``: there is no usable key."""
    try:
        conf.keys()
    except ConfigurationError as error:
        problem = str(error).removesuffix(conf.GENERATE_HINT).strip()
    else:
        return []
    return [Error(problem, hint=conf.GENERATE_HINT, id="apiconnector.E001")]


def check_values(**_: Any) -> list[CheckMessage]:
    """``apiconnector.E002`` to ``E005``: a setting has a value that can't be used."""
    found: list[CheckMessage] = []
    for read, check_id, hint in _VALUES:
        try:
            read()
        except ConfigurationError as error:
            found.append(Error(str(error), hint=hint, id=check_id))
    return found


def check_unknown(**_: Any) -> list[CheckMessage]:
    """``apiconnector.W006``: nothing reads a setting of this name. Its value is not looked at: it may be a key."""
    unknown = sorted(name for name in dir(settings) if name.startswith(_PREFIX) and name not in conf.NAMES)
    return [
        Warning(f"{name} is no setting of this app: nothing reads it.", hint=_nearest(name), id="apiconnector.W006")
        for name in unknown
    ]


def _nearest(name: str) -> str:
    # Without the prefix, which makes all of them alike.
    ends = [known.removeprefix(_PREFIX) for known in conf.NAMES]
    close = get_close_matches(name.removeprefix(_PREFIX), ends, n=1)
    if close:
        return f"Did you mean {_PREFIX}{close[0]}?"
    return f"Remove it, or use one of these: {', '.join(conf.NAMES)}."
