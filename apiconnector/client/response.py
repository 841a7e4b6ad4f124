"""The response of a session: its errors hold no credential, also where the API repeated one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Callable


class ApiResponse(requests.Response):
    """A ``requests.Response``; ``json()`` of what is no JSON raises from a frame that does not hold the body."""

    redact: Callable[[str], str] = str

    def json(self, **kwargs: Any) -> Any:
        """The parsed body; raises ``requests.JSONDecodeError``, whose ``doc`` is redacted."""
        try:
            return super().json(**kwargs)
        except requests.JSONDecodeError as error:
            failure = requests.JSONDecodeError(error.msg, self.redact(error.doc), 0)
            failure.pos, failure.lineno, failure.colno = error.pos, error.lineno, error.colno
            failure.args = error.args
        raise failure


def own(response: requests.Response, redact: Callable[[str], str]) -> requests.Response:
    """Make a plain response one of ours; one of another class, which a site's transport gave, stays what it is."""
    if type(response) is requests.Response:
        response.__class__ = ApiResponse
    if isinstance(response, ApiResponse):
        response.redact = redact
    return response
