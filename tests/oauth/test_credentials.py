"""Grants and client authentication: what each of them adds to a request, in every combination."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from apiconnector.oauth import (
    CLIENT_AUTHENTICATIONS,
    AuthorizationCode,
    ClientCredentials,
    ClientSecretBasic,
    ClientSecretPost,
    PublicClient,
    RefreshToken,
)

if TYPE_CHECKING:
    from apiconnector.oauth import ClientAuthentication, Grant

CALLBACK = "https://site.example/oauth/callback"


def added(client: ClientAuthentication) -> tuple[dict[str, str], dict[str, str]]:
    params: dict[str, str] = {}
    headers: dict[str, str] = {}
    client.authenticate(params, headers)
    return params, headers


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("client_secret_post", ({"client_id": "id", "client_secret": "secret"}, {})),
        ("client_secret_basic", ({}, {"Authorization": "Basic aWQ6c2VjcmV0"})),
        ("none", ({"client_id": "id"}, {})),
    ],
)
def test_credentials_go_into_the_header_or_the_body(name: str, expected: tuple[dict[str, str], dict[str, str]]) -> None:
    assert added(CLIENT_AUTHENTICATIONS[name]("id", "secret")) == expected


def test_an_empty_secret_is_not_sent() -> None:
    assert added(ClientSecretPost("id", "")) == ({"client_id": "id"}, {})
    assert added(PublicClient("id", "")) == ({"client_id": "id"}, {})


@pytest.mark.parametrize(
    ("client_id", "secret", "before_base64"),
    [
        pytest.param("id", "abcXYZ019", "id:abcXYZ019", id="letters and digits"),
        pytest.param("id", "a-b.c_d~e", "id:a-b.c_d~e", id="unreserved"),
        pytest.param("id", "a+b", "id:a%2Bb", id="plus"),
        pytest.param("id", "a/b", "id:a%2Fb", id="slash"),
        pytest.param("id", "a%b", "id:a%25b", id="percent"),
        pytest.param("id", "a%2Bb", "id:a%252Bb", id="looks encoded"),
        pytest.param("id", "a:b", "id:a%3Ab", id="colon"),
        pytest.param("id", "a==", "id:a%3D%3D", id="equals"),
        pytest.param("id", "a b", "id:a%20b", id="space"),
        pytest.param("id", "schlüssel", "id:schl%C3%BCssel", id="umlaut"),
        pytest.param("a:b@c", "secret", "a%3Ab%40c:secret", id="colon in the ID"),
        pytest.param("id", "", "id:", id="no secret"),
    ],
)
def test_basic_is_percent_encoded(client_id: str, secret: str, before_base64: str) -> None:
    _, headers = added(ClientSecretBasic(client_id, secret))
    scheme, _, value = headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(value, validate=True).decode() == before_base64


@pytest.mark.parametrize(
    ("client", "has_hint"),
    [
        pytest.param(ClientSecretBasic("id", "abc123"), False, id="letters and digits"),
        pytest.param(ClientSecretBasic("id-1.example_com", "abc123"), False, id="an ID that is not changed"),
        pytest.param(ClientSecretBasic("id:1", "abc123"), True, id="an ID that is"),
        pytest.param(ClientSecretBasic("id", "abc+123"), True, id="plus"),
        pytest.param(ClientSecretBasic("id", "abc-123"), True, id="hyphen"),
        pytest.param(ClientSecretBasic("id", "schlüssel"), True, id="umlaut"),
        pytest.param(ClientSecretPost("id", "abc+123"), False, id="in the body"),
        pytest.param(PublicClient("id", ""), False, id="no secret"),
    ],
)
def test_the_hint_is_for_secrets_that_servers_read_differently(client: ClientAuthentication, has_hint: bool) -> None:
    assert ("client_secret_post" in client.hint) is has_hint


@pytest.mark.parametrize(
    ("grant", "params"),
    [
        pytest.param(
            AuthorizationCode("c", CALLBACK, "v"),
            {"grant_type": "authorization_code", "code": "c", "redirect_uri": CALLBACK, "code_verifier": "v"},
            id="code",
        ),
        pytest.param(
            AuthorizationCode("c", CALLBACK),
            {"grant_type": "authorization_code", "code": "c", "redirect_uri": CALLBACK},
            id="code without PKCE",
        ),
        pytest.param(RefreshToken("r"), {"grant_type": "refresh_token", "refresh_token": "r"}, id="refresh"),
        pytest.param(
            RefreshToken("r", "a b"),
            {"grant_type": "refresh_token", "refresh_token": "r", "scope": "a b"},
            id="refresh with scope",
        ),
        pytest.param(ClientCredentials(), {"grant_type": "client_credentials"}, id="client"),
        pytest.param(
            ClientCredentials("a b"), {"grant_type": "client_credentials", "scope": "a b"}, id="client with scope"
        ),
    ],
)
def test_grants(grant: Grant, params: dict[str, str]) -> None:
    assert grant.params() == params
    assert grant.grant_type == params["grant_type"]
