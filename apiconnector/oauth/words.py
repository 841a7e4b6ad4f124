"""Words that came from outside, made fit to be kept and shown: no control characters, no secrets, no great length."""

from __future__ import annotations

import html
import string
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from apiconnector.redaction import REDACTED, Redactor

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The most characters kept of a description, and of an error's short name.
MAX_DESCRIPTION = 1000
MAX_NAME = 200

_SPACES = frozenset("\t\n\r\v\f\x85\u2028\u2029")
# They turn the direction of the text around them, so that a page shows other words than were sent (Unicode TR 9).
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Letters of ASCII only: the length of a text must not change.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def plain_words(text: str, limit: int) -> str:
    """Return at most ``limit`` characters from the beginning of ``text``, on one line.

    Line ends and tabs become spaces; other control characters, changes of the writing direction and lone surrogates
    are left out, so that the result can be encoded, stored and shown.
    """
    # An answer may be a megabyte: no more of it is looked at than could be kept, with room for what is left out.
    beginning = text.strip()[: 10 * limit]
    kept = "".join(" " if char in _SPACES else char for char in beginning if char in _SPACES or _is_shown(char))
    return kept.strip()[:limit].rstrip()


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Replace each secret in ``text``, whatever its case and however it is encoded or escaped."""
    known = tuple(secret for secret in secrets if secret)
    forms = {
        form
        for secret in known
        for form in (secret, quote(secret, safe=""), quote_plus(secret, safe=""), html.escape(secret))
    }
    pieces = [text]
    for form in sorted(forms, key=len, reverse=True):
        pieces = [part for piece in pieces for part in _split(piece, form)]
    return Redactor(known)(REDACTED.join(pieces))


def _split(text: str, separator: str) -> list[str]:
    # Not by a pattern: for a long code and a long answer of the same letter, both chosen by a hostile server, that
    # takes minutes. str.find() takes no longer than the text is long.
    lowered, wanted = text.translate(_LOWER), separator.translate(_LOWER)
    parts, begin = [], 0
    while (end := lowered.find(wanted, begin)) >= 0:
        parts.append(text[begin:end])
        begin = end + len(wanted)
    return [*parts, text[begin:]]


def _is_shown(char: str) -> bool:
    return char not in _DIRECTIONS and unicodedata.category(char) not in {"Cc", "Cs"}
