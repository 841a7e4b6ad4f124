"""Texts of templates and data, made fit for an error message: short, and on one line."""

from __future__ import annotations


def shown(text: str, longest: int = 80) -> str:
    """The beginning of a text. What can't be shown or stored, such as half a surrogate pair, becomes a mark."""
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return "".join(char if char.isprintable() else " " if char.isspace() else "\ufffd" for char in cut)
