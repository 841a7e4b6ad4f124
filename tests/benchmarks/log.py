"""The list of feed runs in the admin: with a million of them beside a thousand.

Two processes, each with a database of its own, open the same pages in turn, through Django's test client.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from tests.benchmarks import databases
from tests.benchmarks.figures import Goal, Row, Table, of_ratios
from tests.benchmarks.processes import ending, hear, start, tell
from tests.benchmarks.tasks import Progress, answer

if TYPE_CHECKING:
    from subprocess import Popen

    from tests.benchmarks.tasks import Task

FEW, MANY, MANY_SHORT = 1_000, 1_000_000, 100_000
GOAL = 1.3


class Log:
    """A process with so many runs in its database."""

    def __init__(self, process: Popen[str]) -> None:
        self.process = process

    def begins(self) -> dict[str, Any]:
        """What it says once its runs are there."""
        said: dict[str, Any] = hear(self.process)
        return said

    def does(self, what: str, **how: Any) -> float:
        tell(self.process, {"do": what, **how})
        return float(hear(self.process))


def measure(task: Task) -> Table:
    many = MANY_SHORT if task.is_short else MANY
    with ExitStack() as stack:

        def log(runs: int) -> Log:
            environment = databases.beside(os.environ, str(runs))
            return Log(stack.enter_context(ending(start("log_worker", str(runs), environment=environment))))

        short, long = log(FEW), log(many)
        short.begins()
        said = long.begins()
        rows = [_row(short, long, name, task) for name in said["pages"]]
    return Table(
        f"{many:,} feed runs, {said['database']}", "page of the log", [f"with {FEW:,}", "ratio", "middle half", "statements"],
        rows, f"The ratio is to the same page of a log of {FEW:,} runs.",
    )  # fmt: skip  # in rows


def _row(short: Log, long: Log, name: str, task: Task) -> Row:
    rounds, calls = task.rounds_or(short=3, full=20), task.calls or (2 if task.is_short else 3)
    progress = Progress(task.label)
    seconds, ratios = [], []
    for number in range(rounds + 1):
        # The one that is compared with is measured before and after, because the machine's pace changes.
        before = short.does("page", name=name, calls=calls)
        found = long.does("page", name=name, calls=calls)
        beside = (before + short.does("page", name=name, calls=calls)) / 2
        if number:
            seconds.append(beside)
            ratios.append(found / beside)
            progress(number, rounds, f"{name}, round")
    few, many = (int(log.does("statements", name=name)) for log in (short, long))
    row = of_ratios(name, ratios, GOAL)
    cells = [f"{sorted(seconds)[len(seconds) // 2] * 1000:.0f} ms", *row.cells, str(many)]
    return Row(name, cells, [*row.goals, Goal(many, few, "exactly", of="statements")])


if __name__ == "__main__":
    answer(measure)
