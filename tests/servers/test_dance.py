"""Authorize, call, refresh, disconnect: against servers that others wrote, over HTTP."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from django.db import connection as database

from apiconnector.exceptions import AuthorizationRequired
from apiconnector.models import ConnectionEvent, Token
from apiconnector.shortcuts import connect
from tests.servers.dance import call, end_access_token, post, query_of, tokens

if TYPE_CHECKING:
    from tests.servers.dance import Site
    from tests.servers.processes import Server


def api_answers(server: Server, access_token: str) -> int:
    """What the server says to a token, asked past this site."""
    headers = {"Authorization": f"Bearer {access_token}"}
    return requests.get(f"{server.origin}/api/me", headers=headers, timeout=10).status_code


def test_authorize_and_call(site: Site, server: Server, client_id: str) -> None:
    url = site.begin()
    assert url.startswith(server.origin + server.authorization)
    assert query_of(url)["code_challenge_method"] == "S256"
    page = site.come_back(site.person.answer(url))
    assert page.status_code == 200
    assert "Provider” is authorized" in page.content.decode()
    assert site.status == "authorized"
    assert call() == {"client": client_id, "who": "ada"}
    assert call(server.userinfo)["sub"] == "ada"


def test_the_api_needs_the_token(server: Server) -> None:
    assert api_answers(server, "nonsense") == 401


@pytest.mark.parametrize("client_id", ["basic"])
def test_the_answer_says_whose_it_is(site: Site, server: Server) -> None:
    back = site.person.answer(site.begin())
    assert query_of(back)["iss"] == server.issuer
    assert site.come_back(back).status_code == 200


@pytest.mark.parametrize("client_id", ["basic"])
def test_what_is_stored_is_what_was_granted(site: Site, server: Server) -> None:
    site.authorize()
    token = Token.objects.get()
    assert sorted(token.scope.split()) == ["offline_access", "openid", "read"]
    assert token.expires_at is not None
    assert token.refresh_token


def test_a_refresh(site: Site, server: Server, client_id: str) -> None:
    site.authorize()
    for _ in range(2):
        access, refresh = tokens()
        end_access_token()
        assert call()["who"] == "ada"
        new_access, new_refresh = tokens()
        assert new_access != access
        assert (new_refresh != refresh) is (client_id in server.rotates_for)
    assert site.status == "authorized"
    assert Token.objects.get().generation == 3


@pytest.mark.parametrize("client_id", ["short"])
def test_a_token_that_ends_at_the_server(site: Site, server: Server) -> None:
    """One server's refresh tokens end with the access tokens beside them."""
    site.authorize()
    access, _ = tokens()
    with connect("provider") as api:
        assert api.get("api/me").status_code == 200
        deadline = time.monotonic() + 20
        while api_answers(server, access) == 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        if not server.refreshes_what_ended:
            with pytest.raises(AuthorizationRequired):
                api.get("api/me")
            assert site.status == "needs_reauthorization"
            return
        assert api.get("api/me").status_code == 200
    assert tokens()[0] != access
    assert site.status == "authorized"


def test_many_at_once_refresh_once(site: Site, server: Server) -> None:
    """Where the refresh token rotates, a second use of the old one would be refused or end the grant."""
    site.authorize()
    end_access_token()
    answers: list[Any] = []

    def use() -> None:
        try:
            answers.append(call()["who"])
        finally:
            database.close()

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["ada"] * 6
    assert Token.objects.get().generation == 2
    end_access_token()
    assert call()["who"] == "ada"


@pytest.mark.parametrize("client_id", ["basic"])
def test_authorized_again(site: Site) -> None:
    site.authorize()
    before = tokens()
    site.authorize()
    assert not set(tokens()) & set(before)
    assert call()["who"] == "ada"


def test_disconnect_revokes(site: Site, server: Server, client_id: str) -> None:
    site.authorize()
    access, refresh = tokens()
    assert api_answers(server, access) == 200
    site.press("disconnect")
    assert site.status == "not_authorized"
    message = ConnectionEvent.objects.get(kind="revoked").message
    if client_id not in server.revokes_for:
        assert "did not confirm" in message
        assert api_answers(server, access) == 200
        return
    assert message == "The provider revoked the token."
    assert api_answers(server, access) == 401
    assert refreshed(server, client_id, refresh) == {"status": 400, "error": "invalid_grant"}


def refreshed(server: Server, client_id: str, refresh_token: str) -> dict[str, Any]:
    """What the server says to a refresh token, used past this site."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    answer = post(server, server.token, client_id, form)
    return {"status": answer.status_code, "error": answer.json().get("error")}
