"""Runs of which nobody knows whether the last attempt arrived: their worker is gone, or their feed was edited since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses
from django.utils import timezone

from apiconnector.admin.run_advice import next_step
from apiconnector.admin.shown import exchange_block
from apiconnector.feeds import deliver
from apiconnector.feeds.abandoned import MOST_STOPPED
from apiconnector.feeds.replay import replay
from apiconnector.models import Connection, Feed, FeedRun
from apiconnector.shortcuts import submit

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://api.example.com/v1/leads"

pytestmark = pytest.mark.django_db


@pytest.fixture
def left(bearer: Connection, make_feed: Callable[..., Feed]) -> Callable[..., FeedRun]:
    """A run whose worker is gone after the first byte, with what that one sent; else as is said."""

    def make(feed: dict[str, Any], key_header: str = "", **fields: Any) -> FeedRun:
        made = make_feed(bearer, **feed)
        (run,) = submit("contact", {"email": "a"})
        request = {
            "method": made.method, "path": "leads", "params": [], "headers": {}, "body_format": "json",
            "body": {"email": "a"}, "key_header": key_header,
        }  # fmt: skip  # in rows
        now = timezone.now()
        values = {"status": "running", "outcome": "unknown", "started_at": now, "next_attempt_at": now, **fields}
        FeedRun.objects.update(request=request, **values)
        run.refresh_from_db()
        return run

    return make


KEYED = {"idempotency_header": "Idempotency-Key"}


class TestCutOff:
    @responses.activate
    @pytest.mark.parametrize(("feed", "header"), [(KEYED, "Idempotency-Key"), ({"method": "PUT"}, "")])
    def test_what_may_be_sent_again_has_it_in_its_record(
        self, left: Callable[..., FeedRun], feed: dict[str, Any], header: str
    ) -> None:
        run = left(feed, header)
        responses.add(feed.get("method", "POST"), URL, json={})
        assert deliver() == {"succeeded": 1}
        run.refresh_from_db()
        assert run.attempt_count == 2
        assert [entry["error"] for entry in run.attempts] == ["interrupted", ""]
        assert run.attempts[0]["at"] < run.attempts[1]["at"]
        shown = exchange_block(run.attempts[0])
        assert "The worker was stopped while it sent this." in shown
        assert "No request was made" not in shown

    def test_so_has_what_a_person_decides_on(self, left: Callable[..., FeedRun]) -> None:
        run = left({})
        assert deliver() == {"failed": 1}
        run.refresh_from_db()
        assert (run.outcome, run.error, run.attempt_count) == ("unknown", "interrupted", 1)
        assert [entry["error"] for entry in run.attempts] == ["interrupted"]

    def test_one_that_ends_its_worker_each_time_is_given_up(self, left: Callable[..., FeedRun]) -> None:
        run = left({**KEYED, "max_attempts": 3}, "Idempotency-Key", attempt_count=2)
        assert deliver() == {"dead": 1}
        run.refresh_from_db()
        assert (run.outcome, run.error, run.attempt_count) == ("unknown", "interrupted", 3)

    def test_it_counts_also_where_the_next_worker_is_gone_as_well(
        self, left: Callable[..., FeedRun], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = left(KEYED, "Idempotency-Key")

        def killed(*_: Any, **__: Any) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr("apiconnector.feeds.attempt.send", killed)
        with pytest.raises(KeyboardInterrupt):
            deliver()
        run.refresh_from_db()
        assert (run.status, run.attempt_count, len(run.attempts)) == ("running", 1, 1)


class TestStopped:
    """Its worker was gone before the first byte: it was not sent, and is sent by the next one."""

    def killed(self, monkeypatch: pytest.MonkeyPatch, run: FeedRun, times: int) -> None:
        def killed(*_: Any, **__: Any) -> Any:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr("apiconnector.feeds.attempt.send", killed)
            for _ in range(times):
                with pytest.raises(KeyboardInterrupt):
                    deliver()
                FeedRun.objects.update(next_attempt_at=timezone.now())
        run.refresh_from_db()

    @responses.activate
    def test_it_is_in_the_record_and_no_attempt(
        self, left: Callable[..., FeedRun], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = left({"max_attempts": 1}, status="pending", outcome="")
        self.killed(monkeypatch, run, MOST_STOPPED - 1)
        assert (run.status, run.outcome, run.attempt_count) == ("running", "not_sent", 0)
        responses.post(URL, json={})
        assert deliver() == {"succeeded": 1}
        run.refresh_from_db()
        assert run.attempt_count == 1
        assert [entry["error"] for entry in run.attempts] == ["stopped"] * (MOST_STOPPED - 1) + [""]
        assert "before it sent anything" in exchange_block(run.attempts[0])

    @responses.activate
    def test_one_that_stops_each_worker_is_given_up(
        self, left: Callable[..., FeedRun], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = left({}, status="pending", outcome="")
        self.killed(monkeypatch, run, MOST_STOPPED)
        assert deliver() == {"dead": 1}
        run.refresh_from_db()
        assert (run.outcome, run.error, run.attempt_count) == ("not_sent", "stopped", 0)
        assert "workers in a row were stopped" in run.error_message
        assert "replay" in next_step(run)
        assert len(responses.calls) == 0
        # Others have their turn again after it was replayed.
        responses.post(URL, json={})
        assert replay(FeedRun.objects.all(), by="ada")["replayed"] == 1
        assert deliver() == {"succeeded": 1}


class TestEditedFeed:
    @responses.activate
    @pytest.mark.parametrize("status", ["running", "pending"])
    @pytest.mark.parametrize(
        ("sent", "header"), [("", "Idempotency-Key"), ("Idempotency-Key", ""), ("Idempotency-Key", "X-Request-Id")]
    )
    def test_a_key_that_the_api_can_not_recognize_is_none(
        self, left: Callable[..., FeedRun], status: str, sent: str, header: str
    ) -> None:
        """Sent without a key, or in another header: the API would take the next attempt for another request."""
        run = left({"idempotency_header": header}, sent, status=status)
        assert deliver() == {"failed": 1}
        run.refresh_from_db()
        assert (run.outcome, run.error, len(responses.calls)) == ("unknown", "interrupted", 0)

    @responses.activate
    @pytest.mark.parametrize("method", ["POST", "PATCH"])
    @pytest.mark.parametrize("header", ["", "X-Request-Id"])
    @pytest.mark.parametrize(
        ("status", "headers", "is_sent"),
        [
            (500, {}, False), (502, {}, False), (503, {}, False), (408, {}, False), (425, {}, False),
            (503, {"Retry-After": "0"}, True), (429, {}, True), (401, {}, True),
        ],
    )  # fmt: skip  # in rows
    def test_who_answered_with_an_error_may_have_acted_on_it(  # noqa: PLR0917 - a table
        self, bearer: Connection, make_feed: Callable[..., Feed], method: str, header: str, status: int,
        headers: dict[str, str], is_sent: bool,
    ) -> None:  # fmt: skip  # in rows
        feed = make_feed(bearer, **KEYED, method=method, retry_delay=0)
        (run,) = submit("contact", {"email": "a"})
        responses.add(method, URL, status=status, headers=headers)
        assert deliver() == {"pending": 1}
        feed.idempotency_header = header
        feed.save()
        responses.upsert(method, URL, json={})
        assert deliver() == {"succeeded" if is_sent else "failed": 1}
        run.refresh_from_db()
        # After a 401 the session has tried once more by itself.
        assert run.attempt_count == 1 + is_sent
        if not is_sent:
            assert (run.outcome, run.error, run.status_code) == ("sent", "http_status", status)
            assert f"answered {status}, and may have acted on it" in run.error_message
            assert next_step(run)

    @responses.activate
    @pytest.mark.parametrize("first", [500, requests.ReadTimeout()])
    def test_it_may_have_been_acted_on_also_where_the_last_attempt_was_not(
        self, bearer: Connection, make_feed: Callable[..., Feed], first: Any
    ) -> None:
        feed = make_feed(bearer, **KEYED, retry_delay=0)
        (run,) = submit("contact", {"email": "a"})
        for answer in (first, requests.ConnectTimeout(), 429):
            responses.upsert("POST", URL, **({"status": answer} if isinstance(answer, int) else {"body": answer}))
            assert deliver() == {"pending": 1}
        feed.idempotency_header = ""
        feed.save()
        assert deliver() == {"failed": 1}
        run.refresh_from_db()
        assert run.outcome == ("sent" if first == 500 else "unknown")
        assert len(responses.calls) == 3
        # A person has looked.
        responses.upsert("POST", URL, json={})
        assert replay(FeedRun.objects.all(), by="ada")["replayed"] == 1
        assert deliver() == {"succeeded": 1}

    @responses.activate
    def test_a_worker_that_was_cut_off_in_between_is_remembered(self, left: Callable[..., FeedRun]) -> None:
        run = left({**KEYED, "retry_delay": 0}, "Idempotency-Key")
        responses.post(URL, body=requests.ConnectTimeout())
        assert deliver() == {"pending": 1}
        Feed.objects.update(idempotency_header="")
        assert deliver() == {"failed": 1}
        run.refresh_from_db()
        assert (run.outcome, len(responses.calls)) == ("unknown", 1)

    @responses.activate
    @pytest.mark.parametrize(("method", "is_sent"), [("POST", False), ("PUT", True)])
    @pytest.mark.parametrize("first", [500, requests.ReadTimeout()])
    def test_another_connection_does_not_know_the_key(
        self, bearer: Connection, make_feed: Callable[..., Feed], method: str, is_sent: bool, first: Any
    ) -> None:
        feed = make_feed(bearer, **KEYED, method=method, retry_delay=0)
        (run,) = submit("contact", {"email": "a"})
        responses.add(method, URL, **({"status": first} if isinstance(first, int) else {"body": first}))
        assert deliver() == {"pending": 1}
        feed.connection = Connection.objects.create(
            name="Other", slug="other", base_url="https://other.example.com", auth_method="none"
        )
        responses.add(method, "https://other.example.com/leads", json={})
        feed.save()
        deliver()
        run.refresh_from_db()
        assert run.status == ("succeeded" if is_sent else "failed")
        assert [call.request.url for call in responses.calls] == [URL, "https://other.example.com/leads"][: 1 + is_sent]

    @responses.activate
    def test_what_was_not_sent_is_sent_as_the_feed_is_now(self, left: Callable[..., FeedRun]) -> None:
        run = left(KEYED, "", status="pending", outcome="not_sent")
        responses.post(URL, json={})
        assert deliver() == {"succeeded": 1}
        assert responses.calls[0].request.headers["Idempotency-Key"] == run.idempotency_key
