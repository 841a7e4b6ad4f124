"""Which answers of an API mean that the token has expired, and what expressions on an answer see."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from apiconnector.exceptions import ExpressionError
from apiconnector.redaction import get_logger
from apiconnector.templating import search, truth

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from apiconnector.models.connection import Connection

logger = get_logger(__name__)

_UNAUTHORIZED = 401
#: What a rule has that looks at the body: by its name, or with all the rest. Parsing it takes time.
_NAMES_BODY = ("body", "@", "*", "\\")


def rule_of(connection: Connection) -> Callable[[requests.Response, bool], bool] | None:
    """What decides whether an answer means an expired token; None where the status 401 alone does."""
    return partial(means_expired, connection) if connection.dialect else None


def means_expired(connection: Connection, response: requests.Response, is_read: bool = True) -> bool:  # noqa: FBT001, FBT002 - a callback
    """Whether an answer means that the token has expired, by the dialect's ``expired_when``.

    The body of an answer that is not read yet (``stream=True``) is null to the rule.
    """
    rule = connection.read_dialect().expired_when
    if not rule:
        return response.status_code == _UNAUTHORIZED
    try:
        has_body = is_read and any(mark in rule for mark in _NAMES_BODY)
        return truth(search(rule, root_of(response, body_of(response) if has_body else None)))
    except ExpressionError as error:
        logger.warning("“%s”: expired_when could not be evaluated. %s", connection, error)
        return response.status_code == _UNAUTHORIZED


def root_of(response: requests.Response, body: Any) -> dict[str, Any]:
    """``{status, headers, body}``: names of headers in lower case."""
    return {
        "status": response.status_code,
        "headers": {name.lower(): value for name, value in response.headers.items()},
        "body": body,
    }


def body_of(response: requests.Response) -> Any:
    """The parsed body, or its text where it is no JSON."""
    try:
        return response.json()
    except (ValueError, RecursionError):
        return text_of(response)


def text_of(response: requests.Response) -> str:
    """The body as text, whatever encoding the answer names: some name one that decodes nothing, as ``undefined``."""
    try:
        return response.text
    except ValueError:
        return response.content.decode("utf-8", "replace")
