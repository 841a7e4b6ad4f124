"""Filters that make text of text. Nothing is localized, and nothing escaped but by the filter for that."""

from __future__ import annotations

import base64
import html
import json
import re
from typing import Any, Final
from urllib.parse import quote

from django.template import defaultfilters
from django.utils.text import slugify

from apiconnector.templating.files import REFERENCE, FileContent, is_file, references
from apiconnector.templating.filters.base import (
    ANY,
    MAX_ITEMS,
    NUMBER,
    ONE_VALUE,
    TEXT,
    Argument,
    Filter,
    Kinds,
    UnfitError,
)
from apiconnector.templating.kinds import as_text
from apiconnector.templating.plain import plain

#: The characters that XML 1.0 section 2.2 has no way to write, escaped or not.
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
CONTENT = Kinds(
    "text, or a file",
    lambda value: isinstance(value, str | int | float) or is_file(value),
    lambda value: value if is_file(value) else as_text(value),
    ONE_VALUE,
)


def not_empty(argument: str) -> None:
    """Refuse an empty argument."""
    if not argument:
        raise UnfitError("takes behind the colon at least one character")


def _cut(value: str, unwanted: str) -> str:
    return value.replace(unwanted, "")


def _concat(value: str, other: str) -> str:
    return value + other


def _split(value: str, separator: str) -> list[str]:
    parts = value.split(separator, MAX_ITEMS)
    if len(parts) > MAX_ITEMS:
        raise UnfitError(f"would give more than {MAX_ITEMS:,} items")
    return parts


def _is_length(argument: float) -> None:
    if not isinstance(argument, int) or argument < 1:
        raise UnfitError("takes behind the colon a whole number of characters, 1 or more")


def _truncated(value: str, longest: int) -> str:
    # Django's own counts no combining characters; APIs that limit a field do.
    return value if len(value) <= longest else f"{value[: longest - 1]}…"


def _bytes(value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        pass
    # Raised outside the except clause: the error of the codec holds the value.
    raise UnfitError("takes text that UTF-8 can write, not half of a surrogate pair")


def _base64(value: Any) -> Any:
    if is_file(value):
        return FileContent(value[REFERENCE])
    return base64.b64encode(_bytes(value)).decode()


def _base64url(value: str) -> str:
    return base64.urlsafe_b64encode(_bytes(value)).decode().rstrip("=")


def _urlencoded(value: str, safe: str = "/") -> str:
    return quote(_bytes(value), safe=safe)


def _is_ascii(argument: str) -> None:
    if not argument.isascii():
        raise UnfitError("takes behind the colon only characters of ASCII")


def _escaped(value: str) -> str:
    return html.escape(_NOT_IN_XML.sub("", value))


def _json(value: Any) -> str:
    if references(value):
        raise UnfitError("can't write a file; name its name, size or content_type, or put the filter base64 behind it")
    try:
        return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))
    except ValueError as error:
        reason = str(error)
    raise UnfitError(f"can't write this: {reason}")


FILTERS = (
    Filter("base64", _base64, CONTENT, "text"),
    Filter("base64url", _base64url, TEXT, "text"),
    Filter("capfirst", lambda value: value[:1].upper() + value[1:], TEXT, "text"),
    Filter("concat", _concat, TEXT, "text", Argument(TEXT, "concat:last_name")),
    Filter("cut", _cut, TEXT, "text", Argument(TEXT, 'cut:" "', not_empty)),
    Filter("escape", _escaped, TEXT, "text"),
    Filter("force_escape", _escaped, TEXT, "text"),
    Filter("json", _json, ANY, "text"),
    Filter("lower", str.lower, TEXT, "text"),
    Filter("slugify", lambda value: str(slugify(value)), TEXT, "text"),
    Filter("split", _split, TEXT, "a list of texts", Argument(TEXT, 'split:","', not_empty)),
    Filter("string", str, TEXT, "text"),
    Filter("strip", str.strip, TEXT, "text"),
    Filter("title", lambda value: str(defaultfilters.title(value)), TEXT, "text"),
    Filter("truncatechars", _truncated, TEXT, "text", Argument(NUMBER, "truncatechars:255", _is_length)),
    Filter("upper", str.upper, TEXT, "text"),
    Filter("urlencode", _urlencoded, TEXT, "text", Argument(TEXT, 'urlencode:""', _is_ascii, optional=True)),
)
