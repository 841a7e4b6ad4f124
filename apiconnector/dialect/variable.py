"""Names that a dialect asks the administrator for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Variable:
    """A name with its label and help, what the whole value must be, the value where none is entered, and secrecy."""

    label: str = ""
    pattern: str = ""
    default: str = ""
    secret: bool = False
    help: str = ""

    def problem(self, value: Any) -> str:
        """What is wrong with a value; empty where nothing is. It does not repeat the value."""
        if value is None or value == "":
            return "" if self.default else "This is needed: enter it."
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            return "Enter text."
        if self.pattern and not re.fullmatch(self.pattern, str(value)):
            return f"This does not match the pattern {self.pattern}."
        return ""
