"""What a process that measures is told, and how it answers: both are one line of JSON."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.figures import Table

#: Seconds between two lines about how far it is.
_QUIET = 2.0


@dataclass(frozen=True)
class Task:
    """What to measure, and how much of it. None: what the benchmark thinks best."""

    #: What progress is told under, and the database.
    label: str
    database: str
    is_short: bool = False
    #: The how many-th try it is: later ones have more rounds.
    attempt: int = 1
    rounds: int | None = None
    calls: int | None = None
    threads: int | None = None
    processes: int | None = None
    peers: list[str] = field(default_factory=list)

    def rounds_or(self, *, short: int, full: int) -> int:
        """How many rounds: as many as were asked for, or these; twice as many after the first try."""
        return (self.rounds or (short if self.is_short else full)) * (1 if self.attempt == 1 else 2)


class Progress:
    """Tells a person on standard error how far it is, without a line for each small step."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.told_at = time.monotonic()

    def __call__(self, number: int, of: int, what: str = "round") -> None:
        now = time.monotonic()
        if now - self.told_at >= _QUIET:
            self.told_at = now
            print(f"{self.label}: {what} {number} of {of}", file=sys.stderr, flush=True)


def answer(measure: Callable[[Task], Table]) -> None:
    """Read the task, measure, and write the table."""
    task = Task(**json.loads(sys.stdin.readline()))
    print(json.dumps(measure(task).dump()), flush=True)
