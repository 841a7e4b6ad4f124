"""A token of another account, held until somebody has said which of the two is to be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiconnector.models import AuthorizationAttempt

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from apiconnector.models import Connection


def newest(connection: Connection) -> AuthorizationAttempt | None:
    """The attempt that waits for a decision; None where none does."""
    return _undecided(connection).order_by("-pk").first()


def find(connection: Connection, key: str) -> AuthorizationAttempt | None:
    """The attempt with this key, if it still waits for a decision."""
    if not (key.isascii() and key.isdecimal() and len(key) < 19):
        return None
    return _undecided(connection).filter(pk=int(key)).first()


def _undecided(connection: Connection) -> QuerySet[AuthorizationAttempt]:
    waiting = AuthorizationAttempt.objects.filter(connection=connection, outcome=AuthorizationAttempt.Outcome.HELD)
    return waiting.exclude(held="")
