"""Ten thousand connections: looking one up, using many of them in one process, and their list in the admin.

Two processes, each with a database of its own, one with a single connection and one with all of them, look one up in turn.
The one with all then uses a part of them, each at an address of its own, while its memory and sockets are watched.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from tests.benchmarks import databases
from tests.benchmarks.figures import Goal, Row, Table, of_ratios
from tests.benchmarks.processes import ending, hear, serving, start, tell
from tests.benchmarks.tasks import Progress, answer

if TYPE_CHECKING:
    from subprocess import Popen

    from tests.benchmarks.tasks import Task

ALL, USED, LISTED = 10_000, 2_000, 100
GOAL_LOOK_UP = 1.05
#: Sockets that stay open: the hosts whose connections are kept, and one for each thread that is at work.
GOAL_SOCKETS = 64
#: KB that each connection beyond the first thousand may add to the memory of the process.
GOAL_GROWTH = 2.0


class Worker:
    """A process with so many connections in its database."""

    def __init__(self, process: Popen[str]) -> None:
        self.process = process
        self.database = str(hear(process))

    def does(self, what: str, **how: Any) -> Any:
        tell(self.process, {"do": what, **how})
        return hear(self.process)


def look_ups(alone: Worker, crowded: Worker, task: Task) -> dict[str, list[float]]:
    """The ratio of each round: of the same connection each time, and of another one each time."""
    rounds, calls = task.rounds_or(short=8, full=30), task.calls or 100
    progress = Progress(task.label)
    ratios: dict[str, list[float]] = {"the same one each time": [], "another one each time": []}
    for number in range(rounds + 1):
        one = alone.does("look_up", calls=calls)
        same = crowded.does("look_up", calls=calls)
        other = crowded.does("look_up", calls=calls, is_random=True)
        # The one that is compared with is measured before and after, because the machine's pace changes.
        one = (one + alone.does("look_up", calls=calls)) / 2
        if number:
            ratios["the same one each time"].append(same / one)
            ratios["another one each time"].append(other / one)
            progress(number, rounds)
    return ratios


def use_rows(worker: Worker) -> list[Row]:
    """What stays in the process after a part of the connections was used."""
    half = worker.does("use", first=0, last=USED // 2)
    used = worker.does("use", first=USED // 2, last=USED)
    growth = (used["allocated"] - half["allocated"]) / (USED - USED // 2)
    return [
        Row(f"sockets open after {USED:,} were used", [str(used["sockets"]), "", ""], [Goal(used["sockets"], GOAL_SOCKETS)]),
        Row("memory that each of the second half adds", [f"{growth:.2f} KB", "", ""], [Goal(growth, GOAL_GROWTH, of="KB")]),
        Row("memory of the process after them", [f"{used['resident'] / 1024:.0f} MB", "", ""]),
    ]  # fmt: skip  # in rows


def measure(task: Task) -> Table:
    with serving(USED) as server, ExitStack() as stack:

        def worker(number: int) -> Worker:
            environment = databases.beside(os.environ, str(number))
            process = start("connections_worker", str(server.port), str(number), environment=environment)
            return Worker(stack.enter_context(ending(process)))

        alone, crowded = worker(1), worker(ALL)
        rows = []
        for name, ratios in look_ups(alone, crowded, task).items():
            goal = GOAL_LOOK_UP if name == "the same one each time" else None
            row = of_ratios(f"look-up, {name}", ratios, goal)
            rows.append(Row(row.name, ["", *row.cells], row.goals))
        rows += use_rows(crowded)
        few = alone.does("list_page", number=LISTED)
        many = crowded.does("list_page", number=ALL)
        rows += [
            Row(
                "admin: statements of the list of connections", [str(many["statements"]), "", ""],
                [Goal(many["statements"], few["statements"], "exactly")],
            ),
            Row(
                f"admin: time of that list / with {LISTED}",
                [f"{many['seconds'] * 1000:.0f} ms", f"{many['seconds'] / few['seconds']:.2f}", ""],
            ),
        ]  # fmt: skip  # in rows
        return Table(
            f"{ALL:,} connections, {crowded.database}", "figure", ["measured", "ratio", "middle half"], rows,
            "The ratio of a look-up is that to one where there is a single connection.",
        )  # fmt: skip  # in rows


if __name__ == "__main__":
    answer(measure)
