"""Take credentials out of a text, by their values and in the forms in which they travel."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

REDACTED: Final = "[redacted]"
#: A shorter value is part of too many words to be replaced wherever it stands.
_SHORT: Final = 4
_PADDING = r"(?:=|%3[Dd]){0,2}"


class Redactor:
    """Replaces each value by ``[redacted]``: as it is, percent-encoded, JSON-escaped and in Base64.

    ``basic`` are pairs of user name and password, replaced as HTTP Basic sends them (RFC 7617). The longest
    value that fits is replaced. A value of fewer than four characters is replaced only where it is a whole
    value after ``=``, as in a query or a form, and in ``scrub`` where it is a whole text.
    """

    def __init__(self, values: Iterable[str], *, basic: Iterable[tuple[str, str]] = ()) -> None:
        self._values = frozenset(value for value in values if value)
        long = [value for value in self._values if len(value) >= _SHORT]
        self._short = sorted(self._values.difference(long), key=len, reverse=True)
        encoded = [_base64(value) for value in long]
        encoded += [_base64(f"{user}:{password}") for user, password in basic if password or user]
        self._forms = [(value, "") for value in long] + [(text, _PADDING) for text in encoded]
        # Letters and digits are the same in every form. Most texts hold no credential, and a search for these
        # says so at once, where making the regular expression of a long token takes a millisecond.
        self._signs = {_longest_word(text) for text in (*(form for form, _ in self._forms), *self._short)}

    def __call__(self, text: str) -> str:
        """Return ``text`` without the values."""
        if not any(sign in text for sign in self._signs):
            return text
        return self._pattern.sub(REDACTED, text)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        forms = sorted(self._forms, key=lambda form: len(form[0]), reverse=True)
        parts = ["".join(map(_any_encoding, text)) + ending for text, ending in forms]
        if self._short:
            short = "|".join("".join(map(_any_encoding, value)) for value in self._short)
            parts.append(rf"(?<==)(?:{short})(?![^&;#,\s\"'<>)\]}}])")
        return re.compile("|".join(parts))

    def scrub(self, data: Any) -> Any:
        """Return JSON data without the values, also in keys; what is nested too deeply is replaced whole."""
        try:
            return self._scrubbed(data)
        except RecursionError:
            return REDACTED

    def _scrubbed(self, data: Any) -> Any:
        # Loops, no comprehensions: those would use up the stack twice as fast.
        if isinstance(data, str):
            return REDACTED if data in self._values else self(data)
        if isinstance(data, dict):
            members = {}
            for key, value in data.items():
                members[self._scrubbed(key)] = self._scrubbed(value)
            return members
        if isinstance(data, list | tuple):
            items = []
            for item in data:
                items.append(self._scrubbed(item))  # noqa: PERF401 - see above
            return items
        if isinstance(data, int | float) and not isinstance(data, bool) and str(data) in self._values:
            return REDACTED
        return data


def _base64(text: str) -> str:
    return b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def _longest_word(text: str) -> str:
    return max(re.findall(r"[A-Za-z0-9]+", text), key=len, default="")


@lru_cache(maxsize=512)
def _any_encoding(character: str) -> str:
    """A regular expression for one character in each form it may have."""
    if character.isascii() and character.isalnum():
        return character
    percent = "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    forms = [re.escape(character), _any_case(percent), re.escape(json.dumps(character)[1:-1])]
    escaped = "".join(f"\\u{unit:04x}" for unit in _utf16(character))
    forms.append(_any_case(escaped))
    forms += {" ": [r"\+"], "/": [r"\\/", "_"], "+": ["-"]}.get(character, [])
    return f"(?:{'|'.join(dict.fromkeys(forms))})"


def _utf16(character: str) -> list[int]:
    units = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]


def _any_case(text: str) -> str:
    return "".join(f"[{c}{c.upper()}]" if c in "abcdef" else re.escape(c) for c in text)
