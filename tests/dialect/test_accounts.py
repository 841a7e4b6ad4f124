"""Whose account a token is: told from the test request before anything is stored, and never swapped unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from apiconnector import authorize, signals
from apiconnector.exceptions import ConfigurationError
from apiconnector.models import AuthorizationAttempt, Connection, ConnectionEvent, Token
from tests.security.dance import CODE, land, press, state_of, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.dialect.site import Provider

pytestmark = pytest.mark.django_db(transaction=True)

ME = {"test_path": "me", "label_template": "{{ body.name }}", "account_id_path": "body.id"}


def authorize_as(site: Client, connection: Connection, provider: Provider, who: Any, token: dict[str, Any]) -> Any:
    provider.answers["/token"] = []
    provider.answers["/api/me"] = []
    provider.answer("/token", {"expires_in": 3600, **token})
    if isinstance(who, int):
        provider.answer("/api/me", {"error": "x"}, who)
    else:
        provider.answer("/api/me", who)
    return land(site, state=state_of(press(site, connection)), code=CODE)


ADA, BOB = {"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}
FIRST = {"access_token": "canary-access-1", "refresh_token": "canary-refresh-1"}
SECOND = {"access_token": "canary-access-2", "refresh_token": "canary-refresh-2"}
WITHOUT = {"access_token": "canary-access-3"}


def test_account_and_label_are_learned_with_the_new_token(
    make: Callable[..., Connection], site: Client, provider: Provider
) -> None:
    connection = make(**ME)
    page = authorize_as(site, connection, provider, ADA, FIRST)
    assert "Account: Ada." in text(page)
    token = Token.objects.get()
    assert (token.account_id, token.account_label) == ("1", "Ada")
    assert provider.at("/api/me")[0].headers["Authorization"] == "Bearer canary-access-1"


def test_a_token_whose_account_is_not_found_out_is_kept(
    make: Callable[..., Connection], site: Client, provider: Provider
) -> None:
    page = authorize_as(site, make(**ME), provider, 403, FIRST)
    assert page.status_code == 200
    assert "could not be found out" in text(page)
    assert "The API answered 403" in text(page)
    assert Token.objects.get().account_id == ""


def test_the_same_account_without_a_new_refresh_token_keeps_the_old_one(
    make: Callable[..., Connection], site: Client, provider: Provider
) -> None:
    """As Google does it without prompt=consent."""
    connection = make(**ME)
    authorize_as(site, connection, provider, ADA, FIRST)
    authorize_as(site, connection, provider, ADA, WITHOUT)
    token = Token.objects.get()
    assert (token.access_token.reveal(), token.refresh_token.reveal()) == ("canary-access-3", "canary-refresh-1")


@pytest.mark.parametrize("who", [403, {"name": "Ada"}], ids=["refused", "no id"])
def test_an_unknown_account_keeps_no_old_refresh_token(
    make: Callable[..., Connection], site: Client, provider: Provider, who: Any
) -> None:
    connection = make(**ME)
    authorize_as(site, connection, provider, ADA, FIRST)
    assert authorize_as(site, connection, provider, who, WITHOUT).status_code == 200
    token = Token.objects.get()
    assert (token.access_token.reveal(), token.refresh_token.reveal()) == ("canary-access-3", "")


class TestAnotherAccount:
    @pytest.fixture
    def held(self, make: Callable[..., Connection], site: Client, provider: Provider) -> AuthorizationAttempt:
        connection = make(**ME)
        authorize_as(site, connection, provider, ADA, FIRST)
        page = authorize_as(site, connection, provider, BOB, SECOND)
        assert page.status_code == 200
        assert "another account: Bob" in text(page)
        assert "Ada" in text(page)
        assert "canary" not in text(page)
        return AuthorizationAttempt.objects.select_related("connection").get(outcome="held")

    def tokens(self) -> tuple[str, str, str]:
        token = Token.objects.get()
        return token.access_token.reveal(), token.refresh_token.reveal(), token.account_label

    def test_nothing_is_replaced_until_somebody_says_so(self, held: AuthorizationAttempt) -> None:
        assert self.tokens() == ("canary-access-1", "canary-refresh-1", "Ada")
        assert held.connection.status == "authorized"
        assert "canary" not in str(AuthorizationAttempt.objects.values("held", "message", "held_label").get(pk=held.pk))
        assert held.held.reveal()["account_id"] == "2"

    def test_the_other_one_is_used(self, held: AuthorizationAttempt) -> None:
        heard: list[Any] = []

        def hear(connection: Connection, actor: Any, **_: Any) -> None:
            heard.append(connection.slug)

        signals.connection_authorized.connect(hear)
        try:
            assert "uses another account now. Account: Bob." in authorize.use_held(held)
            assert "decided already" in authorize.use_held(held)
            assert "decided already" in authorize.discard_held(held)
        finally:
            signals.connection_authorized.disconnect(hear)
        assert self.tokens() == ("canary-access-2", "canary-refresh-2", "Bob")
        assert heard == ["odd"]
        assert not AuthorizationAttempt.objects.exclude(held="").exists()

    def test_without_a_refresh_token_of_its_own_it_gets_none(
        self, make: Callable[..., Connection], site: Client, provider: Provider
    ) -> None:
        connection = make(**ME)
        authorize_as(site, connection, provider, ADA, FIRST)
        authorize_as(site, connection, provider, BOB, WITHOUT)
        authorize.use_held(AuthorizationAttempt.objects.select_related("connection").get(outcome="held"))
        assert self.tokens() == ("canary-access-3", "", "Bob")

    def test_it_is_discarded(self, held: AuthorizationAttempt) -> None:
        assert "is not used" in authorize.discard_held(held)
        assert "decided already" in authorize.use_held(held)
        assert self.tokens()[2] == "Ada"
        assert not AuthorizationAttempt.objects.exclude(held="").exists()

    def test_authorizing_anew_forgets_it(self, held: AuthorizationAttempt, site: Client, provider: Provider) -> None:
        authorize_as(site, held.connection, provider, ADA, SECOND)
        assert "decided already" in authorize.use_held(held)
        assert self.tokens() == ("canary-access-2", "canary-refresh-2", "Ada")

    def test_another_client_can_t_use_it(self, held: AuthorizationAttempt) -> None:
        """Its refresh token belongs to the old one."""
        connection = Connection.objects.get()
        connection.client_id = "another-client"
        connection.save()
        assert "decided already" in authorize.use_held(held)
        assert not Token.objects.exists()
        assert not AuthorizationAttempt.objects.exclude(held="").exists()

    def test_disconnecting_forgets_it(self, held: AuthorizationAttempt) -> None:
        authorize.disconnect(Connection.objects.get())
        assert "decided already" in authorize.use_held(held)
        assert not Token.objects.exists()
        assert not AuthorizationAttempt.objects.exclude(held="").exists()

    def test_hosts_that_changed_meanwhile_keep_it_from_being_used(self, held: AuthorizationAttempt) -> None:
        Connection.objects.filter(pk=held.connection_id).update(base_url="https://other.example")
        held = AuthorizationAttempt.objects.select_related("connection").get(pk=held.pk)
        with pytest.raises(ConfigurationError, match="typed before"):
            authorize.use_held(held)
        assert self.tokens()[2] == "Ada"


def test_an_account_that_another_connection_has_is_reported(
    make: Callable[..., Connection], site: Client, provider: Provider
) -> None:
    authorize_as(site, make(name="Sales", slug="sales", **ME), provider, ADA, FIRST)
    page = authorize_as(site, make(**ME), provider, ADA, SECOND)
    assert page.status_code == 200
    assert "“Sales” uses this account already" in text(page)
    other = authorize_as(site, make(name="Third", slug="third", **ME), provider, BOB, SECOND)
    assert "already" not in text(other)
    assert ConnectionEvent.objects.filter(kind="authorized").count() == 3


@pytest.mark.parametrize(
    ("scope", "token", "words"),
    [
        ("read", {"access_token": "canary-a", "expires_in": 3600}, "no refresh token, so this ends"),
        ("offline_access", {"access_token": "canary-a", "expires_in": 3600}, "prompt=consent"),
        ("read", FIRST, ""),
    ],
)
def test_a_token_that_nothing_renews_is_announced(  # noqa: PLR0917 - a table
    make: Callable[..., Connection], site: Client, provider: Provider, scope: str, token: Any, words: str
) -> None:
    page = text(authorize_as(site, make(scope=scope), provider, ADA, token))
    assert words in page
    assert ("no refresh token" in page) is bool(words)
