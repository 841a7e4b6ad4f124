"""Answers of any length: a feed reads so much and no more, and its run says so."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from apiconnector.client import MAX_BODY
from apiconnector.feeds.attempt import KEPT_DATA
from apiconnector.models import Connection, Feed, FeedRun
from apiconnector.shortcuts import connect, run_feed
from tests.client.servers import Reply, api_server, raw_server, request_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

pytestmark = pytest.mark.django_db

MEGABYTE = b"x" * 1_000_000


@pytest.fixture
def make_get(make_connection: Callable[..., Connection], make_feed: Callable[..., Feed]) -> Callable[..., Feed]:
    def make(url: str, **fields: Any) -> Feed:
        connection = make_connection(base_url=url, auth_method="bearer", api_key="k")
        return make_feed(connection, method="GET", body_format="none", body=None, **fields)

    return make


@pytest.mark.parametrize("length", ["Content-Length: 50000000", "Connection: close"])
@pytest.mark.parametrize(
    ("rule", "status"), [("", "succeeded"), ("status == `200`", "succeeded"), ("body.ok", "failed")]
)
def test_fifty_megabytes(make_get: Callable[..., Feed], length: str, rule: str, status: str) -> None:
    sent = 0

    def talk(connection: socket.socket) -> None:
        nonlocal sent
        request_of(connection)
        connection.sendall(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode())
        with suppress(OSError):
            for _ in range(50):
                connection.sendall(MEGABYTE)
                sent += 1

    with raw_server(talk) as url:
        make_get(url, success_when=rule)
        run = run_feed("lead")
    assert sent < 40, "the rest was not read"
    assert (run.status, run.outcome, run.status_code, run.data) == (status, "sent", 200, None)
    if status == "succeeded":
        assert run.error == "too_large"
        assert run.error_message.startswith("The answer was not read to its end: it has more than 10,")
    else:
        assert (run.error, "empty, or too large to be read" in run.error_message) == ("success_rule", True)
    kept = FeedRun.objects.get().attempts[0]
    assert kept["response"]["body"].startswith("xxxx")
    assert len(json.dumps(kept)) < 1_000_000


def test_one_that_unpacks_to_a_thousand_times_its_length(make_get: Callable[..., Feed]) -> None:
    with api_server() as api:
        make_get(api.url)
        packed = gzip.compress(MEGABYTE * 50)
        api.answer = lambda _: Reply(200, {"Content-Encoding": "gzip"}, packed)
        run = run_feed("lead")
    assert (run.status, run.error) == ("succeeded", "too_large")


def test_rules_and_values_see_more_than_is_kept(make_get: Callable[..., Feed]) -> None:
    body = json.dumps({"ok": True, "id": 7, "filling": "x" * 3_000_000}).encode()
    with api_server() as api:
        make_get(api.url, success_when="body.ok", response_values={"id": "body.id"})
        api.answer = lambda _: Reply(200, {}, body)
        run = run_feed("lead")
    assert (run.status, run.values, run.data, run.error) == ("succeeded", {"id": 7}, None, "too_large")
    assert f"has {len(body):,} bytes" in run.error_message


def test_the_largest_that_is_kept(make_get: Callable[..., Feed]) -> None:
    with api_server() as api:
        make_get(api.url)
        for size, error in ((KEPT_DATA, ""), (KEPT_DATA + 1, "too_large")):
            text = "x" * (size - 2)
            api.answer = lambda _, text=text: Reply(200, {}, json.dumps(text).encode())  # type: ignore[misc]  # the default
            run = run_feed("lead")
            assert (run.status, run.error, run.data) == ("succeeded", error, None if error else text)


def test_an_error_stays_what_it_is(make_get: Callable[..., Feed]) -> None:
    with api_server() as api:
        make_get(api.url)
        api.answer = lambda _: Reply(404, {}, MEGABYTE * 2)
        run = run_feed("lead")
    assert (run.status, run.error, run.error_message) == ("failed", "http_status", "The API answered 404.")


def test_one_that_breaks_off(make_get: Callable[..., Feed]) -> None:
    def talk(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    with raw_server(talk) as url:
        make_get(url)
        run = run_feed("lead")
    assert (run.status, run.outcome, run.error) == ("failed", "unknown", "connection")


def test_a_rule_on_the_body_still_renews_a_token(
    make_connection: Callable[..., Connection], make_feed: Callable[..., Feed]
) -> None:
    """The body is read before the session decides whether the answer means an expired token."""
    with api_server() as api:
        connection = make_connection(
            base_url=api.url, auth_method="oauth2_client_credentials", client_id="i", client_secret="s",
            token_url=f"{api.url}/token", dialect={"expired_when": "body.error == 'expired'"},
        )  # fmt: skip  # in rows
        make_feed(connection, method="GET", body_format="none", body=None)
        api.routes(
            token=Reply(200, {}, b'{"access_token": "t", "expires_in": 3600}'),
            leads=Reply(200, {}, b'{"error": "expired"}'),
        )
        run = run_feed("lead")
    assert run.error == "http_status"
    assert "does not accept the credential" in run.error_message
    assert api.paths == ["/token", "/leads", "/token", "/leads"]


def test_connections_are_used_again_and_sessions_read_all(make_get: Callable[..., Feed]) -> None:
    with api_server() as api:
        make_get(api.url)
        assert run_feed("lead").ok
        assert run_feed("lead").ok
        assert len({request.connection for request in api.received}) == 1
        api.answer = lambda _: Reply(200, {}, MEGABYTE * 12)
        with connect("crm") as session:
            assert len(session.get("x").content) == 12_000_000 > MAX_BODY
