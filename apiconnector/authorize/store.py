"""Store a new token, or hold it until a person has said that another account may take the place of the old one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import router, transaction

from apiconnector import signals
from apiconnector.authorize.grant import NewToken
from apiconnector.exceptions import ConfigurationError
from apiconnector.models import AuthorizationAttempt, ConnectionEvent, Token, accounts, health, site
from apiconnector.models.token import NOTHING_BEGUN, NOTHING_FAILED
from apiconnector.oauth import TokenAnswer

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

    from apiconnector.models import Connection

Outcome = AuthorizationAttempt.Outcome


def store(attempt: AuthorizationAttempt, new: NewToken) -> None:
    """Replace the connection's token. Where the account is known to be another one, only hold the new one."""
    connection = attempt.connection
    with transaction.atomic(using=router.db_for_write(Token)):
        token = Token.objects.select_for_update().filter(connection=connection).first() or Token(connection=connection)
        if token.account_id and new.account_id and token.account_id != new.account_id:
            _hold(attempt, new, token)
            return
        _replace(attempt, new, token)
        message = _joined(
            f"“{connection}” is authorized.", _whose(new), _shared(connection, new), _ends(connection, token), new.note
        )
        attempt.finish(Outcome.AUTHORIZED, message)
    signals.connection_authorized.send_robust(type(connection), connection=connection, actor=attempt.user)


def _replace(
    attempt: AuthorizationAttempt, new: NewToken, token: Token, actor: AbstractBaseUser | AnonymousUser | None = None
) -> None:
    connection = attempt.connection
    is_same_account = bool(new.account_id) and token.account_id == new.account_id
    # A new grant replaces the old one whole: its refresh token could belong to another account.
    kept = (token.refresh_token, token.refresh_expires_at)
    for name, value in Token.values_from(new.answer, scope=connection.scope, hosts=new.hosts).items():
        setattr(token, name, value)
    if is_same_account and not new.answer.refresh_token and not connection.read_dialect().renews_itself:
        # Some send one with the first authorization only.
        token.refresh_token, token.refresh_expires_at = kept
    token.redirect_uri = attempt.redirect_uri
    token.site = site.origin(attempt.redirect_uri)
    token.account_id, token.account_label = new.account_id, new.account_label
    token.values = dict(new.values)
    token.generation += 1
    for name, value in {**NOTHING_FAILED, **NOTHING_BEGUN}.items():
        setattr(token, name, value)
    token.refused_when_new, token.learned_life = False, None
    token.refresh_life = None
    token.save()
    connection.token = token
    health.works_again(connection)
    connection.save(update_fields=["is_sealed"])
    message = f"Granted scope: {token.scope}" if token.scope else ""
    ConnectionEvent.record(
        connection, ConnectionEvent.Kind.AUTHORIZED, _joined(message, _whose(new)), actor or attempt.user
    )
    AuthorizationAttempt.objects.of(connection).forget_held("The connection was authorized anew in the meantime.")


def _joined(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


def _whose(new: NewToken) -> str:
    return f"Account: {new.account_label or new.account_id}." if new.account_label or new.account_id else ""


def _shared(connection: Connection, new: NewToken) -> str:
    return accounts.warning(connection, new.account_id)


def _ends(connection: Connection, token: Token) -> str:
    """What to know of a token that nothing renews; empty for any other."""
    if token.expires_at is None or token.refresh_token or connection.read_dialect().renews_itself:
        return ""
    asked = (
        " offline_access was asked for: OpenID servers often give it with prompt=consent only."
        if ("offline_access" in connection.scope)
        else ""
    )
    return (
        f"The provider gave no refresh token, so this ends {token.expires_at:%Y-%m-%d %H:%M %Z}, and somebody has to "
        f"authorize again then. Many providers give one only when asked (a scope, or authorization_params).{asked}"
    )


def _hold(attempt: AuthorizationAttempt, new: NewToken, old: Token) -> None:
    answer = new.answer
    attempt.held = {
        "access_token": answer.access_token,
        "refresh_token": answer.refresh_token,
        "expires_at": _written(answer.expires_at),
        "refresh_expires_at": _written(answer.refresh_expires_at),
        "scope": answer.scope,
        "values": dict(new.values),
        "hosts": sorted(new.hosts),
        "account_id": new.account_id,
        "account_label": new.account_label,
    }
    attempt.held_label = _told_apart(new, old)
    attempt.save(update_fields=["held", "held_label"])
    message = (
        f"This is another account: {attempt.held_label}. “{attempt.connection}” was authorized with "
        f"{old.account_label or old.account_id}, and goes on using that. Open the connection to use the other account "
        "from now on, or to keep the old one."
    )
    attempt.finish(Outcome.HELD, message)
    ConnectionEvent.record(attempt.connection, ConnectionEvent.Kind.FAILED, message, attempt.user)


def _told_apart(new: NewToken, old: Token) -> str:
    """What the new account is called; with its id where the old one is called the same."""
    if not new.account_label or new.account_label != old.account_label:
        return new.account_label or new.account_id
    return f"{new.account_label[:150]} ({new.account_id[:100]})"


def use_held(attempt: AuthorizationAttempt, *, actor: AbstractBaseUser | AnonymousUser | None = None) -> str:
    """Use the account of a held token from now on; what happened, in words. For one caller only.

    Raises ``ConfigurationError`` when the token can't be opened any more.
    """
    connection = attempt.connection
    with transaction.atomic(using=router.db_for_write(Token)):
        token = Token.objects.select_for_update().filter(connection=connection).first() or Token(connection=connection)
        held = AuthorizationAttempt.objects.select_for_update().filter(pk=attempt.pk, outcome=Outcome.HELD).first()
        if held is None:
            return f"That was decided already. “{connection}” was not changed."
        held.connection = connection
        new = _read(connection.open(held.held, "new token"))
        # The account has to be told apart again if it changes once more; the old one's refresh token is not kept.
        token.account_id = ""
        _replace(held, new, token, actor)
        message = _joined(f"“{connection}” uses another account now.", _whose(new), _shared(connection, new))
        AuthorizationAttempt.objects.filter(pk=held.pk).update(held="", outcome=Outcome.AUTHORIZED, message=message)
    signals.connection_authorized.send_robust(type(connection), connection=connection, actor=actor)
    return message


def discard_held(attempt: AuthorizationAttempt, *, actor: AbstractBaseUser | AnonymousUser | None = None) -> str:
    """Forget a held token; what happened, in words."""
    message = f"The other account ({attempt.held_label}) is not used. “{attempt.connection}” was not changed."
    rows = AuthorizationAttempt.objects.filter(pk=attempt.pk, outcome=Outcome.HELD)
    if not rows.update(held="", outcome=Outcome.DENIED, message=message):
        return f"That was decided already. “{attempt.connection}” was not changed."
    ConnectionEvent.record(attempt.connection, ConnectionEvent.Kind.EDITED, message, actor)
    return message


def _read(held: dict[str, Any]) -> NewToken:
    if not held:
        raise ConfigurationError("The new token is not there any more. Authorize again.")
    answer = TokenAnswer(
        access_token=held["access_token"],
        refresh_token=held["refresh_token"],
        token_type="",
        expires_at=_moment(held["expires_at"]),
        refresh_expires_at=_moment(held["refresh_expires_at"]),
        scope=held["scope"],
        raw={},
    )
    hosts = frozenset(held["hosts"])
    return NewToken(answer, held["values"], hosts, held["account_id"], held["account_label"])


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
