from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import requests
import responses
from urllib3.exceptions import HTTPError

from apiconnector.client import ApiSession, Destinations, Wire
from apiconnector.exceptions import DestinationRefused, TokenRequestFailed
from apiconnector.redaction import Redactor
from tests.client.conftest import InQuery
from tests.client.servers import Reply, raw_server, refused_url, reset, silent
from tests.frames import shown

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from tests.client.servers import ApiServer

CANARY = "canary/key+1"


class SecretlyFailing(InQuery):
    """Raises with the credential in its text and its locals."""

    def __call__(self, request: requests.PreparedRequest) -> NoReturn:
        local = self._key
        raise TokenRequestFailed(f"refused {local}", error="provider's word")


class Odd(requests.RequestException):
    """Can't be made from a text alone."""

    def __init__(self, number: int, *, needed: str) -> None:
        super().__init__(f"{number} {needed}")


def open_session(base: str, *, ending: str = "", **kwargs: Any) -> ApiSession:
    return ApiSession(
        **{
            "destinations": Destinations(base),
            "auth": InQuery(CANARY),
            "timeout": 0.3,
            "default_headers": {"X-Key": CANARY + ending},
            "default_params": {"other_key": CANARY},
            "redact": Redactor([CANARY]),
            **kwargs,
        }
    )


def assert_clean(error: BaseException) -> None:
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    text = "".join(shown.format()) + str(error) + repr(error) + repr(error.args)
    assert "canary" not in text
    assert error.__cause__ is None
    assert error.__context__ is None
    frames = [frame.filename for frame in shown.stack]
    assert not any("urllib3" in name or "requests/" in name or "http/client" in name for name in frames)


def failing(base: str, **kwargs: Any) -> Exception:
    method = kwargs.pop("method", "GET")
    arguments = kwargs.pop("arguments", {})
    with open_session(base, **kwargs) as session, pytest.raises(Exception) as error:
        session.request(method, "x", **arguments)
    assert_clean(error.value)
    return error.value


def test_a_refused_connection() -> None:
    error = failing(refused_url())
    assert type(error) is requests.ConnectionError
    assert "[redacted]" in str(error)
    assert error.request is not None
    assert error.request.headers["X-Key"] == CANARY


def test_a_broken_connection() -> None:
    with raw_server(reset) as url:
        assert type(failing(url)) is requests.ConnectionError


def test_a_time_out() -> None:
    with raw_server(silent) as url:
        assert type(failing(url)) is requests.ReadTimeout


def test_no_tls() -> None:
    with raw_server(lambda connection: connection.sendall(b"no TLS\r\n")) as url:
        assert type(failing(url.replace("http:", "https:"))) is requests.exceptions.SSLError


def test_a_broken_body() -> None:
    def talk(connection: Any) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")

    with raw_server(talk) as url:
        assert type(failing(url)) is requests.exceptions.ChunkedEncodingError


def test_a_redirect_elsewhere(api: ApiServer) -> None:
    api.script(Reply(302, {"Location": "http://elsewhere.example/?key=canary"}))
    error = failing(api.url)
    assert isinstance(error, DestinationRefused)
    assert error.sent


def test_a_redirect_loop(api: ApiServer) -> None:
    api.script(Reply(302, {"Location": "/x"}))
    assert type(failing(api.url)) is requests.TooManyRedirects


def test_a_header_that_can_not_be_sent(api: ApiServer) -> None:
    assert type(failing(api.url, ending="\n")) is requests.exceptions.InvalidHeader


def test_another_destination(api: ApiServer) -> None:
    with open_session(api.url) as session, pytest.raises(DestinationRefused) as error:
        session.prepare_request(requests.Request("GET", "../x"))
    assert_clean(error.value)


def test_a_file_of_certificates_that_is_not_there() -> None:
    error = failing("https://api.example.com", arguments={"verify": "/nowhere.pem"})
    assert isinstance(error, OSError)


def test_an_error_of_the_auth_keeps_its_identity_and_loses_its_frames(api: ApiServer) -> None:
    error = failing(api.url, auth=SecretlyFailing(CANARY))
    assert isinstance(error, TokenRequestFailed)
    assert str(error) == "refused [redacted]"
    assert error.error == "provider's word"


def test_an_error_before_the_first_byte(api: ApiServer) -> None:
    def stop() -> NoReturn:
        raise LookupError(CANARY)

    assert str(failing(api.url, wire=Wire(before_first_byte=stop))) == "[redacted]"


def test_an_error_of_the_body(api: ApiServer) -> None:
    def parts() -> Iterator[bytes]:
        yield b"a"
        raise ArithmeticError("of the caller")

    assert isinstance(failing(api.url, method="POST", arguments={"data": parts()}), ArithmeticError)


def test_an_error_a_hook_raises(api: ApiServer) -> None:
    api.script(Reply(500))
    error = failing(api.url, arguments={"hooks": {"response": lambda response, **_: response.raise_for_status()}})
    assert isinstance(error, requests.HTTPError)
    assert error.response is not None
    assert error.response.status_code == 500


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (Odd(1, needed=CANARY), requests.RequestException),
        (HTTPError(f"of urllib3 {CANARY}"), requests.ConnectionError),
        (requests.exceptions.ContentDecodingError(CANARY), requests.exceptions.ContentDecodingError),
        (requests.exceptions.InvalidURL(CANARY), requests.exceptions.InvalidURL),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_errors_of_all_kinds(raised: Exception, kind: type[Exception]) -> None:
    with responses.RequestsMock() as mocked:
        mocked.get("https://api.example.com/x", body=raised)
        error = failing("https://api.example.com")
    assert type(error) is kind
    assert "[redacted]" in str(error)


# What the API repeats while its answer is read, and what a site's own code raises

BROKEN = {
    "chunk": f"Transfer-Encoding: chunked\r\n\r\n{CANARY}\r\n",
    "cut off": f"Content-Length: 1000\r\n\r\n{CANARY}",
    "no gzip": f"Content-Encoding: gzip\r\nContent-Length: {len(CANARY)}\r\n\r\n{CANARY}",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize(
    "read",
    [
        lambda answer: answer.content,
        lambda answer: list(answer.iter_content(3)),
        lambda answer: answer.json(),
    ],
    ids=["content", "pieces", "json"],
)
def test_a_body_that_breaks_off_while_it_is_read(broken: str, read: Callable[[requests.Response], object]) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(f"HTTP/1.1 200 OK\r\n{broken}".encode())

    with (
        raw_server(talk) as url,
        open_session(url) as session,
        session.get("x", stream=True) as answer,
        pytest.raises(requests.RequestException) as error,
    ):
        read(answer)
    assert "canary" not in shown(error.value)


def test_an_answer_that_is_nested_too_deeply(api: ApiServer) -> None:
    depth = 200_000
    api.answer = lambda _: Reply(200, {}, f'["{CANARY}", {"[" * depth}{"]" * depth}]'.encode())
    with open_session(api.url) as session:
        answer = session.get("x")
        with pytest.raises(RecursionError) as error:
            answer.json()
    assert "canary" not in shown(error.value)


def _not_latin(response: requests.Response) -> object:
    return f"{response.request.url}\u20ac".encode("latin-1")


def _not_utf8(response: requests.Response) -> object:
    return f"{response.request.url}\xe4".encode("latin-1").decode()


def _no_file(response: requests.Response) -> object:
    return Path(f"/nowhere/{response.request.url}").read_text(encoding="utf-8")


def _an_object(response: requests.Response) -> object:
    raise ValueError({"url": response.request.url}, 1)


def _a_note(response: requests.Response) -> object:
    error = ValueError("it")
    error.add_note(f"at {response.request.url}")
    raise error


@pytest.mark.parametrize("hook", [_not_latin, _not_utf8, _no_file, _an_object, _a_note])
def test_errors_of_hooks_hold_no_credential_anywhere(
    api: ApiServer, hook: Callable[[requests.Response], object]
) -> None:
    with open_session(api.url) as session, pytest.raises(Exception) as error:
        session.get("x", hooks={"response": lambda response, **_: hook(response)})
    kept = [getattr(error.value, name, None) for name in ("object", "filename", "__notes__")]
    assert "canary" not in repr(kept)
    assert type(error.value) in {UnicodeEncodeError, UnicodeDecodeError, FileNotFoundError, ValueError}
    assert "canary" not in shown(error.value)
