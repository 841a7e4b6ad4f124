"""Sessions share the connections of a process: nothing of one comes out at another, whatever a server says."""

from __future__ import annotations

import copy
import pickle
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.auth import AuthBase

from apiconnector.client import ApiSession, Destinations, Wire, exchange, shared_adapter, token_sender
from apiconnector.client.plain import PlainSession
from apiconnector.client.pool import TrackingPool
from apiconnector.exceptions import TokenRequestFailed
from apiconnector.oauth.token import TokenEndpointRequest
from tests.client.conftest import Bearer
from tests.client.origins import make_certificate
from tests.client.servers import raw_server, request_of
from tests.frames import shown

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from tests.client.conftest import MakeSession
    from tests.client.servers import ApiServer


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def echoing(*special: tuple[bytes, list[bytes]]) -> Callable[[socket.socket], None]:
    """Answers with the path, and to some paths with these pieces, one after the other."""

    def talk(connection: socket.socket) -> None:
        while request := request_of(connection):
            path = request.split(b" ")[1]
            for piece in dict(special).get(path, [ok(path)]):
                connection.sendall(piece)
                time.sleep(0.02)

    return talk


def opened(url: str) -> ApiSession:
    return ApiSession(destinations=Destinations(url), auth=Bearer(), timeout=5)


def forget_connections() -> None:
    """Else a server that waits for more would wait for long."""
    manager = shared_adapter().poolmanager
    for key in list(manager.pools.keys()):
        manager.pools[key].close()
    manager.clear()


@pytest.mark.parametrize("status", [b"103 Early Hints", b"102 Processing", b"199 Whatever"])
@pytest.mark.parametrize("is_cut", [False, True], ids=["in one piece", "in two"])
def test_an_answer_that_is_announced_goes_to_who_asked(status: bytes, is_cut: bool) -> None:
    hint, answer = b"HTTP/1.1 " + status + b"\r\nLink: </style.css>\r\n\r\n", ok(b"the report of one")
    with raw_server(echoing((b"/report", [hint, answer] if is_cut else [hint + answer]))) as url:
        one, another = opened(url), opened(url)
        for _ in range(2):
            report = one.get("report")
            assert (report.status_code, report.text) == (200, "the report of one")
            assert another.get("mine").text == "/mine"
        forget_connections()


@pytest.mark.parametrize("surplus", [ok(b"forged"), b"HTTP/1.1 102 Processing\r\n\r\n"])
def test_what_tls_has_unpacked_and_nobody_asked_for_is_nobodys(tmp_path: Path, surplus: bytes) -> None:
    """It ends where a read ends, so that nothing of the answer is left, and the socket itself has nothing to say."""
    certificate = make_certificate(tmp_path, "localhost")
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    record, at_once = 16_384, 8192
    long = head % (record + at_once - len(head % record)) + b"a" * (record + at_once - len(head % record))

    def talk(connection: socket.socket) -> None:
        with certificate.context.wrap_socket(connection, server_side=True) as secure:
            echoing((b"/long", [long[:record], long[record:] + surplus]))(secure)

    with raw_server(talk) as url:
        one, another = (opened(url.replace("http://127.0.0.1", "https://localhost")) for _ in range(2))
        one.verify = another.verify = str(certificate.bundle)
        one.trust_env = another.trust_env = False
        assert one.get("first").text == "/first"
        assert len(one.get("long").content) == record + at_once - len(head % record)
        assert [another.get("mine").text for _ in range(3)] == ["/mine"] * 3
        forget_connections()


def test_who_breaks_off_too_late_breaks_off_nothing(api: ApiServer, session: MakeSession) -> None:
    wire = Wire()
    session(wire=wire).get("first")
    shut: list[bool] = []

    def abort() -> None:
        wire.abort()
        shut.append(True)

    other = session(wire=Wire(before_first_byte=abort))
    assert other.post("second", json={}).status_code == 200
    assert shut == [True]
    assert len({request.connection for request in api.received}) == 1


def test_who_breaks_off_in_time_breaks_off_its_own(api: ApiServer, session: MakeSession) -> None:
    wire = Wire()
    opened = session(wire=wire)
    opened.get("first")
    api.answer = lambda _: wire.abort()  # type: ignore[assignment,return-value]  # says nothing
    with pytest.raises(requests.ConnectionError):
        opened.get("second")


def test_the_time_of_a_token_request_is_up_when_its_connection_is_anothers(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, is_read, is_over = exchange._body, threading.Event(), threading.Event()

    def slow(response: requests.Response) -> bytes:
        body = read(response)
        is_read.set()
        is_over.wait(10)
        return body

    monkeypatch.setattr(exchange, "_body", slow)
    found: list[Any] = []

    def other() -> None:
        is_read.wait(10)
        reply = api.answer

        def answer(request: Any) -> Any:
            is_over.wait(10)
            return reply(request)

        api.answer = answer
        with PlainSession() as opened:
            found.append(opened.post(f"{api.url}/other", json={}, timeout=10).status_code)

    with PlainSession() as opened:
        opened.get(f"{api.url}/first", timeout=10)
    thread = threading.Thread(target=other)
    thread.start()
    with pytest.raises(TokenRequestFailed, match=r"within 0\.5 seconds"):
        token_sender(0.5)(TokenEndpointRequest(f"{api.url}/token", {}, b"a=b"))
    is_over.set()
    thread.join()
    assert found == [200]
    assert len({request.connection for request in api.received}) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupt_while_a_connection_is_given_back(
    api: ApiServer, session: MakeSession, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    give_back, found = TrackingPool._put_conn, list[int]()

    def put(pool: Any, conn: Any) -> None:
        monkeypatch.undo()
        if when == "before":
            conn.close()  # as the garbage collector does it; that would warn
            raise KeyboardInterrupt
        give_back(pool, conn)
        # Another one has taken it when the interrupt comes.
        taken = pool._get_conn()
        try:
            raise KeyboardInterrupt
        finally:
            found.append(taken.sock.fileno())
            give_back(pool, taken)

    opened = session()
    opened.get("first")
    monkeypatch.setattr(TrackingPool, "_put_conn", put)
    with pytest.raises(KeyboardInterrupt):
        opened.get("second")
    assert len(found) == (when == "after")
    assert opened.get("third").status_code == 200
    assert len({request.connection for request in api.received}) == (2 if when == "before" else 1)


class _TimeIsUpError(BaseException):
    """As gevent's, and the exit of a worker of gunicorn that took too long: no ``Exception``."""


def test_a_time_limit_shows_no_credential(api: ApiServer, session: MakeSession) -> None:
    class Canary(AuthBase):
        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = "Bearer canary"
            return request

    def stop(*_: object) -> None:
        raise _TimeIsUpError("after half a second, with canary")

    opened = session(auth=Canary(), redact=lambda text: text.replace("canary", "[redacted]"))
    opened.get("first")
    reply, release = api.answer, threading.Event()

    def slow(request: Any) -> Any:
        release.wait(10)
        return reply(request)

    api.answer = slow
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(_TimeIsUpError, match=r"with \[redacted\]$") as caught:
            opened.get("second")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        release.set()
    del Canary
    assert "canary" not in shown(caught.value)


def test_the_transport_is_copied_as_itself() -> None:
    with requests.Session() as plain:
        plain.mount("https://", shared_adapter())
        for made in (pickle.loads(pickle.dumps(plain)), copy.deepcopy(plain)):
            assert made.get_adapter("https://api.example.com/") is shared_adapter()
