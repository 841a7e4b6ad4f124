"""The members of a token answer that a dialect finds elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from apiconnector.exceptions import ExpressionError
from apiconnector.redaction import get_logger
from apiconnector.templating import search

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = get_logger(__name__)

#: Without these an answer says nothing.
_NEEDED: Final = ("access_token", "error")


def members(paths: Mapping[str, str], root: Any) -> dict[str, Any]:
    """What is found at each path, by the names of RFC 6749.

    Raises ``ExpressionError`` where a path can't be evaluated that the token itself depends on. Another one, such as
    that of a scope which the answer to a refresh does not repeat, counts as nothing found: a token that came must not
    be lost for it, nor a refresh token that took the place of another one.
    """
    found: dict[str, Any] = {}
    for name, path in paths.items():
        try:
            found[name] = search(path, root)
        except ExpressionError as error:
            if name in _NEEDED:
                raise
            logger.warning("token_response.%s: nothing was found in a token answer. %s", name, error)
            found[name] = None
    return found
