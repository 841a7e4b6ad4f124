"""Hosts that a provider tells: used where the administrator named them, and else told from nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from apiconnector.authorize import disconnect
from apiconnector.exceptions import ConfigurationError, TokenRequestFailed
from apiconnector.models import AuthorizationAttempt, Connection, ConnectionEvent, Token, source
from apiconnector.shortcuts import connect
from tests.dialect import site as sites
from tests.security.dance import CODE, land, press, state_of, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.dialect.site import Provider

pytestmark = pytest.mark.django_db(transaction=True)

ANY = ".+"
FROM_TOKEN = {"keep_from_token": {"instance_url": {"pattern": ANY}}}
TOKEN = {"access_token": "canary-access", "refresh_token": "canary-refresh", "expires_in": 3600}


def authorize(site: Client, connection: Connection, **params: str) -> Any:
    return land(site, state=state_of(press(site, connection)), code=CODE, **params)


def test_a_host_below_an_allowed_one_is_used(make: Callable[..., Connection], site: Client, provider: Provider) -> None:
    """By https only, so that the request itself goes nowhere here."""
    connection = make(base_url="{{ instance_url }}/v1", allowed_hosts=[".salesforce.example"], dialect=FROM_TOKEN)
    assert connection.status == "not_authorized"
    provider.answer("/token", {**TOKEN, "instance_url": "https://na1.salesforce.example"})
    page = authorize(site, connection)
    assert page.status_code == 200, text(page)
    connection = Connection.objects.get()
    assert (connection.status, connection.address("base_url")) == ("authorized", "https://na1.salesforce.example/v1")
    assert connection.token.values == {"instance_url": "https://na1.salesforce.example"}
    assert "na1.salesforce.example:443" in connection.secret_hosts()
    assert connection.reveal("client_secret") == "canary-client-secret"
    assert connection.open(connection.token.access_token, "token") == "canary-access"
    with connect("odd") as api:
        assert api.destinations.join("x") == "https://na1.salesforce.example/v1/x"
        assert not api.destinations.join("x").startswith("{{")


@pytest.mark.parametrize(
    "told",
    [
        "https://evil.example", "https://salesforce.example.evil.example", "https://evil.example/.salesforce.example",
        "https://na1.salesforce.example:8443", "http://na1.salesforce.example", "https://x@na1.salesforce.example",
        "https://na1.salesforce.example@evil.example", "//na1.salesforce.example", "na1.salesforce.example",
        "https://na1.salesforce.example#x", "https://na1.salesforce.example\\.evil.example", "https://", "javascript:x",
        "https://127.0.0.1", "https://[::1]", "https://na1.salesforce.example/../x", "https://evil.example?.salesforce.example",
    ],
)  # fmt: skip  # in rows
def test_a_foreign_host_is_refused_and_nothing_is_kept(
    make: Callable[..., Connection], site: Client, provider: Provider, told: str
) -> None:
    connection = make(base_url="{{ instance_url }}/v1", allowed_hosts=[".salesforce.example"], dialect=FROM_TOKEN)
    provider.answer("/token", {**TOKEN, "instance_url": told})
    page = authorize(site, connection)
    assert page.status_code == 400
    assert not Token.objects.exists()
    connection = Connection.objects.get()
    assert connection.status == "not_authorized"
    said = AuthorizationAttempt.objects.get().message
    assert "base URL" in said
    assert "allowed hosts" in said or "does not fit" in said
    assert "canary" not in text(page) + "".join(ConnectionEvent.objects.values_list("message", flat=True))
    assert len(provider.sent) == 1


def test_where_no_host_is_allowed_the_remedy_is_said(
    make: Callable[..., Connection], site: Client, provider: Provider, stranger: Provider
) -> None:
    connection = make(base_url="{{ instance_url }}", dialect=FROM_TOKEN)
    provider.answer("/token", {**TOKEN, "instance_url": stranger.origin})
    page = authorize(site, connection)
    assert f"http://127.0.0.1:{stranger.server_port}" in text(page)
    assert "add it to the allowed hosts" in text(page)


def test_a_token_address_told_by_the_callback(
    make: Callable[..., Connection], site: Client, provider: Provider, stranger: Provider
) -> None:
    """As Zoho's data centres do it: the code and the secret go where the callback says, if that was named before."""
    dialect = {"keep_from_callback": {"accounts": {"path": '"accounts-server"', "pattern": ANY}}}
    connection = make(
        token_url="{{ accounts }}/token", revocation_url=f"{provider.origin}/revoke", dialect=dialect
    )  # fmt: skip  # in rows
    provider.answer("/token", TOKEN)
    assert authorize(site, connection, **{"accounts-server": stranger.origin}).status_code == 400
    assert not Token.objects.exists()
    assert authorize(site, connection).status_code == 400, "it has to be there"
    page = authorize(site, connection, **{"accounts-server": provider.origin})
    assert page.status_code == 200, text(page)
    assert provider.at("/token")[0].form["code"] == CODE
    assert Token.objects.get().values == {"accounts": provider.origin}


def test_a_refresh_that_tells_another_host_loses_nothing(
    make: Callable[..., Connection], site: Client, provider: Provider, stranger: Provider
) -> None:
    connection = make(base_url="{{ instance_url }}/api", revocation_url=f"{provider.origin}/x", dialect=FROM_TOKEN)
    provider.answer("/token", {**TOKEN, "instance_url": provider.origin})
    provider.answer(
        "/token", {**TOKEN, "access_token": "canary-2", "refresh_token": "r-2", "instance_url": stranger.origin}
    )
    provider.answer("/token", {**TOKEN, "access_token": "canary-3", "refresh_token": "r-3"})
    provider.answer("/api/me", {"id": 1})
    assert authorize(site, connection).status_code == 200
    for number in (2, 3):
        Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        with connect("odd") as api:
            assert api.get("me").json() == {"id": 1}
        token = Token.objects.get()
        assert (token.refresh_token.reveal(), token.values) == (f"r-{number}", {"instance_url": provider.origin})
        assert provider.at("/api/me")[-1].headers["Authorization"] == f"Bearer canary-{number}"
    messages = ConnectionEvent.objects.filter(kind="refreshed").values_list("message", flat=True)
    assert [str(stranger.server_port) in message for message in messages] == [False, True]


def test_a_variable_in_the_host_is_bound_as_a_host_is(make: Callable[..., Connection]) -> None:
    declared = {"variables": {"shop": {"pattern": "[a-z0-9-]+"}}}
    connection = make(
        auth_method="bearer", api_key="k", base_url="https://{{ shop }}.shop.example/admin", variables={"shop": "acme"},
        dialect=declared,
    )  # fmt: skip  # in rows
    assert connection.address("base_url") == "https://acme.shop.example/admin"
    connection.variables = {"shop": "evil"}
    connection.save()
    assert connection.status == "sealed"
    with connect("odd") as api, pytest.raises(ConfigurationError, match="typed before"):
        api.get("x")


def test_a_dialect_s_address_is_a_host_too(make: Callable[..., Connection], stranger: Provider) -> None:
    connection = make()
    connection.dialect = {"revoke": {"url": f"{stranger.origin}/revoke"}}
    connection.save()
    assert connection.status == "sealed"
    assert "dialect" in connection.status_reason


@pytest.mark.parametrize("name", ["api_key", "two"])
def test_no_secret_decides_a_host(make: Callable[..., Connection], name: str) -> None:
    """Past the form, too."""
    connection = make(auth_method="bearer", api_key="acme", secret_variables={"two": "acme"})
    Connection.objects.filter(pk=connection.pk).update(base_url=f"https://{{{{ {name} }}}}.evil.example")
    with connect("odd") as api, pytest.raises(ConfigurationError) as caught:
        api.get("x")
    assert "acme" not in str(caught.value)


def test_a_public_name_wins_over_a_secret_one_of_the_same_name(make: Callable[..., Connection]) -> None:
    """So that the host that was bound is the one that is asked."""
    connection = make(base_url="https://{{ shop }}.shop.example", variables={"shop": "acme"})
    Connection.objects.filter(pk=connection.pk).update()
    connection.secret_variables = {"shop": "evil"}
    connection.save()
    assert connection.address("base_url") == "https://acme.shop.example"


TOLD = {"base_url": "{{ instance_url }}/v1", "allowed_hosts": [".salesforce.example"], "dialect": FROM_TOKEN}
NA1 = "https://na1.salesforce.example"


def authorized(site: Client, connection: Connection, provider: Provider, instance_url: str = NA1, **token: str) -> Any:
    provider.answers["/token"] = []
    provider.answer("/token", {**TOKEN, **token, "instance_url": instance_url})
    page = authorize(site, connection)
    assert page.status_code == 200, AuthorizationAttempt.objects.order_by("pk").last()
    return Connection.objects.get()


class TestOnceAuthorized:
    """Then the host is known, and before the next answer it is not known again."""

    def test_it_can_be_authorized_again(
        self, make: Callable[..., Connection], site: Client, provider: Provider
    ) -> None:
        connection = authorized(site, make(**TOLD), provider)
        connection = authorized(site, connection, provider, "https://na2.salesforce.example", access_token="canary-2")
        assert connection.address("base_url") == "https://na2.salesforce.example/v1"

    def test_a_secret_typed_then_is_good_for_authorizing_again(
        self, make: Callable[..., Connection], site: Client, provider: Provider
    ) -> None:
        connection = authorized(site, make(**TOLD), provider)
        connection.client_secret = "canary-client-secret-2"
        connection.save()
        assert connection.status == "authorized"
        authorized(site, connection, provider)
        assert provider.at("/token")[-1].form["client_secret"] == "canary-client-secret-2"

    def test_a_secret_typed_then_is_not_sealed_by_disconnecting(
        self, make: Callable[..., Connection], site: Client, provider: Provider
    ) -> None:
        connection = authorized(site, make(**TOLD), provider)
        connection.client_secret = "canary-client-secret-2"
        connection.save()
        disconnect(Connection.objects.get())
        connection = Connection.objects.get()
        assert (connection.status, connection.is_sealed) == ("not_authorized", False)

    def test_a_base_url_that_was_changed_is_new_all_the_same(
        self, make: Callable[..., Connection], site: Client, provider: Provider, stranger: Provider
    ) -> None:
        """Also one that waits for a value: it is new as soon as it is a host."""
        connection = authorized(
            site, make(base_url="{{ instance_url }}", dialect=FROM_TOKEN), provider, provider.origin
        )
        disconnect(connection)
        connection = Connection.objects.get()
        connection.base_url = "{{ instance_url }}/v2"
        connection.save()
        assert connection.status == "not_authorized"
        provider.answers["/token"] = []
        provider.answer("/token", {**TOKEN, "instance_url": stranger.origin})
        assert authorize(site, connection).status_code == 400
        assert not Token.objects.exists()

    @pytest.mark.parametrize("status", [200, 401], ids=["at a look", "after a 401"])
    def test_a_session_kept_open_does_not_send_the_next_account_s_token_to_the_old_host(
        self, make: Callable[..., Connection], site: Client, provider: Provider, status: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip  # in rows
        with sites.running() as other:
            connection = make(
                base_url="{{ instance_url }}/api", revocation_url=f"{other.origin}/revoke", dialect=FROM_TOKEN
            )
            connection = authorized(site, connection, provider, provider.origin)
            provider.answer("/api/me", {})
            provider.answer("/api/me", {}, status)
            with connect("odd") as api:
                assert api.get("me").status_code == 200
                authorized(site, connection, provider, other.origin, access_token="canary-other")
                if status == 200:
                    monkeypatch.setattr(source, "LOOK_AGAIN_AFTER", -1)
                with pytest.raises(ConfigurationError, match="other hosts than when this session was opened"):
                    api.get("me")
            assert "canary-other" not in str([sent.headers for sent in provider.at("/api/me")])


def test_a_host_that_was_taken_out_is_not_the_provider_s_to_bring_back(
    make: Callable[..., Connection], site: Client, provider: Provider, stranger: Provider
) -> None:
    connection = make(base_url="{{ instance_url }}/v1", revocation_url=f"{stranger.origin}/revoke", dialect=FROM_TOKEN)
    connection.revocation_url = ""
    connection.save()
    provider.answer("/token", {**TOKEN, "instance_url": stranger.origin})
    assert authorize(site, connection).status_code == 400
    assert not Token.objects.exists()


class TestTheSitesOwnAccount:
    """Its first token is fetched by the first request, whose address it tells."""

    @pytest.fixture
    def own(self, provider: Provider) -> dict[str, Any]:
        provider.answer("/api/me", {"id": 1})
        return {
            "auth_method": "oauth2_client_credentials", "base_url": "{{ instance_url }}/api", "test_path": "me",
            "revocation_url": f"{provider.origin}/revoke",
        }  # fmt: skip  # in rows

    @pytest.mark.parametrize("where", ["keep_from_token", "after_authorize"])
    def test_the_answer_tells_the_base_url(
        self, make: Callable[..., Connection], provider: Provider, own: dict[str, Any], where: str
    ) -> None:
        after = {"url": f"{provider.origin}/who", "values": {"instance_url": {"path": "body.u", "pattern": ANY}}}
        make(**own, dialect=FROM_TOKEN if where == "keep_from_token" else {"after_authorize": after})
        provider.answer("/token", {"access_token": "canary-1", "instance_url": provider.origin})
        provider.answer("/who", {"u": provider.origin})
        for _ in range(2):
            with connect("odd") as api:
                assert api.get("me").json() == {"id": 1}
        assert Connection.objects.get().test().ok
        assert len(provider.at("/token")) == 1

    def test_the_answer_tells_a_header(
        self, make: Callable[..., Connection], provider: Provider, own: dict[str, Any]
    ) -> None:
        headers = {"X-Tenant": "{{ instance_url }}", "X-Token": "{{ access_token }}"}
        make(**own | {"base_url": f"{provider.origin}/api"}, default_headers=headers, dialect=FROM_TOKEN)
        provider.answer("/token", {"access_token": "canary-1", "instance_url": "the tenant"})
        with connect("odd") as api:
            api.get("me")
        (sent,) = provider.at("/api/me")
        assert (sent.headers["X-Tenant"], sent.headers["X-Token"]) == ("the tenant", "canary-1")

    def test_not_one_that_nobody_entered(
        self, make: Callable[..., Connection], provider: Provider, stranger: Provider, own: dict[str, Any]
    ) -> None:
        make(**own, dialect=FROM_TOKEN)
        provider.answer("/token", {"access_token": "canary-1", "instance_url": stranger.origin})
        with connect("odd") as api, pytest.raises(TokenRequestFailed, match="none of the connection's hosts"):
            api.get("me")
        assert Connection.objects.get().status == "misconfigured"
