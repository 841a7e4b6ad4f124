"""The one place that writes down that a connection stopped working, or works again, and how a test of it went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from apiconnector import signals
from apiconnector.models import accounts
from apiconnector.models.event import ConnectionEvent
from apiconnector.models.token import Token

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

    from apiconnector.models.connection import Connection
    from apiconnector.models.testing import TestResult

NEEDS_REAUTHORIZATION = "needs_reauthorization"
MISCONFIGURED = "misconfigured"


def needs_attention(connection: Connection, problem: str, reason: str) -> None:
    """Write down a problem. The event and the signal come once per incident, however many processes meet it."""
    rows = type(connection).objects.filter(pk=connection.pk)
    is_new = rows.exclude(problem=problem).update(problem=problem, problem_reason=reason, problem_at=timezone.now())
    connection.problem, connection.problem_reason = problem, reason
    if is_new:
        ConnectionEvent.record(connection, ConnectionEvent.Kind.FAILED, reason)
        signals.connection_needs_attention.send_robust(type(connection), connection=connection, reason=reason)


def works_again(connection: Connection) -> None:
    """Clear a problem; the signal comes once, and only if there was one."""
    rows = type(connection).objects.filter(pk=connection.pk).exclude(problem="")
    was_there = rows.update(problem="", problem_reason="", problem_at=None)
    connection.problem = connection.problem_reason = ""
    if was_there:
        signals.connection_recovered.send_robust(type(connection), connection=connection)


def record_test(
    connection: Connection, result: TestResult, actor: AbstractBaseUser | AnonymousUser | None = None
) -> str:
    """Write down how a test went, and the account it found; ``actor`` is the person who pressed Test, if one did.

    What is to be known of the account is written down, too, and returned: that another connection has it already.
    """
    if result.ok and (result.label or result.account_id):
        Token.objects.filter(connection=connection).update(account_label=result.label, account_id=result.account_id)
    if not result.ok:
        ConnectionEvent.record(connection, ConnectionEvent.Kind.FAILED, f"Test: {result.message}", actor)
        return ""
    warning = accounts.warning(connection, result.account_id)
    ConnectionEvent.record(connection, ConnectionEvent.Kind.TESTED, f"{result.message} {warning}".rstrip(), actor)
    return warning
