"""Each provider's whole story: authorized, called, refreshed ahead and when refused, and at last its grant is dead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.odd.providers import FAKES, VARIANTS
from tests.odd.telling import tell

if TYPE_CHECKING:
    from django.test import Client

    from tests.odd.conftest import World
    from tests.odd.fakes import Fake

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", [*FAKES, *VARIANTS], ids=lambda kind: kind.__name__)
def test_the_whole_story(world: World, site: Client, kind: type[Fake]) -> None:
    fake = kind()
    assert tell(world, site, fake, fake.columns()) == fake.story
