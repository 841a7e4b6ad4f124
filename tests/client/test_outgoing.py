"""What a session works out once for many requests: each of them is what requests itself would have made."""

from __future__ import annotations

import gzip
import itertools
import weakref
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from apiconnector.client import ApiSession, Destinations, shared_adapter
from apiconnector.client.adapter import MAX_HOSTS, PooledAdapter
from apiconnector.client.plain import Anonymous, PlainSession
from apiconnector.exceptions import DestinationRefused
from tests.client.servers import raw_server, request_of

if TYPE_CHECKING:
    import socket

    from tests.client.conftest import MakeSession
    from tests.client.servers import ApiServer

BASE = "https://api.example.com/v1"


def test_headers_that_are_changed_between_requests_are_sent() -> None:
    with ApiSession(destinations=Destinations(BASE), auth=Anonymous()) as session:

        def sent() -> Any:
            return session.prepare_request(requests.Request("GET", "x")).headers

        assert "X-A" not in sent()
        session.headers["X-A"] = "1"
        assert sent()["X-A"] == "1"
        session.headers["x-a"] = "2"
        assert list(sent())[-1] == "x-a"
        sent()["X-A"] = "of one request"
        assert sent()["X-A"] == "2"
        session.headers["X-A"] = "a\nb"
        with pytest.raises(requests.exceptions.InvalidHeader, match="X-A contains"):
            sent()
        session.headers = {"X-B": "3"}
        assert dict(sent()) == {"X-B": "3"}


def test_remembered_addresses_are_few_and_refused_ones_are_none() -> None:
    destinations = Destinations(BASE)
    with ApiSession(destinations=destinations, auth=Anonymous()) as session:
        for number in range(1000):
            session.prepare_request(requests.Request("GET", f"contacts/{number}"))
        assert 0 < len(destinations.prepared) <= 64
        for path in ("../x", "a/%2e%2e/b", "//elsewhere.example", "https://elsewhere.example/"):
            for _ in range(2):
                with pytest.raises(DestinationRefused):
                    session.prepare_request(requests.Request("GET", path))
            assert path not in destinations.prepared


# On the wire

ANSWERS = {
    "plain": b"HTTP/1.1 200 Fine\r\nContent-Type: text/plain; charset=latin-1\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 2\r\n\r\n\xfcb",
    "json": b'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\nContent-Length: 9\r\n\r\n{"a": 1}\n',
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    "gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(gzip.compress(b"z" * 99, mtime=0)), gzip.compress(b"z" * 99, mtime=0)),
    "empty": b"HTTP/1.1 204 No Content\r\nLink: <https://api.example.com/2>; rel=next\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
    "until the end": b"HTTP/1.0 200 OK\r\n\r\nabc",
    "error": b"HTTP/1.1 500 Oh\r\nContent-Length: 3\r\n\r\nbad",
}  # fmt: skip  # in rows
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "get": ("GET", {"params": {"a": "b c"}, "headers": {"X-A": "1", "Accept": None}}),
    "head": ("HEAD", {}),
    "json": ("POST", {"json": {"ü": [1, None]}}),
    "form": ("PUT", {"data": {"a": ["1", "2"]}}),
    "bytes": ("PATCH", {"data": b"raw", "headers": {"Content-Type": "x/y"}}),
    "files": ("POST", {"files": {"f": ("n.txt", b"content")}, "data": {"a": "1"}}),
    "stream": ("POST", {"data": BytesIO(b"from a file")}),
    "empty post": ("POST", {}),
    "delete": ("DELETE", {"cookies": {"c": "1"}}),
}


def answering(answer: bytes, received: list[bytes]) -> Any:
    def talk(connection: socket.socket) -> None:
        received.append(request_of(connection))
        connection.sendall(answer)

    return talk


def told(response: requests.Response) -> dict[str, Any]:
    return {
        "status": response.status_code, "reason": response.reason, "headers": list(response.headers.items()), "body": response.content,
        "encoding": response.encoding, "text": response.text, "url": response.url, "cookies": sorted(response.cookies.items()),
        "links": response.links, "ok": response.ok, "history": response.history, "next": response.next, "redirect": response.is_redirect,
        "elapsed": type(response.elapsed), "raw": type(response.raw), "several": response.raw.headers.getlist("X-A"),
        "consumed": vars(response)["_content_consumed"], "connection": isinstance(response.connection, HTTPAdapter),
    }  # fmt: skip  # in rows


@pytest.mark.parametrize(
    ("request_name", "answer"),
    [*itertools.product(REQUESTS, ["plain"]), *itertools.product(["get"], ANSWERS), ("head", "gzip")],
)
def test_bytes_and_answers_are_those_of_requests(
    request_name: str, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib3.filepost.choose_boundary", lambda: "boundary")
    method, arguments = REQUESTS[request_name]
    received: list[bytes] = []
    # Each connection is used once: what an answer leaves of it is not what is compared here.
    with raw_server(answering(ANSWERS[answer], received)) as url:
        found = []
        plain = requests.Session()
        plain.auth = Anonymous()
        ours = ApiSession(destinations=Destinations(url), auth=Anonymous())
        for session, address in ((plain, f"{url}/x"), (ours, "x"), (ours, "x")):
            if isinstance(arguments.get("data"), BytesIO):
                arguments["data"].seek(0)
            found.append(told(session.request(method, address, timeout=5, **arguments)))
            shared_adapter().poolmanager.clear()
        plain.close()
    assert found[0] == found[1] == found[2]
    assert received[0] == received[1] == received[2]


def test_hooks_and_the_request_are_those_of_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[bytes] = []
    seen: list[Any] = []

    def hook(response: requests.Response, **kwargs: Any) -> None:
        seen.append((response.status_code, sorted(kwargs), kwargs["verify"], kwargs["stream"]))

    with raw_server(answering(ANSWERS["json"], received)) as url:
        for session in (requests.Session(), ApiSession(destinations=Destinations(url), auth=Anonymous())):
            response = session.get(f"{url}/x", hooks={"response": hook}, timeout=5)
            assert (response.request.method, response.request.url) == ("GET", f"{url}/x")
            session.close()
            shared_adapter().poolmanager.clear()
    assert seen[0] == seen[1]


@pytest.mark.parametrize("body", [b"", b"from memory"])
def test_a_body_from_memory_is_read_to_its_end(body: bytes) -> None:
    """As mocks make it: its file never says that it is closed."""
    raw = HTTPResponse(body=BytesIO(body), status=200, preload_content=False)
    assert shared_adapter().build_response(requests.Request("GET", BASE).prepare(), raw).content == body


# What a session is made of


def test_a_session_makes_no_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HTTPAdapter, "__init__", lambda *_, **__: pytest.fail("an adapter for nobody"))
    ApiSession(destinations=Destinations(BASE), auth=Anonymous()).close()


def test_a_plain_session_has_what_requests_gives_one() -> None:
    ours, theirs = vars(PlainSession()), vars(requests.Session())
    assert set(theirs) <= set(ours)
    for name in set(theirs) - {"auth", "cookies", "adapters"}:
        assert ours[name] == theirs[name], name
    assert list(ours["adapters"]) == list(theirs["adapters"])
    other = vars(PlainSession())
    for name in ("headers", "params", "proxies", "hooks", "cookies", "adapters"):
        assert ours[name] is not other[name], name
    assert ours["hooks"]["response"] is not other["hooks"]["response"]


def test_a_blank_response_has_what_requests_gives_one() -> None:
    from apiconnector.client.response import ApiResponse

    response, theirs = ApiResponse.bare(), requests.Response()
    for name in vars(theirs):
        if name not in {"cookies", "headers"}:  # made when they are asked for; given with each answer
            assert getattr(response, name) == getattr(theirs, name), name
    assert response.cookies is response.cookies
    assert response.history is not ApiResponse.bare().history


def test_the_pool_of_a_host_is_chosen_once(
    api: ApiServer, session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager: Any = shared_adapter().poolmanager
    asked: list[Any] = []
    choose = manager.connection_from_host

    def counting(*args: Any, **kwargs: Any) -> Any:
        asked.append(kwargs)
        return choose(*args, **kwargs)

    monkeypatch.setattr(manager, "connection_from_host", counting)
    for _ in range(3):
        with session() as opened:
            opened.get("x")
            opened.get("y", params={"a": "b"})
    assert (len(api.received), len(asked)) == (6, 1)


def test_pools_of_many_hosts_are_dropped_and_not_used_again() -> None:
    adapter = PooledAdapter()

    def pool(number: int) -> Any:
        return adapter.get_connection_with_tls_context(
            requests.Request("GET", f"https://h{number}.example.com/").prepare(), verify=True
        )

    first = weakref.ref(pool(0))
    for number in range(1000):
        pool(number)
    assert len(adapter.poolmanager.pools) == MAX_HOSTS
    assert len(adapter._chosen) <= 2 * MAX_HOSTS
    assert sum(1 for chosen, _ in adapter._chosen.values() if chosen() is not None) <= MAX_HOSTS
    assert first() is None


def test_certificates_are_part_of_the_choice(tmp_path: Any) -> None:
    adapter = PooledAdapter()
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("")
    request = requests.Request("GET", "https://api.example.com/").prepare()
    pools = {
        verify: adapter.get_connection_with_tls_context(request, verify)
        for _ in range(2)
        for verify in (True, False, str(bundle))
    }
    assert len(set(map(id, pools.values()))) == 3
    assert [pools[verify].cert_reqs for verify in (True, False, str(bundle))] == [
        "CERT_REQUIRED",
        "CERT_NONE",
        "CERT_REQUIRED",
    ]
    assert pools[str(bundle)].ca_certs == str(bundle)
    with pytest.raises(OSError, match="nowhere"):
        adapter.get_connection_with_tls_context(request, "/nowhere.pem")
