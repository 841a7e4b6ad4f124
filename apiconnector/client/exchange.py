"""Send one request to a token endpoint, or to another one of a provider, bounded in time and size."""

from __future__ import annotations

import time
import zlib
from contextlib import contextmanager
from contextvars import ContextVar
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final

import requests

from apiconnector.client.plain import PlainSession
from apiconnector.client.urls import Origin
from apiconnector.client.wire import Watching, Wire
from apiconnector.exceptions import Act, DestinationRefused, TokenRequestFailed
from apiconnector.oauth.token import Answer, TokenEndpointRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import Response

#: Bytes of an answer, as sent and after decompression.
MAX_ANSWER: Final = 1_000_000
_CHUNK: Final = 16_384


#: When the block of ``bounded()`` has to be done, by ``time.monotonic()``.
_until: ContextVar[float | None] = ContextVar("apiconnector_token_requests_until", default=None)


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Bound the requests of this block together: what leads to one token may take several."""
    token = _until.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _until.reset(token)


class _AnswerRefusedError(Exception):
    """The answer can't be used; the text says why."""


def token_sender(timeout: float, asked: str = "token endpoint") -> Callable[[TokenEndpointRequest], Answer]:
    """A function that sends to a token endpoint and returns the answer, whatever its status.

    ``timeout`` (seconds) bounds the whole exchange: looking up the name, connecting, and an answer that
    drips. A redirect is an answer and is not followed; nothing comes out of ``.netrc``, and no cookie is
    kept. ``asked`` is what errors call the other side.

    The function raises ``TokenRequestFailed`` (to be tried later) where there is no answer, or one over a
    megabyte, and ``DestinationRefused`` where requests may not go.
    """

    def send(request: TokenEndpointRequest) -> Answer:
        wire = Wire()
        until = _until.get()
        left = timeout if until is None else min(timeout, max(until - time.monotonic(), 0.001))
        result = _within(left, request, wire)
        if isinstance(result, Answer):
            return result
        refused = str(result) if isinstance(result, DestinationRefused) else ""
        problem = _explained(result, left)
        origin = _origin(request.url)
        # What is raised from here may be shown with its locals, and these hold the credentials.
        del request, result
        if refused:
            raise DestinationRefused(refused)
        # A transport that can't tell (None) may have sent it.
        raise TokenRequestFailed(
            f"The {asked} at {origin} {problem}", act=Act.NOBODY, is_unanswered=wire.written is not False
        )

    return send


def _within(timeout: float, request: TokenEndpointRequest, wire: Wire) -> Answer | Exception | None:
    """The answer or what went wrong; None when the time is up.

    In a thread of its own: no time-out of a socket covers looking up a name, several addresses, or a server
    that sends a byte now and then.
    """
    results: SimpleQueue[Answer | Exception] = SimpleQueue()

    def run() -> None:
        try:
            results.put(_exchange(request, timeout, wire))
        except Exception as error:  # noqa: BLE001 - told to who waits
            results.put(error)

    Thread(target=run, name="apiconnector-token-request", daemon=True).start()
    try:
        return results.get(timeout=timeout)
    except Empty:
        wire.abort()
        return None


def _exchange(request: TokenEndpointRequest, timeout: float, wire: Wire) -> Answer:
    headers = {"Accept-Encoding": "gzip", **request.headers}
    with PlainSession() as session, Watching(wire):
        response = session.request(
            request.method,
            request.url,
            data=request.body or None,
            headers=headers,
            timeout=timeout,
            stream=True,
            allow_redirects=False,
        )
        with response:
            body = _body(response)
    headers = {name.lower(): value for name, value in response.headers.items()}
    if cookies := response.raw.headers.getlist("Set-Cookie"):
        # Joined by commas, which dates have too, they could not be told apart.
        headers["set-cookie"] = "\n".join(cookies)
    return Answer(response.status_code, headers, body)


def _body(response: Response) -> bytes:
    # Read as sent: the decoders of urllib3 may unpack more than is asked for.
    received = bytearray()
    for chunk in response.raw.stream(_CHUNK, decode_content=False):
        received += chunk
        _cap(received)
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in {"", "identity"} or not received:
        return bytes(received)
    if encoding not in {"gzip", "x-gzip"}:
        raise _AnswerRefusedError("answered in an encoding that was not asked for.")
    decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        decoded = decoder.decompress(bytes(received), MAX_ANSWER + 1)
    except zlib.error:
        raise _AnswerRefusedError("answered with damaged data.") from None
    _cap(decoded)
    if not decoder.eof:
        raise _AnswerRefusedError("answered with damaged data.")
    return decoded


def _cap(body: bytes | bytearray) -> None:
    if len(body) > MAX_ANSWER:
        raise _AnswerRefusedError("answered with more than a megabyte, which is not read.")


def _explained(error: Exception | None, timeout: float) -> str:
    """What went wrong, without the text of the error: it holds the address with its query."""
    if error is None or isinstance(error, requests.Timeout):
        return f"did not answer within {timeout:.3g} seconds. Try again later."
    if isinstance(error, _AnswerRefusedError):
        return str(error)
    if isinstance(error, requests.exceptions.SSLError):
        return "can't be reached: its certificate was not accepted, or there is no secure connection."
    if isinstance(error, requests.exceptions.ProxyError):
        return "can't be reached: the proxy of this server refused or did not answer."
    return f"can't be reached, or broke off the connection ({type(error).__name__})."


def _origin(url: str) -> str:
    try:
        return str(Origin.of(url))
    except ValueError:
        return "an address that can't be read"
