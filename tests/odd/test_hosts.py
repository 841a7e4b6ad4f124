"""Providers that say which host to talk to: only hosts that an administrator entered get anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from apiconnector.exceptions import TokenRequestFailed
from apiconnector.models import Connection, ConnectionEvent, Token
from apiconnector.shortcuts import connect
from tests.odd.conftest import EVIL
from tests.odd.fakes import CLIENT_SECRET
from tests.odd.providers.mailchimp import Mailchimp
from tests.odd.providers.salesforce import MOVED, Salesforce
from tests.odd.providers.zoho import Zoho
from tests.odd.providers.zoom import RegionalZoom
from tests.odd.telling import authorize, authorized, called, create, words

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.odd.conftest import World
    from tests.odd.fakes import Fake

pytestmark = pytest.mark.django_db


def zoho_accounts(fake: Any) -> None:
    fake.accounts_server = f"https://{EVIL}"


def zoho_api(fake: Any) -> None:
    fake.api_domain = f"https://{EVIL}"


def salesforce(fake: Any) -> None:
    fake.instance_url = f"https://{EVIL}"


def mailchimp(fake: Any) -> None:
    fake.dc = f"{EVIL}/x"


#: Where the value is, and what of the dialect would have to be lax for it to pass.
ODD_VALUES: list[tuple[type[Fake], Callable[[Any], None], tuple[str, ...]]] = [
    (Zoho, zoho_accounts, ("keep_from_callback", "accounts_server")),
    (Zoho, zoho_api, ("keep_from_token", "api_domain")),
    (Salesforce, salesforce, ("keep_from_token", "instance_url")),
    (Mailchimp, mailchimp, ("after_authorize", "values", "dc")),
]
EACH = pytest.mark.parametrize(
    ("kind", "lie", "place"), ODD_VALUES, ids=[f"{kind.__name__}-{place[-1]}" for kind, _, place in ODD_VALUES]
)


def lax(columns: dict[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    """The connection of somebody who left the pattern open."""
    inner = columns["dialect"]
    for name in place:
        inner = inner[name]
    inner["pattern"] = ".*"
    return columns


@EACH
def test_a_value_that_is_not_of_its_pattern(
    world: World, site: Client, kind: type[Fake], lie: Callable[[Any], None], place: tuple[str, ...]
) -> None:
    fake = world.begin(kind())
    connection = create(fake.columns())
    lie(fake)
    page = authorize(world, site, connection)
    assert page.status_code == 400
    assert f"has a value “{place[-1]}” that does not match its pattern" in words(page)
    assert EVIL not in words(page)
    assert not Token.objects.exists()
    assert (world.strays, world.unknown) == ([], [])


@EACH
def test_a_host_that_nobody_entered(
    world: World, site: Client, kind: type[Fake], lie: Callable[[Any], None], place: tuple[str, ...]
) -> None:
    fake = world.begin(kind())
    connection = create(lax(fake.columns(), place))
    lie(fake)
    page = authorize(world, site, connection)
    assert page.status_code == 400
    if kind is Mailchimp:
        assert "{{ dc }} stands inside the host, where only letters a to z, digits and - fit" in words(page)
    else:
        assert f"leads to {EVIL}:443 (" in words(page)
        assert "add it to the allowed hosts" in words(page)
    assert not Token.objects.exists()
    assert Connection.objects.get().status == "not_authorized"
    assert (world.strays, world.unknown) == ([], [])


@EACH
def test_what_is_there_goes_on_working_when_a_later_answer_lies(
    world: World, site: Client, kind: type[Fake], lie: Callable[[Any], None], place: tuple[str, ...]
) -> None:
    """Authorized anew with a lie: nothing of it is taken over."""
    fake = world.begin(kind())
    connection = authorized(world, site, create(lax(fake.columns(), place)))
    before = Token.objects.get()
    lie(fake)
    assert authorize(world, site, connection).status_code == 400
    after = Token.objects.get()
    assert (after.values, after.generation) == (before.values, before.generation)
    assert Connection.objects.get().status == "authorized"
    assert (world.strays, world.unknown) == ([], [])


@pytest.mark.parametrize("is_lax", [False, True], ids=["pattern", "host"])
@pytest.mark.parametrize(("kind", "name"), [(Zoho, "api_domain"), (Salesforce, "instance_url")])
def test_a_refresh_that_lies(world: World, site: Client, kind: type[Fake], name: str, is_lax: bool) -> None:
    """The token is new, since it would be lost; where it goes is what it was. The history says so."""
    fake = world.begin(kind())
    columns = fake.columns()
    authorized(world, site, create(lax(columns, ("keep_from_token", name)) if is_lax else columns))
    before = Token.objects.get()
    right = getattr(fake, name)
    fake.expire()
    setattr(fake, name, f"https://{EVIL}")
    called(fake)
    setattr(fake, name, right)
    after = Token.objects.get()
    assert after.values == before.values
    assert after.generation == before.generation + 1
    event = ConnectionEvent.objects.filter(kind="refreshed").latest("pk")
    assert ("leads to evil.example" if is_lax else "does not match its pattern") in event.message
    assert called(fake) == "200"
    assert (world.strays, world.unknown) == ([], [])


def test_salesforce_an_org_that_moves_is_followed(world: World, site: Client) -> None:
    fake = Salesforce()
    world.begin(fake)
    authorized(world, site, create(fake.columns()))
    fake.expire()
    fake.instance_url = f"https://{MOVED}"
    # The request that found out was on its way to where the org was, and the new token is not for there.
    assert called(fake) == "ConfigurationError"
    assert Token.objects.get().values == {"instance_url": f"https://{MOVED}"}
    assert called(fake) == "200"
    assert fake.asked[-1].host == MOVED


def test_salesforce_a_secret_replaced_meanwhile_outlives_disconnecting(world: World, site: Client) -> None:
    fake = Salesforce()
    world.begin(fake)
    connection = authorized(world, site, create(fake.columns()))
    connection.client_secret = fake.client_secret = "another-client-secret"
    connection.save()
    site.post(f"/admin/apiconnector/connection/{connection.pk}/disconnect/", follow=True)
    connection = Connection.objects.get()
    assert connection.status == "not_authorized"
    assert authorize(world, site, connection).status_code == 200
    assert called(fake) == "200"


def test_zoho_another_data_centre_at_the_next_authorizing(world: World, site: Client) -> None:
    """The code goes where the callback says now, not where it said then."""
    fake = Zoho()
    world.begin(fake)
    connection = authorized(world, site, create(fake.columns()))
    fake.accounts_server = "https://accounts.zoho.com"
    before = len(fake.asked)
    page = authorize(world, site, connection)
    # This fake takes no code there: what counts is where it went.
    assert page.status_code == 400
    assert [(request.host, request.path) for request in fake.asked[before:]][-1] == (
        "accounts.zoho.com",
        "/oauth/v2/token",
    )
    assert CLIENT_SECRET in fake.asked[-1].text


@pytest.mark.parametrize("is_lax", [False, True], ids=["pattern", "host"])
def test_zoom_an_api_somewhere_else(world: World, is_lax: bool) -> None:
    """Nobody authorizes there, so it is the first call that says so; the token is not kept."""
    fake = RegionalZoom()
    world.begin(fake)
    fake.api_url = f"https://{EVIL}"
    columns = fake.columns()
    create(lax(columns, ("keep_from_token", "api_url")) if is_lax else columns)
    with connect("zoom") as api, pytest.raises(TokenRequestFailed) as refused:
        api.get("users/me")
    assert ("leads to evil.example:443" if is_lax else "does not match its pattern") in str(refused.value)
    assert not Token.objects.exclude(access_token="").exists()
    assert Connection.objects.get().status == "misconfigured"
    assert (world.strays, world.unknown) == ([], [])


def test_zoom_the_address_comes_with_the_first_token_and_stays(world: World) -> None:
    fake = world.begin(RegionalZoom())
    create(fake.columns())
    for _ in range(2):
        with connect("zoom") as api:
            for _ in range(2):
                assert api.get("users/me").status_code == 200
    assert [request.path for request in fake.asked] == ["/oauth/token", *["/v2/users/me"] * 4]
