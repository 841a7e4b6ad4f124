"""Header names and values that can be sent (RFC 9110 sections 5.1 and 5.5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from requests.exceptions import InvalidHeader
from requests.structures import CaseInsensitiveDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: A name, as a pattern.
NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_NAME: Final = re.compile(NAME)


def pairs(headers: Mapping[Any, Any]) -> Iterable[tuple[Any, Any]]:
    """Names and values; those of requests' own class as it keeps them, without looking up each name again."""
    kept: Any = headers  # the stubs do not know how
    return kept._store.values() if type(headers) is CaseInsensitiveDict else headers.items()  # noqa: SLF001 - no other way is quick


def check_headers(headers: Mapping[Any, Any]) -> None:
    """Raise ``requests.exceptions.InvalidHeader`` for a header that can't be sent.

    The text names the header and never holds its value, which the errors of requests and of ``http.client``
    repeat.
    """
    for name, value in pairs(headers):
        name_text = name.decode("latin-1") if isinstance(name, bytes) else name
        if not isinstance(name_text, str) or not _NAME.fullmatch(name_text):
            raise InvalidHeader(f"{name_text!r} is no name of a header.")
        if problem := _problem(value):
            raise InvalidHeader(f"The header {name_text} {problem}.")


def _problem(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        return f"must be text, not {type(value).__name__}"
    if "\n" in value or "\r" in value or "\0" in value:
        return "contains a line break"
    if value[:1].isspace():
        return "begins with white space"
    if not value.isascii():
        try:
            value.encode("latin-1")
        except UnicodeEncodeError:
            return "contains characters that a header can't carry (only Latin-1)"
    return ""
