"""Look up dotted names: the keys of objects and the indexes of lists, no attributes and no calls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apiconnector.exceptions import TemplateError
from apiconnector.templating.kinds import kind
from apiconnector.templating.words import did_you_mean, shown

#: What ``look_up`` gives for a name that isn't there.
MISSING = object()

_REACHABLE = re.compile(r"(?!_)\w{1,60}")
_MOST_KEYS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Name:
    """A dotted name, such as ``customer.address.0.city``."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.parts)


#: A name to look up, or a literal.
Operand = Name | str | int | float | bool | None


def look_up(operand: Operand, context: Mapping[str, Any]) -> Any:
    """Return what a name stands for, ``MISSING`` where there is nothing; a literal stands for itself."""
    if not isinstance(operand, Name):
        return operand
    current: Any = context
    for part in operand.parts:
        current = step(current, part)
        if current is MISSING:
            break
    return current


def resolve(operand: Operand, context: Mapping[str, Any]) -> Any:
    """Return what a name stands for, or a literal.

    Raises ``TemplateError`` for an unknown name; it lists the names there are at that level, never a value.
    """
    value = look_up(operand, context)
    if value is MISSING:
        raise _unknown(operand, context)
    return value


def step(current: Any, part: str) -> Any:
    """Return what an object has under a key, or a list at a place; ``MISSING`` where there is nothing."""
    if type(current) is dict:  # nearly always, and several times faster to find out
        return current.get(part, MISSING)
    if isinstance(current, Mapping):
        return current.get(part, MISSING)
    if isinstance(current, list) and part.isascii() and part.isdigit():
        try:
            return current[int(part)]
        except (IndexError, ValueError):  # ValueError: more digits than Python reads
            return MISSING
    return MISSING


def _unknown(operand: Operand, context: Mapping[str, Any]) -> TemplateError:
    parts = str(operand).split(".")
    known = 0
    current: Any = context
    while (inner := step(current, parts[known])) is not MISSING:
        current = inner
        known += 1
    where = f" in '{shown('.'.join(parts[:known]))}'" if known else ""
    unknown = f"unknown name '{shown(parts[known])}'{where}"
    return TemplateError(f"{{{{ {shown(str(operand))} }}}}: {unknown}{_offered(parts[known], current)}.")


def _offered(part: str, current: Any) -> str:
    if isinstance(current, list):
        return f"; that is a list, whose items are numbered from 0; it has {len(current)}"
    if not isinstance(current, Mapping):
        return f"; that is {kind(current)}"
    keys = sorted(key for key in current if isinstance(key, str) and _REACHABLE.fullmatch(key))
    if not keys:
        return "; there are no names"
    more = ", …" if len(keys) > _MOST_KEYS_SHOWN else ""
    return f"{did_you_mean(part, keys)}; available are: {', '.join(keys[:_MOST_KEYS_SHOWN])}{more}"
