"""Answers of a made-up token endpoint, and asking it for a token."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from apiconnector.exceptions import TokenRequestFailed
from apiconnector.oauth import Answer, ClientSecretPost, RefreshToken, request_token

if TYPE_CHECKING:
    from apiconnector.oauth import ClientAuthentication, Grant, TokenAnswer, TokenEndpointRequest

NOW = datetime(2030, 1, 1, tzinfo=UTC)
URL = "https://p.example/token"
REFRESH = RefreshToken("refresh-value")
CLIENT = ClientSecretPost("id", "client-secret-value")


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    """Bytes as they are, text in UTF-8, everything else as JSON."""
    if isinstance(body, str):
        body = body.encode()
    return Answer(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def ask(
    answered: Answer, grant: Grant = REFRESH, client: ClientAuthentication = CLIENT, *, now: datetime = NOW
) -> TokenAnswer:
    def send(request: TokenEndpointRequest) -> Answer:
        return answered

    return request_token(URL, grant, client, send, now=now)


def refused(answered: Answer, grant: Grant = REFRESH, client: ClientAuthentication = CLIENT) -> TokenRequestFailed:
    with pytest.raises(TokenRequestFailed) as caught:
        ask(answered, grant, client)
    return caught.value
