"""What the servers refuse, and what this site makes of it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from apiconnector.exceptions import AuthorizationRequired, TokenRequestFailed
from apiconnector.models import Connection, ConnectionEvent, Token
from apiconnector.oauth import new_proof
from tests.servers.dance import call, changed, end_access_token, post, query_of, revoke, text, tokens
from tests.servers.person import NeverCameBackError

if TYPE_CHECKING:
    from tests.servers.dance import Site
    from tests.servers.processes import Server


def change(site: Site, **values: str) -> None:
    """Save other values at the connection, as the admin's form does."""
    for name, value in values.items():
        setattr(site.connection, name, value)
    site.connection.save()


def test_a_challenge_of_another_verifier(site: Site) -> None:
    """The server checks PKCE: with the challenge exchanged on the way, our verifier does not fit the code."""
    proof = new_proof("S256")
    assert proof
    url = site.begin()
    page = site.come_back(site.person.answer(changed(url, code_challenge=proof.challenge)))
    assert page.status_code == 400
    assert "invalid_grant" in text(page)
    assert site.status == "not_authorized"
    assert not Token.objects.exists()


@pytest.mark.parametrize("client_id", ["public"])
def test_no_challenge(site: Site) -> None:
    """PKCE is a must for a client without a secret: one server says so when asked, the other when it has the code."""
    url = site.begin()
    challenge = "".join(f"&{name}={query_of(url)[name]}" for name in ("code_challenge", "code_challenge_method"))
    assert challenge in url
    page = site.come_back(site.person.answer(url.replace(challenge, "")))
    assert page.status_code == 400
    assert "invalid_request" in text(page)
    assert "PKCE" in text(page)
    assert site.status in {"not_authorized", "misconfigured"}
    assert not Token.objects.exists()


def test_denied(site: Site) -> None:
    page = site.come_back(site.person.answer(site.begin(), allow=False))
    assert page.status_code == 400
    assert "access_denied" in text(page)
    assert "was denied" in text(page)
    assert site.status == "not_authorized"


@pytest.mark.parametrize("client_id", ["basic"])
def test_denied_again_leaves_the_token(site: Site) -> None:
    site.authorize()
    before = tokens()
    assert site.come_back(site.person.answer(site.begin(), allow=False)).status_code == 400
    assert site.status == "authorized"
    assert tokens() == before
    assert call()["who"] == "ada"


def test_a_code_is_good_once(site: Site, server: Server, client_id: str) -> None:
    """The state is spent here, and the code there."""
    back = site.person.answer(site.begin())
    assert site.come_back(back).status_code == 200
    before = tokens()
    assert site.come_back(back).status_code == 200
    assert tokens() == before
    form = {"grant_type": "authorization_code", "code": query_of(back)["code"], "code_verifier": secrets.token_hex(32)}
    answer = post(server, server.token, client_id, {**form, "redirect_uri": "http://testserver/oauth/callback"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("client_id", ["basic"])
def test_a_redirect_uri_that_is_not_registered(site: Site) -> None:
    """The server keeps the browser: nothing comes back, and nothing here waits for it."""
    url = changed(site.begin(), redirect_uri="http://testserver/oauth/callback/")
    with pytest.raises(NeverCameBackError, match=r"redirect_uri|Redirect URI"):
        site.person.answer(url)
    assert site.status == "not_authorized"


@pytest.mark.parametrize("client_id", ["basic"])
def test_a_scope_that_the_client_may_not_have(site: Site, server: Server) -> None:
    """One server refuses it, the other one grants the rest, and what was granted is kept."""
    change(site, scope="openid offline_access read write")
    page = site.come_back(site.person.answer(site.begin()))
    if server.refuses_scopes:
        assert page.status_code == 400
        assert "invalid_scope" in text(page)
        assert "does not grant a scope" in text(page)
    else:
        assert page.status_code == 200
        assert sorted(Token.objects.get().scope.split()) == ["offline_access", "openid", "read"]


@pytest.mark.parametrize("client_id", ["basic", "post"])
def test_a_wrong_client_secret_and_the_right_one(site: Site, client_id: str) -> None:
    right = site.connection.client_secret
    change(site, client_secret="canary-wrong")
    page = site.come_back(site.person.answer(site.begin()))
    assert page.status_code == 400
    assert "invalid_client" in text(page)
    assert "canary" not in text(page)
    assert site.status == "misconfigured"
    change(site, client_secret=right)
    assert site.status == "not_authorized"
    site.authorize()
    assert call()["client"] == client_id


@pytest.mark.parametrize("client_id", ["basic", "post"])
def test_a_secret_that_was_changed_at_the_server(site: Site, client_id: str) -> None:
    """Found when the token is refreshed: the administrator's matter, and the grant lives on."""
    site.authorize()
    right = site.connection.client_secret
    change(site, client_secret="canary-wrong")
    end_access_token()
    with pytest.raises(TokenRequestFailed) as failed:
        call()
    assert failed.value.error == "invalid_client"
    assert site.status == "misconfigured"
    change(site, client_secret=right)
    assert call()["who"] == "ada"
    assert site.status == "authorized"


@pytest.mark.parametrize("client_id", ["basic", "post"])
def test_access_that_was_removed_at_the_server(site: Site, server: Server, client_id: str) -> None:
    """The API says 401, the refresh token is refused: a person has to authorize again, and can."""
    site.authorize()
    revoke(server, client_id, tokens()[1])
    for _ in range(2):
        with pytest.raises(AuthorizationRequired):
            call()
    assert site.status == "needs_reauthorization"
    assert ConnectionEvent.objects.filter(kind="failed").count() == 1
    site.authorize()
    assert site.status == "authorized"
    assert call()["who"] == "ada"


@pytest.mark.parametrize("client_id", ["basic", "public"])
def test_a_refresh_token_that_somebody_else_used(site: Site, server: Server, client_id: str) -> None:
    """Rotation: the old refresh token is refused; one server ends the whole grant then (RFC 9700 section 4.14.2)."""
    site.authorize()
    form = {"grant_type": "refresh_token", "refresh_token": tokens()[1]}
    theirs = post(server, server.token, client_id, form).json()
    end_access_token()
    with pytest.raises(AuthorizationRequired):
        call()
    assert site.status == "needs_reauthorization"
    again = post(server, server.token, client_id, {**form, "refresh_token": theirs["refresh_token"]})
    assert again.status_code == (400 if server.ends_on_reuse else 200)


@pytest.mark.parametrize("client_id", ["basic"])
def test_the_issuer_of_another_server(site: Site, server: Server) -> None:
    change(site, issuer="https://another.example")
    page = site.come_back(site.person.answer(site.begin()))
    assert page.status_code == 400
    assert "another issuer" in text(page)
    assert not Token.objects.exists()
    assert Connection.objects.get().status == "not_authorized"
