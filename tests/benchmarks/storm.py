"""Many threads of several processes find the same expired token at the same moment."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.benchmarks import peers
from tests.benchmarks.databases import throwaway
from tests.benchmarks.figures import Goal, Row, Table
from tests.benchmarks.peers import TokenFile
from tests.benchmarks.processes import ending, hear, serving, start, tell
from tests.benchmarks.tasks import Progress, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.processes import Server
    from tests.benchmarks.tasks import Task

OURS = "apiconnector"
#: What the token endpoint takes to answer, in seconds: long enough for everybody to find the token expired.
TOKEN_DELAY = 0.1


@dataclass(frozen=True)
class Storm:
    """What one storm did."""

    token_requests: int
    failures: Counter[str]
    seconds: float


def storms(
    task: Task, who: str, server: Server, prepare: Callable[[dict[str, Any]], None], *, keep: str = ""
) -> list[Storm]:
    """Let storms happen in the same processes. ``prepare`` puts an expired token where ``who`` reads it.

    ``keep`` is the path of the file with the token, where it is in one.
    """
    found = []
    progress = Progress(f"{task.label}, {who}")
    with ExitStack() as stack:
        workers = [
            stack.enter_context(ending(start("storm_worker", who, server.origin, keep, str(threads_of(task)))))
            for _ in range(processes_of(task))
        ]
        for worker in workers:
            hear(worker)
        for number in range(1, rounds_of(task) + 1):
            prepare(server.reset(delay=TOKEN_DELAY))
            began = time.perf_counter()
            for worker in workers:
                tell(worker, "go")
            failures: Counter[str] = Counter()
            for worker in workers:
                failures.update(hear(worker))
            seconds = time.perf_counter() - began
            found.append(Storm(len(server.stats()["asked_at"]), failures, seconds))
            progress(number, rounds_of(task))
    return found


def of_ours(server: Server, task: Task) -> tuple[str, list[Storm]]:
    """The storms of this package, and the name of the database."""
    with throwaway() as database:
        from tests.benchmarks import records

        def prepare(tokens: dict[str, Any]) -> None:
            records.connection(server, tokens, life=timedelta(seconds=-1))

        return database, storms(task, OURS, server, prepare)


def of_peer(name: str, server: Server, task: Task) -> list[Storm]:
    with tempfile.TemporaryDirectory(prefix="apiconnector-benchmark-") as folder:
        file = TokenFile(str(Path(folder) / "token.json"))

        def prepare(tokens: dict[str, Any]) -> None:
            del tokens["expires_in"]  # counted from when it is read, which would make it new
            file.write({**tokens, "expires_at": time.time() - 1})

        return storms(task, name, server, prepare, keep=str(file.path))


def row_of(who: str, found: list[Storm], calls: int, *, has_goal: bool) -> Row:
    requests = [storm.token_requests for storm in found]
    failures = [sum(storm.failures.values()) for storm in found]
    seconds = [storm.seconds for storm in found]
    # One row tells of all rounds: the worst of them is what counts.
    goals = [
        Goal(max(requests, key=lambda number: abs(number - 1)), 1, "exactly", "token request"),
        Goal(max(failures), 0, "exactly", "failed"),
    ]
    return Row(
        who,
        [str(len(found)), span(requests), f"{span(failures)} of {calls}", f"{median(seconds):.2f} s", f"{max(seconds):.2f} s"],
        goals if has_goal else [],
    )  # fmt: skip  # in rows


def span(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def rounds_of(task: Task) -> int:
    return task.rounds_or(short=5, full=20)


def threads_of(task: Task) -> int:
    return task.threads or 8


def processes_of(task: Task) -> int:
    return task.processes or 4


def measure(task: Task) -> Table:
    calls = threads_of(task) * processes_of(task)
    kinds: Counter[str] = Counter()
    with serving() as server:
        database, found = of_ours(server, task)
        rows = [row_of(OURS, found, calls, has_goal=True)]
        for storm in found:
            kinds.update(storm.failures)
        rows += [
            row_of(f"{name}, a token file", of_peer(name, server, task), calls, has_goal=False)
            for name in task.peers
            if name in peers.OAUTH
        ]
    return Table(
        f"Storm, {database}: {threads_of(task)} threads in each of {processes_of(task)} processes", "client",
        ["rounds", "token requests a round", "failed calls a round", "wall time, median", "longest"], rows,
        f"{OURS} failed with: {', '.join(f'{count} x {kind}' for kind, count in kinds.most_common())}." if kinds else "",
    )  # fmt: skip  # in rows


if __name__ == "__main__":
    answer(measure)
