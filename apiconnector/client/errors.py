"""Make an error fit to leave a session: no credential in its text, nor in the locals of its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests
from urllib3.exceptions import HTTPError

from apiconnector.exceptions import ApiConnectorError

if TYPE_CHECKING:
    from collections.abc import Callable


def presentable(error: BaseException, redact: Callable[[str], str]) -> BaseException:
    """The error to raise instead: of the same class, redacted, with no traceback, cause or context.

    An error of requests is made anew, because its arguments are errors of urllib3 that hold the whole
    address; where its class can't be made from a text, the nearest class of requests is used. One of urllib3
    that requests let through becomes a ``requests.ConnectionError``. Any other keeps its identity.
    """
    if isinstance(error, HTTPError) and not isinstance(error, requests.RequestException):
        return requests.ConnectionError(redact(str(error)))
    if isinstance(error, requests.RequestException) and not isinstance(error, ApiConnectorError):
        return _remade(error, redact(str(error)))
    _redact_inside(error, redact)
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _redact_inside(error: BaseException, redact: Callable[[str], str]) -> None:
    """Redact what an error holds: its arguments and notes, and what Python's own keep beside them."""
    error.args = tuple(_redacted(part, redact) for part in error.args)
    if hasattr(error, "__notes__"):
        error.__notes__ = [redact(note) for note in error.__notes__]
    if isinstance(error, UnicodeEncodeError):
        error.object = redact(error.object)
    elif isinstance(error, UnicodeDecodeError):
        error.object = b""
    elif isinstance(error, OSError) and isinstance(error.filename, str):
        error.filename = redact(error.filename)


def _redacted(part: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(part, str):
        return redact(part)
    shown = repr(part)
    return part if (clean := redact(shown)) == shown else clean


def _remade(error: requests.RequestException, text: str) -> requests.RequestException:
    for kind in type(error).__mro__:
        if issubclass(kind, requests.RequestException):
            try:
                return kind(text, request=error.request, response=error.response)
            except TypeError:
                continue
    return requests.RequestException(text, request=error.request, response=error.response)
