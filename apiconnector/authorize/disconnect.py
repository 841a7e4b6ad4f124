"""Disconnect: revoke the token at the provider where it can be, and forget it here in any case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiconnector.exceptions import ConfigurationError
from apiconnector.models import AuthorizationAttempt, ConnectionEvent, Token, health, revoking, site

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

    from apiconnector.models import Connection

#: Tokens that are revoked one after the other, each stored while the one before it was being revoked.
_OFTEN = 3
_DONE = "The provider revoked the token."
_NOT_REVOKED = "The token was forgotten here, but could not be revoked at the provider:"
_NOT_CONFIRMED = "The token was forgotten here, but the provider did not confirm that it revoked it."


def disconnect(connection: Connection, *, actor: AbstractBaseUser | AnonymousUser | None = None) -> str:
    """Revoke and delete the token; what happened, in words. Repeating it is harmless.

    The token of another site is only deleted: that site goes on using it. A refresh that is answered afterwards has its
    new token revoked by whoever asked for it.
    Never raises for what the provider does: the token row is gone in any case.
    """
    AuthorizationAttempt.objects.of(connection).forget_held("The connection was disconnected in the meantime.")
    message = ""
    for _ in range(_OFTEN):
        token = Token.objects.filter(connection=connection).first()
        if token is None:
            break
        token.connection = connection
        message = _revoke(connection, token)
        # One that a refresh has put in its place meanwhile is revoked as well.
        if Token.objects.filter(pk=token.pk, generation=token.generation).delete()[0]:
            break
    else:
        Token.objects.filter(connection=connection).delete()
    if not message:
        return f"“{connection}” holds no token."
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
        done = revoking.revoke(connection, token)
    except ConfigurationError as error:
        return f"{_NOT_REVOKED} {error}"
    if done is None:
        return "The token was forgotten here; remove the access at the provider too, where it lists connected apps."
    return _DONE if done else _NOT_CONFIRMED
