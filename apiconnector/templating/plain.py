"""JSON data of one's own: checked, and sharing nothing with what it was taken from."""

from __future__ import annotations

import math
from typing import Any

#: Levels of lists and objects inside each other. RFC 8259 section 9 lets an implementation set such a limit;
#: a fixed one is the same everywhere, where Python's own depends on how deep the caller already is.
MAX_DEPTH = 100
#: Most values are of these types, and need no look at them.
SIMPLE = frozenset({str, int, bool, type(None)})
TOO_DEEP = f"lists and objects are nested more than {MAX_DEPTH} levels deep"


def plain(value: Any) -> Any:
    """Copy a JSON value, so that changing the copy changes neither the data nor a cached expression.

    Raises ``ValueError`` for what JSON can't write: other types, keys that are no text, NaN, infinite
    numbers, and more than ``MAX_DEPTH`` levels. The message holds no part of the value.
    """
    return _copy(value, 0, {})


def _copy(value: Any, depth: int, copies: dict[int, Any]) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a number is NaN or infinite, which JSON can't write")
        return value
    if not isinstance(value, list | dict):
        # TRY004 asks for TypeError; callers have one kind of error to deal with.
        raise ValueError(f"a value is of the type {type(value).__name__}, which JSON doesn't have")  # noqa: TRY004 - an error of the template, like the others
    if depth == MAX_DEPTH:
        raise ValueError(TOO_DEEP)
    # An expression can name the same list many times over: copied once, it can't grow without bounds here.
    if id(value) not in copies:
        if isinstance(value, list):
            copies[id(value)] = [item if type(item) in SIMPLE else _copy(item, depth + 1, copies) for item in value]
        elif all(isinstance(key, str) for key in value):
            copies[id(value)] = {
                key: item if type(item) in SIMPLE else _copy(item, depth + 1, copies) for key, item in value.items()
            }
        else:
            raise ValueError("a key is no text, which JSON doesn't have")
    return copies[id(value)]
