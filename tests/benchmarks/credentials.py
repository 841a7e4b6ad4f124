"""A token of client credentials that lives for 2 seconds only, under steady load from several processes.

Counted is how often a token is asked for in one life of it. Nobody should meet its end: no call may take as long as the
token endpoint does, or fail.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.benchmarks.databases import throwaway
from tests.benchmarks.figures import Goal, Row, Table
from tests.benchmarks.processes import ending, hear, serving, start, tell
from tests.benchmarks.tasks import Progress, answer

if TYPE_CHECKING:
    from subprocess import Popen

    from tests.benchmarks.tasks import Task

#: Seconds that a token lives, and that the token endpoint takes.
LIFE, DELAY = 2.0, 0.15
RATE = 500
GOAL_REQUESTS = 1.35


def requests_a_life(asked_at: list[float]) -> float:
    """How often a token was asked for in one life of it, from the first request to the last."""
    if len(asked_at) < 2:
        raise RuntimeError("The load did not last for two tokens.")
    return LIFE * (len(asked_at) - 1) / (asked_at[-1] - asked_at[0])


@dataclass
class Seen:
    """What the callers saw, in seconds."""

    calls: int = 0
    slow: int = 0
    longest: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)


def load(workers: list[Popen[str]], lives: int, progress: Progress) -> Seen:
    """Let all processes call for so many lives of a token."""
    seen = Seen()
    for number in range(lives + 1):
        # The very first call fetches the token, which the others wait for: that is not looked at.
        for worker in workers:
            tell(worker, LIFE if number else LIFE / 10)
        heard = [hear(worker) for worker in workers]
        if not number:
            continue
        for each in heard:
            seen.failures.update(each["failures"])
            seen.calls += each["calls"]
            seen.slow += each["slow"]
            seen.longest = max(seen.longest, each["longest"])
        progress(number, lives, "life of a token")
    return seen


def measure(task: Task) -> Table:
    processes, threads = task.processes or 2, task.threads or 8
    lives = task.rounds_or(short=5, full=15)
    with throwaway() as database, serving() as server, ExitStack() as stack:
        from tests.benchmarks import records

        server.reset(delay=DELAY)
        records.own_connection(server)
        rate = str(RATE / processes / threads)
        workers = [
            stack.enter_context(ending(start("credentials_worker", str(threads), rate, str(DELAY))))
            for _ in range(processes)
        ]
        for worker in workers:
            hear(worker)
        progress = Progress(task.label)
        without = load(workers, 2, progress)
        server.reset(delay=DELAY, life=LIFE)
        records.own_connection(server)
        seen = load(workers, lives, progress)
        asked_at = server.stats()["asked_at"]
    ratio, longest, failed = requests_a_life(asked_at), seen.longest / DELAY, sum(seen.failures.values())
    return Table(
        f"Client credentials, {database}: {RATE} calls a second, {threads} threads in each of {processes} processes",
        "figure", ["measured"],
        [
            Row("token requests in the life of a token", [f"{ratio:.2f}"], [Goal(ratio, GOAL_REQUESTS)]),
            Row(f"failed calls of {seen.calls}", [str(failed)], [Goal(failed, 0, "exactly")]),
            Row("longest call / time of the token endpoint", [f"{longest:.2f}"], [Goal(longest, 1)]),
            Row("the same while no token ends", [f"{without.longest / DELAY:.2f}"]),
            Row("calls that took as long as the token endpoint", [str(seen.slow)]),
            Row("calls a second", [f"{seen.calls / lives / LIFE:.0f}"]),
        ],
        f"{len(asked_at)} token requests in {lives * LIFE:.0f} s. The token endpoint takes {DELAY * 1000:.0f} ms; the "
        f"longest call took {seen.longest * 1000:.0f} ms, and {without.longest * 1000:.0f} ms while no token ended."
        + (f" Failed with: {', '.join(f'{count} x {kind}' for kind, count in seen.failures.most_common())}." if failed else ""),
    )  # fmt: skip  # in rows


if __name__ == "__main__":
    answer(measure)
