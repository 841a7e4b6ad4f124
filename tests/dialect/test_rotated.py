"""What a provider has replaced is not lost, whatever goes wrong beside it; nor is a token that works given up."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from apiconnector.exceptions import ConfigurationError, TokenRequestFailed
from apiconnector.models import Connection, ConnectionEvent, Token, ahead
from apiconnector.shortcuts import connect
from tests.security.dance import CODE, land, press, state_of, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.dialect.site import Provider

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = {"access_token": "canary-access", "refresh_token": "canary-refresh", "expires_in": 3600}
ROTATED = {**TOKEN, "access_token": "canary-access-2", "refresh_token": "canary-refresh-2"}
ITSELF = {"access_token": "{{ access_token }}", "refresh_token": None}


def call() -> Any:
    with connect("odd") as api:
        return api.get("me")


def authorized(site: Client, connection: Connection, provider: Provider, **more: Any) -> None:
    provider.answer("/api/me", {})
    provider.answer("/token", {**TOKEN, **more})
    page = land(site, state=state_of(press(site, connection)), code=CODE)
    assert page.status_code == 200, text(page)
    provider.answers["/token"] = []


def expire() -> None:
    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def refresh_token() -> str:
    return str(Token.objects.get().refresh_token.reveal())


@pytest.mark.parametrize("place", ["params", "headers", "body", "url"])
def test_a_second_request_that_can_t_be_filled_in(
    make: Callable[..., Connection], site: Client, provider: Provider, place: str
) -> None:
    """Such as one that names a variable which somebody has taken out."""
    second = {"url": f"{provider.origin}/long", "after_refresh": True}
    second |= {"url": f"{provider.origin}/{{{{ gone }}}}"} if place == "url" else {place: {"X": "{{ gone }}"}}
    connection = make()
    authorized(site, connection, provider)
    Connection.objects.update(dialect={"second_token": second})
    provider.answer("/token", ROTATED)
    expire()
    with pytest.raises(TokenRequestFailed, match="gone"):
        call()
    assert refresh_token() == "canary-refresh-2"
    assert Connection.objects.get().status == "misconfigured"


def test_an_expression_that_fails_on_the_answer_of_a_refresh(
    make: Callable[..., Connection], site: Client, provider: Provider
) -> None:
    """It does not repeat the scopes, and join() takes no null."""
    connection = make(dialect={"token_response": {"scope": "join(' ', scopes)"}})
    authorized(site, connection, provider, scopes=["read", "write"])
    assert Token.objects.get().scope == "read write"
    provider.answer("/token", ROTATED)
    expire()
    assert call().status_code == 200
    token = Token.objects.get()
    assert (token.refresh_token.reveal(), token.scope) == ("canary-refresh-2", "read write")


@pytest.mark.parametrize("name", ["access_token", "error"])
def test_an_expression_that_the_token_depends_on_is_not_passed_over(
    make: Callable[..., Connection], site: Client, provider: Provider, name: str
) -> None:
    make(auth_method="oauth2_client_credentials", dialect={"token_response": {name: "join(' ', gone)"}})
    provider.answer("/token", TOKEN)
    with pytest.raises(TokenRequestFailed, match="join"):
        call()


def test_an_address_that_can_t_be_read(make: Callable[..., Connection], site: Client, provider: Provider) -> None:
    """A value to be kept is compared with all addresses, also with one that was stored past the form."""
    connection = make(dialect={"keep_from_token": {"tenant": {"pattern": ".*"}}})
    authorized(site, connection, provider, tenant="1")
    connection = Connection.objects.get()
    connection.revocation_url = "{{ broken"
    connection.client_secret, connection.client_id = "canary-client-secret", "the-client"
    connection.save()
    token = Token.objects.get()
    token.access_token, token.refresh_token = "canary-access", "canary-refresh"
    token.save()
    provider.answer("/token", {**ROTATED, "tenant": "2"})
    expire()
    assert call().status_code == 200
    assert refresh_token() == "canary-refresh-2"


def test_one_value_that_is_not_repeated_does_not_hold_back_the_others(
    make: Callable[..., Connection], site: Client, provider: Provider
) -> None:
    connection = make(dialect={"keep_from_token": {"host": {"pattern": ".*"}, "tenant": {"pattern": ".*"}}})
    authorized(site, connection, provider, host="1", tenant="1")
    provider.answer("/token", {**ROTATED, "tenant": "2"})
    expire()
    call()
    assert Token.objects.get().values == {"host": "1", "tenant": "2"}
    assert ConnectionEvent.objects.filter(kind="refreshed").latest("pk").message == "", "most do not repeat them"


class TestRenewedAheadOfItsEnd:
    """The last third of a life may be weeks: what goes wrong in them must not be felt."""

    def in_the_last_third(self) -> None:
        now = timezone.now()
        Token.objects.update(issued_at=now - timedelta(days=50), expires_at=now + timedelta(days=10))

    def test_it_is_not_tried_with_each_request(
        self, make: Callable[..., Connection], site: Client, provider: Provider
    ) -> None:
        authorized(site, make(dialect={"refresh_params": ITSELF}), provider)
        provider.sent.clear()
        provider.answer("/token", {}, 503)
        self.in_the_last_third()
        for _ in range(5):
            assert call().status_code == 200
            assert ahead.wait()
        assert len(provider.at("/token")) == 1
        Token.objects.update(failed_at=timezone.now() - timedelta(seconds=6))
        assert call().status_code == 200
        assert ahead.wait()
        assert len(provider.at("/token")) == 2

    def test_one_that_has_ended_is_asked_for_all_the_same(
        self, make: Callable[..., Connection], site: Client, provider: Provider
    ) -> None:
        authorized(site, make(), provider)
        provider.answer("/token", {}, 503)
        provider.answer("/token", ROTATED)
        now = timezone.now()
        Token.objects.update(issued_at=now - timedelta(hours=1), expires_at=now + timedelta(seconds=20))
        assert call().status_code == 200
        assert ahead.wait()
        expire()
        assert call().status_code == 200
        assert provider.at("/api/me")[-1].headers["Authorization"] == "Bearer canary-access-2"

    def test_parameters_that_can_t_be_filled_in_stop_nothing_before_it_has_ended(
        self, make: Callable[..., Connection], site: Client, provider: Provider
    ) -> None:
        authorized(site, make(), provider)
        Connection.objects.update(dialect={"refresh_params": {**ITSELF, "x": "{{ gone }}"}})
        self.in_the_last_third()
        assert call().status_code == 200
        Connection.objects.update(dialect={"refresh_params": {"x": "{{ gone }}"}})
        expire()
        with pytest.raises(ConfigurationError, match="gone"):
            call()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"variables": {"tenant": "a"}}, {"variables": {"tenant": "b"}}),
        ({"secret_variables": {"tenant": "a"}}, {"secret_variables": {"tenant": "b"}}),
        ({"api_key": "a"}, {"api_key": "b"}),
    ],
)
@pytest.mark.parametrize("method", ["oauth2_client_credentials", "login"])
def test_a_token_of_the_site_s_own_account_is_not_used_for_another_one(
    make: Callable[..., Connection], provider: Provider, before: Any, after: Any, method: str
) -> None:
    """The tenant's name is a part of the token URL at some providers."""
    name = "api_key" if "api_key" in before else "tenant"
    fields: dict[str, Any] = (
        {"dialect": {"login": {"url": "login", "body": {"k": f"{{{{ {name} }}}}"}}}}
        if method == "login"
        else {"token_url": f"{provider.origin}/{{{{ {name} }}}}/token"}
    )
    connection = make(auth_method=method, **fields, **before)
    provider.answer("/a/token", {"access_token": "canary-1"})
    provider.answer("/b/token", {"access_token": "canary-2"})
    provider.answer("/api/login", {"access_token": "canary-1"})
    provider.answer("/api/login", {"access_token": "canary-2"})
    provider.answer("/api/me", {})
    call()
    connection = Connection.objects.get()
    for column, value in after.items():
        setattr(connection, column, value)
    connection.save()
    call()
    assert provider.at("/api/me")[-1].headers["Authorization"] == "Bearer canary-2"
