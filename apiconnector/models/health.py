"""The one place that writes down that a connection needs somebody, or works again, and how a test of it went.

What people are told is kept in the row, so that it is told once, whoever finds it. An incident of a connection begins
with a problem and ends when a token was had again (or a test went well, where no token is needed), whatever was edited
in between. Warnings of an end ahead are incidents of their own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from django.db import router, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from apiconnector import signals
from apiconnector.models import accounts, endings
from apiconnector.models.committed import once_committed
from apiconnector.models.event import ConnectionEvent
from apiconnector.models.token import Token

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

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


def needs_attention(connection: Connection, problem: str, reason: str, *, generation: int | None = None) -> None:
    """Write down a problem. The event comes once, and so does the signal, however many processes meet it.

    Another problem of the same incident is told of only if it is somebody else's to solve: that is what tells
    ``needs_reauthorization`` from ``misconfigured``. With a ``generation`` it is a problem of that token: of no other
    one that was stored meanwhile.
    """
    rows = _rows(connection).exclude(problem=problem)
    if generation is not None:
        rows = rows.filter(Exists(Token.objects.filter(connection_id=OuterRef("pk"), generation=generation)))
    written = {"problem": problem, "problem_reason": reason, "problem_at": timezone.now()}
    with _together(connection):
        is_told = rows.exclude(told_of=problem).update(**written, told_of=problem)
        if is_told or rows.update(**written):
            ConnectionEvent.record(connection, Kind.FAILED, reason)
    connection.problem, connection.problem_reason = problem, reason
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

    Then people are warned of what ends before long.
    """
    now = _as_it_is(connection)
    connection.problem, connection.problem_reason, connection.problem_at = "", "", None
    if now is None:  # deleted in the meantime
        return
    cleared = {"problem": "", "problem_reason": "", "problem_at": None, "told_of": ""}
    standing = {"problem": "", "told_of": ""}
    grant = endings.of_grant(now)
    if grant is None or not grant.is_near(timezone.now()):
        # Its end has moved: together with a problem that is one recovery.
        cleared["grant_warned"] = standing["grant_warned"] = ""
    if any(getattr(now, name) for name in standing):
        with _together(connection):
            was_there = _rows(connection).exclude(**standing).update(**cleared)
            if was_there:
                ConnectionEvent.record(connection, Kind.RECOVERED, "It works again.")
        if was_there:
            _soon(partial(_send_recovered, connection), connection)
        for name, value in cleared.items():
            setattr(now, name, value)
    look_ahead(now)


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
        kind, reason = Kind.WARNED, ending.reason(timezone.now())
        send = partial(_send_needs_attention, connection, reason)
    else:
        kind, reason = Kind.RECOVERED, "Nothing ends before long any more."
        send = partial(_send_recovered, connection)
    with _together(connection):
        # Where it has another problem, that it works again is told when that is over.
        is_told = (rows if stage else rows.filter(problem="")).update(**{column: stage})
        if is_told or rows.update(**{column: stage}):
            ConnectionEvent.record(connection, kind, reason)
    if is_told:
        _soon(send, connection)


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
    with _together(connection):
        was_told = _rows(connection).filter(problem="").exclude(told_of="").update(told_of="")
        if was_told:
            ConnectionEvent.record(connection, Kind.RECOVERED, "It works again: the test went well.")
    if was_told:
        _soon(partial(_send_recovered, connection), connection)
    look_again(connection)
    return warning


def _rows(connection: Connection) -> ConnectionQuerySet:
    return type(connection).objects.filter(pk=connection.pk)


def _as_it_is(connection: Connection) -> Connection | None:
    # Not from a replica, which may be late.
    return _rows(connection).using(_database(connection)).select_related("token").first()


def _together(connection: Connection) -> AbstractContextManager[object]:
    """A state and its event: both are written, or none."""
    return transaction.atomic(using=_database(connection))


def _soon(act: Callable[[], None], connection: Connection) -> None:
    """Tell of something as soon as it is committed: a state that is rolled back was never there."""
    once_committed(act, _database(connection))


def _database(connection: Connection) -> str:
    return str(router.db_for_write(type(connection), instance=connection))


def _send_needs_attention(connection: Connection, reason: str) -> None:
    signals.connection_needs_attention.send_robust(type(connection), connection=connection, reason=reason)


def _send_recovered(connection: Connection) -> None:
    signals.connection_recovered.send_robust(type(connection), connection=connection)
