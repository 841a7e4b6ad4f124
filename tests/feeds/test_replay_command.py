"""``manage.py apiconnector replay``: which runs, whether it asks, and how it ends."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from apiconnector.feeds import outbox
from apiconnector.feeds.endings import AFTER
from apiconnector.models import Connection, Feed, FeedRun
from tests.test_command import call

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def handed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What was handed over; nothing is sent."""
    ids: list[int] = []
    monkeypatch.setattr(outbox, "hand_over", ids.extend)
    return ids


@pytest.fixture
def runs(bearer: Connection, make_feed: Callable[..., Feed]) -> dict[str, FeedRun]:
    lead, note = make_feed(bearer), make_feed(bearer, name="Note", slug="note")
    old = timezone.now() - timedelta(days=10)

    def make(feed: Feed, status: str, outcome: str = "sent", **fields: Any) -> FeedRun:
        return FeedRun.objects.create(feed=feed, connection=bearer, status=status, outcome=outcome, **fields)

    return {
        "failed": make(lead, "failed"), "old": make(lead, "failed", created_at=old), "note": make(note, "failed"),
        "dead": make(lead, "dead", "not_sent"), "unknown": make(lead, "failed", "unknown"),
        "dead, unknown": make(lead, "dead", "unknown"), "succeeded": make(lead, "succeeded"),
        "pending": make(lead, "pending", ""), "skipped": make(lead, "skipped", "not_sent"),
    }  # fmt: skip  # in rows


def replayed(runs: dict[str, FeedRun]) -> set[str]:
    keys = dict(FeedRun.objects.values_list("pk", "idempotency_key"))
    return {name for name, run in runs.items() if keys[run.pk] != run.idempotency_key}


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--feed", "lead"], {"failed", "old", "dead"}),
        (["--feed", "note"], {"note"}),
        (["--status", "failed"], {"failed", "old", "note"}),
        (["--status", "failed", "--feed", "lead", "--since", "2d"], {"failed"}),
        (["--status", "dead"], {"dead"}),
        (["--status", "unknown"], {"unknown", "dead, unknown"}),
        (["--status", "unknown", "--status", "dead"], {"unknown", "dead, unknown", "dead"}),
        (["--since", "90m"], {"failed", "note", "dead"}),
        (["--since", "2000-01-01"], {"failed", "old", "note", "dead"}),
        (["--since", "2000-01-01T12:30"], {"failed", "old", "note", "dead"}),
        (["--since", "2000-01-01T12:30+02:00"], {"failed", "old", "note", "dead"}),
        (["--status", "succeeded", "--again"], {"succeeded"}),
        (["--since", "2990-01-01"], set()),
    ],
)
def test_those_that_match(runs: dict[str, FeedRun], arguments: list[str], names: set[str]) -> None:
    done = call("replay", *arguments, "--yes")
    assert (done.status, replayed(runs)) == (0, names)
    number = len(names)
    assert done.out == ("No run matches.\n" if not names else f"{number} run{'s' * (number > 1)} will be sent again.\n")


def test_by_their_numbers(runs: dict[str, FeedRun], handed: list[int], django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        done = call("replay", str(runs["failed"].pk), str(runs["unknown"].pk), "--yes")
    assert (done.status, replayed(runs)) == (0, {"failed", "unknown"})
    assert handed == [runs["failed"].pk, runs["unknown"].pk]
    assert FeedRun.objects.get(pk=runs["failed"].pk).attempts[-1]["message"] == "Replayed by the command line."


@pytest.mark.parametrize("name", ["succeeded", "pending", "skipped"])
def test_one_that_is_left_alone_is_said(runs: dict[str, FeedRun], name: str) -> None:
    done = call("replay", str(runs[name].pk), str(runs["failed"].pk), "--yes")
    assert (done.status, replayed(runs)) == (1, {"failed"})
    assert done.out == "1 run will be sent again.\n"
    assert "Left alone: 1 run (" in done.err


def test_followers_are_counted(runs: dict[str, FeedRun]) -> None:
    FeedRun.objects.filter(pk=runs["note"].pk).update(waits_for=runs["failed"], error=AFTER)
    assert "Waiting for them again: 1 run." in call("replay", str(runs["failed"].pk), "--yes").out


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("YES\n", 0), ("n\n", 1), ("", 1), ("what\n", 1)])
def test_it_asks(runs: dict[str, FeedRun], monkeypatch: pytest.MonkeyPatch, answer: str, status: int) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    done = call("replay", "--status", "unknown", "--status", "failed")
    assert done.status == status
    assert "5 runs would be sent again" in done.err
    assert "Of 2 it is not known" in done.err
    assert len(replayed(runs)) == (0 if status else 5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name runs"), (["1", "--feed", "lead"], "Name runs"), (["--yes"], "Name runs"),
        (["999999"], "There is no run 999999."), (["9" * 30], "There is no run 999"),
        (["x"], "invalid int"), (["--feed", "leed"], "Did you mean “lead”?"), (["--status", "skipped"], "invalid choice"),
        (["--since", "soon"], "a day such as"), (["--since", ""], "a day such as"), (["--status", "succeeded"], "--again"),
        (["--since", "2026-13-01"], "a day such as"), (["--since", "999999d"], "a day such as"),
    ],
)  # fmt: skip  # in rows
def test_wrong_usage(runs: dict[str, FeedRun], arguments: list[str], words: str) -> None:
    done = call("replay", *arguments)
    # What argparse refuses ends with 2 in a shell; within a process Django makes 1 of it.
    assert done.status == (1 if "Error: argument" in done.err else 2)
    assert words in done.err
    assert replayed(runs) == set()
