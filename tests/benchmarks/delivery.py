"""What was submitted is sent: by one process and by two, by one thread and by several, and beside a loop by hand.

In each round every way sends the same number of runs that are due, in an order that changes.
"""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

import requests

from tests.benchmarks.databases import throwaway
from tests.benchmarks.figures import Row, Table, of_ratios
from tests.benchmarks.processes import ending, hear, serving, start, tell
from tests.benchmarks.sending import TIMEOUT, check
from tests.benchmarks.tasks import Progress, answer

if TYPE_CHECKING:
    import subprocess

    from tests.benchmarks.processes import Server
    from tests.benchmarks.tasks import Task

LOOP, ONE, TWO, THREADS = "a loop by hand", "one process", "two processes", "one process, 4 threads"
#: What the slow server takes to answer, in seconds.
SLOW = 0.02
#: Two processes send at least so many times what one does.
GOAL_TWO = 1.7
EMAIL = "ada@example.org"


class Ways:
    """The ways to send so many requests, each returning the seconds it took."""

    def __init__(self, server: Server, stack: ExitStack, runs: int) -> None:
        from tests.benchmarks import records

        self.server, self.stack, self.runs = server, stack, runs
        self.tokens = server.reset()
        self.feed = records.feed(records.connection(server, self.tokens, life=timedelta(hours=1)))
        self.workers = [self.worker(1), self.worker(1)]
        self.threaded = self.worker(4)
        self.session = stack.enter_context(requests.Session())

    def worker(self, threads: int) -> subprocess.Popen[str]:
        process = self.stack.enter_context(ending(start("delivery_worker", str(threads))))
        hear(process)
        return process

    def seconds(self, way: str) -> float:
        if way == LOOP:
            return self.by_hand()
        return self.delivered({ONE: self.workers[:1], TWO: self.workers, THREADS: [self.threaded]}[way])

    def delivered(self, workers: list[subprocess.Popen[str]]) -> float:
        from django.utils import timezone

        from apiconnector.models import FeedRun

        FeedRun.objects.all().delete()
        now, feed = timezone.now(), self.feed
        FeedRun.objects.bulk_create(
            FeedRun(feed=feed, connection_id=feed.connection_id, input={"email": EMAIL}, next_attempt_at=now)
            for _ in range(self.runs)
        )
        began = time.perf_counter()
        for worker in workers:
            tell(worker, "go")
        sent = sum(hear(worker).get("succeeded", 0) for worker in workers)
        seconds = time.perf_counter() - began
        if sent != self.runs:
            raise RuntimeError(f"{sent} of {self.runs} runs were sent.")
        return seconds

    def by_hand(self) -> float:
        """A request and an INSERT, committed, for each."""
        from django.db import connection

        from tests.benchmarks import records

        url, headers = (
            f"{self.server.origin}/api/{records.PATH}",
            {"Authorization": f"Bearer {self.tokens['access_token']}"},
        )
        began = time.perf_counter()
        for _ in range(self.runs):
            response = self.session.request("GET", url, params={"email": EMAIL}, headers=headers, timeout=TIMEOUT)
            check(response)
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO benchmark_sent (body) VALUES (%s)", [response.text])
        return time.perf_counter() - began


def in_rounds(ways: Ways, names: list[str], rounds: int, progress: Progress) -> dict[str, list[float]]:
    """Requests a second of each way in each round."""
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name in random.sample(names, len(names)):
            seconds = ways.seconds(name)
            if number:  # the first round opens connections and fills caches
                found[name].append(ways.runs / seconds)
        progress(number, rounds)
    return found


def rows_of(found: dict[str, list[float]], where: str, beside: str, goals: dict[str, float]) -> list[Row]:
    rows = []
    for name, values in found.items():
        ratios = [value / other for value, other in zip(values, found[beside], strict=True)]
        row = of_ratios(f"{where}: {name}", ratios, goals.get(name), least=True)
        rows.append(Row(row.name, [f"{median(values):.0f}", *row.cells], row.goals))
    return rows


def measure(task: Task) -> Table:
    rounds, runs = task.rounds_or(short=3, full=10), task.calls or (100 if task.is_short else 400)
    arguments: dict[str, Any] = {"rounds": rounds}
    with throwaway() as database, serving() as server, ExitStack() as stack:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE benchmark_sent (body TEXT)")
        ways = Ways(server, stack, runs)
        instant = in_rounds(ways, [LOOP, ONE, TWO, THREADS], progress=Progress(f"{task.label}, at once"), **arguments)
        ways.tokens = server.reset(api_delay=SLOW)
        ways.feed = _again(ways, server)
        slow = in_rounds(ways, [LOOP, ONE, TWO, THREADS], progress=Progress(f"{task.label}, slow"), **arguments)
    return Table(
        f"Delivery, {database}", "server: who sends", ["requests a second", "ratio", "middle half"],
        [
            *rows_of(instant, "at once", LOOP, {}),
            *rows_of(slow, f"{SLOW * 1000:.0f} ms", ONE, {TWO: GOAL_TWO}),
        ],
        f"{rounds} rounds of {runs} requests for each. Where the server answers at once, {LOOP} is 1; where it takes "
        f"{SLOW * 1000:.0f} ms, {ONE} is.",
    )  # fmt: skip  # in rows


def _again(ways: Ways, server: Server) -> Any:
    from tests.benchmarks import records

    return records.feed(records.connection(server, ways.tokens, life=timedelta(hours=1)))


if __name__ == "__main__":
    answer(measure)
