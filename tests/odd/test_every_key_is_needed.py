"""Each part of a connection to an odd provider, left out: the story is another one then.

So the fakes do insist, and what the docs show for a provider has nothing in it that is not needed.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from apiconnector.dialect import read
from apiconnector.exceptions import DialectError
from apiconnector.models import Connection
from tests.odd.providers import FAKES
from tests.odd.telling import tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

    from tests.odd.conftest import World
    from tests.odd.fakes import Fake

pytestmark = pytest.mark.django_db

#: Columns that say how it is talked, with what to have instead of leaving one out.
SWAPPED: dict[str, dict[Any, Any]] = {
    "client_auth": {"client_secret_basic": "client_secret_post", "client_secret_post": "client_secret_basic"},
    "pkce": {"": "S256", "S256": ""},
}
LEFT_OUT = ("refresh_url", "revocation_url", "credential_in", "credential_name", "credential_prefix", "allowed_hosts")
OBJECTS = ("default_headers", "default_params", "dialect")

Place = tuple[str, ...]


def places(fields: dict[str, Any]) -> Iterator[Place]:
    """Every part that could be left out, as the names that lead to it."""
    for name in (*SWAPPED, *LEFT_OUT):
        if fields.get(name) or (name in SWAPPED and name in fields):
            yield (name,)
    for name in OBJECTS:
        yield from _leaves(fields.get(name) or {}, (name,))


def _leaves(value: dict[str, Any], path: Place) -> Iterator[Place]:
    for name, inner in value.items():
        # What an administrator reads and enters is another matter.
        if (*path, name) == ("dialect", "variables"):
            continue
        if isinstance(inner, dict):
            yield from _leaves(inner, (*path, name))
        else:
            yield (*path, name)


def without(columns: dict[str, Any], place: Place) -> dict[str, Any]:
    changed = deepcopy(columns)
    inner = changed
    for name in place[:-1]:
        inner = inner[name]
    if place[0] in SWAPPED:
        changed[place[0]] = SWAPPED[place[0]][changed[place[0]]]
    else:
        del inner[place[-1]]
    return changed


def says_something(fields: dict[str, Any], place: Place) -> bool:
    """Whether it is not what goes without saying."""
    rest = without(fields, place)
    if place[0] == "dialect":
        try:
            return read(fields["dialect"]) != read(rest["dialect"])
        except DialectError:
            return False  # it could not be saved without
    return place[0] in SWAPPED or fields[place[0]] != getattr(Connection(), place[0])


CASES = [(kind, place) for kind in FAKES for place in places(kind.fields) if says_something(kind.fields, place)]


@pytest.mark.parametrize(("kind", "place"), CASES, ids=[f"{kind.slug}:{'.'.join(place)}" for kind, place in CASES])
def test_without_it_the_story_is_another_one(
    world: World, site: Client, kind: type[Fake], place: tuple[str, ...]
) -> None:
    fake = kind()
    story = tell(world, site, fake, without(fake.columns(), place))
    seen = story != kind.story
    assert seen == (".".join(place) not in kind.unseen), story
