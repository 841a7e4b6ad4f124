"""Disconnect: revoke the token at the provider where it can be, and forget it here in any case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiconnector.client import token_sender
from apiconnector.exceptions import ConfigurationError
from apiconnector.models import (
    AuthorizationAttempt,
    ConnectionEvent,
    Token,
    declared,
    health,
    names,
    site,
    token_requests,
)
from apiconnector.oauth import revoke

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

    from apiconnector.models import Connection


_DONE = "The provider revoked the token."
_NOT_REVOKED = "The token was forgotten here, but could not be revoked at the provider:"
_NOT_CONFIRMED = "The token was forgotten here, but the provider did not confirm that it revoked it."


def disconnect(connection: Connection, *, actor: AbstractBaseUser | AnonymousUser | None = None) -> str:
    """Revoke and delete the token; what happened, in words. Repeating it is harmless.

    The token of another site is only deleted: that site goes on using it.
    Never raises for what the provider does: the token row is gone in any case.
    """
    AuthorizationAttempt.objects.of(connection).forget_held("The connection was disconnected in the meantime.")
    token = Token.objects.filter(connection=connection).first()
    if token is None:
        return f"“{connection}” holds no token."
    token.connection = connection
    message = _revoke(connection, token)
    Token.objects.filter(pk=token.pk).delete()
    connection._state.fields_cache.pop("token", None)
    connection.refresh_from_db(fields=["problem", "problem_reason", "problem_at"])
    if connection.problem == health.NEEDS_REAUTHORIZATION:
        health.put_aside(connection)
    ConnectionEvent.record(connection, ConnectionEvent.Kind.REVOKED, message, actor)
    return f"“{connection}” is disconnected. {message}"


def _revoke(connection: Connection, token: Token) -> str:
    if site.is_other(token.site):
        return (
            f"The token was authorized for the site {token.site}. It was forgotten here, and not revoked at the "
            "provider, so that it goes on working there."
        )
    try:
        if connection.read_dialect().revoke is not None:
            done = declared.revoke(connection, token.access_token, token.refresh_token)
            return _DONE if done else _NOT_CONFIRMED
    except ConfigurationError as error:
        return f"{_NOT_REVOKED} {error}"
    if not connection.revocation_url:
        return "The token was forgotten here; remove the access at the provider too, where it lists connected apps."
    try:
        client = connection.client_authentication()
        send = token_sender(connection.timeout_seconds)
        headers = token_requests.headers(connection, names.for_sending(connection, {"scope": connection.scope}))
        done = True
        # The refresh token first: most servers revoke the access token with it (RFC 7009 section 2.1).
        for secret, hint in ((token.refresh_token, "refresh_token"), (token.access_token, "access_token")):
            if secret:
                # Opened within the call: pages on errors show the locals of a frame.
                done = (
                    revoke(
                        connection.address("revocation_url"),
                        connection.open(secret, hint.replace("_", " ")),
                        client,
                        send,
                        token_type_hint=hint,
                        headers=headers,
                    )
                    and done
                )
    except ConfigurationError as error:
        return f"{_NOT_REVOKED} {error}"
    return _DONE if done else _NOT_CONFIRMED
