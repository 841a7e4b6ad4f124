"""What the machine keeps of how a connection fares: its health (written by ``health.py``), its rests, its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from django.db import models

if TYPE_CHECKING:
    from apiconnector.models.connection import Connection
    from apiconnector.models.status import State


class Watched(models.Model):
    """What is wrong with a connection, and what people were told of it."""

    problem = models.CharField(max_length=30, blank=True, default="", editable=False)
    problem_reason = models.TextField(blank=True, default="", editable=False)
    problem_at = models.DateTimeField(null=True, editable=False)
    #: The problem that people were told of, until they are told that it works again.
    told_of = models.CharField(max_length=30, blank=True, default="", editable=False)
    #: What people were told of the end of the grant and of the client secret: empty, ``soon`` or ``ended``.
    grant_warned = models.CharField(max_length=10, blank=True, default="", editable=False)
    secret_warned = models.CharField(max_length=10, blank=True, default="", editable=False)

    #: Until when feeds leave the API alone, because it asked for that.
    busy_until = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def status(self) -> str:
        """The state as text; ``apiconnector.models.status.Status`` lists them."""
        return self._state_now().status

    @property
    def status_reason(self) -> str:
        """Why, and what to do next; empty where nothing is to be done."""
        return self._state_now().reason

    def _state_now(self) -> State:
        from apiconnector.models import status

        return status.of(cast("Connection", self))


#: Saving a form that was opened earlier must not put an old state back.
WATCHED_FIELDS: Final = frozenset(field.name for field in Watched._meta.fields)
