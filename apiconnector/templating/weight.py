"""How large JSON data is when it is written, also where parts of it are the same object many times over."""

from __future__ import annotations

from typing import Any


class Scale:
    """Weighs values: one for each member, and one more for each character and digit.

    Each list and object is looked at once, however often it is asked for: an expression can name the same list so
    often that walking all of what it made would not end. Values must not change in the meantime.
    """

    def __init__(self) -> None:
        # The value is kept beside its weight, so that no other can get its id.
        self._known: dict[int, tuple[Any, int]] = {}

    def weight(self, value: Any) -> int:
        """The weight of a value. Raises ``RecursionError`` for one that is nested too deeply."""
        if isinstance(value, str):
            return 1 + len(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return 1 + value.bit_length() // 3
        if not isinstance(value, list | dict):
            return 1
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        weight = 1
        if isinstance(value, dict):
            for key in value:
                weight += self.weight(key)
        for item in value.values() if isinstance(value, dict) else value:
            # As at the top, for what most items are.
            weight += 1 + len(item) if type(item) is str else self.weight(item)
        self._known[id(value)] = (value, weight)
        return weight
