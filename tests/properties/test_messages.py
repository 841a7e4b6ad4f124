"""Whatever comes and whatever is to be sent: few steps make of it what many steps do."""

from __future__ import annotations

import io
from http.client import HTTPResponse
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from apiconnector.client.message import Answer, Replayed, request_bytes
from tests.client.messages import USUAL, Received, as_it_came_whole, as_read, as_urllib3_sends

LINES = st.sampled_from(
    [
        b"Content-Length: 2", b"content-length: 3", b"Content-Length:2 ", b"Content-Length: 02", b"Content-Length: x",
        b"Content-Length: 1_0", b"Content-Length: ", b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity",
        b"Connection: close", b"connection: Keep-Alive", b"Content-Encoding: gzip", b"X: a", b"X:", b"X : a", b": a",
        b"X: \xe9", b"X: a\x85b", b"X: a\x1cb", b" folded", b"\tfolded", b"no colon", b"Set-Cookie: a=1", b"Keep-Alive: 5",
        b"From a", b"X: a\rb", b"X: a\nb", b"X:\t b \t",
    ]
)  # fmt: skip  # in rows
STATUS_LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.1  200  OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 x",
        b"HTTP/1.1 304 x", b"HTTP/1.1 404 Not \xe9", b"HTTP/1.1 199 x", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 OK",
        b"HTTP/1.1 0200 OK", b"HTTP/1.1 2000 OK", b"http/1.1 200 OK", b"HTTP/1.1\t200\tOK", b"HTTP/1.1 \xb2\xb2\xb2 OK",
    ]
)  # fmt: skip  # in rows
BODIES = st.sampled_from([b"", b"{}", b"{}x", b"2\r\n{}\r\n0\r\n\r\n", b"\r\n\r\n"])
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"])


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    end = draw(ENDS)
    lines = draw(st.lists(st.one_of(LINES, st.binary(max_size=6)), max_size=5))
    return end.join([draw(STATUS_LINES), *lines, b"", draw(BODIES)])


@given(answers(), st.sampled_from(["GET", "HEAD", "POST"]), st.sampled_from([1, 7, 1 << 20]))
def test_an_answer_is_read_as_http_client_reads_it(data: bytes, method: str, at_once: int) -> None:
    assert as_read(Answer, data, method, at_once) == as_read(HTTPResponse, data, method, at_once)


@given(answers(), st.sampled_from(["GET", "HEAD", "POST"]))
def test_an_answer_that_came_whole_is_what_http_client_reads(data: bytes, method: str) -> None:
    made = as_it_came_whole(data, method)
    if made is not None:
        assert made == as_read(HTTPResponse, data, method)


@given(st.binary(max_size=40), st.integers(0, 40), st.lists(st.integers(-1, 9), max_size=9))
def test_what_was_read_already_comes_once_more(data: bytes, cut: int, sizes: list[int]) -> None:
    with Replayed(Received(data[cut:], 7), data[:cut]).makefile("rb") as replayed, io.BytesIO(data) as all_of_it:
        for size in sizes:
            assert replayed.read(size) == all_of_it.read(size)


NAMES = st.one_of(
    st.sampled_from(
        ["X-A", "x-a", "Host", "Content-Length", "Connection", "Transfer-Encoding", "", "X A", "X:", "\u00e9"]
    ),
    st.text(max_size=3),
)
VALUES = st.one_of(
    st.sampled_from(["", "a", "2", "a b", "a\r\nX: b", "a\n b", "\u00e9", "\u20ac", "\0", b"b", 5, None]),
    st.text(max_size=4),
)
TARGETS = st.one_of(
    st.sampled_from(["/", "/a?b=%20", "/a%2fb", "/a b", "", "//x", "/a#b", "*", "http://x/", "/%", "/\u00e9", "/\r\n"]),
    st.text(max_size=4).map(lambda text: f"/{text}"),
)


@given(
    st.sampled_from(["GET", "POST", "DELETE", "OPTIONS", "TRACE", "get", "GE T", ""]),
    TARGETS,
    st.dictionaries(NAMES, VALUES, max_size=3),
    st.one_of(st.none(), st.binary(max_size=3), st.text(max_size=3)),
)
def test_a_request_is_what_urllib3_sends_or_left_to_it(method: str, target: str, more: Any, body: Any) -> None:
    headers: Any = CaseInsensitiveDict({**USUAL, **more})
    made = request_bytes(method, target, "api.example.com", headers, body)
    if made is not None:
        assert made == as_urllib3_sends(method, target, "api.example.com", headers, body)
