"""Values as parts of a URL: encoded so that they stay in their place (RFC 3986 sections 2 and 3.3)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from apiconnector.exceptions import TemplateError

if TYPE_CHECKING:
    from apiconnector.templating.template import Placeholder

# "." and ".." as servers see them: plain or percent-encoded once (RFC 3986 section 6.2.2.2), between slashes, encoded
# slashes or backslashes, or with path parameters behind them ("/..;/").
_DOT_SEGMENT = re.compile(r"(?:^|/|\\|%2f|%5c)(?:\.|%2e){1,2}(?=/|\\|%2f|%5c|;|%3b|$)", re.IGNORECASE)


def encoded(placeholder: Placeholder, text: str) -> str:
    """Encode a value: all but letters, digits and ``-._~``. Raises ``TemplateError`` for half a surrogate pair."""
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        pass
    # Raised outside the except clause: the error of the codec holds the value.
    raise TemplateError(f"{placeholder} has characters that UTF-8 can't write.")


def leads_elsewhere(path: str) -> bool:
    """Whether a path, without query and fragment, has a ``.`` or ``..`` segment for anybody on the way.

    The session refuses those, too; so this is to say it earlier.
    """
    return bool(_DOT_SEGMENT.search(path))


def check_segments(path: str, empty: list[tuple[int, Placeholder]]) -> None:
    """Refuse a filled path with a segment that is ``.`` or ``..``, and one where a value left a segment empty.

    ``empty`` are the placeholders that became empty text, with their index in the path. Raises ``TemplateError``.
    """
    between = f"/{path}/"  # the characters before and after an index are those at it and one further
    for index, placeholder in empty:
        if between[index : index + 2] == "//":
            raise TemplateError(f"{placeholder} is empty, which leaves an empty segment in the path.")
    if any(unquote(segment) in {".", ".."} for segment in path.split("/")):
        raise TemplateError("A segment of the path would be '.' or '..', which leads elsewhere.")
