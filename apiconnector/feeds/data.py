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
#: Characters of a place that an error names.
_SHOWN_PLACE = 200


def plain_data(data: Any) -> dict[str, Any]:
    """Copy submitted data as JSON data.

    Dates and times become ISO 8601 text, a ``Decimal`` the number it is (or text, where a float would change it),
    sets and tuples lists, several values of a ``QueryDict`` a list, UUIDs and lazy translations text.

    Raises ``InvalidFeedData``, which names the field, for what can't be kept: models, querysets, files, bytes,
    NaN, half surrogate pairs, names that are no text, nesting deeper than 50 levels, numbers of more than a thousand
    digits, more than a million characters and members, and objects that fail while they are read.
    """
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise InvalidFeedData(f"The data of a feed is a mapping such as form.cleaned_data, not {type(data).__name__}.")
    try:
        return _mapping(data, "", 0, [0])
    except InvalidFeedData:
        raise
    except Exception as error:  # noqa: BLE001 - a mapping, a lazy text or a time zone may raise whatever it likes
        kind = type(error).__name__
    # Raised outside the except clause: the text of that error may hold what was submitted.
    raise InvalidFeedData(f"The data can't be read: one of its values raised {kind}.")


def _plain(value: Any, place: str, depth: int, counter: list[int]) -> Any:
    _count(counter, 1)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, place, depth, counter)
    # By the methods of the plain types: a class derived from one of them may have others of its own.
    if isinstance(value, int):
        return _whole(int.__int__(value), place, counter)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _refusal(place, "NaN and infinity are no numbers that JSON has.")
        return float.__float__(value)
    if isinstance(value, str):
        return _text(str.__str__(value), place, counter)
    if isinstance(value, Promise):
        return _plain(str(value), place, depth, counter)
    if isinstance(value, Mapping):
        return _mapping(value, place, depth, counter)
    if isinstance(value, list | tuple | set | frozenset):
        _check_depth(place, depth)
        return [_plain(item, f"{place}[{index}]", depth + 1, counter) for index, item in enumerate(value)]
    return _scalar(value, place, counter)


def _scalar(value: Any, place: str, counter: list[int]) -> Any:
    if isinstance(value, Decimal):
        return _number(value, place, counter)
    if isinstance(value, datetime | date | time):
        return _text(value.isoformat(), place, counter)
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
    raise _refusal(place, f"{type(value).__name__} can't be kept: {advice}.")


def _whole(value: int, place: str, counter: list[int]) -> int:
    # Python refuses to write longer ones as text, and no API reads them.
    if value.bit_length() > MAX_DIGITS * 3:
        raise _refusal(place, f"this number has more than {MAX_DIGITS:,} digits.")
    _count(counter, value.bit_length() // 3)
    return value


def _number(value: Decimal, place: str, counter: list[int]) -> int | float | str:
    if not value.is_finite():
        raise _refusal(place, "NaN and infinity are no numbers that JSON has.")
    digits, exponent = value.as_tuple()[1:]
    if exponent == 0 and len(digits) <= MAX_DIGITS:
        return _whole(int(value), place, counter)
    as_float = float(value)
    if math.isfinite(as_float) and Decimal(repr(as_float)) == value:
        return as_float
    return _text(str(value), place, counter)


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
            raise _refusal(place or "data", f"a name is of the type {type(name).__name__}, and no text.")
        key = _text(str.__str__(name), place or "data", counter)
        plain[key] = _plain(item, f"{place}.{key}" if place else key, depth + 1, counter)
    return plain


def _text(value: str, place: str, counter: list[int]) -> str:
    _count(counter, len(value))
    try:
        value.encode()
    except UnicodeEncodeError:
        pass
    else:
        return value
    # Raised outside the except clause: the error of the codec holds the value.
    raise _refusal(place, "this text holds half of a surrogate pair; it was cut or badly decoded.")


def _refusal(place: str, reason: str) -> InvalidFeedData:
    """The error for a place, which consists of names that were submitted: they may be long, and unfit to be shown."""
    shown = "".join(character if character.isprintable() else "\ufffd" for character in place[:_SHOWN_PLACE])
    return InvalidFeedData(f"{shown}{'…' if len(place) > _SHOWN_PLACE else ''}: {reason}")


def _check_depth(place: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _refusal(place, f"nested deeper than {MAX_DEPTH} levels.")


def _count(counter: list[int], more: int) -> None:
    counter[0] += more
    if counter[0] > MAX_SIZE:
        raise InvalidFeedData(f"The data is larger than a feed keeps ({MAX_SIZE:,} characters and members).")
