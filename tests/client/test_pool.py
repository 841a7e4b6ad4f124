from __future__ import annotations

import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import requests
import responses

from apiconnector.client import ApiSession, Destinations, Wire, shared_adapter
from tests.client.conftest import Bearer
from tests.client.servers import Reply, raw_server, refused_url, reset, silent

if TYPE_CHECKING:
    from tests.client.conftest import MakeSession
    from tests.client.servers import ApiServer


def fails(base: str, wire: Wire, **kwargs: object) -> requests.RequestException:
    session = ApiSession(destinations=Destinations(base), auth=Bearer(), timeout=0.3, wire=wire)
    with session, pytest.raises(requests.RequestException) as error:
        session.request("POST", "x", json={}, **kwargs)
    return error.value


def test_connections_are_reused_across_sessions(api: ApiServer, session: MakeSession) -> None:
    for _ in range(3):
        with session() as opened:
            opened.get("x")
            opened.post("x", json={"a": 1})
    assert len(api.received) == 6
    assert len({request.connection for request in api.received}) == 1


def test_connections_are_reused_across_threads(api: ApiServer, session: MakeSession) -> None:
    def call() -> None:
        with session() as opened:
            opened.get("x")

    for _ in range(4):
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
    assert len({request.connection for request in api.received}) == 1


def test_parallel_threads_do_not_wait_for_each_other(api: ApiServer, session: MakeSession) -> None:
    all_there = threading.Barrier(8)

    def answer(_: object) -> Reply:
        all_there.wait(timeout=10)
        return Reply()

    api.answer = answer
    codes: list[int] = []

    def call() -> None:
        with session() as opened:
            codes.append(opened.get("x").status_code)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 8


def test_a_fork_gets_connections_of_its_own() -> None:
    script = """
import os, sys
from apiconnector.client import ApiSession, Destinations
from tests.client.conftest import Bearer
from tests.client.servers import api_server

with api_server() as api:
    with ApiSession(destinations=Destinations(api.url), auth=Bearer(), timeout=5) as session:
        session.get("parent")
        child = os.fork()
        if child == 0:
            ok = session.get("child").status_code == 200 and session.get("child").status_code == 200
            os._exit(0 if ok else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        session.get("parent")
    ports = {name: {r.connection for r in api.received if r.path == name} for name in ("/parent", "/child")}
assert len(ports["/parent"]) == 1, ports
assert len(ports["/child"]) == 1, ports
assert ports["/parent"].isdisjoint(ports["/child"]), ports
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("reused", [False, True], ids=["new connection", "reused connection"])
def test_an_answered_request_was_written(api: ApiServer, session: MakeSession, reused: bool) -> None:
    seen: list[tuple[bool | None, int]] = []
    wire = Wire(before_first_byte=lambda: seen.append((wire.written, len(api.received))))
    if reused:
        session().get("before")
    before = len(api.received)
    session(wire=wire).post("x", json={})
    assert wire.written is True
    assert seen == [(False, before)]
    assert len({request.connection for request in api.received}) == 1


def test_the_first_byte_comes_after_the_connection_is_there() -> None:
    accepted = threading.Event()

    def talk(connection: socket.socket) -> None:
        accepted.set()
        reset(connection)

    with raw_server(talk) as url:
        wire = Wire(before_first_byte=lambda: seen.append(accepted.wait(timeout=10)))
        seen: list[bool] = []
        fails(url, wire)
    assert seen == [True]


def test_a_name_that_is_not_found_means_nothing_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_found(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", not_found)
    wire = Wire()
    assert isinstance(fails("http://api.invalid", wire), requests.ConnectionError)
    assert wire.written is False


def test_a_refused_connection_means_nothing_was_written() -> None:
    wire = Wire()
    assert isinstance(fails(refused_url(), wire), requests.ConnectionError)
    assert wire.written is False


def test_a_failed_tls_handshake_means_nothing_was_written() -> None:
    with raw_server(lambda connection: connection.sendall(b"this is no TLS\r\n")) as url:
        wire = Wire(before_first_byte=lambda: pytest.fail("nothing is written"))
        assert isinstance(fails(url.replace("http:", "https:"), wire), requests.exceptions.SSLError)
    assert wire.written is False


def test_a_reset_before_the_answer_means_it_was_written() -> None:
    wire = Wire()
    with raw_server(reset) as url:
        assert isinstance(fails(url, wire), requests.ConnectionError)
    assert wire.written is True


def test_a_time_out_while_reading_means_it_was_written() -> None:
    wire = Wire()
    with raw_server(silent) as url:
        assert isinstance(fails(url, wire), requests.ReadTimeout)
    assert wire.written is True


def test_a_connection_the_server_closed_is_replaced(api: ApiServer, session: MakeSession) -> None:
    api.script(Reply(headers={"Connection": "close"}), Reply())
    wire = Wire()
    with session(wire=wire) as opened:
        opened.post("x")
        opened.post("x")
    assert wire.written is True
    assert len({request.connection for request in api.received}) == 2


def test_of_a_mocked_transport_nothing_is_known() -> None:
    wire = Wire(before_first_byte=lambda: pytest.fail("nothing is written"))
    with responses.RequestsMock() as mocked:
        mocked.post("https://api.example.com/x", body=requests.ConnectTimeout("no"))
        fails("https://api.example.com", wire)
    assert wire.written is None


def test_of_another_transport_nothing_is_known(api: ApiServer, session: MakeSession) -> None:
    wire = Wire(before_first_byte=lambda: pytest.fail("not called"))
    with session(wire=wire) as opened:
        opened.mount("http://", requests.adapters.HTTPAdapter())
        assert opened.post("x").ok
    assert wire.written is None
    assert len(api.received) == 1


def test_a_request_that_is_never_made_was_not_written(session: MakeSession) -> None:
    wire = Wire()
    with session(wire=wire) as opened, pytest.raises(requests.RequestException):
        opened.get("https://elsewhere.example/")
    assert wire.written is False


@pytest.mark.parametrize("error", [ValueError("stop"), ConnectionResetError("stop"), BrokenPipeError("stop")], ids=repr)
def test_an_error_before_the_first_byte_stops_the_request(
    api: ApiServer, session: MakeSession, error: Exception
) -> None:
    def stop() -> NoReturn:
        raise error

    wire = Wire(before_first_byte=stop)
    with session(wire=wire) as opened:
        with pytest.raises(type(error)) as raised:
            opened.post("x", json={})
        assert raised.value is error
        assert wire.written is False
        assert api.received == []
        wire.before_first_byte = None
        assert opened.post("x", json={}).ok


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nthis is no TLS\r\n"],
    ids=["refused", "no TLS behind it"],
)
def test_the_connect_of_a_proxy_is_no_byte_of_the_request(answer: bytes) -> None:
    said: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        said.append(connection.recv(65536))
        connection.sendall(answer)
        connection.recv(65536)

    with raw_server(talk) as proxy:
        wire = Wire(before_first_byte=lambda: pytest.fail("nothing is written"))
        fails("https://api.example.com", wire, proxies={"https": proxy})
    assert said[0].startswith(b"CONNECT api.example.com:443 ")
    assert b"token-1" not in said[0]
    assert wire.written is False


def test_a_request_through_a_forwarding_proxy_was_written(api: ApiServer, settings: Any) -> None:
    settings.APICONNECTOR_TRUSTED_HOSTS = ["api.example.com"]  # plain http, and a name that only the proxy knows
    wire = Wire()
    session = ApiSession(destinations=Destinations("http://api.example.com"), auth=Bearer(), timeout=5, wire=wire)
    assert session.get("x", proxies={"http": api.url}).ok
    assert api.paths == ["http://api.example.com/x"]
    assert wire.written is True


def test_the_wire_of_one_session_does_not_see_another(api: ApiServer, session: MakeSession) -> None:
    class AsksElsewhere(Bearer):
        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            session().get("token")
            return super().__call__(request)

    seen: list[list[str]] = []
    wire = Wire(before_first_byte=lambda: seen.append(api.paths))
    api.answer = lambda request: Reply(302, {"Location": "y"}) if request.path == "/v1/x" else Reply()
    session(auth=AsksElsewhere(), wire=wire).get("x")
    assert seen == [["/v1/token"], ["/v1/token", "/v1/x", "/v1/token"]]


def test_closing_a_session_keeps_the_pool(api: ApiServer) -> None:
    with requests.Session() as plain:
        plain.mount("http://", shared_adapter())
        plain.get(api.url)
    shared_adapter().close()
    with requests.Session() as plain:
        plain.mount("http://", shared_adapter())
        plain.get(api.url)
    assert len({request.connection for request in api.received}) == 1


def test_nothing_is_repeated_by_itself() -> None:
    connections: list[int] = []

    def talk(connection: socket.socket) -> None:
        connections.append(1)
        reset(connection)

    with raw_server(talk) as url:
        fails(url, Wire())
    assert connections == [1]
