"""Find what a job is about, and say what is near where there is none of that name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from django.core.management import CommandError

from apiconnector.models import Connection

if TYPE_CHECKING:
    from collections.abc import Iterable


def wrong_usage(message: str) -> CommandError:
    """The error to raise for arguments that make no sense: exit status 2, as argparse has it."""
    return CommandError(message, returncode=2)


def nearest(name: str, names: Iterable[str]) -> str:
    """A sentence that names what is spelt most alike, after a space; empty where nothing is near."""
    found = get_close_matches(name, list(names), n=1)
    return f" Did you mean “{found[0]}”?" if found else ""


def find_connections(slugs: Iterable[str]) -> list[Connection]:
    """The connections of these slugs with their tokens, each once, in this order; wrong usage for an unknown one."""
    wanted = list(dict.fromkeys(slugs))
    there = {row.slug: row for row in Connection.objects.select_related("token").filter(slug__in=wanted)}
    for slug in wanted:
        if slug not in there:
            known = Connection.objects.values_list("slug", flat=True)
            raise wrong_usage(
                f"There is no connection “{slug}”.{nearest(slug, known)} “apiconnector list” shows those there are."
            )
    return [there[slug] for slug in wanted]


def find_connection(slug: str) -> Connection:
    """The connection of this slug with its token; wrong usage where there is none."""
    (connection,) = find_connections([slug])
    return connection
