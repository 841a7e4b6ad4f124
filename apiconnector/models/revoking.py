"""Have a token revoked at the provider (RFC 7009), or in the way that the dialect declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiconnector.client import token_sender
from apiconnector.models import declared, names, token_requests
from apiconnector.oauth import revoke as revoke_one

if TYPE_CHECKING:
    from apiconnector.models.connection import Connection
    from apiconnector.models.token import Token


def revoke(connection: Connection, token: Token) -> bool | None:
    """Whether the provider confirmed that it revoked the token; None where there is no way to ask it.

    Raises ``ConfigurationError`` for what can't be sent.
    """
    if connection.read_dialect().revoke is not None:
        return declared.revoke(connection, token.access_token, token.refresh_token)
    if not connection.revocation_url:
        return None
    client = connection.client_authentication()
    send = token_sender(connection.timeout_seconds)
    headers = token_requests.headers(connection, names.for_sending(connection, {"scope": connection.scope}))
    done = True
    # The refresh token first: most servers revoke the access token with it (RFC 7009 section 2.1).
    for secret, hint in ((token.refresh_token, "refresh_token"), (token.access_token, "access_token")):
        if secret:
            # Opened within the call: pages on errors show the locals of a frame.
            done = (
                revoke_one(
                    connection.address("revocation_url"),
                    connection.open(secret, hint.replace("_", " ")),
                    client,
                    send,
                    token_type_hint=hint,
                    headers=headers,
                )
                and done
            )
    return done
