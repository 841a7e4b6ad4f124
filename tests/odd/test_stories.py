"""Each provider's whole story: authorized, called, refreshed ahead and when refused, and at last its grant is dead."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest

from apiconnector.authorize import begin, paste
from apiconnector.models import AuthorizationAttempt, Connection
from tests.odd.providers import FAKES, VARIANTS
from tests.odd.telling import called, create, press, tell

if TYPE_CHECKING:
    from django.test import Client

    from tests.odd.conftest import World
    from tests.odd.fakes import Fake

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", [*FAKES, *VARIANTS], ids=lambda kind: kind.__name__)
def test_the_whole_story(world: World, site: Client, kind: type[Fake]) -> None:
    fake = kind()
    assert tell(world, site, fake, fake.columns()) == fake.story


WITH_PERSON = pytest.mark.parametrize(
    "kind", [kind for kind in FAKES if "authorization_url" in kind.fields], ids=lambda kind: kind.__name__
)


@WITH_PERSON
def test_the_address_may_be_pasted_back(world: World, kind: type[Fake]) -> None:
    """As the command has it: with everything that the provider puts behind the code."""
    fake = world.begin(kind())
    begun = begin(
        create(fake.columns()),
        redirect_uri="https://example.org/oauth/callback",
        user=None,
        via=AuthorizationAttempt.Via.COMMAND,
    )
    pasted = paste(begun, world.approve(begun.url).headers["Location"])
    assert pasted.ok, pasted.message
    assert Connection.objects.get().token.values == fake.story.values
    assert called(fake) == "200"


@WITH_PERSON
def test_the_answer_may_come_as_a_form(world: World, site: Client, kind: type[Fake]) -> None:
    fake = world.begin(kind())
    consent = world.approve(press(site, create(fake.columns())))
    posted = dict(parse_qsl(urlsplit(consent.headers["Location"]).query))
    answer = site.post("/oauth/callback", posted)
    assert answer.status_code == 303
    assert site.get(answer["Location"]).status_code == 200
    assert Connection.objects.get().token.values == fake.story.values
