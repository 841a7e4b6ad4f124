"""A prepared request that knows whose credential it carries."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest
from requests.exceptions import UnrewindableBodyError
from requests.utils import rewind_body

if TYPE_CHECKING:
    from requests import Response


class ApiRequest(PreparedRequest):
    """``own_auth``: it carries the session's own credential; ``renewed``: a new one, after a 401."""

    def __init__(self) -> None:
        super().__init__()
        self.own_auth = False
        self.renewed = False

    def copy(self) -> ApiRequest:
        """Copy the request for sending it again."""
        copied = ApiRequest()
        copied.__dict__.update(super().copy().__dict__)
        copied.own_auth, copied.renewed = self.own_auth, self.renewed
        return copied


def rewind(request: PreparedRequest) -> bool:
    """Make the body ready to be sent again; False for a stream that is used up."""
    body: Any = request.body  # the stubs know no streams
    if body is None or isinstance(body, str | bytes):
        return True
    try:
        rewind_body(request)
    except UnrewindableBodyError:
        return False
    return True


def drain(response: Response) -> None:
    """Read a response that is not handed out, so that its connection can be used again."""
    # A body that can't be read is not needed either. OSError: the errors of requests, and the network's own.
    with suppress(OSError, RuntimeError):
        _ = response.content
    response.close()
