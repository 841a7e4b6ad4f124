"""Tables for people, in Markdown, so that they can be pasted."""

from __future__ import annotations

from collections import Counter
from statistics import median, quantiles
from typing import Any

from tests.benchmarks.databases import POSTGRESQL, SQLITE
from tests.benchmarks.sending import CONNECT, FEED, SESSION

#: The ratios to reach, by way and database.
GOALS = {
    SESSION: {SQLITE: 0.85, POSTGRESQL: 0.85},
    CONNECT: {SQLITE: 1.0, POSTGRESQL: 1.5},
    FEED: {SQLITE: 1.4, POSTGRESQL: 2.8},
}


def table(header: list[str], rows: list[list[str]]) -> str:
    """Columns of equal width: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in [header, rule, *rows]
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def sending(database: str, found: dict[str, Any], *, rounds: int, calls: int) -> str:
    rows = []
    for name, ratios in found["ratios"].items():
        low, _, high = quantiles(ratios, n=4)
        goal = GOALS.get(name, {}).get(database)
        rows.append([name, f"{median(ratios):.2f}", f"{low:.2f}-{high:.2f}", f"{goal:.2f}" if goal else ""])
    return (
        f"Sending, {database}: {rounds} rounds of {calls} calls each; one requests.Session.request() takes "
        f"{found['baseline_ms']:.2f} ms and is 1.\n\n"
        + table(["way to send", "ratio", "middle half", "to reach"], rows)
    )


def storm(who: str, found: list[dict[str, Any]], *, threads: int, processes: int) -> str:
    rows = [
        [
            str(number),
            str(one["token_requests"]),
            f"{sum(one['failures'].values())} of {threads * processes}",
            f"{one['seconds']:.2f} s",
        ]
        for number, one in enumerate(found, start=1)
    ]
    kinds: Counter[str] = Counter()
    for one in found:
        kinds.update(one["failures"])
    said = [f"{count} x {kind}" for kind, count in kinds.most_common()]
    return (
        f"Storm, {who}: {threads} threads in each of {processes} processes.\n\n"
        + table(["round", "token requests", "failed calls", "wall time"], rows)
        + (f"\n\nFailed with: {', '.join(said)}." if said else "")
    )
