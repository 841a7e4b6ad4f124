"""Make what a form handler submits into plain JSON data, or say what can't be kept."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

from django.core.files.base import File
from django.db import models
from django.utils.datastructures import MultiValueDict
from django.utils.duration import duration_iso_string
from django.utils.functional import Promise

from apiconnector.exceptions import InvalidFeedData
from apiconnector.feeds.uploads import UnreadableError
from apiconnector.templating import REFERENCE

if TYPE_CHECKING:
    from apiconnector.feeds.uploads import Uploads

MAX_DEPTH = 50
MAX_SIZE = 1_000_000
MAX_DIGITS = 1_000
#: Characters of a place that an error names.
_SHOWN_PLACE = 200


class _State:
    """What is counted while data is copied, and who takes the files."""

    def __init__(self, uploads: Uploads | None) -> None:
        self.size = 0
        self.uploads = uploads


def plain_data(data: Any, uploads: Uploads | None = None) -> dict[str, Any]:
    """Copy submitted data as JSON data.

    Dates and times become ISO 8601 text, a ``Decimal`` the number it is (or text, where a float would change it),
    sets and tuples lists, several values of a ``QueryDict`` a list, UUIDs and lazy translations text. A file goes to
    ``uploads``, and an object that refers to it stands in its place.

    Raises ``InvalidFeedData``, which names the field, for what can't be kept: models, querysets, bytes, files where
    there are no ``uploads`` and those that can't be read or are too large, the name ``$file``, NaN, half surrogate
    pairs, names that are no text, nesting deeper than 50 levels, numbers of more than a thousand digits, more than a
    million characters and members, and objects that fail while they are read.
    """
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise InvalidFeedData(f"The data of a feed is a mapping such as form.cleaned_data, not {type(data).__name__}.")
    try:
        return _mapping(data, "", 0, _State(uploads))
    except InvalidFeedData:
        raise
    except Exception as error:  # noqa: BLE001 - a mapping, a lazy text or a time zone may raise whatever it likes
        kind = type(error).__name__
    # Raised outside the except clause: the text of that error may hold what was submitted.
    raise InvalidFeedData(f"The data can't be read: one of its values raised {kind}.")


def _plain(value: Any, place: str, depth: int, state: _State) -> Any:
    _count(state, 1)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, place, depth, state)
    # By the methods of the plain types: a class derived from one of them may have others of its own.
    if isinstance(value, int):
        return _whole(int.__int__(value), place, state)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _refusal(place, "NaN and infinity are no numbers that JSON has.")
        return float.__float__(value)
    if isinstance(value, str):
        return _text(str.__str__(value), place, state)
    if isinstance(value, Promise):
        return _plain(str(value), place, depth, state)
    if isinstance(value, Mapping):
        return _mapping(value, place, depth, state)
    if isinstance(value, list | tuple | set | frozenset):
        _check_depth(place, depth)
        return [_plain(item, f"{place}[{index}]", depth + 1, state) for index, item in enumerate(value)]
    return _file(value, place, state) if isinstance(value, File) else _scalar(value, place, state)


def _file(value: File[Any], place: str, state: _State) -> dict[str, Any] | None:
    if state.uploads is None:
        raise _refusal(place, "files are taken by submit() and run_feed() only; leave it out here.")
    try:
        reference = state.uploads.add(value)
    except UnreadableError as error:
        reason = str(error)
    else:
        _count(state, len(str(reference)))
        return reference
    raise _refusal(place, f"{reason}.")


def _scalar(value: Any, place: str, state: _State) -> Any:
    if isinstance(value, Decimal):
        return _number(value, place, state)
    if isinstance(value, datetime | date | time):
        return _text(value.isoformat(), place, state)
    if isinstance(value, timedelta):
        return duration_iso_string(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, models.Model):
        advice = "hand over the fields you need, such as instance.pk"
    elif isinstance(value, models.QuerySet | models.Manager):
        advice = "hand over a list of values, such as list(queryset.values_list(…))"
    elif isinstance(value, bytes | bytearray | memoryview):
        advice = "decode it, encode it as base64, or make a file of it: ContentFile(content, name=…)"
    else:
        advice = "hand over text, numbers, booleans, dates, lists and mappings"
    raise _refusal(place, f"{type(value).__name__} can't be kept: {advice}.")


def _whole(value: int, place: str, state: _State) -> int:
    # Python refuses to write longer ones as text, and no API reads them.
    if value.bit_length() > MAX_DIGITS * 10 // 3:
        raise _refusal(place, f"this number has more than {MAX_DIGITS:,} digits.")
    _count(state, value.bit_length() // 3)
    return value


def _number(value: Decimal, place: str, state: _State) -> int | float | str:
    if not value.is_finite():
        raise _refusal(place, "NaN and infinity are no numbers that JSON has.")
    digits, exponent = value.as_tuple()[1:]
    if exponent == 0 and len(digits) <= MAX_DIGITS:
        return _whole(int(value), place, state)
    as_float = float(value)
    if math.isfinite(as_float) and Decimal(repr(as_float)) == value:
        return as_float
    return _text(str(value), place, state)


def _mapping(value: Mapping[Any, Any], place: str, depth: int, state: _State) -> dict[str, Any]:
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
        key = _text(str.__str__(name), place or "data", state)
        if key == REFERENCE and (state.uploads is None or not state.uploads.allows(value)):
            raise _refusal(place or "data", f"the name “{REFERENCE}” is kept for uploaded files; choose another one.")
        # Cut: it is built anew for each of what may be a million items, and a name may have a million characters.
        below = (f"{place}.{key}" if place else key)[: _SHOWN_PLACE + 1]
        plain[key] = _plain(item, below, depth + 1, state)
    return plain


def _text(value: str, place: str, state: _State) -> str:
    _count(state, len(value))
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


def _count(state: _State, more: int) -> None:
    state.size += more
    if state.size > MAX_SIZE:
        raise InvalidFeedData(f"The data is larger than a feed keeps ({MAX_SIZE:,} characters and members).")
