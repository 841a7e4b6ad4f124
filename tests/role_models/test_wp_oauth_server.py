"""WP OAuth Server: with its preset as it is shipped, over https, and in each of its other ways."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests

from apiconnector.exceptions import AuthorizationRequired, TokenRequestFailed
from apiconnector.feeds import takeup
from apiconnector.models import Connection, Feed, Token
from apiconnector.presets import find
from apiconnector.shortcuts import connect, run_feed, submit
from tests.client.origins import make_certificate
from tests.role_models.dance import (
    CLIENT_ID,
    CLIENT_SECRET,
    approve,
    authorize,
    come_back,
    disconnect,
    press_authorize,
    press_test,
    refreshed,
    text,
)
from tests.role_models.serving import serving
from tests.role_models.wp_oauth_server import PASSWORD, WPOAuthServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

    from tests.client.origins import Certificate

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"), "localhost")


@contextmanager
def blog(server: WPOAuthServer, certificate: Certificate, **fields: Any) -> Iterator[Connection]:
    """A connection made of the preset, to a blog that runs the plugin."""
    preset = find("wp-oauth-server")
    assert preset is not None
    with serving(server, certificate.context) as origin:
        connection = Connection(**{
            **preset.fields, "name": "Blog", "slug": "blog", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "variables": {"site": origin}, **fields,
        })  # fmt: skip  # in rows
        connection.full_clean()
        connection.save()
        yield connection


@pytest.fixture(autouse=True)
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.bundle))


def get_me() -> requests.Response:
    with connect("blog") as api:
        return api.get("oauth/me")


def make_feed(connection: Connection) -> Feed:
    return Feed.objects.create(
        name="Post", slug="post", trigger="article", connection=connection, path="wp-json/wp/v2/posts",
        body_format="json", body={"title": "{{ title }}"}, response_values={"id": "body.id"},
    )  # fmt: skip  # in rows


def test_the_preset_and_the_whole_dance(site: Client, certificate: Certificate) -> None:
    server = WPOAuthServer()
    with blog(server, certificate) as connection:
        page = authorize(site, connection)
        assert page.status_code == 200, text(page)
        assert "Account: Ada L." in text(page)
        token = connection.token
        assert (token.account_id, token.account_label, token.scope) == ("7", "Ada L.", "basic")
        assert token.expires_at is not None
        assert connection.status == "authorized"
        assert server.proved_by == "body"
        assert server.token_requests[0]["code_verifier"]
        assert get_me().json()["user_login"] == "ada"
        assert "answered 200" in press_test(site, connection)


def test_secret_in_the_header(site: Client, certificate: Certificate) -> None:
    server = WPOAuthServer()
    with blog(server, certificate, client_auth="client_secret_basic") as connection:
        assert authorize(site, connection).status_code == 200
        assert server.proved_by == "basic"
        assert "client_secret" not in server.token_requests[0]


def test_base64_behind_bearer_is_refused_as_the_client(site: Client, certificate: Certificate) -> None:
    """The way of its own documentation. What the page says leads to what the server takes."""
    preset = find("wp-oauth-server")
    assert preset is not None
    dialect = preset.fields["dialect"] | {
        "token_params": {"client_id": None, "client_secret": None},
        "token_headers": {"Authorization": "Bearer c2l0ZS1vZi10ZXN0czpjYW5hcnktY2xpZW50LXNlY3JldA=="},
    }
    with blog(WPOAuthServer(), certificate, dialect=dialect) as connection:
        page = authorize(site, connection)
        assert page.status_code == 400
        assert "client authentication" in text(page)
        assert "invalid_client" in text(page)
        assert connection.status == "misconfigured"


def test_a_wrong_secret_is_the_administrators_matter(site: Client, certificate: Certificate) -> None:
    with blog(WPOAuthServer(), certificate, client_secret="canary-mistyped") as connection:
        page = authorize(site, connection)
        assert page.status_code == 400
        assert "did not accept the client ID and client secret" in text(page)
        assert "canary" not in text(page)
        assert connection.status == "misconfigured"


def test_the_token_in_the_query_where_the_host_strips_the_header(site: Client, certificate: Certificate) -> None:
    server = WPOAuthServer(strips_header=True)
    with blog(server, certificate, credential_in="query") as connection:
        page = authorize(site, connection)
        assert page.status_code == 200
        assert "Account: Ada L." in text(page)
        answer = get_me()
        assert answer.json()["ID"] == "7"
        assert answer.request.headers.get("Authorization") is None
        assert connection.token.access_token.reveal() not in answer.url, "what is shown of an answer is redacted"


def test_a_stripped_header_is_noticed_when_authorizing(site: Client, certificate: Certificate) -> None:
    with blog(WPOAuthServer(strips_header=True), certificate) as connection:
        page = authorize(site, connection)
        assert page.status_code == 200
        assert "whose account it is could not be found out" in text(page)
        assert "answered 400" in text(page)
        assert connection.token.account_id == ""


def test_two_ways_at_once_are_refused_and_never_used(site: Client, certificate: Certificate) -> None:
    with blog(WPOAuthServer(), certificate) as connection:
        authorize(site, connection)
        token = connection.token.access_token.reveal()
        url = f"{connection.variables['site']}/oauth/me"
        both = requests.get(
            url, params={"access_token": token}, headers={"Authorization": f"Bearer {token}"}, timeout=5,
            verify=str(certificate.bundle),
        )  # fmt: skip  # in rows
        assert both.status_code == 400
        for place in ("header", "query"):
            Connection.objects.update(credential_in=place)
            assert get_me().status_code == 200, place


def test_an_expired_token_is_400_and_renewed(site: Client, certificate: Certificate) -> None:
    server = WPOAuthServer()
    with blog(server, certificate) as connection:
        authorize(site, connection)
        before = connection.token.generation
        server.end_of_life()
        assert get_me().status_code == 200
        assert [request["grant_type"] for request in server.token_requests] == ["authorization_code", "refresh_token"]
        assert "redirect_uri" not in server.token_requests[1]
        assert refreshed(connection).token.generation == before + 1


def test_a_token_that_ends_under_a_feed(site: Client, certificate: Certificate) -> None:
    """A POST that was refused with the status of an expired token was not carried out: it is sent once more."""
    server = WPOAuthServer()
    with blog(server, certificate) as connection:
        make_feed(connection)
        authorize(site, connection)
        server.end_of_life()
        run = run_feed("post", {"title": "Engines"})
        assert run.ok, run.error_message
        assert run.values == {"id": 1}
        assert server.posts == ["Engines"]


def test_another_400_is_an_answer(site: Client, certificate: Certificate) -> None:
    """The rule of the preset looks into the body: WordPress answers 400 to what it does not like."""
    server = WPOAuthServer()
    with blog(server, certificate) as connection:
        authorize(site, connection)
        with connect("blog") as api:
            assert api.get("wp-json/wp/v2/users", params={"context": "odd"}).status_code == 400
        assert len(server.token_requests) == 1


def test_the_free_edition_refuses_the_refresh_token_it_gave(site: Client, certificate: Certificate) -> None:
    server = WPOAuthServer(is_free=True)
    with blog(server, certificate) as connection:
        make_feed(connection)
        authorize(site, connection)
        assert connection.token.refresh_token, "it gives one"
        server.end_of_life()
        with pytest.raises(AuthorizationRequired, match="a person has to authorize again"):
            get_me()
        refreshed(connection)
        assert connection.status == "needs_reauthorization"
        assert "a person has to authorize again" in connection.status_reason
        # Nothing more is sent for it, and what forms bring waits.
        asked = len(server.token_requests)
        with pytest.raises(AuthorizationRequired, match="Re-authorize"):
            get_me()
        assert len(server.token_requests) == asked
        (run,) = submit("article", {"title": "Notes"})
        run.refresh_from_db()
        assert (run.status, run.outcome, run.attempt_count) == ("pending", "not_sent", 0)
        assert authorize(site, connection).status_code == 200
        assert connection.status == "authorized"
        # Authorizing sent it, or whoever takes up what is due had been faster and is at it.
        takeup.wait()
        run.refresh_from_db()
        assert (run.status, server.posts) == ("succeeded", ["Notes"])


def test_disconnect_revokes_both_tokens(site: Client, certificate: Certificate) -> None:
    server = WPOAuthServer()
    with blog(server, certificate) as connection:
        authorize(site, connection)
        access, refresh = connection.token.access_token.reveal(), connection.token.refresh_token.reveal()
        assert "The provider revoked the token." in disconnect(site, connection)
        assert [sent["token"] for sent in server.revoked] == [refresh, access]
        assert (server.alive, server.refresh_tokens) == (set(), set())
        assert not Token.objects.exists()
        assert connection.status == "not_authorized"
        assert "holds no token" in disconnect(site, connection)


def test_revoking_what_it_does_not_know_is_200(site: Client, certificate: Certificate) -> None:
    server = WPOAuthServer()
    with blog(server, certificate) as connection:
        authorize(site, connection)
        server.alive.clear()
        server.refresh_tokens.clear()
        assert "The provider revoked the token." in disconnect(site, connection)


def test_without_pretty_links(site: Client, certificate: Certificate) -> None:
    server = WPOAuthServer(has_pretty_links=False)
    addresses = {
        "authorization_url": "{{ site }}/?oauth=authorize",
        "token_url": "{{ site }}/?oauth=token",
        "revocation_url": "{{ site }}/?oauth=revoke",
        "test_path": "?oauth=me",
    }
    with blog(server, certificate, **addresses) as connection:
        page = authorize(site, connection)
        assert page.status_code == 200
        assert "Account: Ada L." in text(page)
        server.end_of_life()
        with connect("blog") as api:
            assert api.get("?oauth=me").json()["ID"] == "7"
        assert "The provider revoked the token." in disconnect(site, connection)


@pytest.mark.parametrize(
    ("auth_method", "fields"),
    [("oauth2_client_credentials", {}), ("oauth2_password", {"username": "ada", "password": PASSWORD})],
)
def test_its_other_grants(certificate: Certificate, auth_method: str, fields: dict[str, Any]) -> None:
    """Nobody has to authorize; a token that ended is asked for anew, also in the free edition."""
    server = WPOAuthServer(is_free=True)
    with blog(server, certificate, auth_method=auth_method, **fields) as connection:
        assert connection.status == "ready"
        assert get_me().json()["ID"] == "7"
        server.end_of_life()
        assert get_me().json()["ID"] == "7"
        grant = auth_method.removeprefix("oauth2_")
        assert [sent["grant_type"] for sent in server.token_requests] == [grant, grant]


def test_a_wrong_password_is_the_administrators_matter(certificate: Certificate) -> None:
    fields = {"auth_method": "oauth2_password", "username": "ada", "password": "canary-mistyped"}
    with blog(WPOAuthServer(), certificate, **fields) as connection:
        with pytest.raises(TokenRequestFailed, match="user name or the password"):
            get_me()
        assert refreshed(connection).status == "misconfigured"


def test_a_code_is_good_for_once(site: Client, certificate: Certificate) -> None:
    server = WPOAuthServer()
    with blog(server, certificate) as connection:
        back = approve(press_authorize(site, connection))
        server.codes.clear()
        page = come_back(site, back)
        assert page.status_code == 400
        assert "refused the authorization code" in text(page)
        assert not Token.objects.exists()
