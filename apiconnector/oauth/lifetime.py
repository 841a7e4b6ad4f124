"""When a token ends, from what servers say about it: seconds or milliseconds from now, or a moment."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The longest lifetime that is believed, in seconds: 100 years.
MAX_LIFETIME: Final = 100 * 365.25 * 24 * 3600
#: The longest wait that a server may ask for, in seconds: a day. A wrong clock must not stop a connection for good.
MAX_WAIT: Final = 24 * 3600.0
_UNITS: Final = {"seconds": 1.0, "milliseconds": 0.001}
#: Seconds since 1970 have fewer digits for some thousand years yet.
_MILLISECONDS_FROM: Final = 100_000_000_000
_SECONDS: Final = re.compile(r"\d+(\.\d+)?", re.ASCII)


def after(lifetimes: Iterable[Any], now: datetime, *, unit: str = "seconds") -> datetime | None:
    """When the first readable one of some lifetimes ends; None where none can be read."""
    for value in lifetimes:
        number = _number(value)
        # Not a number fails both comparisons. Less than a microsecond would be no time at all.
        if number is not None and 1e-6 <= number * _UNITS[unit] <= MAX_LIFETIME:
            return now + timedelta(seconds=number * _UNITS[unit])
    return None


def moment(value: Any, now: datetime) -> datetime | None:
    """A moment as epoch seconds, epoch milliseconds or ISO 8601 (UTC where it names no zone); naive where ``now`` is.

    None for one that can't be read, is over, or is more than 100 years away: such a clock tells nothing.
    """
    found = _moment(value)
    if found is not None and now.tzinfo is None:
        found = found.astimezone().replace(tzinfo=None)
    return found if found is not None and now < found <= now + timedelta(seconds=MAX_LIFETIME) else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """When a server wants to be asked again, in seconds from now (RFC 9110 section 10.2.3); None where it says nothing.

    ``headers`` have their names in lower case. A date is measured by the server's own clock, where its answer has one.
    """
    value = headers.get("retry-after", "").strip()
    # Shopify says 2.0.
    if _SECONDS.fullmatch(value):
        return min(float(value), MAX_WAIT)
    until = http_date(value)
    if until is None:
        return None
    now = http_date(headers.get("date", "")) or datetime.now(UTC)
    return min(max((until - now).total_seconds(), 0.0), MAX_WAIT)


def http_date(value: str) -> datetime | None:
    """The moment a header such as ``Date`` names; None where it can't be read."""
    try:
        found = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _moment(value: Any) -> datetime | None:
    number = _number(value)
    try:
        if number is not None:
            return datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS_FROM else number, UTC)
        if not isinstance(value, str):
            return None
        found = datetime.fromisoformat(value.strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
