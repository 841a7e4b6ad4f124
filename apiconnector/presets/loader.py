"""Read the presets, once and not before somebody asks."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Preset:
    """What is known in public of one provider, and what a person has to do there."""

    slug: str
    name: str
    #: What one reaches with it, in a line.
    summary: str
    #: Where the provider describes how to authorize.
    documentation: str
    #: Where the site is registered as a client, or a key is made.
    register_url: str
    #: What to do there, in order; the site's redirect URI stands in them as ``{{ redirect_uri }}``.
    steps: tuple[str, ...]
    #: The public pages that the facts were compared with.
    sources: tuple[str, ...]
    #: The day of that.
    checked: date
    _fields: dict[str, Any] = field(repr=False)

    @property
    def fields(self) -> dict[str, Any]:
        """The columns of a connection by name. A copy: whoever fills a connection with them may change them."""
        return deepcopy(self._fields)


@cache
def _by_slug() -> dict[str, Preset]:
    folder = resources.files(__package__) / "data"
    found = [
        _read(entry.name.removesuffix(".json"), entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".json")
    ]
    return {preset.slug: preset for preset in sorted(found, key=lambda preset: preset.name.casefold())}


def _read(slug: str, text: str) -> Preset:
    data = json.loads(text)
    return Preset(
        slug=slug,
        name=data["name"],
        summary=data["summary"],
        documentation=data["documentation"],
        register_url=data["register"]["url"],
        steps=tuple(data["register"]["steps"]),
        sources=tuple(data["sources"]),
        checked=date.fromisoformat(data["checked"]),
        _fields=data["fields"],
    )


def presets() -> tuple[Preset, ...]:
    """All presets, by name."""
    return tuple(_by_slug().values())


def find(slug: str) -> Preset | None:
    """The preset of that slug; None where there is none."""
    return _by_slug().get(slug)
