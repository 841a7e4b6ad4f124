"""``manage.py apiconnector deliver``: how many at once, how far it is, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import responses
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from apiconnector import feeds
from apiconnector.management.jobs import feeds as job
from apiconnector.models import Connection, Feed, FeedRun
from tests.feeds.api import Api, Reply
from tests.feeds.test_round import WORKER

if TYPE_CHECKING:
    from collections.abc import Callable


def keep(feed: Feed, number: int) -> None:
    FeedRun.objects.bulk_create(
        FeedRun(feed=feed, connection=feed.connection, input={"email": "a"}, next_attempt_at=timezone.now())
        for _ in range(number)
    )


@pytest.mark.parametrize("number", ["0", "-1", "65", "x", "1.5"])
def test_a_wrong_number_of_workers(number: str) -> None:
    with pytest.raises(CommandError):
        call_command("apiconnector", "deliver", "--workers", number)


@pytest.mark.django_db
@pytest.mark.parametrize("given", [None, 7])
def test_how_many_at_once(given: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def deliver(**options: Any) -> Counter[str]:
        seen.append(options["workers"])
        return Counter()

    monkeypatch.setattr(feeds, "deliver", deliver)
    call_command("apiconnector", "deliver", *([] if given is None else ["--workers", str(given)]))
    usual = 1 if connection.vendor == "sqlite" else job.WORKERS
    assert seen == [given or usual]


@pytest.mark.django_db
@responses.activate
def test_a_long_round_says_how_far_it_is(
    bearer: Connection, make_feed: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip  # in rows
    monkeypatch.setattr(job, "_SUM_UP", 0.0)
    responses.post("https://api.example.com/v1/leads", json={})
    keep(make_feed(bearer), 3)
    call_command("apiconnector", "deliver")
    out, err = capsys.readouterr()
    assert out == "3 due: 3 succeeded.\n"
    assert "1 sent in 0 s, 2 due." in err
    assert "3 sent in 0 s, 0 due." in err


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("workers", ["1", "3"])
def test_sigterm_ends_a_round_after_the_runs_at_hand(
    make_connection: Callable[..., Connection], make_feed: Callable[..., Feed], api: Api, workers: str
) -> None:
    api.replies["/leads"] = Reply(delay=0.3)
    keep(make_feed(make_connection(base_url=api.origin, auth_method="bearer", api_key="k")), 30)
    arguments = [sys.executable, "-c", WORKER, str(connection.settings_dict["NAME"]), workers]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
    until = time.monotonic() + 30
    while not api.calls and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "Stopped: what is left is still due." in err
    sent = len(api.calls)
    assert 1 <= sent < 30
    assert out.startswith(f"{sent} due: {sent} succeeded.")
    assert set(FeedRun.objects.values_list("status", flat=True)) == {"pending", "succeeded"}
