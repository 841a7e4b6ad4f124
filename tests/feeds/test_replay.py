"""Sending again what has ended: which runs, under which key, with whom, and never twice."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import responses
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection as database
from django.db import connections, transaction
from django.utils import timezone

from apiconnector.feeds import deliver, outbox, recorded, replay
from apiconnector.feeds.endings import AFTER
from apiconnector.models import Connection, Feed, FeedRun
from apiconnector.shortcuts import run_feed, submit, submit_many

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.django_db
URL = "https://api.example.com/v1/leads"
ADA = {"email": "ada@example.org"}
NOTHING = {"replayed": 0, "followers": 0, "left": 0}


@pytest.fixture
def feed(bearer: Connection, make_feed: Callable[..., Feed]) -> Feed:
    return make_feed(bearer)


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """What was handed over; nothing is sent."""
    ids: list[list[int]] = []
    monkeypatch.setattr(outbox, "hand_over", lambda some: ids.append(list(some)))
    return ids


def ended(feed: Feed, status: str = "failed", outcome: str = "sent", **fields: Any) -> FeedRun:
    values = {
        "input": ADA, "request": {"method": "POST"}, "attempts": [{"error": "http_status"}], "attempt_count": 3,
        "error": "http_status", "error_message": "The API answered 422.", "status_code": 422,
        "finished_at": timezone.now(), **fields,
    }  # fmt: skip  # in rows
    return FeedRun.objects.create(feed=feed, connection=feed.connection, status=status, outcome=outcome, **values)


def again(*runs: FeedRun, **how: Any) -> dict[str, int]:
    return dict(replay.replay(FeedRun.objects.filter(pk__in=[run.pk for run in runs]), by="ada", **how))


class TestReplay:
    @pytest.mark.parametrize(("status", "outcome"), [("failed", "sent"), ("failed", "unknown"), ("dead", "not_sent")])
    def test_a_run_is_as_new_and_keeps_its_record(
        self, feed: Feed, handed: list[list[int]], django_capture_on_commit_callbacks: Any, status: str, outcome: str
    ) -> None:
        run = ended(feed, status, outcome)
        before = timezone.now()
        with django_capture_on_commit_callbacks(execute=True):
            assert again(run) == {"replayed": 1}
            assert handed == []
        assert handed == [[run.pk]]
        new = FeedRun.objects.get()
        assert (new.status, new.outcome, new.attempt_count, new.request) == ("pending", "", 0, None)
        assert (new.error, new.error_message, new.started_at, new.finished_at) == ("", "", None, None)
        assert new.next_attempt_at is not None
        assert before <= new.next_attempt_at <= timezone.now()
        assert new.idempotency_key != run.idempotency_key
        assert (new.input, new.created_at) == (run.input, run.created_at)
        assert [entry["error"] for entry in new.attempts] == ["http_status", recorded.REPLAYED]
        assert new.attempts[1]["message"] == "Replayed by ada."
        assert new.attempts[1]["at"] >= before.isoformat()

    @pytest.mark.parametrize("status", ["pending", "running", "skipped", "succeeded"])
    def test_others_are_left_alone(self, feed: Feed, status: str) -> None:
        run = ended(feed, status)
        assert again(run) == {"left": 1}
        assert FeedRun.objects.get().idempotency_key == run.idempotency_key

    def test_what_has_succeeded_only_if_that_is_said(self, feed: Feed, handed: list[list[int]]) -> None:
        run = ended(feed, "succeeded")
        assert again(run, again=True) == {"replayed": 1}

    @responses.activate
    def test_but_not_where_nothing_submitted_was_kept(self, feed: Feed) -> None:
        feed.body_limit = 0
        feed.save()
        responses.post(URL, json={})
        run = run_feed("lead", ADA)
        assert again(run, again=True) == {"emptied": 1}
        assert FeedRun.objects.get().status == "succeeded"

    @responses.activate
    @pytest.mark.django_db(transaction=True)
    def test_it_is_sent_with_what_the_feed_is_now(self, feed: Feed) -> None:
        feed.idempotency_header = "Idempotency-Key"
        feed.save()
        responses.post(URL, json={"error": "no name"}, status=422)
        (run,) = submit("contact", ADA, idempotency_key="form-7")
        assert run.status == "failed"
        feed.body = {"email": "{{ email }}", "name": "Ada"}
        feed.save()
        responses.post(URL, json={"id": 7})
        assert again(run) == {"replayed": 1}
        run.refresh_from_db()
        assert (run.status, run.attempt_count, run.data) == ("succeeded", 1, {"id": 7})
        first, second = (call.request for call in responses.calls)
        assert ["name" in str(call.body) for call in (first, second)] == [False, True]
        assert first.headers["Idempotency-Key"] == "form-7"
        assert second.headers["Idempotency-Key"] == run.idempotency_key != "form-7"
        assert [entry["error"] for entry in run.attempts] == ["http_status", "replayed", ""]
        # What the caller called it is known for ever, whoever submits it again and however.
        for same in (
            *submit("contact", ADA, idempotency_key="form-7"),
            *submit_many("contact", [ADA], idempotency_keys=["form-7"]),
        ):
            assert (same.pk, same.submitted_key) == (run.pk, "form-7")
        (other,) = submit("contact", ADA, idempotency_key="form-8")
        assert (other.pk != run.pk, len(responses.calls)) == (True, 3)

    @responses.activate
    @pytest.mark.django_db(transaction=True)
    def test_deliver_takes_up_a_run_of_run_feed_then(self, feed: Feed, handed: list[list[int]]) -> None:
        responses.post(URL, status=500)
        run = run_feed("lead", ADA)
        responses.post(URL, json={})
        assert deliver() == {}
        again(run)
        assert deliver() == {"succeeded": 1}

    def test_what_rolls_back_is_not_replayed(self, feed: Feed, handed: list[list[int]]) -> None:
        run = ended(feed)
        with transaction.atomic():
            again(run)
            transaction.set_rollback(True)
        assert FeedRun.objects.get().status == "failed"
        assert handed == []

    def test_all_that_match_in_chunks(
        self, feed: Feed, handed: list[list[int]], django_capture_on_commit_callbacks: Any
    ) -> None:
        runs = [ended(feed) for _ in range(replay.CHUNK + 20)]
        seen: list[tuple[int, int]] = []
        with django_capture_on_commit_callbacks(execute=True):
            rows = FeedRun.objects.filter(status="failed")
            counts = replay.replay(rows, by="ada", progress=lambda done, of: seen.append((done, of)))
        assert counts == {"replayed": len(runs)}
        assert seen == [(replay.CHUNK, len(runs)), (len(runs), len(runs))]
        assert FeedRun.objects.filter(status="pending").count() == len(runs)
        # By the default backend the caller waits for a few; the others are due.
        assert handed == [[run.pk for run in runs[:50]]]

    def test_it_stops_when_time_is_up(self, feed: Feed, handed: list[list[int]]) -> None:
        runs = [ended(feed) for _ in range(3)]
        assert again(*runs, seconds=-1) == {"not_reached": 3}
        assert again(*runs, seconds=60) == {"replayed": 3}

    def test_the_record_does_not_grow_without_end(self, feed: Feed, handed: list[list[int]]) -> None:
        run = ended(feed, attempts=[{"error": "", "at": str(number)} for number in range(recorded.MOST_ENTRIES)])
        again(run)
        run.refresh_from_db()
        assert len(run.attempts) == recorded.MOST_ENTRIES
        assert run.attempts[0]["at"] == "1"


@pytest.mark.django_db(transaction=True)
def test_two_who_press_at_once_replay_once(feed: Feed, handed: list[list[int]]) -> None:
    runs = [ended(feed) for _ in range(20)]
    barrier = threading.Barrier(2)
    counts: list[dict[str, int]] = []

    def press() -> None:
        try:
            barrier.wait()
            counts.append(again(*runs))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found.get("replayed", 0) for found in counts) == len(runs)
    assert sum(map(len, handed)) == len(runs)
    assert {len(run.attempts) for run in FeedRun.objects.all()} == {2}


class TestFollowers:
    @pytest.fixture
    def chain(self, feed: Feed) -> list[FeedRun]:
        """One that failed, and three that wait for each other."""
        runs = [ended(feed)]
        for _ in range(3):
            runs.append(ended(feed, "failed", "not_sent", error=AFTER, waits_for=runs[-1], attempts=[]))
        return runs

    def states(self, runs: list[FeedRun]) -> list[tuple[str, bool]]:
        for run in runs:
            run.refresh_from_db()
        return [(run.status, run.next_attempt_at is not None) for run in runs]

    def test_they_wait_again(self, chain: list[FeedRun], handed: list[list[int]]) -> None:
        assert again(chain[0]) == {"replayed": 1, "followers": 3}
        assert self.states(chain) == [("pending", True), *[("pending", False)] * 3]

    def test_also_where_they_were_chosen_as_well(self, chain: list[FeedRun], handed: list[list[int]]) -> None:
        assert again(*chain) == {"replayed": 1, "followers": 3}
        assert self.states(chain) == [("pending", True), *[("pending", False)] * 3]

    def test_and_in_another_chunk(
        self, chain: list[FeedRun], handed: list[list[int]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(replay, "CHUNK", 1)
        assert again(*chain) == {"replayed": 1, "followers": 3}
        assert self.states(chain) == [("pending", True), *[("pending", False)] * 3]

    def test_one_alone_does_not_go_ahead(self, chain: list[FeedRun]) -> None:
        assert again(chain[1]) == {"after": 1}
        assert self.states(chain)[1] == ("failed", False)

    def test_it_does_once_the_first_succeeded_or_is_known_to_have_arrived(
        self, chain: list[FeedRun], handed: list[list[int]]
    ) -> None:
        FeedRun.objects.filter(pk=chain[0].pk).update(outcome="unknown")
        assert again(chain[1]) == {"after": 1}
        chain[0].refresh_from_db()
        replay.decide(chain[0], arrived=True, by="ada")
        assert again(chain[1]) == {"replayed": 1, "followers": 2}
        assert self.states(chain)[1:] == [("pending", True), ("pending", False), ("pending", False)]

    def test_one_that_failed_by_itself_waits_for_a_first_one_that_is_sent_again(
        self, chain: list[FeedRun], handed: list[list[int]]
    ) -> None:
        FeedRun.objects.filter(pk=chain[0].pk).update(status="succeeded")
        FeedRun.objects.filter(pk=chain[1].pk).update(error="http_status")
        assert again(chain[0], chain[1], again=True) == {"replayed": 2, "followers": 2}
        assert self.states(chain) == [("pending", True), *[("pending", False)] * 3]

    def test_those_of_each_item_wait_again(self, feed: Feed, handed: list[list[int]]) -> None:
        first = ended(feed)
        FeedRun.objects.bulk_create(
            FeedRun(feed=feed, connection=feed.connection, status="failed", error=AFTER, waits_for=first)
            for _ in range(1_200)
        )
        assert again(first) == {"replayed": 1, "followers": 1_200}


class TestDecide:
    @pytest.mark.parametrize(("arrived", "outcome"), [(True, "sent"), (False, "not_sent")])
    @pytest.mark.parametrize("status", ["failed", "dead"])
    def test_what_was_found_out_is_written_down(self, feed: Feed, status: str, arrived: bool, outcome: str) -> None:
        run = ended(feed, status, "unknown")
        assert replay.decide(run, arrived=arrived, by="ada")
        run.refresh_from_db()
        assert (run.status, run.outcome, run.error) == (status, outcome, "decided")
        assert run.attempts[-1]["message"] == run.error_message
        assert "ada" in run.error_message
        assert not replay.decide(run, arrived=not arrived, by="grace")

    @pytest.mark.parametrize(
        ("status", "outcome"), [("running", "unknown"), ("pending", "unknown"), ("failed", "sent")]
    )
    def test_only_what_has_ended_unknown(self, feed: Feed, status: str, outcome: str) -> None:
        assert not replay.decide(ended(feed, status, outcome), arrived=True, by="ada")

    def test_one_that_was_replayed_meanwhile_is_not_decided(self, feed: Feed, handed: list[list[int]]) -> None:
        run = ended(feed, "failed", "unknown")
        again(run)
        FeedRun.objects.update(status="failed", outcome="unknown")
        assert not replay.decide(run, arrived=True, by="ada")


def test_a_page_of_each_filter_is_read_from_its_index(feed: Feed) -> None:
    old = timezone.now() - timedelta(days=7)
    filters: dict[str, dict[str, Any]] = {
        "apiconnector_run_status": {"status": "failed"},
        "apiconnector_run_outcome": {"outcome": "unknown"},
        "apiconnector_run_feed": {"feed": feed},
        "apiconnector_run_last": {"connection": feed.connection},
        "created_at": {"created_at__gte": old, "created_at__lt": timezone.now()},
    }
    with database.cursor() as cursor:
        there = database.introspection.get_constraints(cursor, FeedRun._meta.db_table)
    for index, chosen in filters.items():
        assert any(index in name and found["index"] for name, found in there.items())
        if database.vendor != "sqlite":
            continue  # a server goes by what is in the table: python -m tests.benchmarks log
        plan = FeedRun.objects.filter(**chosen).order_by("-created_at", "-id")[:100].explain()
        assert index in plan
        assert "TEMP B-TREE" not in plan


@pytest.mark.django_db(transaction=True)
@responses.activate
class TestSent:
    """What the other parts make of a replayed run."""

    def test_one_that_waited_is_sent_with_the_values_of_the_replayed_one(
        self, feed: Feed, make_feed: Callable[..., Feed]
    ) -> None:
        feed.response_values = {"id": "body.id"}
        feed.save()
        make_feed(
            feed.connection, name="Note", slug="note", path="notes", after=feed, body={"contact": "{{ values.id }}"}
        )
        responses.post(URL, status=422)
        first, second = submit("contact", ADA)
        assert [(run.status, run.error) for run in (first, second)] == [("failed", "http_status"), ("failed", AFTER)]
        responses.post(URL, json={"id": 7})
        responses.post("https://api.example.com/v1/notes", json={})
        assert again(first) == {"replayed": 1, "followers": 1}
        deliver()
        first.refresh_from_db()
        second.refresh_from_db()
        assert [run.status for run in (first, second)] == ["succeeded", "succeeded"]
        assert responses.calls[-1].request.body == b'{"contact": 7}'

    def test_one_that_waited_shares_the_fate_of_the_replayed_one(
        self, feed: Feed, make_feed: Callable[..., Feed]
    ) -> None:
        make_feed(feed.connection, name="Note", slug="note", path="notes", after=feed)
        responses.post(URL, status=422)
        first, second = submit("contact", ADA)
        assert again(first) == {"replayed": 1, "followers": 1}
        deliver()
        second.refresh_from_db()
        assert (second.status, second.error) == ("failed", AFTER)
        assert str(first.pk) in second.error_message

    def test_a_file_is_sent_again(self, feed: Feed, settings: Any, tmp_path: Path) -> None:
        settings.MEDIA_ROOT = str(tmp_path)
        feed.body_format, feed.body = "multipart", {"cv": "{{ cv }}"}
        feed.save()
        responses.post(URL, status=422)
        (run,) = submit("contact", {"cv": SimpleUploadedFile("cv.txt", b"the life of Ada")})
        assert run.status == "failed"
        responses.post(URL, json={})
        assert again(run) == {"replayed": 1}
        assert ["the life of Ada" in str(call.request.body) for call in responses.calls] == [True, True]
        assert not run.files.exists()
        # It has gone with its arrival: sent once more it says so, and nothing is sent.
        assert again(run, again=True) == {"replayed": 1}
        run.refresh_from_db()
        assert (run.status, run.outcome, run.error) == ("failed", "not_sent", "file")
