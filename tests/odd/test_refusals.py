"""What providers refuse in their own ways, and whose matter it is then."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django.utils import timezone

from apiconnector.models import AuthorizationAttempt, Connection, ConnectionEvent, Token
from apiconnector.shortcuts import connect
from tests.odd.fakes import CLIENT_SECRET, RefusedError
from tests.odd.providers import FAKES
from tests.odd.providers.amazon import Amazon
from tests.odd.providers.instagram import USER, Instagram
from tests.odd.providers.shopify import Shopify
from tests.odd.providers.slack import Slack
from tests.odd.providers.wechat import WeChat
from tests.odd.providers.x import X
from tests.odd.providers.zoho import Zoho
from tests.odd.telling import authorize, authorized, called, create, words

if TYPE_CHECKING:
    from django.test import Client

    from tests.odd.conftest import World
    from tests.odd.fakes import Fake

pytestmark = pytest.mark.django_db
EACH = pytest.mark.parametrize("kind", FAKES, ids=lambda kind: kind.__name__)
WITH_PERSON = pytest.mark.parametrize(
    "kind", [kind for kind in FAKES if "authorization_url" in kind.fields], ids=lambda kind: kind.__name__
)


def begun(world: World, site: Client, fake: Fake) -> Connection:
    return authorized(world, site, create(world.begin(fake).columns()))


@EACH
def test_a_wrong_secret_is_the_administrators_matter(world: World, site: Client, kind: type[Fake]) -> None:
    fake = world.begin(kind())
    connection = create(fake.columns() | {"client_secret": "canary-wrong-secret"})
    if connection.method.needs_person:
        page = authorize(world, site, connection)
        assert page.status_code == 400
        assert "canary" not in words(page)
    else:
        assert called(fake) == "TokenRequestFailed"
    connection.refresh_from_db()
    assert connection.status == "misconfigured"
    assert not Token.objects.exclude(access_token="").exists()
    assert "canary" not in connection.status_reason + "".join(
        str(event.message) for event in ConnectionEvent.objects.all()
    )


@pytest.mark.parametrize("kind", [kind for kind in FAKES if kind.refresh_has_secret], ids=lambda kind: kind.__name__)
def test_a_secret_replaced_there_is_no_end_of_the_grant(world: World, site: Client, kind: type[Fake]) -> None:
    """The refresh that fails gives nothing up: with the new secret it goes on, and nobody authorizes again."""
    fake = kind()
    begun(world, site, fake)
    assert called(fake) == "200"
    fake.client_secret = "another-client-secret"
    fake.access = ""
    assert called(fake) == "TokenRequestFailed"
    connection = Connection.objects.get()
    assert connection.status == "misconfigured"
    connection.client_secret = fake.client_secret
    connection.save()
    assert called(fake) == "200"
    assert Connection.objects.get().status in {"authorized", "ready"}


@WITH_PERSON
def test_a_code_used_before_is_said_to_be(
    world: World, site: Client, kind: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whichever words: the person is told to authorize again."""
    fake = world.begin(kind())
    connection = create(fake.columns())
    monkeypatch.setattr(fake, "spend", lambda _: False)  # somebody was faster
    page = authorize(world, site, connection)
    assert page.status_code == 400
    assert "uthorize again" in words(page)
    assert Connection.objects.get().status == kind.used_code
    assert not Token.objects.exists()


@WITH_PERSON
def test_whoever_denies_is_told_so(world: World, site: Client, kind: type[Fake]) -> None:
    fake = world.begin(kind())
    connection = create(fake.columns())
    pressed = site.post(reverse("admin:apiconnector_connection_authorize", args=[connection.pk]))
    state = dict(part.split("=") for part in pressed["Location"].partition("?")[2].split("&"))["state"]
    page = site.get("/oauth/callback", {"error": "access_denied", "state": state})
    assert page.status_code == 400
    assert AuthorizationAttempt.objects.get().outcome == "denied"
    assert fake.asked == []


@EACH
def test_a_refresh_leaves_nothing_to_complain_about(world: World, site: Client, kind: type[Fake]) -> None:
    """Most providers do not repeat what they said at the first time: that is no news."""
    fake = kind()
    begun(world, site, fake)
    called(fake)
    ConnectionEvent.objects.all().delete()
    now = timezone.now()
    Token.objects.exclude(expires_at=None).update(
        issued_at=now - timedelta(hours=1), expires_at=now + timedelta(seconds=20)
    )
    called(fake)
    refreshed = ConnectionEvent.objects.all()
    assert {(event.kind, event.message) for event in refreshed} <= {("refreshed", "")}
    assert bool(refreshed) == fake.story.renewed_ahead


# One by one


def test_amazon_what_a_role_does_not_allow_is_not_an_expired_token(world: World, site: Client) -> None:
    fake = Amazon()
    begun(world, site, fake)
    before = len(fake.asked)
    with connect(fake.slug) as api:
        assert api.get("orders/v0/orders").status_code == 403
    assert [request.path for request in fake.asked[before:]] == ["/orders/v0/orders"]


def test_zoho_asks_too_often(world: World, site: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten tokens in ten minutes: 400 with an error that is neither the grant's nor the client's."""
    fake = Zoho()
    begun(world, site, fake)
    fake.expire()
    slow = {
        "error_description": "You have made too many requests continuously. Please try again after some time.",
        "error": "Access Denied",
        "status": "failure",
    }

    def limited(request: Any) -> None:
        raise RefusedError(400, slow)

    address = ("POST", "accounts.zoho.eu", "/oauth/v2/token")
    monkeypatch.setitem(fake.routes, address, limited)
    assert called(fake) == "TokenRequestFailed"
    assert Connection.objects.get().status == "authorized"
    monkeypatch.undo()
    world.begin(fake)


def test_instagram_a_token_revoked_there_needs_a_person(world: World, site: Client) -> None:
    """There is no refresh token: the refusal of the token itself is the end of the grant."""
    fake = Instagram()
    begun(world, site, fake)
    fake.kill()
    assert called(fake) == "AuthorizationRequired"
    assert Connection.objects.get().status == "needs_reauthorization"
    before = len(fake.asked)
    assert called(fake) == "AuthorizationRequired"
    assert [request.path for request in fake.asked[before:]] == ["/me"]


def test_instagram_nothing_is_kept_of_the_short_lived_token(world: World, site: Client) -> None:
    fake = Instagram()
    begun(world, site, fake)
    token = Token.objects.get()
    assert token.access_token.reveal() == fake.access
    assert token.access_token.reveal().startswith("access-")
    assert not token.refresh_token


def test_instagram_is_renewed_in_the_last_third_of_its_life(world: World, site: Client) -> None:
    fake = Instagram()
    begun(world, site, fake)
    token = Token.objects.get()
    assert token.expires_at is not None
    life = token.expires_at - token.issued_at
    for share, paths in ((0.6, ["/me"]), (0.7, ["/refresh_access_token", "/me"])):
        now = timezone.now()
        Token.objects.update(issued_at=now - life * share, expires_at=now + life * (1 - share))
        before = len(fake.asked)
        assert called(fake) == "200"
        assert [request.path for request in fake.asked[before:]] == paths


def test_wechat_a_dead_token_fails_the_test_though_it_is_200(world: World, site: Client) -> None:
    fake = WeChat()
    connection = begun(world, site, fake)
    fake.kill()
    assert not connection.test().ok


def test_slack_a_refused_call_fails_the_test_though_it_is_200(
    world: World, site: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Slack()
    connection = begun(world, site, fake)
    refused = {"ok": False, "error": "missing_scope", "needed": "users:read"}
    monkeypatch.setitem(fake.routes, ("POST", "slack.com", "/api/auth.test"), lambda _: refused)
    result = connection.test()
    assert (result.ok, result.status_code) == (False, 200)
    assert "body.ok" in result.message


def test_shopify_a_refused_query_fails_the_test_though_it_is_200(
    world: World, site: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Shopify()
    connection = begun(world, site, fake)
    refused = {"errors": [{"message": "Access denied for shop field.", "extensions": {"code": "ACCESS_DENIED"}}]}
    address = ("POST", "ada-shop.myshopify.com", "/admin/api/2026-10/graphql.json")
    monkeypatch.setitem(fake.routes, address, lambda _: refused)
    assert not connection.test().ok


def test_instagram_what_a_renewal_does_not_repeat_stays_and_what_it_does_is_taken(
    world: World, site: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Instagram()
    world.begin(fake)
    columns = fake.columns()
    kept = columns["dialect"]["keep_from_token"]
    kept["kind"] = {"path": "token_type", "pattern": "[a-z]+"}
    authorized(world, site, create(columns))
    assert Token.objects.get().values == {"user_id": USER, "kind": "bearer"}
    answer = {**fake.long_lived(), "token_type": "renewed"}
    monkeypatch.setitem(fake.routes, ("GET", "graph.instagram.com", "/refresh_access_token"), lambda _: answer)
    now = timezone.now()
    Token.objects.update(issued_at=now - timedelta(days=50), expires_at=now + timedelta(days=10))
    assert called(fake) == "200"
    assert Token.objects.get().values == {"user_id": USER, "kind": "renewed"}


def test_x_each_refresh_token_is_used_once(world: World, site: Client) -> None:
    fake = X()
    begun(world, site, fake)
    used = []
    for _ in range(3):
        fake.expire()
        assert called(fake) == "200"
        used.append(fake.asked[-2].form["refresh_token"])
    assert len(set(used)) == 3
    assert Token.objects.get().refresh_token.reveal() == fake.refresh


def test_no_secret_goes_to_a_browser_or_into_a_query_where_it_need_not(world: World, site: Client) -> None:
    """Only WeChat and Instagram want it in a query."""
    in_query = set()
    for kind in FAKES:
        Connection.objects.all().delete()
        fake = kind()
        begun(world, site, fake)
        called(fake)
        consent = [request for request in fake.asked if "redirect_uri" in request.query and request.method == "GET"]
        assert not any(CLIENT_SECRET in request.text for request in consent)
        if any(CLIENT_SECRET in request.query.values() for request in fake.asked):
            in_query.add(kind.slug)
    assert in_query == {"wechat", "instagram"}
