"""What is said in a dialect holds wherever it is used, and what can't hold is refused when it is saved."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ValidationError

from apiconnector import authorize
from apiconnector.models import AuthorizationAttempt, Connection, Feed, Token
from apiconnector.shortcuts import connect, run_feed
from tests.security.dance import CODE, land, press, state_of, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.dialect.site import Provider

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = {"access_token": "canary-access", "refresh_token": "canary-refresh", "expires_in": 3600}
KEPT = {"keep_from_token": {"u": {"pattern": "(?s).*"}}}


def call() -> Any:
    with connect("odd") as api:
        return api.get("me")


def approve(site: Client, connection: Connection) -> Any:
    return land(site, state=state_of(press(site, connection)), code=CODE)


class TestNoSecretIsShown:
    def test_one_in_the_path_of_the_token_url(
        self, make: Callable[..., Connection], site: Client, provider: Provider
    ) -> None:
        """A redirect to a path beside it repeats the path."""
        connection = make(token_url=f"{provider.origin}/{{{{ api_key }}}}/token", api_key="canary-key-123456")
        provider.answer("/canary-key-123456/token", b"", 302, Location="next")
        page = approve(site, connection)
        assert "/next" in text(page)
        assert "canary-key" not in text(page) + AuthorizationAttempt.objects.get().message

    @pytest.mark.parametrize("where", ["keep_from_token", "after_authorize"])
    def test_one_that_an_answer_repeats_is_not_kept_readable(
        self, make: Callable[..., Connection], site: Client, provider: Provider, where: str
    ) -> None:
        values = {"u": {"path": "u", "pattern": ".*"}}
        after = {"url": f"{provider.origin}/who", "params": {"s": "{{ client_secret }}"},
                 "values": {"u": {"path": "body.u", "pattern": ".*"}}}  # fmt: skip  # in rows
        connection = make(dialect={where: values if where == "keep_from_token" else after})
        provider.answer("/token", {**TOKEN, "u": "x canary-client-secret"})
        provider.answer("/who", {"u": "x canary-client-secret"})
        page = approve(site, connection)
        assert page.status_code == 400
        assert "not kept readable" in text(page)


class TestTheAccessTokenAsAName:
    def test_after_authorizing(self, make: Callable[..., Connection], site: Client, provider: Provider) -> None:
        after = {"url": f"{provider.origin}/who", "headers": {"X-T": "{{ access_token }}"},
                 "values": {"t": {"path": "body.t", "pattern": ".*"}}}  # fmt: skip  # in rows
        connection = make(dialect={"after_authorize": after})
        provider.answer("/token", TOKEN)
        provider.answer("/who", {"t": "1"})
        assert approve(site, connection).status_code == 200
        assert provider.at("/who")[0].headers["X-T"] == "canary-access"

    def test_in_the_test_request(self, make: Callable[..., Connection], site: Client, provider: Provider) -> None:
        connection = make(
            test_path="me", account_id_path="body.id",
            dialect={"test_request": {"params": {"t": "{{ access_token }}"}}},
        )  # fmt: skip  # in rows
        provider.answer("/token", TOKEN)
        provider.answer("/api/me", {"id": 1})
        assert approve(site, connection).status_code == 200
        assert Token.objects.get().account_id == "1"
        result = Connection.objects.get().test()
        assert result.ok, result.message
        assert [sent.query["t"] for sent in provider.at("/api/me")] == ["canary-access"] * 2
        assert "canary" not in result.request

    @pytest.mark.parametrize(
        "dialect",
        [
            {"token_params": {"t": "{{ access_token }}"}},
            {"token_headers": {"t": "{{ access_token }}"}},
            {"login": {"url": "login", "body": {"t": "{{ access_token }}"}}},
        ],
    )
    def test_where_there_is_none_yet(self, make: Callable[..., Connection], dialect: Any) -> None:
        with pytest.raises(ValidationError, match="unknown name 'access_token'"):
            make(dialect=dialect)


class TestTheTestRequest:
    def test_a_header_of_null_is_left_out(self, make: Callable[..., Connection], provider: Provider) -> None:
        connection = make(auth_method="bearer", api_key="k", dialect={"test_request": {"headers": {"X-T": None}}})
        provider.answer("/api", {})
        assert connection.test().ok
        assert "X-T" not in provider.at("/api")[0].headers

    @pytest.mark.parametrize("body", ["text", ["x"], 5])
    @pytest.mark.parametrize("form", ["query", "form"])
    def test_fields_are_an_object(self, make: Callable[..., Connection], body: Any, form: str) -> None:
        with pytest.raises(ValidationError, match="JSON object"):
            make(auth_method="bearer", api_key="k", dialect={"test_request": {"format": form, "body": body}})


@pytest.mark.parametrize("where", ["params", "headers", "body", "url"])
def test_half_a_surrogate_pair_in_an_answer_is_sent_nowhere(
    make: Callable[..., Connection], site: Client, provider: Provider, where: str
) -> None:
    after: dict[str, Any] = {"url": f"{provider.origin}/who", "method": "POST", "format": "form",
                             "values": {"t": {"path": "body.t", "pattern": ".*"}}}  # fmt: skip  # in rows
    after |= {"url": f"{provider.origin}/{{{{ body.u }}}}"} if where == "url" else {where: {"x": "{{ body.u }}"}}
    connection = make(dialect={"after_authorize": after})
    provider.answer("/token", b'{"access_token": "canary-access", "u": "\\ud800"}')
    provider.answer("/who", {"t": "1"})
    assert approve(site, connection).status_code == 400
    assert not provider.at("/who")


def test_half_a_surrogate_pair_is_not_kept(make: Callable[..., Connection], site: Client, provider: Provider) -> None:
    connection = make(dialect=KEPT)
    provider.answer("/token", b'{"access_token": "canary-access", "u": "\\ud800"}')
    assert approve(site, connection).status_code == 400
    assert not Token.objects.exists()


@pytest.mark.parametrize("column", ["authorization_params", "token_params"])
def test_half_a_surrogate_pair_past_the_form(
    make: Callable[..., Connection], site: Client, provider: Provider, column: str
) -> None:
    connection = make(
        auth_method="oauth2_client_credentials" if column == "token_params" else "oauth2_authorization_code"
    )
    Connection.objects.update(dialect={column: {"x": "\ud800"}})
    if column == "token_params":
        assert "UTF-8" in Connection.objects.get().test().message
    else:
        response = site.post(f"/admin/apiconnector/connection/{connection.pk}/authorize/", follow=True)
        assert "UTF-8" in text(response)


@pytest.mark.parametrize("url", ["a\\b", "ftp://x.example/", "https:x", "x/..;/y", "x\ty", "//x.example/y", "../x"])
def test_an_address_that_leads_elsewhere(make: Callable[..., Connection], url: str) -> None:
    with pytest.raises(ValidationError, match="dialect"):
        make(dialect={"second_token": {"url": url}})


@pytest.mark.parametrize(
    "url", ["token", "/token", "token:exchange", "v1/{{ client_id }}?x=a:b", "https://x.example/y"]
)
def test_an_address_that_can_be_asked(make: Callable[..., Connection], url: str) -> None:
    make(dialect={"second_token": {"url": url}})


def test_the_header_of_a_second_try_at_revoking_is_encoded_as_said(
    make: Callable[..., Connection], site: Client, provider: Provider
) -> None:
    connection = make(
        client_secret="canary+secret/", revocation_url=f"{provider.origin}/revoke", dialect={"basic_encoding": "raw"}
    )
    provider.answer("/token", TOKEN)
    provider.answer("/revoke", {"error": "invalid_client"}, 401)
    provider.answer("/revoke", {})
    approve(site, connection)
    authorize.disconnect(Connection.objects.get())
    expected = f"Basic {base64.b64encode(b'the-client:canary+secret/').decode()}"
    assert provider.at("/revoke")[1].headers["Authorization"] == expected


def test_the_default_of_a_variable_counts_in_a_feed_too(make: Callable[..., Connection], provider: Provider) -> None:
    connection = make(auth_method="bearer", api_key="k", dialect={"variables": {"region": {"default": "eu"}}})
    feed = Feed(name="F", slug="f", connection=connection, method="GET", path="{{ region }}")
    feed.full_clean()
    feed.save()
    provider.answer("/api/eu", {})
    provider.answer("/api/us", {})
    assert run_feed("f").ok
    connection.variables = {"region": "us"}
    connection.save()
    assert run_feed("f", {"region": "mars"}).ok
    assert [sent.path for sent in provider.sent] == ["/api/eu", "/api/us"]


@pytest.mark.parametrize(
    "rule", ["body.code == `498`", "*.code | contains(@, `498`)", "contains(to_string(@), '\"code\": 498')"]
)
def test_a_rule_sees_the_body_however_it_names_it(
    make: Callable[..., Connection], provider: Provider, rule: str
) -> None:
    make(auth_method="oauth2_client_credentials", dialect={"expired_when": rule.replace('": 498', '":498')})
    provider.answer("/token", {"access_token": "canary-1"})
    provider.answer("/token", {"access_token": "canary-2"})
    provider.answer("/api/me", {"code": 498})
    provider.answer("/api/me", {"code": 0})
    assert call().json() == {"code": 0}


def test_the_life_of_a_refresh_token_of_a_log_in(make: Callable[..., Connection], provider: Provider) -> None:
    make(auth_method="login", dialect={"login": {"url": "login"}})
    provider.answer("/api/login", {**TOKEN, "refresh_token_expires_in": 100})
    provider.answer("/api/me", {})
    call()
    assert Token.objects.get().refresh_expires_at is not None


def test_a_refresh_token_that_the_api_repeats_is_not_shown_in_the_label(
    make: Callable[..., Connection], site: Client, provider: Provider
) -> None:
    connection = make(test_path="me", label_template="{{ body.x }}")
    provider.answer("/token", TOKEN)
    provider.answer("/api/me", {"x": "Ada canary-refresh canary-access"})
    page = approve(site, connection)
    assert "canary" not in text(page)
    assert Token.objects.get().account_label == "Ada [redacted] [redacted]"


def test_a_value_that_the_callback_has_twice_is_not_kept(
    make: Callable[..., Connection], site: Client, provider: Provider
) -> None:
    """RFC 6749 section 3.1: no parameter is there more than once."""
    connection = make(dialect={"keep_from_callback": {"realm": {"path": "realmId", "pattern": "[0-9]+"}}})
    state = state_of(press(site, connection))
    page = site.get(f"/oauth/callback?state={state}&code={CODE}&realmId=1&realmId=2")
    assert page.status_code == 400
    assert not provider.sent


@pytest.mark.parametrize("column", ["base_url", "token_url", "revocation_url"])
def test_no_address_names_the_access_token(make: Callable[..., Connection], column: str) -> None:
    with pytest.raises(ValidationError, match="unknown name 'access_token'"):
        make(**{column: "https://api.example.com/{{ access_token }}"})
