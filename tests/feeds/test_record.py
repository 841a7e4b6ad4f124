"""What a run keeps of its attempts: how much, what of it goes, and what became of the token."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import responses
from django.utils import timezone

from apiconnector.feeds import deliver, recorded
from apiconnector.models import Connection, Feed, FeedRun, Token
from apiconnector.shortcuts import run_feed, submit
from tests import token_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.token_server import TokenServer

pytestmark = pytest.mark.django_db
URL = "https://api.example.com/v1/leads"
ADA = {"email": "ada@example.org"}


@pytest.fixture
def feed(bearer: Connection, make_feed: Callable[..., Feed]) -> Feed:
    return make_feed(bearer)


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with token_server.running() as running:
        yield running


def limited(feed: Feed, limit: int) -> Feed:
    feed.body_limit = limit
    feed.save()
    return feed


def only(run: FeedRun) -> dict[str, Any]:
    (entry,) = run.attempts
    assert isinstance(entry, dict)
    return entry


class TestBodyLimit:
    @responses.activate
    @pytest.mark.parametrize(("limit", "kept"), [(5, 5), (10_000, 10_000), (10**9, recorded.MOST_OF_BODY)])
    def test_so_many_characters_are_kept(self, feed: Feed, limit: int, kept: int) -> None:
        limited(feed, limit)
        responses.post(URL, body="x" * 220_000 if limit > 10_000 else "ü" * 20_000)
        body = only(run_feed("lead", ADA))["response"]["body"]
        text, _, size = body.partition("… (")
        assert (len(text), set(text) <= {"ü", "x"}, size[-7:]) == (kept, True, "in all)")

    @responses.activate
    def test_of_a_huge_answer_the_beginning_is_kept(self, feed: Feed) -> None:
        responses.post(URL, body=b"x" * 50_000_000)
        run = run_feed("lead", ADA)
        assert run.ok
        assert only(run)["response"]["body"].startswith(f"{'x' * 10_000}… (more than 10,0")
        assert FeedRun.objects.get().data is None

    @pytest.mark.parametrize("at", range(9_900, 10_100, 7))
    @pytest.mark.parametrize("more", [0, 1_000_000])
    def test_no_part_of_a_secret_is_left_where_a_body_is_cut(self, at: int, more: int) -> None:
        secret = "canary" * 20
        content = ("x" * at + secret + "y" * more).encode()
        assert "canary" not in recorded.body(content, 10_000, lambda text: text.replace(secret, "[redacted]"))

    def test_nor_where_most_of_what_is_looked_through_is_taken_out(self) -> None:
        secret = "canary" * 3_000
        content = secret * 40 + "y" * 1_000_000
        kept = recorded.body(content, 10_000, lambda text: text.replace(secret, "[redacted]"))
        assert "canary" not in kept

    @responses.activate
    def test_headers_have_a_limit_of_their_own(self, feed: Feed) -> None:
        headers = {f"X-{number}": "v" * 10_000 for number in range(90)}
        responses.post(URL, json={}, headers={**headers, "X-Key": "canary-bearer-key"})
        run = run_feed("lead", ADA)
        kept = only(run)["response"]["headers"]
        assert kept["X-0"] == f"{'v' * recorded.MOST_OF_HEADER}…"
        assert "headers in all)" in kept["…"]
        assert len(str(kept)) < 2 * recorded.MOST_OF_HEADERS
        assert "canary" not in str(run.attempts)


class TestWithoutBodies:
    @responses.activate
    def test_nothing_submitted_is_left_once_it_has_arrived(self, feed: Feed) -> None:
        feed.response_values = {"id": "body.id"}
        limited(feed, 0)
        responses.post(URL, json={"id": 5, "echo": ADA["email"]})
        run = run_feed("lead", ADA)
        # The caller has it, the database not.
        assert run.data == {"id": 5, "echo": ADA["email"]}
        kept = FeedRun.objects.get()
        assert (kept.input, kept.item, kept.request, kept.data, kept.values) == ({}, None, None, None, {"id": 5})
        entry = only(kept)
        assert (entry["request"], entry["response"]["body"], entry["status_code"]) == (None, "", 200)
        assert recorded.is_emptied(kept)
        assert "ada@" not in str(FeedRun.objects.values().get())

    @responses.activate
    def test_what_was_refused_keeps_what_a_replay_needs(self, feed: Feed) -> None:
        limited(feed, 0)
        responses.post(URL, json={"echo": ADA["email"]}, status=422)
        run_feed("lead", ADA)
        kept = FeedRun.objects.get()
        assert (kept.input, kept.data) == (ADA, None)
        entry = only(kept)
        assert (entry["request"]["url"], entry["request"]["body"], entry["response"]["body"]) == (URL, "", "")
        assert entry["bodies"] is False
        assert not recorded.is_emptied(kept)

    @responses.activate
    @pytest.mark.django_db(transaction=True)
    def test_a_submitted_one_goes_with_the_attempt_that_succeeds(self, feed: Feed) -> None:
        feed.retry_delay = 0
        feed.method = "PUT"
        limited(feed, 0)
        responses.put(URL, status=500)
        responses.put(URL, json={})
        (run,) = submit("contact", ADA)
        assert (run.status, run.input) == ("pending", ADA)
        deliver()
        run.refresh_from_db()
        assert (run.status, run.input, run.attempt_count) == ("succeeded", {}, 2)
        assert [entry["request"] for entry in run.attempts] == [None, None]
        assert [entry["status_code"] for entry in run.attempts] == [500, 200]


class TestEntries:
    @staticmethod
    def entry(size: int = 0) -> dict[str, Any]:
        return {"error": "", "request": {"body": "r" * size}, "response": {"body": "a" * size}}

    def test_the_oldest_go(self) -> None:
        kept: list[dict[str, Any]] = []
        for number in range(recorded.MOST_ENTRIES + 20):
            kept = recorded.added(kept, {"number": number})
        assert [kept[0]["number"], kept[-1]["number"], len(kept)] == [20, recorded.MOST_ENTRIES + 19, 100]

    def test_so_do_bodies_that_are_too_large_together(self) -> None:
        kept: list[dict[str, Any]] = []
        for _ in range(40):
            kept = recorded.added(kept, self.entry(recorded.MOST_OF_BODY))
        assert len(kept) == 40
        total = sum(len(side["body"]) for entry in kept for side in (entry["request"], entry["response"]))
        assert total <= recorded.MOST_IN_ALL + 40 * 200
        assert kept[-1] == self.entry(recorded.MOST_OF_BODY)
        assert "too many attempts" in kept[0]["request"]["body"]

    def test_fourteen_of_the_usual_size_are_kept_whole(self) -> None:
        kept: list[dict[str, Any]] = []
        for _ in range(14):
            kept = recorded.added(kept, self.entry(10_000))
        assert kept == [self.entry(10_000)] * 14

    @pytest.mark.parametrize("odd", [None, {}, "text", [None, "text", {"request": "x"}]])
    def test_odd_entries_do_no_harm(self, odd: Any) -> None:
        assert recorded.added(odd, {"error": ""})[-1] == {"error": ""}


class TestToken:
    @pytest.fixture
    def connection(self, server: TokenServer, make_connection: Callable[..., Connection]) -> Connection:
        return make_connection(
            base_url=f"{server.origin}/api", auth_method="oauth2_authorization_code", client_id="id",
            client_secret="secret", token_url=f"{server.origin}/token", authorization_url=f"{server.origin}/a",
        )  # fmt: skip  # in rows

    @pytest.fixture
    def token(self, server: TokenServer, connection: Connection) -> Token:
        server.generation = 1
        return Token.objects.create(
            connection=connection, access_token="access-1", refresh_token="refresh-1", generation=1,
            expires_at=timezone.now() + timedelta(hours=1),
        )  # fmt: skip  # in rows

    def event(self, connection: Connection, make_feed: Callable[..., Feed]) -> str:
        make_feed(connection)
        run_feed("lead", ADA)
        return str(only(FeedRun.objects.get())["token"])

    def test_a_token_that_works_is_no_event(
        self, token: Token, connection: Connection, make_feed: Callable[..., Feed]
    ) -> None:
        assert self.event(connection, make_feed) == ""

    def test_one_that_had_ended_was_refreshed(
        self, token: Token, connection: Connection, make_feed: Callable[..., Feed]
    ) -> None:
        Token.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
        assert self.event(connection, make_feed) == "refreshed"

    def test_so_was_one_that_the_api_refused(
        self, token: Token, connection: Connection, make_feed: Callable[..., Feed]
    ) -> None:
        token.access_token, token.generation = "another", 4
        token.save()
        assert self.event(connection, make_feed) == "refreshed"

    def test_the_new_one_was_refused_as_well(
        self, server: TokenServer, token: Token, connection: Connection, make_feed: Callable[..., Feed]
    ) -> None:
        for name in ("wrong", "wrong-too"):
            server.answers.append((200, {"access_token": name, "refresh_token": "refresh-2", "expires_in": 3600}))
        Token.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
        server.generation = 7
        assert self.event(connection, make_feed) == "refused"

    def test_there_is_none(self, connection: Connection, make_feed: Callable[..., Feed]) -> None:
        assert self.event(connection, make_feed) == "missing"

    @responses.activate
    def test_a_connection_without_tokens_has_no_event(self, feed: Feed) -> None:
        responses.post(URL, status=401)
        run = run_feed("lead", ADA)
        assert (run.error, only(run)["token"]) == ("http_status", "")
