"""What becomes of placeholders that stand for nothing: a name that is missing, null, "", [] or {}; not 0 and false."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from apiconnector.templating.lookup import MISSING

#: Stands for what is left out.
OMITTED: Final = object()


class Empty(Enum):
    """The rules beside the one that holds without: a missing name is an error, other values are what they are."""

    OMIT = "omit"
    NULL = "null"
    EMPTY = "empty"
    REFUSE = "refuse"


def is_nothing(value: Any) -> bool:
    """Whether a value is missing or empty."""
    return value is MISSING or value is None or (isinstance(value, str | list | dict) and not value)


#: What stands in JSON for an empty value. One that is refused never gets there.
STANDS_FOR: Final = {Empty.OMIT: OMITTED, Empty.NULL: None, Empty.EMPTY: ""}
