"""One process with a log of feed runs: ``python -m tests.benchmarks.log_worker <runs>``.

For each line it reads, it opens a page of the admin's list of runs and writes how long that took.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from itertools import islice
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tests.benchmarks.databases import throwaway
from tests.benchmarks.sending import timed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from apiconnector.models import Feed, FeedRun

#: Of each log, however long it is, so many runs failed; all of them are among the oldest. Of half of those it is not
#: known whether they were sent, and as many are of a feed and a connection that are hardly used.
FEW = 20
#: Days that a log covers.
DAYS = 30
_BATCH = 2_000


class Worker:
    """A log, and somebody who reads it."""

    def __init__(self, number: int) -> None:
        from django.urls import reverse
        from django.utils import timezone

        from tests.benchmarks import records

        self.records, self.now = records, timezone.now()
        self._fill(number)
        self.browser, self.url = records.staff(), reverse("admin:apiconnector_feedrun_changelist")
        half = self.now - timedelta(days=DAYS / 2)
        #: By the name of a page, its parameters. Each shows as many rows of a short log as of a long one.
        self.pages: dict[str, dict[str, Any]] = {
            "the newest": {},
            "the fifth page": {"p": 5},
            "those that succeeded, nearly all": {"status__exact": "succeeded"},
            f"those that failed, {FEW}": {"status__exact": "failed"},
            f"those of unknown outcome, {FEW // 2}": {"outcome__exact": "unknown"},
            "those of a feed, half": {"feed__id__exact": self.feeds[0].pk},
            f"those of a feed, {FEW}": {"feed__id__exact": self.feeds[-1].pk},
            "those of a connection, nearly all": {"connection__id__exact": self.feeds[0].connection_id},
            f"those of a connection, {FEW}": {"connection__id__exact": self.feeds[-1].connection_id},
            "the older half": {
                "created_at__gte": (half - timedelta(days=DAYS)).isoformat(),
                "created_at__lt": half.isoformat(),
            },
            "those that failed in the older half": {"status__exact": "failed", "created_at__lt": half.isoformat()},
            "one that is searched by its number": {"q": "#7"},
        }

    def _fill(self, number: int) -> None:
        from django.db import connection as database

        from apiconnector.models import Connection, Feed, FeedRun

        often, rarely = (
            Connection.objects.create(name=name, slug=name, base_url="https://api.example.com")
            for name in ("often", "rarely")
        )
        self.feeds = [
            Feed.objects.create(connection=owner, name=f"Feed {at}", slug=f"feed-{at}", path="contacts")
            for at, owner in enumerate([often, often, rarely])
        ]
        runs = _runs(self.feeds, number, self.now)
        while some := list(islice(runs, _BATCH)):
            FeedRun.objects.bulk_create(some)
        if database.vendor == "postgresql":
            # What the server does by itself some minutes after so many rows.
            with database.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE")

    def page(self, *, name: str, calls: int) -> float:
        """Seconds that a page takes."""
        url = f"{self.url}?{urlencode(self.pages[name])}"
        return median(timed(lambda: self.records.page(self.browser, url)) for _ in range(calls))

    def statements(self, *, name: str) -> int:
        """SQL statements of a page."""
        url = f"{self.url}?{urlencode(self.pages[name])}"
        return self.records.statements(lambda: self.records.page(self.browser, url))


def _runs(feeds: list[Feed], number: int, now: datetime) -> Iterator[FeedRun]:
    from apiconnector.models import FeedRun

    step = timedelta(days=DAYS) / number
    entry = {
        "at": now.isoformat(),
        "request": {"method": "POST", "url": "https://api.example.com/contacts", "headers": {}, "body": "x" * 300},
        "response": {"status_code": 200, "reason": "OK", "headers": {}, "body": "x" * 300},
        "status_code": 200, "duration_ms": 120, "error": "", "message": "", "token": "",
    }  # fmt: skip  # in rows
    for at in range(number):
        is_rare = at < FEW
        feed = feeds[-1] if is_rare else feeds[at % 2]
        moment = now - step * (number - at)
        yield FeedRun(
            feed=feed, connection_id=feed.connection_id, input={"email": f"ada{at}@example.org"},
            status="failed" if is_rare else "succeeded", outcome="unknown" if at < FEW // 2 else "sent",
            attempts=[entry], attempt_count=1, status_code=200, duration_ms=120, data={"id": at},
            error_message="The API answered 422." if is_rare else "",
            created_at=moment, started_at=moment, finished_at=moment,
        )  # fmt: skip  # in rows


def main() -> None:
    (number,) = map(int, sys.argv[1:])
    with throwaway() as database:
        worker = Worker(number)
        print(json.dumps({"database": database, "pages": list(worker.pages)}), flush=True)
        for line in sys.stdin:
            task: dict[str, Any] = json.loads(line)
            print(json.dumps(getattr(worker, task.pop("do"))(**task)), flush=True)


if __name__ == "__main__":
    main()
