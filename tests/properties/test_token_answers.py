"""Whatever a token endpoint answers: a token that can be stored, or one error that says who has to act."""

from __future__ import annotations

import gzip
import html
import json
import threading
import time
from base64 import b64encode
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apiconnector.client import token_sender
from apiconnector.exceptions import Act, TokenRequestFailed
from apiconnector.models import Connection, Token
from apiconnector.oauth import (
    Answer,
    AuthorizationCode,
    ClientCredentials,
    ClientSecretBasic,
    ClientSecretPost,
    PublicClient,
    RefreshToken,
    TokenAnswer,
    request_token,
    revoke,
)
from tests.properties.database import rolled_back
from tests.properties.leaks import check_silent, found, logged
from tests.properties.profiles import share
from tests.properties.strategies import NUMBERS, Long, blobs, json_values, long_texts, texts
from tests.properties.wire import Play, Script, scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from apiconnector.oauth import ClientAuthentication, Grant

NOW = datetime(2030, 1, 1, tzinfo=UTC)
URL = "https://login.example/token?tenant=canary-in-the-query"
#: What was sent, and comes back in the provider's words.
SECRETS = (
    "canary-client+secret/é &%", "canary-refresh-token", "canary-authorization-code", "canary-code-verifier", "canary-in-the-query",
)  # fmt: skip  # in rows
ISSUED = "canary-issued-token"
#: Stands in everything the provider says.
WORDS = "zebra quagga okapi"
PATIENCE = 8

GRANTS: list[Grant] = [
    RefreshToken(SECRETS[1]),
    AuthorizationCode(SECRETS[2], "https://site.example/oauth/callback", SECRETS[3]),
    ClientCredentials("read"),
]
CLIENTS: list[ClientAuthentication] = [
    ClientSecretPost("client", SECRETS[0]),
    ClientSecretBasic("client", SECRETS[0]),
    PublicClient("client", ""),
]
CREDENTIALS = b64encode(f"client:{quote(SECRETS[0], safe='')}".encode()).decode()
ECHOES = [
    form
    for secret in SECRETS[:4]
    for form in (secret, quote(secret, safe=""), quote_plus(secret), html.escape(secret), secret.upper())
] + [CREDENTIALS]

NAMES = st.one_of(
    st.sampled_from(
        [
            "access_token", "refresh_token", "token_type", "expires_in", "refresh_token_expires_in", "refresh_expires", "scope", "error",
            "error_description", "error_uri", "errorCode", "errcode", "errors", "message", "code", "status", "name", "type", "title", "id_token", "ok",
        ]
    ),
    texts(2),
)  # fmt: skip  # in rows
VALUES = st.one_of(
    st.sampled_from(
        [
            ISSUED, "at", "", " ", "a b", "at\x00", "at\r\nX-Injected: 1", "\ud800", "ä", "x" * 65_536, "x" * 65_537, WORDS, "bearer",
            "invalid_grant", "invalid_client", "invalid_request", "unauthorized_client", "slow_down", "server_error", "InvalidGrant", "success",
            "Invalid refresh_token", "the code has expired", "3600", "0", "-1", "1e400", "nan", "1_000", "\uff19", "null", "false",
            None, True, False, 0, [], {}, ["read", "write", 1], {"message": WORDS, "code": 5},
        ]
    ),
    st.sampled_from(ECHOES).map(lambda form: f"{WORDS} {form} {WORDS}"),
    NUMBERS,
    texts(3),
    json_values(),
)  # fmt: skip  # in rows
OBJECTS = st.lists(st.tuples(NAMES, VALUES), max_size=6)


def json_of(pairs: list[tuple[str, Any]]) -> str:
    """An object with every pair, also those of one name."""
    return "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs) + "}"


def form_of(pairs: list[tuple[str, Any]]) -> bytes:
    return urlencode([(name, str(value)) for name, value in pairs], errors="surrogatepass").encode()


ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
TOKENS = st.builds(lambda pairs: [("access_token", ISSUED), *pairs], OBJECTS)
BODIES = st.one_of(
    st.builds(lambda pairs, code: json_of(pairs).encode(code), st.one_of(OBJECTS, TOKENS), ENCODINGS),
    st.builds(form_of, st.one_of(OBJECTS, TOKENS)),
    st.builds(lambda value: json.dumps(value).encode(), json_values()),
    blobs(),
    st.builds(lambda pairs, cut: json_of(pairs).encode()[:-cut], OBJECTS, st.integers(1, 9)),
    st.sampled_from([b"", b" ", b"\xef\xbb\xbf", b"<html>zebra quagga okapi", b"null", b"true", b"[]", b"[" * 5000, b'{"error":' * 5000]),
)  # fmt: skip  # in rows
STATUSES = st.one_of(
    st.sampled_from([200, 201, 204, 302, 307, 400, 401, 403, 404, 408, 429, 500, 503]), st.integers(0, 999)
)
HEADERS = st.dictionaries(
    st.sampled_from(["location", "content-type", "retry-after", "www-authenticate", "x"]),
    st.one_of(
        texts(3),
        st.sampled_from(
            ["https://elsewhere.example/token", "//[", "/a?code=canary-refresh-token", "https://u:canary-refresh-token@h/", "\xff"]
        ),
    ),
    max_size=3,
)  # fmt: skip  # in rows


@contextmanager
def soon() -> Iterator[None]:
    began = time.thread_time()
    yield
    assert time.thread_time() - began < PATIENCE


def asked(grant: Grant, client: ClientAuthentication, answer: Answer) -> TokenAnswer | TokenRequestFailed:
    try:
        return request_token(URL, grant, client, lambda _: answer, now=NOW)
    except TokenRequestFailed as error:
        return error


def check(outcome: TokenAnswer | TokenRequestFailed, grant: Grant, client: ClientAuthentication) -> None:
    if isinstance(outcome, TokenRequestFailed):
        check_error(outcome, [*grant.secrets, *client.secrets])
    else:
        check_token(outcome)


def check_token(token: TokenAnswer) -> None:
    assert 0 < len(token.access_token) <= 65_536
    for text in (token.access_token, token.refresh_token):
        assert text.isascii()
        assert text.isprintable()
    for end in (token.expires_at, token.refresh_expires_at):
        assert end is None or NOW < end <= NOW + timedelta(days=36_525)
    for text in (token.token_type, token.scope or ""):
        text.encode()
        assert "\x00" not in text
        assert len(text) <= 1000
    assert not found(f"{token!r} {token.scope}", [ISSUED])


def check_error(error: TokenRequestFailed, sent: list[str]) -> None:
    assert isinstance(error.act, Act)
    assert error.retryable == (error.act is Act.NOBODY)
    said = str(error)
    assert said.isprintable()
    assert len(said) < 1000
    assert not any(word in said for word in WORDS.split()), "the provider's words are not ours"
    for text, longest in ((error.error, 200), (error.error_description, 1000)):
        text.encode()
        assert len(text) <= longest
        assert not any(ord(character) < 32 for character in text)
        assert not found(text, filter(None, sent))
    check_silent(error, [*SECRETS, CREDENTIALS])


@share(5)
@given(BODIES, STATUSES, HEADERS, st.sampled_from(GRANTS), st.sampled_from(CLIENTS))
def test_any_answer(
    body: bytes, status: int, headers: dict[str, str], grant: Grant, client: ClientAuthentication
) -> None:
    with soon():
        check(asked(grant, client, Answer(status, headers, body)), grant, client)
        revoke(URL, SECRETS[1], client, lambda _: Answer(status, headers, body))


@share(2)
@given(OBJECTS, st.sampled_from([json_of, form_of]))
def test_a_plain_token_is_taken_whatever_stands_beside_it(pairs: list[tuple[str, Any]], write: Any) -> None:
    beside = [
        (name, value)
        for name, value in pairs
        if name not in {"access_token", "refresh_token"} and not name.lower().startswith("err")
    ]
    written = write([*beside, ("access_token", ISSUED), ("error", "")])
    body = written if isinstance(written, bytes) else written.encode()
    outcome = asked(GRANTS[0], CLIENTS[0], Answer(200, {}, body))
    if write is json_of:
        assert isinstance(outcome, TokenAnswer), outcome
        assert outcome.access_token == ISSUED
    check(outcome, GRANTS[0], CLIENTS[0])


@share(0.3)
@given(
    long_texts(1_000_000),
    st.sampled_from(
        [
            b"%s",
            b'{"error": "%s"}',
            b'{"message": "%s"}',
            b"error=%s",
            b"a=%s",
            b'{"access_token": "%s"}',
            b'{"expires_in": %s}',
            b"[%s1]",
        ]
    ),
    st.sampled_from([200, 400, 500]),
)
@example(Long("", "grant ", 160_000, ""), b'{"message": "%s"}', 400)
@example(Long("", "code -_", 140_000, ""), b'{"message": "%s"}', 400)
@example(Long("", "refresh ", 120_000, ""), b'{"message": "%s"}', 400)
@example(Long("", "a&", 490_000, ""), b"error=%s", 400)
@example(Long("", "%41", 330_000, ""), b"error=%s", 400)
@example(Long("", "[", 900_000, ""), b"%s", 200)
@example(Long("", "9", 900_000, ""), b'{"expires_in": %s}', 200)
@example(Long("", '{"error":', 100_000, ""), b"%s", 400)
@example(Long("", "1,", 490_000, ""), b"[%s1]", 400)
@example(Long("", '","message":"', 70_000, ""), b'{"message": "%s"}', 400)
def test_a_large_answer_takes_no_long_time(long: Long, around: bytes, status: int) -> None:
    body = around.replace(b"%s", long.text.encode(errors="replace"))[:1_000_000]
    for grant in GRANTS[:2]:
        with soon():
            check(asked(grant, CLIENTS[0], Answer(status, {}, body)), grant, CLIENTS[0])


@pytest.mark.django_db
@share(1)
@given(TOKENS, st.sampled_from([json_of, form_of]))
def test_a_token_that_is_taken_can_be_stored(pairs: list[tuple[str, Any]], write: Any) -> None:
    written = write(pairs)
    answer = asked(GRANTS[0], CLIENTS[0], Answer(200, {}, written if isinstance(written, bytes) else written.encode()))
    if isinstance(answer, TokenRequestFailed):
        return
    with rolled_back():
        connection = Connection.objects.create(name="A", slug="a", base_url="https://a.example")
        values = Token.values_from(answer, scope="read", hosts=connection.secret_hosts())
        pk = Token.objects.create(connection=connection, **values).pk
        kept = Token.objects.get(pk=pk)
        assert kept.access_token.reveal() == answer.access_token
        assert kept.refresh_token.reveal() == answer.refresh_token
        assert (kept.expires_at, kept.refresh_expires_at) == (answer.expires_at, answer.refresh_expires_at)
        assert kept.scope == ("read" if answer.scope is None else answer.scope)
        row = str(Token.objects.filter(pk=pk).values().get())
        assert not found(row, [ISSUED])


# Over a socket


@pytest.fixture(scope="module")
def server() -> Iterator[Script]:
    with scripted() as script:
        yield script


STATUS_LINES = st.one_of(
    st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.1 400 Bad Request"]),
    st.sampled_from(
        [
            b"HTTP/1.0 200", b"HTTP/1.1 999 x", b"HTTP/1.1 -1 x", b"HTTP/1.1 abc", b"HTTP/2 200", b"ICY 200 OK", b"", b"{}",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", b"HTTP/1.1 302 Found\r\nLocation: /elsewhere", b"HTTP/1.1 204 No Content",
            b"HTTP/1.1 304 x", b"HTTP/1.1 200 " + b"x" * 70_000, b"HTTP/1.1 101 Switching", b"HTTP/1.1 200 \xff\x00",
        ]
    ),
    blobs(20),
)  # fmt: skip  # in rows
FIELD_VALUES = st.one_of(
    st.sampled_from(
        [
            b"chunked", b"Chunked, identity", b"gzip", b"x-gzip", b"deflate", b"br", b"gzip, gzip", b"identity", b"0", b"-1", b"5", b"abc", b"9" * 30, b"5, 5",
            b"text/html; charset=nonsense", b"\xff\xfe", b"a=b; Path=/", b"/elsewhere", b"x" * 70_000, b"close", b"keep-alive", b"",
        ]
    ),
    blobs(12),
)  # fmt: skip  # in rows
FIELDS = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from([b"Content-Length", b"Transfer-Encoding", b"Content-Encoding", b"Content-Type", b"Location", b"Set-Cookie", b"Connection", b" folded"]),
            blobs(6),
        ),
        FIELD_VALUES,
    ),
    max_size=4,
)  # fmt: skip  # in rows


def chunked(body: bytes) -> bytes:
    half = len(body) // 2
    pieces = [piece for piece in (body[:half], body[half:]) if piece]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def damaged(body: bytes) -> bytes:
    return body[:-3] + b"\x00\xff"


FRAMES: st.SearchStrategy[Callable[[bytes], bytes]] = st.sampled_from(
    [
        bytes, chunked, gzip.compress, damaged, lambda body: chunked(gzip.compress(body)), lambda body: damaged(gzip.compress(body)),
        lambda body: damaged(chunked(body)),
    ]
)  # fmt: skip  # in rows


@st.composite
def plays(draw: st.DrawFn) -> Play:
    """The bytes of an answer, more or less of HTTP."""
    body = draw(FRAMES)(draw(BODIES))
    fields = draw(FIELDS)
    if draw(st.booleans()):
        fields = [*fields, (b"Content-Length", str(len(body)).encode())]
    head = b"\r\n".join([draw(STATUS_LINES), *(name + b": " + value for name, value in fields)])
    data = head + b"\r\n\r\n" + body
    if draw(st.integers(0, 3)) == 0:
        data = data[: draw(st.integers(0, len(data)))]
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
    pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    # Silence takes the whole time-out, so it is rare.
    return Play(pieces, draw(st.sampled_from([0, 0, 0, 0.002])), silent=draw(st.integers(0, 12)) == 12)


CONTINUES = Play([b"HTTP/1.1 100 Continue\r\n\r\n"] * 200, 0.002, silent=True)
CHUNKS = Play([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 200], 0.002, silent=True)


@share(1)
@given(plays(), st.sampled_from(GRANTS), st.sampled_from(CLIENTS))
@example(CONTINUES, GRANTS[0], CLIENTS[0])
@example(CHUNKS, GRANTS[0], CLIENTS[0])
def test_any_answer_over_a_socket(server: Script, play: Play, grant: Grant, client: ClientAuthentication) -> None:
    server.play = play
    server.received.clear()
    timeout = 0.3
    began = time.monotonic()
    with logged() as lines:
        outcome: TokenAnswer | TokenRequestFailed
        try:
            outcome = request_token(f"{server.url}/token", grant, client, token_sender(timeout), now=NOW)
        except TokenRequestFailed as error:
            outcome = error
        assert time.monotonic() - began < timeout + PATIENCE
        settle()
    check(outcome, grant, client)
    assert len(server.received) <= 1, "a token request is sent once"
    assert not found("\n".join(lines), [*SECRETS[:4], ISSUED, CREDENTIALS])


def settle() -> None:
    """Wait until the threads of token requests have ended: none may be left behind."""
    for thread in threading.enumerate():
        if thread.name == "apiconnector-token-request":
            thread.join(PATIENCE)
            assert not thread.is_alive()
