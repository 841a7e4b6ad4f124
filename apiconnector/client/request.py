"""A prepared request that knows whose credential it carries."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest
from requests.cookies import RequestsCookieJar
from requests.exceptions import UnrewindableBodyError
from requests.utils import rewind_body

if TYPE_CHECKING:
    from requests import Response


class ApiRequest(PreparedRequest):
    """``own_auth``: it carries the session's own credential; ``renewed``: a new one, after a 401.

    ``checked_url`` is the address for which it was decided that the request may go there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.own_auth = False
        self.renewed = False
        self.checked_url = ""

    @property
    def _cookies(self) -> RequestsCookieJar:
        """The jar of its cookies, which authentication that asks twice looks into; made when it is asked for."""
        jar: RequestsCookieJar | None = self.__dict__.get("_cookies")
        if jar is None:
            jar = self.__dict__["_cookies"] = RequestsCookieJar()
        return jar

    @_cookies.setter
    def _cookies(self, jar: RequestsCookieJar | None) -> None:
        self.__dict__["_cookies"] = jar

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
