"""The page on providers that differ shows what the fakes are driven with."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiconnector.presets import find
from tests.odd.providers import FAKES

if TYPE_CHECKING:
    from tests.odd.fakes import Fake

PAGE = (Path(__file__).parent.parent.parent / "docs" / "providers.md").read_text(encoding="utf-8")
SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
BLOCKS = [re.findall(r"```json\n(.*?)```", section, re.DOTALL) for section in SECTIONS]


def test_each_has_its_section_in_order() -> None:
    assert len(SECTIONS) == len(FAKES)
    for section, kind in zip(SECTIONS, FAKES, strict=True):
        title = section.partition("\n")[0]
        assert title.lower().replace(" ", "").startswith(kind.__name__.lower()), title
        said = re.search(r"^Preset `([a-z-]+)`", section, re.MULTILINE)
        assert (said[1] if said else "") == kind.begins_with


@pytest.mark.parametrize(
    ("kind", "blocks"), list(zip(FAKES, BLOCKS, strict=True)), ids=[kind.__name__ for kind in FAKES]
)
def test_it_shows_what_is_driven(kind: type[Fake], blocks: list[str]) -> None:
    """All of it, or with a preset its dialect and what is entered in place of what it fills in."""
    preset = find(kind.begins_with)
    shipped = preset.fields if preset else {}
    own = {name: value for name, value in kind.fields.items() if name == "dialect" or shipped.get(name) != value}
    (block,) = blocks
    assert json.loads(block) == own
