"""Complete an attempt: judge the callback, exchange the code, store the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import DatabaseError
from django.utils.crypto import constant_time_compare

from apiconnector.authorize.advice import advice, advice_on_words
from apiconnector.authorize.fingerprint import fingerprint
from apiconnector.authorize.grant import exchange
from apiconnector.authorize.issuer import refusal
from apiconnector.authorize.store import store
from apiconnector.exceptions import Act, ConfigurationError, RequestRefused, TokenRequestFailed
from apiconnector.models import AuthorizationAttempt, Connection, ConnectionEvent, Token, health
from apiconnector.redaction import remember

if TYPE_CHECKING:
    from apiconnector.oauth import Callback

Outcome = AuthorizationAttempt.Outcome


def again(via: str) -> str:
    """How to begin another attempt, where this one was begun."""
    if via == AuthorizationAttempt.Via.COMMAND:
        return "Run the command again."
    return "Open the connection in the admin and press Authorize again."


def unusable(callback: Callback) -> str:
    """Why a callback can't be told to belong to any attempt; empty where it can."""
    if callback.too_long:
        return "The answer is too long to be a provider's."
    if callback.repeated:
        return f"The answer holds a parameter twice ({', '.join(callback.repeated)}). It was not used."
    if not callback.state:
        return "The answer holds no state, so it can't be told what it belongs to."
    return ""


def spend(attempt: AuthorizationAttempt, callback: Callback) -> bool:
    """Complete an attempt, unless it was answered before or is too old; true for the one caller that spent it.

    The caller has checked that browser and person are the ones who began it. How it ended is in the attempt.
    """
    if attempt.used_at is not None or not attempt.consume():
        try:
            attempt.refresh_from_db()
        except AuthorizationAttempt.DoesNotExist:
            attempt.outcome = Outcome.FAILED
            attempt.message = f"The attempt was removed in the meantime. {again(attempt.via)}"
        return False
    if attempt.is_expired:
        attempt.finish(Outcome.EXPIRED, f"Authorizing took longer than ten minutes. {again(attempt.via)}")
        return True
    try:
        complete(attempt, callback)
    except DatabaseError:
        # Token, event and attempt belong to a connection that somebody deleted while the provider answered.
        if Connection.objects.filter(pk=attempt.connection_id).exists():
            raise
        attempt.outcome, attempt.message = Outcome.FAILED, "The connection was deleted in the meantime."
    return True


def complete(attempt: AuthorizationAttempt, callback: Callback) -> None:
    """Judge a callback and write down how its attempt ended. Never raises for what the provider did.

    The caller has consumed the attempt.
    """
    # Only now: a flood of invented ones would push real credentials out of memory.
    remember(callback.code)
    remember(callback.state)
    if reason := refusal(attempt, callback):
        # Mix-up: it may be another server's answer, so neither its code nor its error is used.
        _fail(attempt, Outcome.FAILED, reason)
        return
    if callback.error:
        outcome = Outcome.DENIED if callback.error == "access_denied" else Outcome.FAILED
        _fail(
            attempt,
            outcome,
            advice(callback.error, callback.error_description),
            callback.error,
            callback.error_description,
        )
        return
    if not callback.code:
        _fail(
            attempt,
            Outcome.FAILED,
            "The provider sent neither a code nor an error. Press Authorize to try again.",
        )
        return
    try:
        if reason := _unsent(attempt, callback.state):
            _fail(attempt, Outcome.FAILED, reason)
            return
        store(attempt, exchange(attempt, callback))
    except TokenRequestFailed as error:
        _refused(attempt, error)
    except (ConfigurationError, RequestRefused) as error:
        _fail(attempt, Outcome.FAILED, str(error))


def _unsent(attempt: AuthorizationAttempt, state: str) -> str:
    """Why the code is not handed in; empty where it is.

    Code, verifier and client secret go to the token endpoint the request was begun for, or nowhere (RFC 9700 section
    4.4.2), and a request that went with a challenge is not completed without its verifier (section 4.8).
    """
    connection = attempt.connection
    if not constant_time_compare(fingerprint(connection, state), attempt.fingerprint):
        return f"The connection was changed while you authorized. Nothing was exchanged. {again(attempt.via)}"
    if connection.pkce and not attempt.verifier:
        return f"The code verifier of this attempt is gone. Nothing was exchanged. {again(attempt.via)}"
    return ""


def _refused(attempt: AuthorizationAttempt, error: TokenRequestFailed) -> None:
    connection = attempt.connection
    if error.act is Act.ADMINISTRATOR and not _works(connection):
        # A token that works goes on working, whatever became of the attempt to replace it.
        health.needs_attention(connection, health.MISCONFIGURED, str(error))
    # What the words give away is added to what the kind of the answer said.
    hint = "" if error.act is Act.NOBODY else advice_on_words(error.error, error.error_description)
    _fail(attempt, Outcome.FAILED, f"{error} {hint}".rstrip(), error.error, error.error_description)


def _works(connection: Connection) -> bool:
    return Token.objects.filter(connection=connection).exclude(access_token="").exists()


def _fail(
    attempt: AuthorizationAttempt, outcome: Outcome, message: str, error: str = "", description: str = ""
) -> None:
    attempt.finish(outcome, message, error=error, error_description=description)
    ConnectionEvent.record(
        attempt.connection, ConnectionEvent.Kind.FAILED, f"Authorizing failed: {message}", attempt.user
    )
