"""What a benchmark hands back: a table, whose rows know the goals they have to reach."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

#: By how much a ratio may miss its goal before ``--short`` ends with 1: a shared machine is never quiet.
TOLERANCE: Final = 0.15
_SIGNS: Final = {"most": "≤", "least": "≥", "exactly": "="}


@dataclass(frozen=True)
class Goal:
    """One figure and its limit. ``most`` and ``least`` are of ratios, ``exactly`` is of what can be counted."""

    value: float
    limit: float
    kind: Literal["most", "least", "exactly"] = "most"
    #: What the figure is, where a row has several.
    of: str = ""

    @property
    def is_counted(self) -> bool:
        """Whether it is the same on every machine: it is neither measured again nor tolerated."""
        return self.kind == "exactly"

    def holds(self) -> bool:
        return self._keeps(self.limit)

    def is_missed(self) -> bool:
        """Whether the figure is worse than the goal by more than what is tolerated."""
        tolerance = 0.0 if self.is_counted else TOLERANCE
        return not self._keeps(self.limit / (1 + tolerance) if self.kind == "least" else self.limit * (1 + tolerance))

    def _keeps(self, limit: float) -> bool:
        if self.kind == "exactly":
            return self.value == limit
        return self.value >= limit if self.kind == "least" else self.value <= limit

    def __str__(self) -> str:
        limit = f"{self.limit:.0f}" if self.is_counted or self.limit >= 10 else f"{self.limit:.2f}"
        return f"{_SIGNS[self.kind]} {limit}{f' {self.of}' if self.of else ''}"


@dataclass(frozen=True)
class Row:
    """What was measured of one way, one size or one client."""

    name: str
    cells: list[str]
    goals: list[Goal] = field(default_factory=list)

    def is_missed(self) -> bool:
        """Whether a goal is missed by more than what is tolerated."""
        return any(goal.is_missed() for goal in self.goals)

    def is_missed_for_good(self) -> bool:
        """Whether it is something counted that is wrong, which another run would not excuse."""
        return not all(goal.holds() for goal in self.goals if goal.is_counted)


@dataclass(frozen=True)
class Table:
    """The outcome of one benchmark in one place. ``columns`` are those between a row's name and its goal."""

    title: str
    subject: str
    columns: list[str]
    rows: list[Row]
    #: Sentences below the table.
    note: str = ""

    def dump(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def load(cls, dumped: dict[str, Any]) -> Table:
        rows = [Row(row["name"], row["cells"], [Goal(**goal) for goal in row["goals"]]) for row in dumped["rows"]]
        return cls(**{**dumped, "rows": rows})


#: The columns of ``of_ratios``.
RATIO_COLUMNS: Final = ["ratio", "middle half"]


def of_ratios(name: str, ratios: Sequence[float], limit: float | None = None, *, least: bool = False) -> Row:
    """A row with the median of one ratio a round and the range of their middle half."""
    low, _, high = quantiles(ratios, n=4, method="inclusive")
    goals = [] if limit is None else [Goal(median(ratios), limit, "least" if least else "most")]
    return Row(name, [f"{median(ratios):.2f}", f"{low:.2f}-{high:.2f}"], goals)
