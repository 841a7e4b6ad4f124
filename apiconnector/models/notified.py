"""The people that a feed names: mail addresses with commas between them."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import validate_email


def addresses(text: str) -> list[str]:
    """The addresses of a list, each once."""
    return list(dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))))


def problem(text: str) -> str:
    """What is wrong with a list of addresses; empty where nothing is."""
    for address in addresses(text):
        try:
            validate_email(address)
        except ValidationError:
            return f"“{address}” is no mail address. Enter addresses alone, with commas between them."
    return ""
