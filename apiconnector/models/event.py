"""The history of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

    from apiconnector.models.connection import Connection


class ConnectionEvent(models.Model):
    """One line in a connection's history. Never a secret, and never the words of a provider."""

    class Kind(models.TextChoices):
        """What happened."""

        AUTHORIZED = "authorized", "Authorized"
        REFRESHED = "refreshed", "Token refreshed"
        FAILED = "failed", "Failed"
        RECOVERED = "recovered", "Works again"
        WARNED = "warned", "Warned"
        TESTED = "tested", "Tested"
        EDITED = "edited", "Edited"
        REVOKED = "revoked", "Disconnected"

    connection = models.ForeignKey("apiconnector.Connection", on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=20, choices=Kind)
    message = models.TextField(blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = "connection event"

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.message}" if self.message else self.get_kind_display()

    @classmethod
    def record(
        cls,
        connection: Connection,
        kind: ConnectionEvent.Kind,
        message: str = "",
        actor: AbstractBaseUser | AnonymousUser | None = None,
    ) -> ConnectionEvent:
        """Add a line to a connection's history; ``actor`` is the person who did it, if a person did."""
        user: Any = actor if actor is not None and actor.pk is not None else None
        return cls.objects.create(connection_id=connection.pk, kind=kind, message=message, actor=user)
