"""A client for itself (RFC 6749 section 4.4), and what the servers say about themselves (RFC 8414)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from apiconnector.exceptions import TokenRequestFailed
from apiconnector.models import Connection, Token
from tests.servers.dance import call, end_access_token, revoke

if TYPE_CHECKING:
    from tests.servers.processes import Server


@pytest.fixture
def service(server: Server, db: None) -> Connection:
    return Connection.objects.create(**server.connection("service"))


def status() -> str:
    return str(Connection.objects.get().status)


def test_client_credentials(service: Connection) -> None:
    assert status() == "ready"
    assert call() == {"client": "service", "who": None}
    token = Token.objects.get()
    assert token.scope == "read"
    assert token.expires_at is not None
    assert not token.refresh_token
    assert call() == {"client": "service", "who": None}
    assert Token.objects.get().generation == token.generation
    end_access_token()
    assert call() == {"client": "service", "who": None}
    assert Token.objects.get().access_token.reveal() != token.access_token.reveal()


def test_a_token_that_was_revoked_is_replaced(service: Connection, server: Server) -> None:
    call()
    old = Token.objects.get().access_token.reveal()
    revoke(server, "service", old)
    assert call() == {"client": "service", "who": None}
    assert Token.objects.get().access_token.reveal() != old


def test_a_wrong_secret(service: Connection) -> None:
    right = service.client_secret
    service.client_secret = "canary-wrong"
    service.save()
    with pytest.raises(TokenRequestFailed) as failed:
        call()
    assert failed.value.error == "invalid_client"
    assert "canary" not in str(failed.value)
    assert status() == "misconfigured"
    service.client_secret = right
    service.save()
    assert call() == {"client": "service", "who": None}
    assert status() == "ready"


def test_the_metadata_says_what_the_connection_has(server: Server) -> None:
    for path in server.metadata:
        answer = requests.get(server.origin + path, timeout=10)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        assert found["issuer"] == server.issuer
        assert found["authorization_endpoint"] == server.origin + server.authorization
        assert found["token_endpoint"] == server.origin + server.token
        assert found["revocation_endpoint"] == server.origin + server.revocation
        assert found["authorization_response_iss_parameter_supported"] is True
        assert "S256" in found["code_challenge_methods_supported"]
        assert {"client_secret_basic", "client_secret_post", "none"} <= set(
            found["token_endpoint_auth_methods_supported"]
        )
