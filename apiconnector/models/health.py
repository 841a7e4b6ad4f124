"""The one place that writes down that a connection needs somebody, or works again, and how a test of it went.

What people are told is kept in the row, so that it is told once, whoever finds it. An incident of a connection begins
with a problem and ends when a token was had again (or a test went well, where no token is needed), whatever was edited
in between. Warnings of an end ahead are incidents of their own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from django.db import DatabaseError, router
from django.utils import timezone

from apiconnector import signals
from apiconnector.models import accounts, endings
from apiconnector.models.committed import once_committed
from apiconnector.models.event import ConnectionEvent
from apiconnector.models.token import Token
from apiconnector.redaction import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

    from apiconnector.models.connection import Connection
    from apiconnector.models.endings import Ending
    from apiconnector.models.sealing import ConnectionQuerySet
    from apiconnector.models.testing import TestResult

NEEDS_REAUTHORIZATION: Final = "needs_reauthorization"
MISCONFIGURED: Final = "misconfigured"
#: What ``grant_warned`` and ``secret_warned`` hold.
SOON: Final = "soon"
ENDED: Final = "ended"

Kind = ConnectionEvent.Kind
_NOTHING_ENDS: Final = "Nothing ends before long any more."
logger = get_logger(__name__)


def needs_attention(connection: Connection, problem: str, reason: str) -> None:
    """Write down a problem. The event comes once, and so does the signal, however many processes meet it.

    Another problem of the same incident is told of only if it is somebody else's to solve: that is what tells
    ``needs_reauthorization`` from ``misconfigured``.
    """
    rows = _rows(connection).exclude(problem=problem)
    written = {"problem": problem, "problem_reason": reason, "problem_at": timezone.now()}
    is_told = rows.exclude(told_of=problem).update(**written, told_of=problem)
    is_new = is_told or rows.update(**written)
    connection.problem, connection.problem_reason = problem, reason
    if is_new:
        ConnectionEvent.record(connection, Kind.FAILED, reason)
    if is_told:
        _soon(partial(_send_needs_attention, connection, reason), connection)


def put_aside(connection: Connection) -> bool:
    """Forget a problem that somebody did something about; true if there was one.

    Whether it works is known when a token was had: until then the incident goes on, and nobody is told that it is over.
    """
    was_there = _rows(connection).exclude(problem="").update(problem="", problem_reason="", problem_at=None)
    connection.problem, connection.problem_reason, connection.problem_at = "", "", None
    return bool(was_there)


def works_again(connection: Connection) -> None:
    """Clear what is over now that a token was had; the event and the signal come once, and only if there was something.

    Then, once it is committed, people are warned of what ends before long.
    """
    rows = _rows(connection).exclude(problem="", told_of="")
    was_there = rows.update(problem="", problem_reason="", problem_at=None, told_of="")
    connection.problem, connection.problem_reason, connection.problem_at = "", "", None
    if was_there:
        ConnectionEvent.record(connection, Kind.RECOVERED, "It works again.")
    _soon(partial(_after_token, connection, is_recovered=bool(was_there)), connection)


def _after_token(connection: Connection, *, is_recovered: bool) -> None:
    try:
        now = _as_it_is(connection)
        if now is None:  # deleted in the meantime
            return
        grant = endings.of_grant(now)
        if now.grant_warned and (grant is None or not grant.is_near(timezone.now())):
            # Its end has moved. Together with a problem that is one recovery.
            now.grant_warned = ""
            if _rows(now).exclude(grant_warned="").update(grant_warned="") and not is_recovered:
                is_recovered = True
                ConnectionEvent.record(now, Kind.RECOVERED, _NOTHING_ENDS)
        if is_recovered:
            _send_recovered(connection)
        look_ahead(now)
    except DatabaseError as error:
        # The token is stored, and the next look finds the same.
        logger.warning("“%s”: it could not be looked what ends before long. %s", connection, type(error).__name__)


def look_ahead(connection: Connection) -> None:
    """Tell people what ends before long, or has ended: each once, however many processes look.

    ``connection`` is as the row is now. As long as there is nothing new, nothing is asked of the database.
    """
    if not connection.is_active:
        return
    now = timezone.now()
    grant = endings.of_grant(connection)
    token = endings.token_of(connection)
    if token is not None and token.refresh_expires_at is not None:
        _learn_life(token)
    if connection.problem != NEEDS_REAUTHORIZATION and token is not None and token.access_token:
        if grant is not None and grant.is_final(now):
            needs_attention(connection, NEEDS_REAUTHORIZATION, grant.after)
        else:
            # Whether an end that only the provider can tell has come is found out by refreshing.
            _warn(connection, "grant_warned", grant, SOON if grant is not None and grant.is_near(now) else "")
    secret = endings.of_secret(connection)
    stage = "" if secret is None or not secret.is_near(now) else ENDED if secret.is_over(now) else SOON
    _warn(connection, "secret_warned", secret, stage)


def look_again(connection: Connection) -> None:
    """``look_ahead`` for a connection that may have changed since it was read."""
    now = _as_it_is(connection)
    if now is not None:
        look_ahead(now)


def _warn(connection: Connection, column: str, ending: Ending | None, stage: str) -> None:
    if getattr(connection, column) == stage:
        return
    setattr(connection, column, stage)
    rows = _rows(connection).exclude(**{column: stage})
    if stage and ending is not None:
        reason = ending.reason(timezone.now())
        if rows.update(**{column: stage}):
            ConnectionEvent.record(connection, Kind.WARNED, reason)
            _soon(partial(_send_needs_attention, connection, reason), connection)
    elif rows.filter(problem="").update(**{column: stage}):
        _recovered(connection, _NOTHING_ENDS)
    elif rows.update(**{column: stage}):
        # It has another problem: that it works again is told when that is over.
        ConnectionEvent.record(connection, Kind.RECOVERED, _NOTHING_ENDS)


def _learn_life(token: Token) -> None:
    """Keep how long the refresh token was good for at first: of what is left of that, a third is no time to warn."""
    assert token.refresh_expires_at is not None  # asked by the caller
    seconds = (token.refresh_expires_at - token.issued_at).total_seconds()
    if seconds > (token.refresh_life or 0) + 60:
        token.refresh_life = seconds
        Token.objects.filter(pk=token.pk, generation=token.generation).update(refresh_life=seconds)


def record_test(
    connection: Connection, result: TestResult, actor: AbstractBaseUser | AnonymousUser | None = None
) -> str:
    """Write down how a test went, and the account it found; ``actor`` is the person who pressed Test, if one did.

    What is to be known of the account is written down, too, and returned: that another connection has it already.
    """
    if result.ok and (result.label or result.account_id):
        Token.objects.filter(connection=connection).update(account_label=result.label, account_id=result.account_id)
    if not result.ok:
        ConnectionEvent.record(connection, Kind.FAILED, f"Test: {result.message}", actor)
        look_again(connection)
        return ""
    warning = accounts.warning(connection, result.account_id)
    ConnectionEvent.record(connection, Kind.TESTED, f"{result.message} {warning}".rstrip(), actor)
    # A problem that stands is not over: the old access token may have been good enough for this.
    if _rows(connection).filter(problem="").exclude(told_of="").update(told_of=""):
        _recovered(connection, "The test went well.")
    look_again(connection)
    return warning


def _rows(connection: Connection) -> ConnectionQuerySet:
    return type(connection).objects.filter(pk=connection.pk)


def _as_it_is(connection: Connection) -> Connection | None:
    return _rows(connection).select_related("token").first()


def _recovered(connection: Connection, message: str) -> None:
    ConnectionEvent.record(connection, Kind.RECOVERED, message)
    _soon(partial(_send_recovered, connection), connection)


def _soon(act: Callable[[], None], connection: Connection) -> None:
    """Tell of something as soon as it is committed: a state that is rolled back was never there."""
    once_committed(act, router.db_for_write(type(connection), instance=connection))


def _send_needs_attention(connection: Connection, reason: str) -> None:
    signals.connection_needs_attention.send_robust(type(connection), connection=connection, reason=reason)


def _send_recovered(connection: Connection) -> None:
    signals.connection_recovered.send_robust(type(connection), connection=connection)
