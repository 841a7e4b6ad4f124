"""What is sent and read in few steps is what ``http.client`` and urllib3 send and read in many."""

from __future__ import annotations

import socket
import threading
import time
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.structures import CaseInsensitiveDict
from urllib3 import Timeout
from urllib3.util import SKIP_HEADER, Retry

from apiconnector.client import ApiSession, Destinations, Wire, connection, shared_adapter
from apiconnector.client.message import Answer, Replayed, host_of, plain_head, request_bytes
from apiconnector.client.whole import Whole
from tests.client.conftest import Bearer
from tests.client.messages import USUAL, Received, as_it_came_whole, as_read, as_urllib3_sends
from tests.client.servers import Reply, raw_server, request_of, reset, silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client.conftest import MakeSession
    from tests.client.servers import ApiServer


@pytest.mark.parametrize("host", ["api.example.com", "api.example.com:8080", "127.0.0.1:8001"])
@pytest.mark.parametrize(
    ("method", "target", "more", "body"),
    [
        ("GET", "/", {}, None),
        ("GET", "/v1/x?a=1&b=%20c", {"Authorization": "Bearer x"}, None),
        ("DELETE", "/x", {"X-Empty": ""}, None),
        ("POST", "/x", {"Content-Length": "2", "Content-Type": "application/json"}, b"{}"),
        ("POST", "/x", {"Content-Length": "0"}, None),
        ("PATCH", "/x", {"content-length": "3"}, "a=1"),
        ("PUT", "/x", {"Content-Length": "2"}, "ü"),
        ("GET", "/x", {"Host": "other.example.com"}, None),
    ],
)
def test_a_plain_request_is_what_urllib3_sends(
    host: str, method: str, target: str, more: dict[str, str], body: Any
) -> None:
    headers = CaseInsensitiveDict({**USUAL, **more})
    assert request_bytes(method, target, host, headers, body) == as_urllib3_sends(method, target, host, headers, body)


@pytest.mark.parametrize(
    ("method", "target", "headers", "body"),
    [
        ("GET", "/a b", USUAL, None),
        ("GET", "/a%2fb", USUAL, None),  # urllib3 writes %2F
        ("GET", "/ü", USUAL, None),
        ("GET", "/x#f", USUAL, None),
        ("GET", "/x\r\nX: 1", USUAL, None),
        ("GET", "http://x/", USUAL, None),
        ("GE T", "/", USUAL, None),
        ("GET\n", "/", USUAL, None),
        ("GET", "/", {}, None),  # urllib3 has a user agent of its own
        ("GET", "/", {"User-Agent": "x"}, None),
        ("GET", "/", {**USUAL, "X": "a\r\nY: b"}, None),
        ("GET", "/", {**USUAL, "X": "a\nb"}, None),
        ("GET", "/", {**USUAL, "X\r\nY": "b"}, None),
        ("GET", "/", {**USUAL, "X:": "b"}, None),
        ("GET", "/", {**USUAL, "": "b"}, None),
        ("GET", "/", {**USUAL, "X": "ü"}, None),
        ("GET", "/", {**USUAL, "X": b"b"}, None),
        ("GET", "/", {**USUAL, "X": b"b", "Y": "a\r\nZ: b"}, None),
        ("GET", "/", {**USUAL, "X": "a\0b"}, None),
        ("GET", "/", {**USUAL, "User-Agent": SKIP_HEADER}, None),
        ("POST", "/", {**USUAL, "Transfer-Encoding": "chunked"}, None),
        ("POST", "/", USUAL, b"{}"),  # no length
        ("POST", "/", USUAL, None),  # urllib3 says that it is 0
        ("POST", "/", {**USUAL, "Content-Length": "70000"}, b"x" * 70_000),
    ],
)
def test_whatever_is_not_plain_is_left_to_urllib3(method: str, target: str, headers: Any, body: Any) -> None:
    assert request_bytes(method, target, "api.example.com", CaseInsensitiveDict(headers), body) is None


def test_a_host_that_is_no_plain_name_is_left_to_urllib3() -> None:
    assert host_of("::1", 80, 80) is None
    assert host_of("bücher.example", 80, 80) is None
    assert host_of("a.example", 443, 443) == "a.example"
    assert host_of("a.example", 8443, 443) == "a.example:8443"
    assert request_bytes("GET", "/", None, CaseInsensitiveDict(USUAL), None) is None


OK = b"HTTP/1.1 200 OK\r\n"
HEADS = [
    OK + b"Content-Length: 2\r\n\r\n{}",
    OK + b"content-length:2\r\nX: \t a b \r\n\r\n{}",
    OK + b"Content-Length: 2\r\n\r\n{}surplus",
    OK + b"Content-Length: 5\r\n\r\n{}",
    OK + b"Content-Length: 0\r\n\r\n",
    OK + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}",
    OK + b"Content-Length: 2\r\nConnection: Keep-Alive, Close\r\n\r\n{}",
    OK + b"Content-Length: 2\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n{}",
    OK + b"Content-Length: 2\r\nContent-Length: 1\r\n\r\n{}",
    OK + b"Content-Length: -2\r\n\r\n{}",
    OK + b"Content-Length: +2\r\n\r\n{}",
    OK + b"Content-Length: 2, 2\r\n\r\n{}",
    OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}",
    OK + b"Content-Length: \xb2\r\n\r\n{}",
    OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: Chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    OK + b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\n{}",
    OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    OK + b"X: \xfc\r\nContent-Length: 2\r\n\r\n{}",
    OK + b"X: a\x85b\r\nContent-Length: 2\r\n\r\n{}",
    OK + b"X : a\r\nContent-Length: 2\r\n\r\n{}",
    OK + b"no header\r\nContent-Length: 2\r\n\r\n{}",
    OK + b"X: a\nContent-Length: 2\n\n{}",
    OK + b"\r\n{}",
    OK + b"X: 1\r\n\r\n{}",
    OK + b"".join(b"X%d: 1\r\n" % number for number in range(99)) + b"Content-Length: 2\r\n\r\n{}",
    OK + b"".join(b"X%d: 1\r\n" % number for number in range(100)) + b"Content-Length: 2\r\n\r\n{}",
    OK + b"".join(b"X%d: 1\r\n" % number for number in range(101)) + b"Content-Length: 2\r\n\r\n{}",
    OK + b"X: " + b"x" * 70_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200  Very  well \r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\nX: 1\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n",
    b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 600 What\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 99 What\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"ICY 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
    b"HTTP/1.1",
    b"",
]  # fmt: skip  # in rows


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("at_once", [1 << 20, 1, 20])
@pytest.mark.parametrize("data", HEADS)
def test_an_answer_is_read_as_http_client_reads_it(data: bytes, at_once: int, method: str) -> None:
    assert as_read(Answer, data, method, at_once) == as_read(HTTPResponse, data, method, at_once)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("data", HEADS)
def test_an_answer_that_came_whole_is_what_http_client_reads(data: bytes, method: str) -> None:
    assert as_it_came_whole(data, method) in (None, as_read(HTTPResponse, data, method))


def test_nearly_all_answers_come_whole() -> None:
    assert as_it_came_whole(HEADS[0], "GET")
    assert as_it_came_whole(OK + b"Set-Cookie: a=1\r\nset-cookie: b=2\r\nContent-Length: 2\r\n\r\n{}", "POST")


@pytest.mark.parametrize("at_once", [1 << 20, 1])
@pytest.mark.parametrize("cut", [0, 1, 17, 1000])
@pytest.mark.parametrize("data", HEADS)
def test_what_was_read_already_is_read_once_more(data: bytes, cut: int, at_once: int) -> None:
    class Begun(Received):
        def makefile(self, mode: str, buffering: int = -1) -> Any:
            if not buffering:
                return self
            return Replayed(Begun(data[cut:], at_once), data[:cut]).makefile(mode)

    answer = Answer(Begun(data), method="GET")  # type: ignore[arg-type]  # has what it needs of a socket
    expected = as_read(HTTPResponse, data, "GET")
    try:
        answer.begin()
        assert (answer.status, answer.read()) == (expected[0], expected[-1])
    except (HTTPException, OSError, ValueError) as error:
        assert expected is type(error)  # noqa: PT017 - which one is what is compared


def test_what_nearly_all_answers_are_is_read_in_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answer, "_begin_finally", None)
    for data in (
        OK + b"Content-Length: 2\r\n\r\n{}",
        OK + b"Date: Sun, 29 Nov 2026 06:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ):
        assert as_read(Answer, data, "GET")[-1] == b"{}"


def test_an_answer_that_is_always_still_to_come_ends() -> None:
    answer = Answer(Received(b"HTTP/1.1 102 Processing\r\n\r\n" * 200), method="GET")  # type: ignore[arg-type]  # as above
    with pytest.raises(HTTPException, match="more than 100 interim answers"):
        answer.begin()


def test_a_connection_that_changes_its_protocol_is_not_used_again() -> None:
    answer = Answer(Received(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), method="GET")  # type: ignore[arg-type]  # as above
    answer.begin()
    assert (answer.status, answer.will_close) == (101, True)


def test_a_header_in_several_lines_has_no_line_break_in_it() -> None:
    data = OK + b"X: a \r\n\t b\r\n c\r\nX: d\r\n e\r\nContent-Length: 2\r\n\r\n{}"
    answer = Answer(Received(data), method="GET")  # type: ignore[arg-type]  # as above
    answer.begin()
    answer.begin()
    assert answer.getheaders() == answer.fields == [("X", "a b c"), ("X", "d e"), ("Content-Length", "2")]
    assert answer.read() == b"{}"


@pytest.mark.parametrize("piece", [b" ", b"\t ", b"\r\n ", b"a \r\n "])
def test_a_header_made_to_waste_time(piece: bytes) -> None:
    """As long as it is allowed to be, in blanks, in an answer that is not read plainly."""
    value = piece * (60_000 // len(piece)) if b"\n" not in piece else (piece + b" " * 60_000) * 3
    answer = Answer(Received(OK + b"X: a" + value + b"b\r\n\r\n"), method="HEAD")  # type: ignore[arg-type]  # as above
    began = time.process_time()
    answer.begin()
    assert time.process_time() - began < 5  # it was half a minute
    assert answer.getheader("X", "").endswith("b")


def test_the_files_of_fake_sockets_may_have_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Received, "makefile", lambda self, _: self.data)
    assert as_read(Answer, OK + b"Content-Length: 2\r\n\r\n{}", "GET")[-1] == b"{}"


@pytest.fixture
def slow_ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests that urllib3 itself has sent."""
    found: list[str] = []
    original = connection.TrackedConnection.request

    def request(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        found.append(f"{method} {url}")
        original(self, method, url, *args, **kwargs)

    monkeypatch.setattr(connection.TrackedConnection, "request", request)
    return found


def test_what_is_plain_goes_over_an_open_connection_in_few_steps(
    api: ApiServer, session: MakeSession, slow_ways: list[str]
) -> None:
    api.answer = lambda request: Reply(body=f'{{"method": "{request.method}", "n": {len(request.body)}}}'.encode())
    opened = session()
    assert opened.get("first").json() == {"method": "GET", "n": 0}
    for method, kwargs, length in (
        ("GET", {"params": {"q": "a b"}}, 0),
        ("POST", {"json": {"a": "ü"}}, 15),
        ("PATCH", {"data": {"a": "1"}}, 3),
        ("DELETE", {}, 0),
        ("PUT", {"data": b"\0\xff"}, 2),
    ):
        assert opened.request(method, "x", **kwargs).json() == {"method": method, "n": length}
    assert slow_ways == ["GET /v1/first"]
    assert len({request.connection for request in api.received}) == 1


def test_what_is_not_plain_goes_over_it_as_well(api: ApiServer, session: MakeSession, slow_ways: list[str]) -> None:
    opened = session()
    opened.get("first")
    opened.post("x", data=iter([b"a", b"b"]))
    opened.post("x", data=b"x" * 100_000)
    assert opened.head("x").content == b""
    assert [request.body for request in api.received] == [b"", b"ab", b"x" * 100_000, b""]
    assert slow_ways == ["GET /v1/first", "POST /v1/x", "POST /v1/x"]
    assert len({request.connection for request in api.received}) == 1


def test_an_answer_that_was_given_back_unread_is_not_taken_for_the_next_one(
    api: ApiServer, session: MakeSession
) -> None:
    api.answer = lambda request: Reply(body=request.path[-2:].encode() * 2000)
    opened = session()
    for _ in range(2):  # the first time as urllib3 sends it, then in few steps
        left = opened.get("secret", stream=True)
        left.raw.release_conn()
        assert opened.get("x").text == "/x" * 2000
    left = opened.get("secret", stream=True)
    left.raw.release_conn()
    # Nor where it is for urllib3 to send.
    assert opened.post("y", data=iter([b"a"])).text == "/y" * 2000


def test_a_body_that_is_read_in_pieces_comes_whole(api: ApiServer, session: MakeSession) -> None:
    api.answer = lambda _: Reply(body=b"a\nb\nc")
    opened = session()
    for _ in range(2):
        assert list(opened.get("x", stream=True).iter_lines()) == [b"a", b"b", b"c"]
        streamed = opened.get("x", stream=True)
        assert streamed.raw.read(1) == b"a"
        assert streamed.content == b"\nb\nc"
        streamed = opened.get("x", stream=True)
        assert streamed.raw.read() == b"a\nb\nc"
        assert opened.get("x", stream=True).raw.data == b"a\nb\nc"
        with opened.get("x", stream=True) as unread:
            assert unread.status_code == 200
    assert opened.get("x").raw.read() == b""


def whole(data: bytes = OK + b"Content-Length: 4\r\nSet-Cookie: a=1\r\n\r\nabcd") -> Whole:
    head = plain_head(data, "GET")
    assert head
    body = head.body_of(data)
    assert body is not None
    return Whole(head, body, "GET", "/x")


class TestWhole:
    """What urllib3 has of an answer that came whole."""

    def test_it_is_read_in_pieces(self) -> None:
        raw = whole()
        assert (raw.read(1), raw.tell(), raw.length_remaining, raw.closed) == (b"a", 1, 3, False)
        assert raw.take() is None
        assert list(raw.stream(2)) == [b"bc", b"d"]
        assert (raw.read(), raw.tell(), raw.length_remaining, raw.closed) == (b"", 4, 0, True)
        assert raw.take() is None

    def test_it_is_taken(self) -> None:
        raw = whole()
        assert raw.take() == b"abcd"
        assert (raw.read(), raw.tell(), raw.length_remaining, raw.closed, raw.isclosed()) == (b"", 4, 0, True, True)
        assert raw.take() is None

    def test_it_is_taken_after_a_look_at_it(self) -> None:
        raw = whole()
        assert (raw.tell(), raw.length_remaining, raw.headers["content-length"], raw.version) == (0, 4, "4", 11)
        assert raw.take() == b"abcd"
        assert (raw.read(), raw.tell(), raw.length_remaining, raw.closed) == (b"", 4, 0, True)

    def test_closed_unread_it_gives_nothing(self) -> None:
        for look in (False, True):
            raw = whole()
            if look:
                assert raw.tell() == 0
            raw.close()
            assert raw.closed
            assert (raw.take(), raw.read(), raw.tell(), raw.data) == (None, b"", 0, b"")

    def test_what_was_set_stays(self) -> None:
        raw = whole()
        raw.decode_content = True
        raw.retries = retries = Retry(3)
        assert raw.data == b"abcd" == raw.data
        assert (raw.decode_content, raw.retries) == (True, retries)

    def test_there_is_nothing_to_release_or_to_shut(self) -> None:
        raw = whole()
        raw.release_conn()
        with pytest.raises(RuntimeError, match="released"):
            raw.shutdown()
        assert (raw.connection, raw.read()) == (None, b"abcd")

    @pytest.mark.parametrize("data", [OK + b"Content-Length: 4\r\n\r\nabcd", OK + b"Content-Length: 0\r\n\r\n"])
    @pytest.mark.parametrize("read", ["read", "read(9)", "data", "readinto", "stream", "read1"])
    def test_read_to_its_end_it_is_closed(self, data: bytes, read: str) -> None:
        raw = whole(data)
        ways: dict[str, Callable[[], object]] = {
            "read": raw.read, "read(9)": lambda: raw.read(9), "data": lambda: raw.data,
            "readinto": lambda: raw.readinto(bytearray(9)), "stream": lambda: list(raw.stream(3)), "read1": raw.read1,
        }  # fmt: skip  # in rows
        assert (raw.closed, raw.isclosed()) == (False, False)
        ways[read]()
        assert (raw.closed, raw.isclosed()) == (True, True)
        assert raw.read() == b""

    def test_it_says_what_http_client_says_of_itself(self) -> None:
        for raw in (whole(), whole(OK + b"Content-Length: 2\r\n\r\n{}")):
            said: Any = raw._original_response
            assert (said.status, said.reason, said.version, said.isclosed(), said.read()) == (200, "OK", 11, True, b"")
            assert said.getheaders() == said.headers.items() == said.msg.items() == raw._head.fields
            assert said.getheader("content-length") == raw.headers["Content-Length"]

    def test_nothing_of_it_is_shown(self) -> None:
        data = OK + b"Content-Length: 6\r\nSet-Cookie: a=canary\r\n\r\ncanary"
        assert "canary" not in repr(plain_head(data, "GET"))
        assert "canary" not in repr(whole(data))

    def test_it_has_no_other_attributes(self) -> None:
        with pytest.raises(AttributeError):
            _ = whole().nothing
        assert not hasattr(Whole.__new__(Whole), "nothing")

    def test_it_goes_without_being_made(self) -> None:
        raw = whole()
        own = raw.__dict__
        del raw
        assert "_fp" not in own


def test_a_whole_answer_gives_its_connection_back_before_it_is_read() -> None:
    connections = []

    def talk(connection: socket.socket) -> None:
        connections.append(connection)
        for _ in range(3):
            connection.recv(65536)
            connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}")  # in one piece

    with (
        raw_server(talk) as url,
        ApiSession(destinations=Destinations(url), auth=Bearer(), timeout=5) as opened,
    ):
        opened.get("x")
        unread = opened.get("x", stream=True)
        assert opened.get("x").status_code == 200
        assert len(connections) == 1
        assert unread.json() == {}


def test_a_connection_that_said_more_than_it_was_asked_for_is_not_used_again() -> None:
    said = OK + b"Content-Length: 2\r\n\r\n{}"
    with (
        raw_server(after_one_answer(saying(said + OK + b"Content-Length: 6\r\n\r\nforged"))) as url,
        ApiSession(destinations=Destinations(url), auth=Bearer(), timeout=5) as opened,
    ):
        assert [opened.get("x").text for _ in range(4)] == ["{}"] * 4


def test_headers_that_came_twice_are_joined_as_urllib3_joins_them(api: ApiServer, session: MakeSession) -> None:
    said = OK + b"X-A: 1\r\nVary: a\r\nx-a: 2\r\nSet-Cookie: a=1\r\nContent-Length: 2\r\nset-cookie: b=2\r\n\r\n{}"

    def talk(connection: socket.socket) -> None:
        while request_of(connection):
            connection.sendall(said)

    def heard(answer: requests.Response) -> tuple[list[tuple[str, str]], dict[str, str]]:
        return list(answer.headers.items()), answer.cookies.get_dict()

    # No answer is kept: it would keep its connection, and the server would wait for more.
    with raw_server(talk) as url:
        found = [heard(requests.get(url, timeout=5))]
        with ApiSession(destinations=Destinations(url), auth=Bearer(), timeout=5) as opened:
            found += [heard(opened.get("x")) for _ in range(2)]
        shared_adapter().poolmanager.clear()
    assert found[0] == found[1] == found[2]
    assert found[0][1] == {"a": "1", "b": "2"}
    assert dict(found[0][0])["X-A"] == "1, 2"


def after_one_answer(talk: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    """Answer the first request of a connection, then ``talk``."""

    def both(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}")
        talk(connection)

    return both


def saying(data: bytes) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(data)

    return talk


FAILURES = [
    (silent, requests.ReadTimeout),
    (reset, requests.ConnectionError),
    (saying(b""), requests.ConnectionError),
    (saying(b"nonsense"), requests.ConnectionError),
    (saying(b"HTTP/1.1 2"), requests.ConnectionError),
    (saying(OK + b"X: " + b"x" * 70_000), requests.ConnectionError),
    (saying(OK + b"Content-Length: 5\r\n\r\n{}"), requests.exceptions.ChunkedEncodingError),
]


@pytest.mark.parametrize("reused", [False, True], ids=["new connection", "open connection"])
@pytest.mark.parametrize(("talk", "expected"), FAILURES)
def test_a_failure_is_the_same_over_an_open_connection(
    talk: Callable[[socket.socket], None], expected: type[Exception], reused: bool
) -> None:
    wire = Wire()
    with (
        raw_server(after_one_answer(talk) if reused else talk) as url,
        ApiSession(destinations=Destinations(url), auth=Bearer(), timeout=0.3, wire=wire) as session,
    ):
        if reused:
            assert session.get("x").status_code == 200
        with pytest.raises(requests.RequestException) as caught:
            session.post("x", json={})
        assert type(caught.value) is expected
        assert wire.written is True


@pytest.mark.parametrize("reused", [False, True], ids=["new connection", "open connection"])
def test_what_is_said_before_the_first_byte_comes_out_as_it_is_and_nothing_is_sent(
    api: ApiServer, session: MakeSession, reused: bool
) -> None:
    def refuse() -> None:
        raise OSError("no")

    if reused:
        session().get("before")
    wire = Wire(before_first_byte=refuse)
    with pytest.raises(OSError, match=r"^no$"):
        session(wire=wire).post("x", json={})
    assert wire.written is False
    assert session().get("after").status_code == 200
    assert "/x" not in api.paths


def test_an_answer_that_comes_before_all_was_sent_is_read() -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 413 Too long\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    with (
        raw_server(after_one_answer(talk)) as url,
        ApiSession(destinations=Destinations(url), auth=Bearer(), timeout=5) as session,
    ):
        session.get("x")
        assert session.post("x", data=b"x" * 60_000).status_code == 413
        # The connection was to be closed: the next request has one of its own.
        assert session.get("x").status_code == 200


def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    closed = threading.Event()

    def talk(connection: socket.socket) -> None:
        after_one_answer(lambda _: None)(connection)
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    with (
        raw_server(talk) as url,
        ApiSession(destinations=Destinations(url), auth=Bearer(), timeout=5) as opened,
    ):
        for _ in range(3):
            assert opened.post("x", json={}).status_code == 200
            assert closed.wait(10)
            closed.clear()


def test_time_outs_of_a_request_are_its_own(api: ApiServer, session: MakeSession) -> None:
    release = threading.Event()

    def answer(_: object) -> Reply:
        release.wait(10)
        return Reply()

    opened = session()
    opened.get("x")
    api.answer = answer
    with pytest.raises(requests.ReadTimeout, match=r"read timeout=0\.2"):
        opened.get("x", timeout=(5, 0.2))
    release.set()
    assert opened.get("x", timeout=7).status_code == 200
    assert opened.get("x", timeout=(5, None)).status_code == 200


def test_a_time_out_may_be_an_object_of_urllib3(api: ApiServer, session: MakeSession) -> None:
    opened = session()
    given: list[Any] = [Timeout(read=5), Timeout(total=5), Timeout(connect=2, read=5)]  # the stubs know numbers only
    for timeout in given * 2:
        assert opened.get("x", timeout=timeout).status_code == 200


def test_what_urllib3_counts_is_counted(api: ApiServer, session: MakeSession) -> None:
    opened = session()
    for _ in range(2):
        raw = opened.get("x").raw
        assert (raw.tell(), raw.length_remaining) == (2, 0)


def test_who_forbids_sending_is_heard(api: ApiServer, session: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no")

    opened = session()
    opened.get("x")
    monkeypatch.setattr(socket.socket, "sendall", refuse)
    with pytest.raises(requests.ConnectionError):
        opened.get("secret")
    monkeypatch.undo()
    assert opened.get("y").status_code == 200
    assert [path.rpartition("/")[2] for path in api.paths] == ["x", "y"]


def test_a_connection_is_closed_when_its_answer_can_not_be_used() -> None:
    said = OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"
    ended = threading.Event()

    def talk(connection: socket.socket) -> None:
        saying(said)(connection)
        if connection.recv(100) == b"":
            ended.set()

    with (
        raw_server(after_one_answer(talk)) as url,
        ApiSession(destinations=Destinations(url), auth=Bearer(), timeout=5) as opened,
    ):
        opened.get("x")
        with pytest.raises(requests.RequestException):
            opened.get("x")
        assert ended.wait(5)


def test_a_new_connection_is_not_said_to_be_dropped(
    api: ApiServer, session: MakeSession, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG", logger="urllib3.connectionpool"):
        opened = session()
        opened.get("x")
        opened.get("x")
    assert [record.getMessage().partition(" ")[0] for record in caplog.records].count("Resetting") == 0
    assert len(caplog.records) == 3


@pytest.mark.parametrize("status", [301, 401, 404, 503])
def test_a_status_means_the_same_over_an_open_connection(api: ApiServer, session: MakeSession, status: int) -> None:
    opened = session()
    opened.get("x")
    api.answer = lambda _: Reply(status, {"X-A": "1", "Set-Cookie": "a=1"}, b"no")
    answer = opened.post("x", json={}, allow_redirects=False)
    assert (answer.status_code, answer.text, answer.headers["x-a"]) == (status, "no", "1")
    assert answer.cookies.get_dict() == {"a": "1"}
    assert answer.elapsed.total_seconds() > 0
    assert answer.raw.version == 11
