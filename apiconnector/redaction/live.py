"""The credentials this process has opened, been given or typed lately: what must not show up in a log or a report."""

from __future__ import annotations

from typing import Any, Final

from apiconnector.redaction.redactor import Form, forms_of, replaced

#: So many values, and as many again that were used before these, are known.
MOST: Final = 512
#: A shorter value is replaced only behind ``=``: a log is full of short words.
_SHORTEST: Final = 8


class _Live:
    """Values in two generations: one that is used again moves up, and what was not used for long is forgotten.

    Without a lock, which a fork could leave locked for ever: each step is one operation on a dictionary, and a value is
    never missing in between.
    """

    def __init__(self) -> None:
        self._recent: dict[str, tuple[Form, ...]] = {}
        self._older: dict[str, tuple[Form, ...]] = {}

    def remember(self, value: str) -> None:
        """Know a value from now on."""
        if value in self._recent or not value:
            return
        self._recent[value] = self._older.get(value) or forms_of(value, shortest=_SHORTEST)
        if len(self._recent) > MOST:
            self._older, self._recent = self._recent, {}

    def redact(self, text: str) -> str:
        """Return ``text`` without the values that are known."""
        known = [*self._recent.values(), *self._older.values()]
        return replaced(text, (form for forms in known for form in forms))


_live: Final = _Live()


def remember(value: Any) -> None:
    """Keep the texts and numbers of a secret (a text, or JSON data) out of logs and reports of this process."""
    if isinstance(value, str):
        _live.remember(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _live.remember(str(value))
    elif isinstance(value, dict):
        for item in value.values():
            remember(item)
    elif isinstance(value, list):
        for item in value:
            remember(item)


def redact(text: str) -> str:
    """Return ``text`` without any credential this process has used lately, in whatever form it travels."""
    return _live.redact(text)
