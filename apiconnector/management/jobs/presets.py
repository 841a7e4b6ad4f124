"""``presets``: the providers whose facts are known already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apiconnector.management.output import add_format
from apiconnector.presets import presets

if TYPE_CHECKING:
    from apiconnector.management.output import Output
    from apiconnector.presets import Preset


def add_parsers(jobs: Any) -> None:
    """Add the parsers of this group."""
    listing = jobs.add_parser("presets", help="List the providers that a new connection can begin with.")
    add_format(listing)
    listing.set_defaults(act=list_presets)


def list_presets(out: Output, options: dict[str, Any]) -> int:
    """Print every preset."""
    del options
    if out.as_json:
        out.json([_row(preset) for preset in presets()])
        return 0
    out.table(
        ("slug", "name", "authentication", "documentation"),
        [(preset.slug, preset.name, preset.fields["auth_method"], preset.documentation) for preset in presets()],
    )
    return 0


def _row(preset: Preset) -> dict[str, Any]:
    return {
        "slug": preset.slug,
        "name": preset.name,
        "auth_method": preset.fields["auth_method"],
        "summary": preset.summary,
        "documentation": preset.documentation,
        "register_url": preset.register_url,
        "steps": preset.steps,
        "sources": preset.sources,
        "checked": preset.checked,
    }
