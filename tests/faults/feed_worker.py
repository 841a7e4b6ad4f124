"""One process of a site that submits or delivers: ``worker.py`` with more acts."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

from tests.faults import worker

#: When a claim counts as abandoned here, in seconds: tests don't wait for the minutes that it takes elsewhere.
ABANDONED = 4.0


def make_feeds(origin: str, timeout: float) -> None:
    """Two feeds of the trigger: of an API that knows idempotency keys, and one that does not."""
    from apiconnector.models import Connection, Feed, FeedRun

    FeedRun.objects.all().delete()
    Feed.objects.all().delete()
    Connection.objects.filter(slug__in=["keyed", "plain"]).delete()
    for name, header in (("keyed", "Idempotency-Key"), ("plain", "")):
        connection = Connection.objects.create(
            name=name, slug=name, base_url=origin, auth_method="bearer", api_key="k", timeout=timeout
        )
        Feed.objects.create(
            name=name, slug=name, connection=connection, trigger="form", path=name, body_format="json",
            body={"number": "{{ number }}"}, idempotency_header=header, retry_delay=0.02, max_attempts=200 if header else 5,
        )  # fmt: skip  # in rows


def submit(first: int, count: int) -> dict[str, list[int]]:
    """Submit so many numbers, each in a transaction; what became of which, as far as this process can tell."""
    from django.conf import settings
    from django.db import InterfaceError, OperationalError, connection, transaction

    from apiconnector.shortcuts import submit

    # The workers send.
    package = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"
    settings.TASKS = {"default": {"BACKEND": f"{package}.backends.dummy.DummyBackend"}}
    random.seed(first)
    found: dict[str, list[int]] = {"committed": [], "rolled back": [], "in doubt": []}
    for number in range(first, first + count):
        rolls_back = random.random() < 0.1
        time.sleep(random.random() / 50)
        try:
            with transaction.atomic():
                submit("form", {"number": number})
                transaction.set_rollback(rolls_back)
            found["rolled back" if rolls_back else "committed"].append(number)
        except (OperationalError, InterfaceError):
            connection.close()
            found["rolled back" if rolls_back else "in doubt"].append(number)
            time.sleep(0.3)  # nobody types faster
    return found


def deliver() -> None:
    """What ``manage.py apiconnector deliver --loop`` does, until SIGTERM comes."""
    from django.core.management import call_command

    from apiconnector.feeds import abandoned

    setattr(abandoned, "patience", lambda _: timedelta(seconds=ABANDONED))  # noqa: B010 - mypy takes no other function
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        call_command("apiconnector", "deliver", "--loop", "--interval", "0.2", "--workers", "4", stderr=nowhere)


def hurry() -> int:
    """Let the time pass that runs wait for; how many are not ended."""
    from django.utils import timezone

    from apiconnector.models import FeedRun

    FeedRun.objects.filter(status="pending", next_attempt_at__gt=timezone.now()).update(next_attempt_at=timezone.now())
    return FeedRun.objects.filter(status__in=["pending", "running"]).count()


def ends() -> dict[str, dict[str, Any]]:
    """The numbers of each feed that were kept, and how often which end came."""
    from apiconnector.models import FeedRun

    found: dict[str, dict[str, Any]] = {name: {"numbers": [], "ends": Counter()} for name in ("keyed", "plain")}
    for run in FeedRun.objects.select_related("feed"):
        here = found[run.feed.slug]
        here["numbers"].append(run.input["number"])
        here["ends"][f"{run.status}, {run.outcome}"] += 1
        here.setdefault(f"{run.status}, {run.outcome}", []).append(run.input["number"])
    return found


def prepare() -> None:
    """SQLite as the docs advise it where several processes write."""
    from django.conf import settings

    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        settings.DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE"}


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    prepare()
    worker.main(make_feeds, submit, deliver, hurry, ends)
