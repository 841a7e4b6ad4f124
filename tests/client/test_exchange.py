from __future__ import annotations

import gzip
import socket
import threading
import traceback
import zlib
from typing import TYPE_CHECKING, NoReturn

import pytest
import responses

from apiconnector.client import token_sender
from apiconnector.exceptions import Act, TokenRequestFailed
from apiconnector.oauth.token import Answer, TokenEndpointRequest
from tests.client.servers import Reply, raw_server, refused_url, silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.client.servers import ApiServer

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


def send(url: str, timeout: float = 5.0) -> Answer:
    return token_sender(timeout)(TokenEndpointRequest(url, FORM, b"grant_type=x&client_secret=canary"))


def fails(url: str, timeout: float = 5.0) -> TokenRequestFailed:
    with pytest.raises(TokenRequestFailed) as error:
        send(url, timeout)
    assert error.value.act is Act.NOBODY
    assert error.value.__cause__ is None
    assert error.value.__context__ is None
    assert "canary" not in f"{error.value} {error.value!r}"
    return error.value


def test_a_request_is_sent_and_answered(api: ApiServer) -> None:
    api.script(Reply(400, {"Content-Type": "text/html", "X-Odd": "1"}, b'{"error": "invalid_grant"}'))
    answer = send(f"{api.url}/token?a=b")
    assert (answer.status_code, answer.body) == (400, b'{"error": "invalid_grant"}')
    assert answer.headers["x-odd"] == "1"
    (request,) = api.received
    assert (request.method, request.path, request.body) == ("POST", "/token?a=b", b"grant_type=x&client_secret=canary")
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "Authorization" not in request.headers


@pytest.mark.parametrize("location", ["/elsewhere", "https://elsewhere.example/", "http://[", "\xff"])
def test_a_redirect_is_an_answer(api: ApiServer, location: str) -> None:
    api.script(Reply(307, {"Location": location}))
    answer = send(f"{api.url}/token")
    assert (answer.status_code, answer.headers["location"]) == (307, location)
    assert len(api.received) == 1


def test_cookies_and_netrc_are_not_used(api: ApiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login planted password planted\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    api.script(Reply(302, {"Location": "/elsewhere", "Set-Cookie": "a=1; Path=/"}))
    send(f"{api.url}/token")
    send(f"{api.url}/token")
    assert not any({"Authorization", "Cookie"} & set(request.headers) for request in api.received)


def test_it_can_be_mocked() -> None:
    with responses.RequestsMock() as mocked:
        mocked.post("https://auth.example.com/token", json={"access_token": "a"})
        assert send("https://auth.example.com/token").body == b'{"access_token": "a"}'


def test_compressed_answers(api: ApiServer) -> None:
    api.script(Reply(headers={"Content-Encoding": "gzip"}, body=gzip.compress(b'{"a": 1}')))
    assert send(api.url).body == b'{"a": 1}'
    api.script(Reply(headers={"Content-Encoding": "gzip"}, body=b""))
    assert send(api.url).body == b""


def bomb(layers: int) -> bytes:
    body = bytes(50_000_000)
    for _ in range(layers):
        body = gzip.compress(body)
    return body


@pytest.mark.parametrize(
    ("encoding", "body", "says"),
    [
        ("gzip", lambda: bomb(1), "more than a megabyte"),
        ("gzip, gzip", lambda: bomb(2), "encoding"),
        ("br", lambda: b"x", "encoding"),
        ("gzip", lambda: b"no gzip", "damaged"),
        ("gzip", lambda: gzip.compress(b"x" * 1000)[:-9], "damaged"),
        ("gzip", lambda: zlib.compress(b"x"), "damaged"),
        ("", lambda: b"x" * 1_000_001, "more than a megabyte"),
    ],
    ids=["bomb", "bomb in a bomb", "not asked for", "no gzip", "cut off", "deflate", "large"],
)
def test_answers_that_can_not_be_used(api: ApiServer, encoding: str, body: Callable[[], bytes], says: str) -> None:
    api.script(Reply(headers={"Content-Encoding": encoding} if encoding else {}, body=body()))
    assert says in str(fails(f"{api.url}/token?secret=canary"))


def test_a_megabyte_is_enough(api: ApiServer) -> None:
    api.script(Reply(body=b"x" * 1_000_000))
    assert len(send(api.url).body) == 1_000_000


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Long: "],
    ids=["body", "headers"],
)
def test_an_answer_that_drips_ends_with_the_time_out(head: bytes) -> None:
    gone = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head)
        try:
            while not gone.wait(0.02):
                connection.sendall(b"x")
        except OSError:
            gone.set()
            raise

    with raw_server(drip) as url:
        # A time-out of the socket alone would never end this: there is always another byte.
        assert "did not answer within 0.3 seconds" in str(fails(f"{url}/token?canary", timeout=0.3))
        assert gone.wait(10)


def test_a_name_that_takes_too_long_ends_with_the_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = threading.Event()

    def slow(*_: object, **__: object) -> NoReturn:
        found.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "later")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    assert "did not answer within" in str(fails("http://auth.example.com/token", timeout=0.2))
    found.set()


def test_an_endpoint_that_never_answers() -> None:
    with raw_server(silent) as url:
        assert "did not answer within 0.2 seconds" in str(fails(url, timeout=0.2))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (refused_url(), "can't be reached"),
        ("http://[::1/canary", "an address that can't be read"),
        ("ftp://canary.example/", "an address that can't be read"),
        ("", "an address that can't be read"),
    ],
)
def test_an_endpoint_that_can_not_be_reached(url: str, says: str) -> None:
    error = fails(url)
    assert says in str(error)
    assert error.retryable


def test_an_endpoint_without_tls(api: ApiServer) -> None:
    assert "no secure connection" in str(fails(api.url.replace("http:", "https:")))


def test_the_frames_of_the_error_hold_no_credential() -> None:
    error = fails(f"{refused_url()}/token?secret=canary")
    frames = traceback.TracebackException.from_exception(error, capture_locals=True)
    shown = [frame for frame in frames.stack if "apiconnector/client" in frame.filename]
    assert shown
    assert not any("canary" in text for frame in shown for text in (frame.locals or {}).values())
