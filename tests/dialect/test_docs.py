"""docs/dialect.md says what the code does."""

from __future__ import annotations

import json
import re

from apiconnector.dialect import read
from apiconnector.dialect.request import DeclaredRequest
from tests.dialect.table import PAGE, page


def test_the_table_is_made_from_the_dataclass() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.dialect.table writes it anew"


def test_the_examples_can_be_read() -> None:
    blocks = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 4
    for block in blocks:
        read(json.loads(block))


def test_every_part_of_a_declared_request_is_there() -> None:
    part = PAGE.read_text(encoding="utf-8").partition("## Requests of the dialect")[2].partition("###")[0]
    named = {name for row in re.findall(r"^\| (`.+?) \|", part, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert named == set(DeclaredRequest.__dataclass_fields__)
