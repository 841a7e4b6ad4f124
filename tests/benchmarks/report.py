"""Tables for people, in Markdown, so that they can be pasted; and the page that keeps them."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.benchmarks.figures import Row, Table


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in [header, rule, *rows]
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def written(found: Table) -> str:
    """The table with its title and note."""
    rows = [[row.name, *row.cells, ", ".join(map(str, row.goals)), verdict(row)] for row in found.rows]
    parts = [f"**{found.title}**", table([found.subject, *found.columns, "goal", "holds"], rows), found.note]
    return "\n\n".join(filter(None, parts))


def verdict(row: Row) -> str:
    if not row.goals:
        return ""
    return "yes" if all(goal.holds() for goal in row.goals) else "no"


def machine() -> str:
    """What it was measured on, and when."""
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"{platform.python_implementation()} {platform.python_version()}, Django {django.__version__}."
    )


def replaced(page: str, sections: Mapping[str, str]) -> str:
    """The page with what is between the markers of each section put in place of what was there.

    ``ValueError`` where a section has no markers.
    """
    for name, text in sections.items():
        marked = re.compile(rf"(<!-- benchmark: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not marked.search(page):
            raise ValueError(f"The page has no place for {name}: <!-- benchmark: {name} --> and <!-- end -->.")
        page = marked.sub(lambda found, text=text: f"{found[1]}\n{text}\n\n{found[2]}", page)  # type: ignore[misc]  # the stubs know no default
    return page


def write(path: Path, sections: Mapping[str, str]) -> None:
    path.write_text(replaced(path.read_text(encoding="utf-8"), sections), encoding="utf-8")
