"""Rounds of ``deliver``: several at once, none twice, and nobody held up by a slow API."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import responses
from django.db import OperationalError, connection
from django.utils import timezone

from apiconnector.feeds import deliver, delivery
from apiconnector.feeds import round as rounds
from apiconnector.models import Connection, Feed, FeedRun
from tests.feeds.api import Api, Reply

if TYPE_CHECKING:
    from collections.abc import Callable


def keep(feed: Feed, number: int, **fields: Any) -> None:
    """So many due runs, as a transaction leaves them: nobody was woken."""
    FeedRun.objects.bulk_create(
        FeedRun(feed=feed, connection=feed.connection, input={"email": "a"}, next_attempt_at=timezone.now(), **fields)
        for _ in range(number)
    )


@pytest.fixture
def local(make_connection: Callable[..., Connection], make_feed: Callable[..., Feed], api: Api) -> Callable[..., Feed]:
    """A feed of a connection of its own, to a path of its own."""

    def make(slug: str, **fields: Any) -> Feed:
        other = make_connection(slug=slug, base_url=api.origin, auth_method="bearer", api_key="k", timeout=5)
        return make_feed(other, slug=slug, path=slug, **fields)

    return make


@pytest.mark.django_db(transaction=True)
class TestWorkers:
    def test_all_are_sent_once(self, local: Callable[..., Feed], api: Api) -> None:
        feed = local("a", idempotency_header="Idempotency-Key")
        keep(feed, 250)
        told: list[int] = []
        counts = deliver(workers=8, progress=lambda run: told.append(run.pk))
        assert counts.total() == len(set(told)) == len(told) == 250
        # On a busy machine SQLite may keep one of eight threads waiting for longer than it waits: nothing was sent then.
        waiting = FeedRun.objects.filter(status="pending")
        assert counts == Counter({"succeeded": 250 - waiting.count(), "pending": waiting.count()})
        assert waiting.count() < 5
        waiting.update(next_attempt_at=timezone.now())
        deliver()
        assert FeedRun.objects.filter(status="succeeded").count() == len(api.calls) == 250
        assert set(Counter(call.key for call in api.calls).values()) == {1}
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("apiconnector-worker")]

    def test_they_work_at_the_same_time(self, local: Callable[..., Feed], api: Api) -> None:
        api.replies["/a"] = Reply(delay=0.2)
        keep(local("a"), 12)
        began = time.monotonic()
        deliver(workers=6)
        assert time.monotonic() - began < 12 * 0.2

    def test_two_rounds_at_once_send_nothing_twice(self, local: Callable[..., Feed], api: Api) -> None:
        keep(local("a"), 120)
        counts: list[Counter[str]] = []

        def play() -> None:
            try:
                counts.append(deliver(workers=2))
            finally:
                connection.close()

        threads = [threading.Thread(target=play) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(counts, Counter()) == {"succeeded": 120}
        assert len(api.calls) == 120

    def test_a_slow_api_holds_up_no_other(self, local: Callable[..., Feed], api: Api, monkeypatch: Any) -> None:
        monkeypatch.setattr(rounds, "SLOW", 0.7)
        slow, quick = local("slow", method="PUT"), local("quick")
        api.replies["/slow"] = Reply(status=500, delay=0.8)
        # The slow ones have been due for longer: each at a time they would take eight seconds.
        keep(slow, 10)
        keep(quick, 60)
        deliver(workers=4)
        last = max(call.at for call in api.calls if call.path == "/quick")
        assert sum(call.path == "/slow" and call.at < last for call in api.calls) <= 6
        assert api.paths().count("/slow") == 10

    def test_one_that_was_slow_once_is_not_behind_those_that_are(
        self, local: Callable[..., Feed], api: Api, monkeypatch: Any
    ) -> None:
        monkeypatch.setattr(rounds, "SLOW", 0.4)
        slow, other = local("slow", method="PUT"), local("other")
        api.replies["/slow"] = Reply(status=500, delay=0.5)
        keep(slow, 12)
        keep(other, 1)
        found = rounds.Round(workers=4, limit=None, progress=None, stop=None, stay=None)
        found._slow = {slow.connection_id, other.connection_id}
        found.play()
        assert "/other" in api.paths()[:3]

    def test_slow_ones_together_leave_half_of_the_workers_to_others(
        self, local: Callable[..., Feed], api: Api, monkeypatch: Any
    ) -> None:
        monkeypatch.setattr(rounds, "SLOW", 0.1)
        feeds = [local(name) for name in ("one", "two", "three", "four")]
        at_once, most = [0], [0]
        lock = threading.Lock()

        def slow(_: Any) -> Reply:
            with lock:
                at_once[0] += 1
                most[0] = max(most[0], at_once[0])
            time.sleep(0.2)
            with lock:
                at_once[0] -= 1
            return Reply()

        api.replies = {f"/{feed.slug}": slow for feed in feeds}
        found = rounds.Round(workers=4, limit=None, progress=None, stop=None, stay=None)
        found._slow = {feed.connection_id for feed in feeds}
        for feed in feeds:
            keep(feed, 3)
        assert found.play() == {"succeeded": 12}
        assert most[0] == 2

    def test_an_unreadable_row_holds_up_no_other(self, local: Callable[..., Feed], caplog: Any) -> None:
        feed = local("a")
        keep(feed, 3)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE apiconnector_feedrun SET input = '{' WHERE id = %s", [FeedRun.objects.earliest("id").pk]
            )
        for workers in (1, 2):
            keep(feed, 2)
            assert deliver(workers=workers)["succeeded"] >= 2
        assert FeedRun.objects.filter(status="succeeded").count() == 6
        assert "could not be dealt with" in caplog.text

    def test_one_that_can_not_be_claimed_holds_up_no_other(
        self, local: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rounds, "PAGE", 2)
        feed = local("a")
        keep(feed, 6)
        stuck = set(FeedRun.objects.order_by("id").values_list("pk", flat=True)[:3])
        monkeypatch.setattr(rounds, "deliver_one", lambda run: None if run.pk in stuck else delivery.deliver_one(run))
        assert deliver() == {"succeeded": 3}
        keep(feed, 3)
        assert deliver(workers=2) == {"succeeded": 3}

    def test_a_run_without_a_delay_does_not_go_on_for_ever(self, local: Callable[..., Feed], api: Api) -> None:
        api.replies["/a"] = Reply(status=429)
        keep(local("a", retry_delay=0, max_attempts=100), 3)
        assert deliver() == {"pending": 3}
        assert deliver(workers=3) == {"pending": 3}

    @pytest.mark.parametrize("workers", [1, 3])
    def test_limit(self, local: Callable[..., Feed], api: Api, workers: int) -> None:
        keep(local("a"), 10)
        assert deliver(limit=7, workers=workers) == {"succeeded": 7}
        assert deliver(limit=0, workers=workers) == {}
        assert len(api.calls) == 7

    @pytest.mark.parametrize("workers", [1, 3])
    def test_a_database_that_is_away_ends_it(
        self, local: Callable[..., Feed], workers: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keep(local("a"), 5)

        def away(_: FeedRun) -> None:
            raise OperationalError("canary")

        monkeypatch.setattr(rounds, "deliver_one", away)
        with pytest.raises(OperationalError):
            deliver(workers=workers)

    @pytest.mark.parametrize("workers", [1, 3])
    def test_stop_ends_it_after_the_runs_at_hand(self, local: Callable[..., Feed], api: Api, workers: int) -> None:
        stop = threading.Event()
        keep(local("a"), 20)
        counts = deliver(workers=workers, stop=stop, progress=lambda _: stop.set())
        assert 1 <= counts["succeeded"] <= workers
        assert FeedRun.objects.filter(status="running").count() == 0

    @pytest.mark.parametrize("workers", [1, 3])
    def test_it_stays(self, local: Callable[..., Feed], api: Api, workers: int) -> None:
        stop, feed = threading.Event(), local("a")
        keep(feed, 2)

        def more() -> None:
            try:
                while FeedRun.objects.exclude(status="succeeded").exists():
                    time.sleep(0.02)
                keep(feed, 3)
                while FeedRun.objects.exclude(status="succeeded").exists():
                    time.sleep(0.02)
                stop.set()
            finally:
                connection.close()

        thread = threading.Thread(target=more)
        thread.start()
        assert deliver(workers=workers, stop=stop, stay=0.1) == {"succeeded": 5}
        thread.join()


@pytest.mark.django_db
class TestOrder:
    @responses.activate
    def test_the_longest_due_first(self, bearer: Connection, make_feed: Callable[..., Feed]) -> None:
        feed = make_feed(bearer)
        responses.post("https://api.example.com/v1/leads", json={})
        for minutes in (3, 9, 1):
            keep(feed, 1)
            FeedRun.objects.filter(pk=FeedRun.objects.latest("id").pk).update(
                next_attempt_at=timezone.now() - timedelta(minutes=minutes)
            )
        told: list[int] = []
        deliver(progress=lambda run: told.append(run.pk))
        first, second, third = FeedRun.objects.order_by("id").values_list("pk", flat=True)
        assert told == [second, first, third]

    @responses.activate
    def test_a_transaction_is_not_left(self, bearer: Connection, make_feed: Callable[..., Feed]) -> None:
        """Threads would not see its rows."""
        responses.post("https://api.example.com/v1/leads", json={})
        keep(make_feed(bearer), 3)
        assert deliver(workers=4) == {"succeeded": 3}

    @responses.activate
    def test_the_number_of_queries_for_each_run(
        self, bearer: Connection, make_feed: Callable[..., Feed], django_assert_num_queries: Any
    ) -> None:
        responses.post("https://api.example.com/v1/leads", json={})
        keep(make_feed(bearer), 10)
        # A page is two; each run is read with its feed, claimed and written; the last page is empty.
        with django_assert_num_queries(1 + 2 + 10 * 4 + 2):
            assert deliver() == {"succeeded": 10}


WORKER = """
import os, sys, django
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
django.setup()
from django.core.management import call_command
call_command("apiconnector", "deliver", "--workers", sys.argv[2])
"""


@pytest.mark.django_db(transaction=True)
def test_processes_share_what_is_due(local: Callable[..., Feed], api: Api) -> None:
    api.replies["/a"] = Reply(delay=0.02)
    keep(local("a", idempotency_header="Idempotency-Key"), 300)
    arguments = [sys.executable, "-c", WORKER, str(connection.settings_dict["NAME"]), "2"]
    running = [subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    ends = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], ends
    assert set(Counter(call.key for call in api.calls).values()) == {1}
    assert FeedRun.objects.filter(status="succeeded").count() == len(api.calls) == 300
