"""Filters for lists and objects, and for text as a list of characters."""

from __future__ import annotations

import re
from typing import Any

from apiconnector.templating.filters.base import (
    ONE_VALUE,
    TEXT,
    Argument,
    Filter,
    Kinds,
    UnfitError,
    is_number,
)
from apiconnector.templating.kinds import MAX_TEXT, as_text, kind
from apiconnector.templating.lookup import step

_SLICE = re.compile(r"(-?[0-9]{0,9}):(-?[0-9]{0,9})(?::(-?[0-9]{1,9}))?")

_NULL = {"null": ONE_VALUE["null"]}
ROW = Kinds("text or a list", lambda value: isinstance(value, str | list), advice=_NULL)
SIZED = Kinds("text, a list or an object", lambda value: isinstance(value, str | list | dict), advice=_NULL)
LIST = Kinds(
    "a list", lambda value: isinstance(value, list), advice={"text": 'split:"," before it makes a list of text'}
)
HOLDER = Kinds("an object or a list", lambda value: isinstance(value, list | dict), advice=_NULL)
KEY = Kinds("text or a number", lambda value: isinstance(value, str) or is_number(value), as_text)


def _first(value: Any) -> Any:
    return value[0] if value else _nothing(value)


def _last(value: Any) -> Any:
    return value[-1] if value else _nothing(value)


def _nothing(value: Any) -> str | None:
    return "" if isinstance(value, str) else None


def _get(value: Any, key: str) -> Any:
    # The next filter may be a default; else a missing one is an error, as it is for names.
    return step(value, key)


def _join(value: list[Any], separator: str) -> str:
    for item in value:
        if not isinstance(item, str | int | float):
            raise UnfitError(f"takes a list of texts, numbers, true and false, and one item is {kind(item)}")
    texts = [as_text(item) for item in value]
    if sum(map(len, texts)) + len(separator) * len(texts) > MAX_TEXT + len(separator):
        raise UnfitError(f"would give more than {MAX_TEXT:,} characters")
    return separator.join(texts)


def _bounds(argument: str) -> slice:
    found = _SLICE.fullmatch(argument)
    if found is None or "-" in found.groups() or (found[3] and not int(found[3])):
        raise UnfitError('takes behind the colon a slice such as ":10", "2:5" or "-3:"')
    return slice(*(int(number) if number else None for number in found.groups()))


def _slice(value: Any, argument: str) -> Any:
    return value[_bounds(argument)]


FILTERS = (
    Filter("first", _first, ROW, "an item or a character; null or empty text where there is none"),
    Filter("get", _get, HOLDER, "what is there under a key or number", Argument(KEY, 'get:"first-name"')),
    Filter("join", _join, LIST, "text", Argument(TEXT, 'join:", "')),
    Filter("last", _last, ROW, "an item or a character; null or empty text where there is none"),
    Filter("length", len, SIZED, "a whole number"),
    Filter("slice", _slice, ROW, "text or a list", Argument(TEXT, 'slice:":10"', _bounds)),
)
