"""Code, verifier and client secret go to the server the request was begun for, as it was asked; or nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from apiconnector.authorize.fingerprint import FIELDS, fingerprint
from apiconnector.models import AuthorizationAttempt, Connection, Token
from tests.security.dance import CODE, land, press, state_of, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.token_server import TokenServer

pytestmark = pytest.mark.django_db

CHANGES: dict[str, Any] = {
    "token_url": "{attacker}/token",
    "authorization_url": "{attacker}/authorize",
    "client_id": "another-client",
    "pkce": "",
    "scope": "read write",
    "auth_method": "oauth2_client_credentials",
    "is_active": False,
    "dialect": {"token_params": {"a": "b"}},
    "variables": {"a": "b"},
}


def edit(connection: Connection, attacker: TokenServer, name: str) -> None:
    value = CHANGES[name]
    setattr(connection, name, value.format(attacker=attacker.origin) if isinstance(value, str) else value)
    # Secrets are typed again, so that it is not their seal which stops them.
    connection.client_secret = "canary-typed-again"
    if name != "client_id":
        connection.client_id = "id-of-crm"
    connection.save()


def test_everything_the_request_rests_on_is_compared() -> None:
    assert set(CHANGES) == {*FIELDS, "client_id"}


@pytest.mark.parametrize("name", CHANGES)
def test_a_connection_changed_meanwhile_gets_no_code(
    site: Client, connection: Connection, server: TokenServer, attacker: TokenServer, name: str
) -> None:
    url = press(site, connection)
    edit(connection, attacker, name)
    page = land(site, state=state_of(url), code=CODE)
    assert page.status_code == 400
    assert "was changed while you authorized" in text(page)
    assert "press Authorize again" in text(page)
    assert (server.requests, attacker.requests) == ([], [])
    assert not Token.objects.exists()


@pytest.mark.parametrize("name", ["token_url", "client_id", "scope"])
def test_an_edit_by_a_query_is_noticed_too(
    site: Client, connection: Connection, server: TokenServer, attacker: TokenServer, name: str
) -> None:
    url = press(site, connection)
    if name == "client_id":
        connection.client_id = "another-client"
        connection.save(update_fields=["client_id"])
    else:
        Connection.objects.update(**{name: CHANGES[name].format(attacker=attacker.origin)})
    assert "was changed while you authorized" in text(land(site, state=state_of(url), code=CODE))
    assert (server.requests, attacker.requests) == ([], [])


def test_authorizing_again_goes_to_the_new_server(
    site: Client, connection: Connection, server: TokenServer, attacker: TokenServer
) -> None:
    edit(connection, attacker, "token_url")
    assert land(site, state=state_of(press(site, connection)), code=CODE).status_code == 200
    assert len(attacker.requests) == 1
    assert server.requests == []


@pytest.mark.parametrize(
    "change", [{"name": "Other"}, {"timeout": 3}, {"client_secret": "corrected"}, {"issuer": "https://i.example"}]
)
def test_what_the_request_does_not_rest_on_may_change(
    site: Client, connection: Connection, server: TokenServer, change: dict[str, Any]
) -> None:
    url = press(site, connection)
    for name, value in change.items():
        setattr(connection, name, value)
    connection.save()
    assert land(site, state=state_of(url), code=CODE).status_code == 200
    assert len(server.requests) == 1


def test_a_denial_is_told_as_what_it_is(site: Client, connection: Connection, attacker: TokenServer) -> None:
    url = press(site, connection)
    edit(connection, attacker, "scope")
    assert "was denied" in text(land(site, state=state_of(url), error="access_denied"))


def test_the_table_does_not_let_the_client_id_be_guessed(site: Client, connection: Connection) -> None:
    """The hash is keyed with the state, which is kept as a hash of its own."""
    one, two = (state_of(press(site, connection)) for _ in range(2))
    kept = set(AuthorizationAttempt.objects.values_list("fingerprint", flat=True))
    assert kept == {fingerprint(connection, one), fingerprint(connection, two)}
    assert len(kept) == 2
    assert all(len(value) == 64 for value in kept)


def test_a_client_id_that_no_key_opens_any_more(
    site: Client, connection: Connection, server: TokenServer, settings: Any
) -> None:
    url = press(site, connection)
    settings.APICONNECTOR_KEYS = ["b3RoZXIga2V5IGZvciB0ZXN0cywgbm90IHNlY3JldCE="]
    page = land(site, state=state_of(url), code=CODE)
    assert page.status_code == 400
    assert server.requests == []
    assert AuthorizationAttempt.objects.get().outcome == "failed"


class TestPublicClients:
    """RFC 9700 section 2.1.1."""

    @pytest.mark.parametrize(("client_auth", "pkce", "begins"), [
        ("none", "", False), ("none", "S256", True), ("none", "plain", True), ("client_secret_post", "", True),
    ])  # fmt: skip  # in rows
    def test_a_client_without_a_secret_needs_pkce(
        self, site: Client, server: TokenServer, connect_to: Callable[..., Connection],
        *, client_auth: str, pkce: str, begins: bool,
    ) -> None:  # fmt: skip  # in rows
        connection = connect_to(server, client_auth=client_auth, pkce=pkce)
        response = site.post(f"/admin/apiconnector/connection/{connection.pk}/authorize/")
        assert response["Location"].endswith("#id_pkce") is not begins
        assert AuthorizationAttempt.objects.exists() is begins
