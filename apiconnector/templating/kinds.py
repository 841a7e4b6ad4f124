"""What kind of JSON value something is, and how it is written inside text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from apiconnector.templating.files import FileContent, is_file

#: The longest template, and the longest text put together from one or by a filter, in characters.
MAX_TEXT: Final = 1_000_000


def kind(value: Any) -> str:
    """Say in words what a value is, without showing it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "text"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case Mapping():
            return "a file" if is_file(value) else "an object"
        case FileContent():
            return "the content of a file, behind which no other filter can be put"
    return "no JSON"


def as_text(value: str | float) -> str:
    """Write a value inside text: text as it is, true, false and numbers as JSON writes them.

    Raises ``ValueError`` for a number of more digits than Python writes.
    """
    return value if isinstance(value, str) else json.dumps(value)
