"""Make what a form handler submits into plain JSON data, or say what can't be kept."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from django.core.files.base import File
from django.db import models
from django.utils.datastructures import MultiValueDict
from django.utils.duration import duration_iso_string
from django.utils.functional import Promise

from apiconnector.exceptions import InvalidFeedData

MAX_DEPTH = 50
MAX_SIZE = 1_000_000
MAX_DIGITS = 1_000


def plain_data(data: Any) -> dict[str, Any]:
    """Copy submitted data as JSON data.

    Dates and times become ISO 8601 text, a ``Decimal`` the number it is (or text, where a float would change it),
    sets and tuples lists, several values of a ``QueryDict`` a list, UUIDs and lazy translations text.

    Raises ``InvalidFeedData``, which names the field, for what can't be kept: models, querysets, files, bytes,
    NaN, half surrogate pairs, names that are no text, nesting deeper than 50 levels, numbers of more than a thousand
    digits, more than a million characters and members.
    """
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise InvalidFeedData(f"The data of a feed is a mapping such as form.cleaned_data, not {type(data).__name__}.")
    return _mapping(data, "", 0, [0])


def _plain(value: Any, place: str, depth: int, counter: list[int]) -> Any:
    _count(counter, 1)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, place, depth, counter)
    if isinstance(value, int):
        return _whole(int(value), place)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidFeedData(f"{place}: {value} is no number that JSON has.")
        return float(value)
    if isinstance(value, str | Promise):
        return _text(str(value), place, counter)
    if isinstance(value, Mapping):
        return _mapping(value, place, depth, counter)
    if isinstance(value, list | tuple | set | frozenset):
        _check_depth(place, depth)
        return [_plain(item, f"{place}[{index}]", depth + 1, counter) for index, item in enumerate(value)]
    return _scalar(value, place)


def _scalar(value: Any, place: str) -> Any:
    if isinstance(value, Decimal):
        return _number(value, place)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return duration_iso_string(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, models.Model):
        advice = "hand over the fields you need, such as instance.pk"
    elif isinstance(value, models.QuerySet | models.Manager):
        advice = "hand over a list of values, such as list(queryset.values_list(…))"
    elif isinstance(value, File):
        advice = "files can't be sent by feeds yet; leave it out"
    elif isinstance(value, bytes | bytearray | memoryview):
        advice = "decode it, or encode it as base64"
    else:
        advice = "hand over text, numbers, booleans, dates, lists and mappings"
    raise InvalidFeedData(f"{place}: {type(value).__name__} can't be kept: {advice}.")


def _whole(value: int, place: str) -> int:
    # Python refuses to write longer ones as text, and no API reads them.
    if value.bit_length() > MAX_DIGITS * 3:
        raise InvalidFeedData(f"{place}: this number has more than {MAX_DIGITS:,} digits.")
    return value


def _number(value: Decimal, place: str) -> int | float | str:
    if not value.is_finite():
        raise InvalidFeedData(f"{place}: {value} is no number that JSON has.")
    if value == value.to_integral_value() and value.as_tuple().exponent == 0:
        return _whole(int(value), place) if len(value.as_tuple().digits) <= MAX_DIGITS else str(value)
    as_float = float(value)
    return as_float if math.isfinite(as_float) and Decimal(repr(as_float)) == value else str(value)


def _mapping(value: Mapping[Any, Any], place: str, depth: int, counter: list[int]) -> dict[str, Any]:
    _check_depth(place, depth)
    # A QueryDict gives the last of several values; none of them shall get lost.
    items = (
        ((name, values[0] if len(values) == 1 else values) for name, values in value.lists())
        if isinstance(value, MultiValueDict)
        else value.items()
    )
    plain = {}
    for name, item in items:
        if not isinstance(name, str):
            raise InvalidFeedData(f"{place or 'data'}: the name {name!r} is no text.")
        inner = f"{place}.{name}" if place else name
        plain[_text(name, place or "data", counter)] = _plain(item, inner, depth + 1, counter)
    return plain


def _text(value: str, place: str, counter: list[int]) -> str:
    _count(counter, len(value))
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidFeedData(
            f"{_ascii(place)}: this text holds half of a surrogate pair; it was cut or badly decoded."
        ) from None
    return value


def _ascii(place: str) -> str:
    """A place that can be printed, even if the bad text is part of a name."""
    return place.encode("ascii", "backslashreplace").decode()


def _check_depth(place: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidFeedData(f"{place[:100]}…: nested deeper than {MAX_DEPTH} levels.")


def _count(counter: list[int], more: int) -> None:
    counter[0] += more
    if counter[0] > MAX_SIZE:
        raise InvalidFeedData(f"The data is larger than a feed keeps ({MAX_SIZE:,} characters and members).")
