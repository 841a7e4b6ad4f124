"""A token of client credentials that lives for 2 seconds only, under steady load from several processes.

Counted is how often a token is asked for in one life of it. Nobody should meet its end: no call may take as long as the
token endpoint does, or fail.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.benchmarks.databases import throwaway
from tests.benchmarks.figures import Goal, Row, Table
from tests.benchmarks.processes import ending, hear, serving, start, tell
from tests.benchmarks.tasks import Progress, answer

if TYPE_CHECKING:
    from tests.benchmarks.tasks import Task

#: Seconds that a token lives, and that the token endpoint takes.
LIFE, DELAY = 2.0, 0.1
RATE = 500
GOAL_REQUESTS = 1.35


def requests_a_life(asked_at: list[float]) -> float:
    """How often a token was asked for in one life of it, from the first request to the last."""
    if len(asked_at) < 2:
        raise RuntimeError("The load did not last for two tokens.")
    return LIFE * (len(asked_at) - 1) / (asked_at[-1] - asked_at[0])


def measure(task: Task) -> Table:
    processes, threads = task.processes or 2, task.threads or 8
    # A round is one life of a token.
    lives = task.rounds_or(short=5, full=15)
    with throwaway() as database, serving() as server, ExitStack() as stack:
        from tests.benchmarks import records

        server.reset(delay=DELAY, life=LIFE)
        records.own_connection(server)
        rate = str(RATE / processes / threads)
        workers = [
            stack.enter_context(ending(start("credentials_worker", str(threads), rate, str(DELAY))))
            for _ in range(processes)
        ]
        for worker in workers:
            hear(worker)
        progress, failures, calls, slow, longest = Progress(task.label), Counter[str](), 0, 0, 0.0
        for number in range(1, lives + 1):
            for worker in workers:
                tell(worker, LIFE)
            for worker in workers:
                heard = hear(worker)
                failures.update(heard["failures"])
                calls += heard["calls"]
                slow += heard["slow"]
                longest = max(longest, heard["longest"])
            progress(number, lives, "life of a token")
        asked_at = server.stats()["asked_at"]
    ratio = requests_a_life(asked_at)
    failed = sum(failures.values())
    return Table(
        f"Client credentials, {database}: {RATE} calls a second, {threads} threads in each of {processes} processes",
        "figure", ["measured"],
        [
            Row("token requests in the life of a token", [f"{ratio:.2f}"], [Goal(ratio, GOAL_REQUESTS)]),
            Row(f"failed calls of {calls}", [str(failed)], [Goal(failed, 0, "exactly")]),
            Row("longest call / time of the token endpoint", [f"{longest / DELAY:.2f}"], [Goal(longest / DELAY, 1)]),
            Row("calls that took as long as the token endpoint", [str(slow)]),
            Row("calls a second", [f"{calls / lives / LIFE:.0f}"]),
        ],
        f"{len(asked_at)} token requests in {lives * LIFE:.0f} s; the token endpoint takes {DELAY * 1000:.0f} ms, and the "
        f"longest call took {longest * 1000:.0f} ms."
        + (f" Failed with: {', '.join(f'{count} x {kind}' for kind, count in failures.most_common())}." if failed else ""),
    )  # fmt: skip


if __name__ == "__main__":
    answer(measure)
