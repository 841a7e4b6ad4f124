"""Filters for dates and times, which JSON has as ISO 8601 text, and APIs also as seconds since 1970."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils.timezone import get_default_timezone

from apiconnector.templating.filters.base import ONE_VALUE, TEXT, Argument, Filter, Kinds, UnfitError, is_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOMENT = Kinds(
    "a date or time as ISO 8601 text, or seconds since 1970",
    lambda value: isinstance(value, str) or is_number(value),
    advice=ONE_VALUE,
)

#: In the year 5138; as milliseconds, in 1973.
_TOO_LATE: Final = 100_000_000_000
_MAX_FORMAT: Final = 100
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _offset(when: datetime) -> str:
    seconds = int((when.utcoffset() or UTC.utcoffset(None)).total_seconds())
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{'-' if seconds < 0 else '+'}{hours:02}{minutes:02}"


def _suffix(when: datetime) -> str:
    if 10 <= when.day <= 20:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(when.day % 10, "th")


#: The letters of Django's filter ``date`` that APIs ask for. Names are English, whatever language is active; strftime
#: would follow the server's locale.
LETTERS: Final[Mapping[str, Callable[[datetime], str]]] = {
    "Y": lambda when: f"{when.year:04}",
    "y": lambda when: f"{when.year % 100:02}",
    "o": lambda when: f"{when.isocalendar().year}",
    "m": lambda when: f"{when.month:02}",
    "n": lambda when: f"{when.month}",
    "M": lambda when: _MONTHS[when.month - 1][:3],
    "F": lambda when: _MONTHS[when.month - 1],
    "W": lambda when: f"{when.isocalendar().week}",
    "d": lambda when: f"{when.day:02}",
    "j": lambda when: f"{when.day}",
    "S": _suffix,
    "D": lambda when: _DAYS[when.weekday()][:3],
    "l": lambda when: _DAYS[when.weekday()],
    "w": lambda when: f"{when.isoweekday() % 7}",
    "z": lambda when: f"{when.timetuple().tm_yday}",
    "H": lambda when: f"{when.hour:02}",
    "G": lambda when: f"{when.hour}",
    "h": lambda when: f"{when.hour % 12 or 12:02}",
    "g": lambda when: f"{when.hour % 12 or 12}",
    "A": lambda when: "PM" if when.hour >= 12 else "AM",
    "i": lambda when: f"{when.minute:02}",
    "s": lambda when: f"{when.second:02}",
    "u": lambda when: f"{when.microsecond:06}",
    "O": _offset,
    "c": datetime.isoformat,
    "r": format_datetime,
    "U": lambda when: f"{_seconds(when)}",
}
_PART = re.compile(r"\\(.)|([A-Za-z])|([^\\A-Za-z]+)", re.DOTALL)
_REPEATED = re.compile(r"(?<!\\)([A-Za-z])\1")


def _moment(value: Any) -> datetime:
    """A point in time. A date is midnight in UTC, a time without an offset the site's own."""
    if not isinstance(value, str):
        return _since_1970(value)
    text = value.strip()
    if (day := _date(text)) is not None:
        return datetime.combine(day, time(), UTC)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return when if when.tzinfo is not None else when.replace(tzinfo=get_default_timezone())
    # Raised outside the except clause: the error holds the value.
    raise UnfitError("takes a date or time in ISO 8601, such as 2026-05-01 or 2026-05-01T12:00:00Z; this text is none")


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _since_1970(seconds: float) -> datetime:
    if abs(seconds) >= _TOO_LATE:
        raise UnfitError(
            "takes seconds since 1970, and this is too large; multiply:0.001 before it makes them of milliseconds"
        )
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise UnfitError("takes seconds since 1970, of the years 1 to 9999") from None


def _seconds(when: datetime) -> int:
    return (when - _EPOCH) // timedelta(seconds=1)


def _epoch(value: Any) -> int:
    return _seconds(_moment(value))


def _epoch_ms(value: Any) -> int:
    return (_moment(value) - _EPOCH) // timedelta(milliseconds=1)


def _is_format(argument: str) -> None:
    if not argument or len(argument) > _MAX_FORMAT:
        raise UnfitError(f'takes behind the colon a format such as "Y-m-d", of at most {_MAX_FORMAT} characters')
    if "%" in argument or _REPEATED.search(argument):
        raise UnfitError('takes behind the colon a format of single letters, such as "Y-m-d H:i:s", not %Y or YYYY')
    if (len(argument) - len(argument.rstrip("\\"))) % 2:
        raise UnfitError("takes behind the colon a format that doesn't end with a single \\")
    unknown = sorted({letter for _, letter, _ in _PART.findall(argument) if letter and letter not in LETTERS})
    if unknown:
        raise UnfitError(
            f"knows no letter {' or '.join(unknown)}; there are {' '.join(LETTERS)}; "
            f"before a letter that is meant as it is, write \\, such as \\{unknown[0]}"
        )


def _formatted(value: Any, layout: str) -> str:
    when = _moment(value)
    return "".join(escaped or other or LETTERS[letter](when) for escaped, letter, other in _PART.findall(layout))


def _zone(name: str) -> tzinfo:
    if name == "UTC":  # known also where the system has no list of time zones
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise UnfitError('takes behind the colon the name of a time zone, such as "Europe/Amsterdam" or "UTC"')


def _in_zone(value: Any, name: str) -> str:
    if isinstance(value, str) and _date(value.strip()) is not None:
        raise UnfitError("takes a date with a time: a day alone is the same in every time zone; leave it out")
    try:
        return _moment(value).astimezone(_zone(name)).isoformat()
    except (OverflowError, ValueError):
        raise UnfitError("takes a time of the years 1 to 9999") from None


FILTERS = (
    Filter("date", _formatted, MOMENT, "text", Argument(TEXT, 'date:"Y-m-d"', _is_format)),
    Filter("epoch", _epoch, MOMENT, "seconds since 1970, a whole number"),
    Filter("epoch_ms", _epoch_ms, MOMENT, "milliseconds since 1970, a whole number"),
    Filter("timezone", _in_zone, MOMENT, "ISO 8601 text", Argument(TEXT, 'timezone:"Europe/Amsterdam"', _zone)),
)
