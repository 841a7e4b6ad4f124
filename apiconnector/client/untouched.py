"""Whether others have put something of their own in the place of what sends: to watch it, to mock it, to forbid it."""

from __future__ import annotations

import inspect
import sys
from types import FunctionType, MethodDescriptorType
from typing import Any, Final

_KNOWN: Final = frozenset({"requests", "urllib3", "http", "socket", "_socket"})


class Originals:
    """Methods of requests, urllib3, ``http.client`` and ``socket``, and whether they are what these brought along.

    Whoever replaces one of them counts on all that is sent going through it. Some do so before this is imported, others
    later, and only for a while.
    """

    def __init__(self, *places: tuple[type, str]) -> None:
        self._found = [(owner, name, getattr(owner, name)) for owner, name in places]
        self._were = all(_is_original(owner, name) for owner, name in places)

    def are_in_place(self) -> bool:
        """Whether nobody has replaced one."""
        if not self._were:
            return False
        for owner, name, original in self._found:  # noqa: SIM110 - for each request: a generator takes three times as long
            if getattr(owner, name) is not original:
                return False
        return True


def _is_original(owner: type, name: str) -> bool:
    value: Any = inspect.getattr_static(owner, name)
    defined_in = next(one for one in owner.__mro__ if name in vars(one)).__module__
    if defined_in.partition(".")[0] not in _KNOWN:
        return False
    if isinstance(value, FunctionType):
        # By what it sees, which no decorator copies: its name and module may be those of what it wraps.
        return value.__globals__ is vars(sys.modules[defined_in])
    return isinstance(value, MethodDescriptorType)
