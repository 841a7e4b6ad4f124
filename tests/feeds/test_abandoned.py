"""Runs of which nobody knows whether the last attempt arrived: their worker is gone, or their feed was edited since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import responses
from django.utils import timezone

from apiconnector.admin.shown import exchange_block
from apiconnector.feeds import deliver
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
    def test_what_was_not_sent_is_sent_as_the_feed_is_now(self, left: Callable[..., FeedRun]) -> None:
        run = left(KEYED, "", status="pending", outcome="not_sent")
        responses.post(URL, json={})
        assert deliver() == {"succeeded": 1}
        assert responses.calls[0].request.headers["Idempotency-Key"] == run.idempotency_key
