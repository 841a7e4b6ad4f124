"""Tokens that are got in other ways: with a password, a log-in, a second request, or with themselves."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from django.utils import timezone

from apiconnector import authorize
from apiconnector.exceptions import AuthorizationRequired, ConfigurationError, TokenRequestFailed
from apiconnector.models import Connection, ConnectionEvent, Feed, Token, ahead
from apiconnector.shortcuts import connect, run_feed
from tests.security.dance import CODE, land, press, state_of, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.dialect.site import Provider

pytestmark = pytest.mark.django_db(transaction=True)


def call(path: str = "me") -> Any:
    with connect("odd") as api:
        return api.get(path)


def expire() -> None:
    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


class TestPassword:
    def test_it_is_fetched_kept_and_fetched_again(self, make: Callable[..., Connection], provider: Provider) -> None:
        make(auth_method="oauth2_password", username="ada", password="canary-password", scope="read")
        provider.answer("/token", {"access_token": "canary-1", "expires_in": 60})
        provider.answer("/api/me", {"id": 1})
        call()
        call()
        (sent,) = provider.at("/token")
        assert sent.form == {
            "grant_type": "password", "username": "ada", "password": "canary-password", "scope": "read",
            "client_id": "the-client", "client_secret": "canary-client-secret",
        }  # fmt: skip  # in rows
        expire()
        call()
        assert len(provider.at("/token")) == 2

    def test_a_refusal_is_the_administrator_s_matter(self, make: Callable[..., Connection], provider: Provider) -> None:
        connection = make(auth_method="oauth2_password", username="ada", password="canary-password")
        provider.answer("/token", {"error": "invalid_grant", "error_description": "canary-password"}, 400)
        with pytest.raises(TokenRequestFailed, match="user name or the password") as caught:
            call()
        assert "canary" not in str(vars(caught.value))
        connection.refresh_from_db()
        assert connection.status == "misconfigured"


class TestLogin:
    BODY: ClassVar = {"body": {"user": "{{ username }}", "pass": "{{ password }}"}}

    @pytest.mark.parametrize(
        ("declared", "answer", "headers", "token"),
        [
            ({}, {"access_token": "canary-1"}, {}, "canary-1"),
            ({"token_response": {"access_token": "body.data.jwt"}}, {"data": {"jwt": "canary-1"}}, {}, "canary-1"),
            ({"token_response": {"access_token": "body"}}, b"canary-1", {}, "canary-1"),
            ({"token_response": {"access_token": "body"}}, b'"canary-1"', {}, "canary-1"),
            ({"token_response": {"access_token": 'headers."x-token"'}}, b"", {"X-Token": "canary-1"}, "canary-1"),
            (
                {"token_response": {"access_token": "cookies.sid"}},
                {},
                {"Set-Cookie": "a=b; Expires=Wed, 01 Jan 2031 00:00:00 GMT\nsid=canary-1; Path=/; HttpOnly"},
                "canary-1",
            ),
        ],
    )
    def test_where_the_token_is(  # noqa: PLR0917 - a table
        self, make: Callable[..., Connection], provider: Provider, declared: Any, answer: Any, headers: Any, token: str
    ) -> None:
        make(
            auth_method="login", username="ada", password="canary-password", credential_name="X-Session",
            dialect={"login": {"url": "login", **self.BODY, **declared}},
        )  # fmt: skip  # in rows
        provider.answer("/api/login", answer, **headers)
        provider.answer("/api/me", {"id": 1})
        call()
        (sent,) = provider.at("/api/login")
        assert (sent.method, sent.form) == ("POST", {"user": "ada", "pass": "canary-password"})
        assert provider.at("/api/me")[0].headers["X-Session"] == token

    @pytest.mark.parametrize(
        ("declared", "method", "query", "form"),
        [
            ({"format": "form", "body": {"u": "{{ username }}"}}, "POST", {}, {"u": "ada"}),
            ({"format": "query", "method": "GET", "body": {"u": "{{ username }}"}}, "GET", {"u": "ada"}, {}),
            ({"params": {"v": 2}, "body": {"u": "{{ username }}"}}, "POST", {"v": "2"}, {"u": "ada"}),
        ],
    )
    def test_how_it_is_sent(  # noqa: PLR0917 - a table
        self, make: Callable[..., Connection], provider: Provider, declared: Any, method: str, query: Any, form: Any
    ) -> None:
        make(auth_method="login", username="ada", password="p", dialect={"login": {"url": "login", **declared}})
        provider.answer("/api/login", {"access_token": "canary-1"})
        provider.answer("/api/me", {})
        call()
        (sent,) = provider.at("/api/login")
        assert (sent.method, sent.query, sent.form) == (method, query, form)

    def test_it_lives_as_said_and_is_asked_for_again_when_refused(
        self, make: Callable[..., Connection], provider: Provider
    ) -> None:
        make(
            auth_method="login", username="ada", password="p",
            dialect={
                "login": {"url": "login", **self.BODY, "token_response": {"access_token": "body.t", "expires_in": "body.ms"}},
                "expires_unit": "milliseconds", "expired_when": "body.code == `498`",
            },
        )  # fmt: skip  # in rows
        provider.answer("/api/login", {"t": "canary-1", "ms": 60_000})
        provider.answer("/api/login", {"t": "canary-2", "ms": 60_000})
        provider.answer("/api/me", {"code": 498})
        provider.answer("/api/me", {"code": 0})
        assert call().json() == {"code": 0}
        assert [one.headers["Authorization"] for one in provider.at("/api/me")] == [
            "Bearer canary-1",
            "Bearer canary-2",
        ]
        expires_at = Token.objects.get().expires_at
        assert expires_at is not None
        assert abs(expires_at - timezone.now() - timedelta(seconds=60)) < timedelta(seconds=10)

    @pytest.mark.parametrize(
        ("answer", "status", "words"),
        [
            ({"message": "no"}, 401, "refused the log-in"),
            ({"error": "bad"}, 200, "refused the log-in"),
            (b"<html>", 200, "a web page"),
            ({}, 200, "without an access token"),
            ({}, 503, "trouble of its own"),
        ],
    )
    def test_a_refusal(
        self, make: Callable[..., Connection], provider: Provider, answer: Any, status: int, words: str
    ) -> None:
        make(auth_method="login", username="a", password="canary-p", dialect={"login": {"url": "login", **self.BODY}})
        provider.answer("/api/login", answer, status)
        with pytest.raises(TokenRequestFailed, match=words):
            call()
        assert not provider.at("/api/me")

    def test_without_its_request_it_can_t_be_used(self, make: Callable[..., Connection]) -> None:
        Connection.objects.create(name="Odd", slug="odd", base_url="https://api.example.com", auth_method="login")
        with pytest.raises(ConfigurationError, match="no log-in request"):
            call()


TOKEN = {"access_token": "canary-short", "refresh_token": "canary-refresh", "expires_in": 3600}


def approve(site: Client, connection: Connection, **params: str) -> Any:
    return land(site, state=state_of(press(site, connection)), code=CODE, **params)


class TestSecondToken:
    def dialect(self, provider: Provider) -> dict[str, Any]:
        params = {"s": "{{ client_secret }}", "t": "{{ access_token }}"}
        return {"second_token": {"method": "GET", "url": f"{provider.origin}/long", "params": params}}

    def test_it_takes_the_place_of_the_first(
        self, make: Callable[..., Connection], site: Client, provider: Provider
    ) -> None:
        connection = make(dialect=self.dialect(provider))
        provider.answer("/token", TOKEN)
        provider.answer("/long", {"access_token": "canary-long", "expires_in": 5_000_000})
        assert approve(site, connection).status_code == 200
        assert provider.at("/long")[0].query == {"s": "canary-client-secret", "t": "canary-short"}
        token = Token.objects.get()
        assert (token.access_token.reveal(), token.refresh_token.reveal()) == ("canary-long", "canary-refresh")
        assert token.expires_at is not None
        assert token.expires_at > timezone.now() + timedelta(days=50)

    def test_without_it_nothing_is_stored(
        self, make: Callable[..., Connection], site: Client, provider: Provider
    ) -> None:
        connection = make(dialect=self.dialect(provider))
        provider.answer("/token", TOKEN)
        provider.answer("/long", {"error": {"message": "canary-short is bad"}}, 400)
        page = approve(site, connection)
        assert page.status_code == 400
        assert "second token request" in text(page)
        assert "canary" not in text(page)
        assert not Token.objects.exists()

    def test_after_a_refresh_a_failed_one_loses_no_refresh_token(
        self, make: Callable[..., Connection], site: Client, provider: Provider
    ) -> None:
        dialect = self.dialect(provider)
        dialect["second_token"]["after_refresh"] = True
        connection = make(dialect=dialect)
        provider.answer("/token", TOKEN)
        provider.answer("/token", {**TOKEN, "refresh_token": "canary-refresh-2"})
        provider.answer("/long", {"access_token": "canary-long"})
        provider.answer("/long", {}, 503)
        provider.answer("/long", {"access_token": "canary-long-2"})
        provider.answer("/api/me", {})
        approve(site, connection)
        expire()
        with pytest.raises(TokenRequestFailed):
            call()
        assert Token.objects.get().refresh_token.reveal() == "canary-refresh-2"
        call()
        assert provider.at("/token")[2].form["refresh_token"] == "canary-refresh-2"
        assert provider.at("/api/me")[-1].headers["Authorization"] == "Bearer canary-long-2"


class TestRenewsItself:
    def dialect(self) -> dict[str, Any]:
        return {
            "refresh_params": {"grant_type": "renew", "access_token": "{{ access_token }}", "refresh_token": None,
                               "client_id": None, "client_secret": None},
            "refresh_request_method": "GET",
        }  # fmt: skip  # in rows

    def test_it_is_renewed_in_the_last_third_of_its_life(
        self, make: Callable[..., Connection], site: Client, provider: Provider
    ) -> None:
        connection = make(dialect=self.dialect(), refresh_url=f"{provider.origin}/renew")
        provider.answer("/token", {"access_token": "canary-1", "refresh_token": "unused", "expires_in": 90})
        provider.answer("/renew", {"access_token": "canary-2", "expires_in": 90})
        provider.answer("/api/me", {})
        approve(site, connection)
        call()
        assert not provider.at("/renew")
        now = timezone.now()
        Token.objects.update(issued_at=now - timedelta(seconds=70), expires_at=now + timedelta(seconds=20))
        call()
        assert ahead.wait()
        call()
        (sent,) = provider.at("/renew")
        assert (sent.method, sent.query) == ("GET", {"grant_type": "renew", "access_token": "canary-1"})
        assert provider.at("/api/me")[-1].headers["Authorization"] == "Bearer canary-2"

    def test_one_that_has_ended_can_t_be(
        self, make: Callable[..., Connection], site: Client, provider: Provider
    ) -> None:
        connection = make(dialect=self.dialect())
        provider.answer("/token", {"access_token": "canary-1", "refresh_token": "unused", "expires_in": 90})
        approve(site, connection)
        expire()
        with pytest.raises(AuthorizationRequired):
            call()
        assert Connection.objects.get().status == "needs_reauthorization"


def test_after_authorizing_values_are_asked_for_with_the_new_token(
    make: Callable[..., Connection], site: Client, provider: Provider
) -> None:
    connection = make(
        base_url=f"{provider.origin}/ex/{{{{ cloud_id }}}}",
        dialect={
            "after_authorize": {
                "url": f"{provider.origin}/resources",
                "values": {"cloud_id": {"path": "body[0].id", "pattern": "[a-f0-9-]+"}},
            }
        },
    )
    provider.answer("/token", TOKEN)
    provider.answer("/resources", [{"id": "../evil"}])
    assert approve(site, connection).status_code == 400
    assert not Token.objects.exists()
    provider.answer("/resources", [])
    provider.answers["/resources"].pop(0)
    assert approve(site, connection).status_code == 400
    provider.answers["/resources"] = []
    provider.answer("/resources", [{"id": "11aa-22"}])
    provider.answer("/ex/11aa-22/me", {"id": 1})
    assert approve(site, connection).status_code == 200
    assert provider.at("/resources")[-1].headers["Authorization"] == "Bearer canary-short"
    assert call().json() == {"id": 1}


def test_the_token_endpoint_is_spoken_to_in_the_dialect(
    make: Callable[..., Connection], site: Client, provider: Provider
) -> None:
    connection = make(
        scope="read", pkce="",
        dialect={
            "authorization_params": {"client_key": "{{ client_id }}", "client_id": None, "user_scope": "{{ scope }}", "scope": None},
            "token_params": {"appid": "{{ client_id }}", "client_id": None, "client_secret": None, "n": 1},
            "token_request_format": "json",
            "token_headers": {"Authorization": 'Basic {{ client_secret|concat:":"|base64 }}', "X-V": "2"},
            "token_response": {"access_token": "data.token", "error": "data.err"},
            "callback_code_param": "auth_code", "callback_state_param": "st",
            "default_expires_in": 7200,
        },
    )  # fmt: skip  # in rows
    url = press(site, connection)
    assert "client_key=the-client" in url
    assert "user_scope=read" in url
    assert "client_id" not in url
    provider.answer("/token", {"error": "ok", "data": {"token": "canary-1", "err": ""}})
    page = land(site, st=state_of(url), auth_code=CODE)
    assert page.status_code == 200, text(page)
    (sent,) = provider.at("/token")
    assert sent.form == {
        "grant_type": "authorization_code", "code": CODE, "redirect_uri": "http://testserver/oauth/callback",
        "appid": "the-client", "n": 1,
    }  # fmt: skip  # in rows
    basic = base64.b64encode(b"canary-client-secret:").decode()
    assert (sent.headers["Authorization"], sent.headers["X-V"]) == (f"Basic {basic}", "2")
    token = Token.objects.get()
    assert token.expires_at is not None
    assert token.expires_at > timezone.now() + timedelta(minutes=119)


def test_a_state_under_another_name_counts_only_where_the_dialect_has_it(
    make: Callable[..., Connection], site: Client, provider: Provider
) -> None:
    url = press(site, make())
    page = land(site, st=state_of(url), code=CODE)
    assert page.status_code == 400
    assert "no state" in text(page)
    assert not provider.at("/token")


def test_defaults_that_name_the_token_carry_the_one_in_use(make: Callable[..., Connection], provider: Provider) -> None:
    make(
        auth_method="oauth2_client_credentials", credential_in="none",
        default_headers={"X-Access": "{{ access_token }}", "X-Plain": "1"}, default_params={"t": "{{ access_token }}"},
    )  # fmt: skip  # in rows
    provider.answer("/token", {"access_token": "canary-1"})
    provider.answer("/token", {"access_token": "canary-2"})
    provider.answer("/api/me", {}, 401)
    provider.answer("/api/me", {})
    assert call().status_code == 200
    sent = provider.at("/api/me")
    assert [(one.headers["X-Access"], one.query["t"], one.headers["X-Plain"]) for one in sent] == [
        ("canary-1", "canary-1", "1"),
        ("canary-2", "canary-2", "1"),
    ]
    assert "Authorization" not in sent[0].headers


def test_a_feed_is_sent_again_where_the_dialect_calls_an_answer_expired(
    make: Callable[..., Connection], provider: Provider
) -> None:
    connection = make(auth_method="bearer", api_key="k", dialect={"expired_when": "status == `400`"})
    Feed.objects.create(name="F", slug="f", connection=connection, method="POST", path="x", body_format="json", body={})
    provider.answer("/api/x", {}, 400)
    run = run_feed("f")
    assert (run.status, run.outcome) == ("failed", "sent") or run.status == "pending"
    assert "accept the credential" in run.error_message


def test_disconnect_sends_the_declared_request(
    make: Callable[..., Connection], site: Client, provider: Provider
) -> None:
    connection = make(
        dialect={"revoke": {"method": "DELETE", "url": f"{provider.origin}/grants/{{{{ client_id }}}}",
                            "body": {"access_token": "{{ access_token }}", "refresh": "{{ refresh_token }}"}}}
    )  # fmt: skip  # in rows
    provider.answer("/token", TOKEN)
    provider.answer("/grants/the-client", {}, 204)
    approve(site, connection)
    assert "The provider revoked the token" in authorize.disconnect(Connection.objects.get())
    (sent,) = provider.at("/grants/the-client")
    assert (sent.method, sent.form) == ("DELETE", {"access_token": "canary-short", "refresh": "canary-refresh"})
    assert not Token.objects.exists()


@pytest.mark.parametrize(
    ("declared", "answer", "status", "ok", "words"),
    [
        ({"success_when": "body.ok"}, {"ok": True}, 200, True, ""),
        ({"success_when": "body.ok"}, {"ok": False}, 200, False, "no success by the rule"),
        ({"success_when": "length(body.x) > `0`"}, {}, 200, False, "can't be told"),
        ({"statuses": [404]}, {}, 404, True, ""),
        ({"statuses": [201]}, {}, 200, False, "200"),
    ],
)
def test_the_test_request_has_rules(  # noqa: PLR0917 - a table
    make: Callable[..., Connection], provider: Provider, declared: Any, answer: Any, status: int, ok: bool, words: str
) -> None:
    connection = make(auth_method="bearer", api_key="k", test_path="me", dialect={"test_request": declared})
    provider.answer("/api/me", answer, status)
    result = connection.test()
    assert (result.ok, result.status_code) == (ok, status)
    assert words in result.message


def test_the_test_request_carries_a_body(make: Callable[..., Connection], provider: Provider) -> None:
    connection = make(
        auth_method="bearer", api_key="canary-key", test_method="POST", test_path="graphql",
        variables={"v": "3"}, label_template="{{ body.data.name }} of {{ v }}",
        dialect={"test_request": {"body": {"query": "{ me { name } }", "v": "{{ v }}"}, "headers": {"X-V": "{{ v }}"}}},
    )  # fmt: skip  # in rows
    provider.answer("/api/graphql", {"data": {"name": "Ada"}})
    result = connection.test()
    assert (result.ok, result.label) == (True, "Ada of 3")
    (sent,) = provider.at("/api/graphql")
    assert (sent.form, sent.headers["X-V"]) == ({"query": "{ me { name } }", "v": "3"}, "3")
    assert not ConnectionEvent.objects.exists()
