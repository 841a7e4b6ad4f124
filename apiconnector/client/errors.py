"""Make an error fit to leave a session: no credential in its text, nor in the locals of its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests
from urllib3.exceptions import HTTPError

from apiconnector.exceptions import ApiConnectorError

if TYPE_CHECKING:
    from collections.abc import Callable


def presentable(error: Exception, redact: Callable[[str], str]) -> Exception:
    """The error to raise instead: of the same class, redacted, with no traceback, cause or context.

    An error of requests is made anew, because its arguments are errors of urllib3 that hold the whole
    address; where its class can't be made from a text, the nearest class of requests is used. One of urllib3
    that requests let through becomes a ``requests.ConnectionError``. Any other keeps its identity.
    """
    if isinstance(error, HTTPError) and not isinstance(error, requests.RequestException):
        return requests.ConnectionError(redact(str(error)))
    if isinstance(error, requests.RequestException) and not isinstance(error, ApiConnectorError):
        return _remade(error, redact(str(error)))
    error.args = tuple(redact(part) if isinstance(part, str) else part for part in error.args)
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _remade(error: requests.RequestException, text: str) -> requests.RequestException:
    for kind in type(error).__mro__:
        if issubclass(kind, requests.RequestException):
            try:
                return kind(text, request=error.request, response=error.response)
            except TypeError:
                continue
    return requests.RequestException(text, request=error.request, response=error.response)
