"""Put a credential where an API wants it: a header, the query or the body.

Placing again replaces what was placed before, so that a repeated or redirected request carries it once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from apiconnector.exceptions import ConfigurationError

if TYPE_CHECKING:
    from requests import PreparedRequest

FORM = "application/x-www-form-urlencoded"


def in_header(request: PreparedRequest, name: str, value: str) -> None:
    """Set a header.

    Raises ``ConfigurationError`` for characters that a header can't carry: the HTTP library's own error would repeat
    the value.
    """
    if not value.isascii() or not value.isprintable():
        raise ConfigurationError(
            f"The credential for the header {name} holds a line break or another character that a header can't "
            "carry. Type it again, without what was copied around it."
        )
    request.headers[name] = value


def in_query(request: PreparedRequest, name: str, value: str) -> None:
    """Set a query parameter; the others keep their bytes."""
    parts = urlsplit(request.url or "")
    request.url = urlunsplit(parts._replace(query=_replaced(str(parts.query), name, value)))


def in_body(request: PreparedRequest, name: str, value: str) -> None:
    """Set a member of a JSON object or a field of a form; an empty body becomes a form.

    Raises ``ConfigurationError`` for a body that is neither.
    """
    content_type = str(request.headers.get("Content-Type", "")).partition(";")[0].strip().lower()
    body = _text(request.body)
    if not body or content_type == FORM:
        request.headers["Content-Type"] = FORM
        body = _replaced(body, name, value)
    else:
        try:
            members = json.loads(body)
        except (TypeError, ValueError):
            members = None
        if not isinstance(members, dict):
            raise ConfigurationError(
                "The connection sends its credential in the body, which needs a body that is a form or a JSON object."
            )
        body = json.dumps(members | {name: value})
    request.body = body.encode()
    request.prepare_content_length(request.body)


def _text(body: str | bytes | None) -> str:
    if not isinstance(body, bytes):
        return body or ""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return "no text"  # nor JSON: a file


def _replaced(encoded: str, name: str, value: str) -> str:
    key = quote(name, safe="")
    kept = [pair for pair in encoded.split("&") if pair and pair.partition("=")[0] != key]
    return "&".join([*kept, f"{key}={quote(value, safe='')}"])
