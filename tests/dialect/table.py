"""The table of docs/dialect.md, made from the dataclass: ``python -m tests.dialect.table`` writes it anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from apiconnector.dialect.keys import documented
from apiconnector.dialect.request import TestRequest

PAGE = Path(__file__).parents[2] / "docs" / "dialect.md"
BEGIN, END = "<!-- dialect-keys -->\n", "<!-- end -->\n"


def default(value: Any) -> str:
    if isinstance(value, TestRequest):
        return "`{}`"
    return f"`{json.dumps(value if isinstance(value, str | int | float | None) else dict(value))}`"


def table() -> str:
    rows = [
        f"| `{name}` | {default(value)} | {meaning} | {example} |" for name, value, meaning, example in documented()
    ]
    # In a cell a bar would end it.
    return "\n".join(["| key | default | meaning | who needs it, e.g. |", "|---|---|---|---|", *rows, ""])


def page() -> str:
    """The page as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
