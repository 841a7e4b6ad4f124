"""Another account of a provider that says with the token where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apiconnector.authorize import discard_held, use_held
from apiconnector.models import AuthorizationAttempt, Connection, Token
from tests.odd.providers.jira import Jira
from tests.odd.providers.quickbooks import OTHER_REALM, REALM, QuickBooks
from tests.odd.providers.salesforce import INSTANCE, MOVED, Salesforce
from tests.odd.providers.xero import Xero
from tests.odd.telling import authorize, authorized, called, create, words

if TYPE_CHECKING:
    from django.test import Client

    from tests.odd.conftest import World
    from tests.odd.fakes import Fake

pytestmark = pytest.mark.django_db


def held() -> AuthorizationAttempt:
    return AuthorizationAttempt.objects.get(outcome="held")


def test_quickbooks_another_company_waits_to_be_decided(world: World, site: Client) -> None:
    fake = QuickBooks()
    world.begin(fake)
    connection = authorized(world, site, create(fake.columns()))
    fake.realm = OTHER_REALM
    page = authorize(world, site, connection)
    assert page.status_code == 200
    assert "This is another account" in words(page)
    assert Token.objects.get().values == {"realm_id": REALM}
    use_held(held())
    assert Token.objects.get().values == {"realm_id": OTHER_REALM}
    assert called(fake) == "200"
    assert OTHER_REALM in fake.asked[-1].path


def test_salesforce_another_org_waits_to_be_decided(world: World, site: Client) -> None:
    """Its token is for another host than the old one's."""
    fake = Salesforce()
    world.begin(fake)
    connection = authorized(world, site, create(fake.columns()))
    for decide, host in ((discard_held, INSTANCE), (use_held, MOVED)):
        fake.instance_url, fake.user_id = f"https://{MOVED}", "006"
        assert "This is another account" in words(authorize(world, site, connection))
        assert Token.objects.get().values == {"instance_url": f"https://{INSTANCE}"}
        decide(held())
        assert Token.objects.get().values == {"instance_url": f"https://{host}"}
    assert called(fake) == "200"
    assert fake.asked[-1].host == MOVED
    assert Connection.objects.get().status == "authorized"


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        (Xero, ("GET", "api.xero.com", "/connections")),
        (Jira, ("GET", "api.atlassian.com", "/oauth/token/accessible-resources")),
    ],
)
def test_an_account_without_anything_is_no_success(
    world: World, site: Client, kind: type[Fake], address: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who approved, and chose no organisation or site."""
    fake = world.begin(kind())
    connection = create(fake.columns())
    monkeypatch.setitem(fake.routes, address, lambda _: [])
    page = authorize(world, site, connection)
    assert page.status_code == 400
    (name,) = fake.story.values
    assert f"The request after authorizing, after_authorize, has no value “{name}”" in words(page)
    assert not Token.objects.exists()
    monkeypatch.delitem(fake.routes, address)
    page = authorize(world, site, connection)
    assert page.status_code == 400
    assert "The request after authorizing failed: it was answered 404." in words(page)
    assert not Token.objects.exists()
    assert Connection.objects.get().status == "not_authorized"
