"""What the machine keeps of how a connection fares: its health, which ``health.py`` writes, and when the API rests."""

from __future__ import annotations

from typing import Final

from django.db import models


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


#: Saving a form that was opened earlier must not put an old state back.
WATCHED_FIELDS: Final = frozenset(field.name for field in Watched._meta.fields)
