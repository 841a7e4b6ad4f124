"""Old runs are removed: which, in which order, with what belongs to them, and beside others who write."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.db import connections
from django.utils import timezone

from apiconnector.feeds import pruning, replay
from apiconnector.models import Connection, Feed, FeedFile, FeedRun
from apiconnector.models.file import storage
from tests.test_command import call

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.django_db
OLD = timezone.now() - timedelta(days=40)
BEFORE = timezone.now() - timedelta(days=30)


@pytest.fixture
def make(bearer: Connection, make_feed: Callable[..., Feed]) -> Callable[..., FeedRun]:
    feed = make_feed(bearer)

    def make(status: str = "succeeded", outcome: str = "sent", **fields: Any) -> FeedRun:
        values = {"created_at": OLD, "finished_at": OLD, **fields}
        return FeedRun.objects.create(feed=feed, connection=bearer, status=status, outcome=outcome, **values)

    return make


@pytest.fixture
def files(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = str(tmp_path)
    return tmp_path


def kept() -> set[int]:
    return set(FeedRun.objects.values_list("pk", flat=True))


class TestWhich:
    def test_an_unknown_one_goes_once_a_person_has_decided(self, make: Callable[..., FeedRun]) -> None:
        run = make("failed", "unknown")
        assert (pruning.count_prunable(BEFORE), pruning.prune_runs(BEFORE)) == (0, 0)
        replay.decide(run, arrived=True, by="ada")
        assert (pruning.count_prunable(BEFORE), pruning.prune_runs(BEFORE)) == (1, 1)

    def test_followers_go_first_and_all_of_a_chain_goes(self, make: Callable[..., FeedRun]) -> None:
        runs = [make()]
        for _ in range(3):
            runs.append(make(waits_for=runs[-1]))
        assert pruning.count_prunable(BEFORE) == 4
        assert pruning.prune_runs(BEFORE) == 4
        assert kept() == set()

    @pytest.mark.parametrize(("status", "outcome"), [("pending", ""), ("running", "unknown"), ("failed", "unknown")])
    def test_what_one_that_stays_has_waited_for_stays(
        self, make: Callable[..., FeedRun], status: str, outcome: str
    ) -> None:
        first = make()
        second = make(waits_for=first)
        last = make(status, outcome, waits_for=second, finished_at=None)
        assert pruning.prune_runs(BEFORE) == 0
        assert kept() == {first.pk, second.pk, last.pk}

    def test_none_is_passed_over_where_many_are_of_the_same_moment(
        self, make: Callable[..., FeedRun], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pruning, "CHUNK", 3)
        runs = [make("pending" if number % 4 == 0 else "succeeded") for number in range(20)]
        assert pruning.prune_runs(BEFORE) == 15
        assert kept() == {run.pk for run in runs[::4]}

    def test_one_that_was_replayed_meanwhile_stays(self, make: Callable[..., FeedRun]) -> None:
        run, other = make("failed"), make("failed")
        FeedRun.objects.filter(pk=run.pk).update(status="pending")
        assert pruning._remove([run.pk, other.pk], BEFORE) == 1
        assert kept() == {run.pk}


class TestFiles:
    def attach(self, *runs: FeedRun, created_at: Any = OLD) -> str:
        name = storage().save("apiconnector/canary", ContentFile(b"content"))
        row = FeedFile.objects.create(key=str(len(name)) + str(runs[0].pk), file=name, name="cv.pdf", size=7)
        FeedFile.objects.filter(pk=row.pk).update(created_at=created_at)
        row.runs.set(runs)
        return name

    def test_they_go_with_the_last_run_that_has_them(
        self, make: Callable[..., FeedRun], files: Path, django_capture_on_commit_callbacks: Any
    ) -> None:
        first, second = make(), make("pending", finished_at=None)
        name = self.attach(first, second)
        call("prune")
        assert storage().exists(name)
        assert FeedFile.objects.get().runs.get() == second
        FeedRun.objects.update(status="failed", outcome="sent")
        with django_capture_on_commit_callbacks(execute=True):
            call("prune")
        assert not storage().exists(name)
        assert not FeedFile.objects.exists()

    def test_a_run_that_was_replayed_meanwhile_keeps_its_own(self, make: Callable[..., FeedRun], files: Path) -> None:
        run = make("failed")
        self.attach(run)
        FeedRun.objects.update(status="pending")
        pruning._remove([run.pk], BEFORE)
        assert run.files.count() == 1


@pytest.mark.django_db(transaction=True)
def test_whoever_writes_meanwhile_hardly_waits(make: Callable[..., FeedRun]) -> None:
    """How long is measured elsewhere; here nobody waits until all is done, and nothing of theirs is lost."""
    one = make()
    columns = {name: getattr(one, name) for name in ("feed_id", "connection_id", "status", "outcome", "created_at")}
    FeedRun.objects.bulk_create(
        FeedRun(**columns, finished_at=OLD, attempts=[{"body": "x" * 2_000}]) for _ in range(6 * pruning.CHUNK)
    )
    waits: list[float] = []
    is_over = threading.Event()

    def write() -> None:
        try:
            while not is_over.is_set():
                began = time.monotonic()
                FeedRun.objects.create(feed=one.feed, connection=one.connection)
                waits.append(time.monotonic() - began)
                time.sleep(0.002)
        finally:
            connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    began = time.monotonic()
    try:
        assert pruning.prune_runs(BEFORE) == 6 * pruning.CHUNK + 1
    finally:
        is_over.set()
        took = time.monotonic() - began
        writer.join()
    assert len(kept()) == len(waits) >= 3
    assert max(waits) < took
