"""The response of a session: its errors hold no credential, also where the API repeated one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

import requests
from requests.cookies import RequestsCookieJar

from apiconnector.client.errors import presentable
from apiconnector.client.whole import body_at_hand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: What a response of requests begins with, but for what it has as an object of its own.
_BLANK: Final = {
    name: value for name, value in vars(requests.Response()).items() if name not in {"cookies", "headers", "history"}
}


class ApiResponse(requests.Response):
    """A ``requests.Response`` whose errors are redacted, and come from frames that do not hold the body.

    ``json()`` has some of its own, and so has reading a body that was not read before (``stream=True``).
    """

    redact: Callable[[str], str] = str

    @classmethod
    def bare(cls) -> Self:
        """One without headers, to be filled; its cookies are made when they are asked for."""
        response = cls.__new__(cls)
        response.__dict__.update(_BLANK)
        response.history = []
        return response

    @property
    def cookies(self) -> RequestsCookieJar:
        """The cookies that the answer sets."""
        jar: RequestsCookieJar | None = self.__dict__.get("cookies")
        if jar is None:
            jar = self.__dict__["cookies"] = RequestsCookieJar()
        return jar

    @cookies.setter
    def cookies(self, jar: RequestsCookieJar) -> None:
        self.__dict__["cookies"] = jar

    _content: Any

    @property
    def content(self) -> bytes | Any:
        """The body, in bytes."""
        if self._content is False and (body := body_at_hand(self.raw)) is not None:
            self._content, self._content_consumed = body, True  # requests says it in no other way
        return super().content

    def json(self, **kwargs: Any) -> Any:
        """The parsed body; raises ``requests.JSONDecodeError``, whose ``doc`` is redacted, and ``RecursionError``."""
        failure: Exception
        try:
            return super().json(**kwargs)
        except requests.JSONDecodeError as error:
            failure = _without_body(error, self.redact)
        except RecursionError:
            failure = RecursionError("The answer is nested too deeply to be read as JSON.")
        raise failure

    def iter_content(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """The body in pieces, as requests gives it; ``content`` and lines are made of them."""
        return _cleanly(super().iter_content(*args, **kwargs), self.redact)


def _without_body(error: requests.JSONDecodeError, redact: Callable[[str], str]) -> requests.JSONDecodeError:
    failure = requests.JSONDecodeError(error.msg, redact(error.doc), 0)
    failure.pos, failure.lineno, failure.colno = error.pos, error.lineno, error.colno
    failure.args = error.args
    return failure


def _cleanly(chunks: Iterator[Any], redact: Callable[[str], str]) -> Iterator[Any]:
    try:
        yield from chunks
    except Exception as error:  # noqa: BLE001 - raised below, where it gets no context
        failure = presentable(error, redact)
    else:
        return
    raise failure


def own(response: requests.Response, redact: Callable[[str], str]) -> requests.Response:
    """Make a plain response one of ours; one of another class, which a site's transport gave, stays what it is."""
    if type(response) is requests.Response:
        response.__class__ = ApiResponse
    if isinstance(response, ApiResponse):
        response.redact = redact
    return response
