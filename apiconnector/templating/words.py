"""Texts of templates and data, made fit for an error message: short, and on one line."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

#: The most names that an error lists.
_MOST_LISTED = 50
#: The most names that are compared: each takes its time.
_MOST_COMPARED = 500


def shown(text: str, longest: int = 80) -> str:
    """The beginning of a text. What can't be shown or stored, such as half a surrogate pair, becomes a mark."""
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return "".join(char if char.isprintable() else " " if char.isspace() else "\ufffd" for char in cut)


def did_you_mean(name: str, names: Collection[str]) -> str:
    """``; did you mean 'x'?`` without the question mark for the nearest of some names, empty when none is near."""
    nearest = get_close_matches(name[:80].lower(), list(names)[:_MOST_COMPARED], n=1)
    return f"; did you mean '{shown(nearest[0])}'" if nearest else ""


def listed(names: Collection[str]) -> str:
    """Names in their order, with commas."""
    more = ", …" if len(names) > _MOST_LISTED else ""
    return ", ".join(shown(name) for name in sorted(names)[:_MOST_LISTED]) + more
