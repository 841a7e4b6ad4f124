"""One press of Authorize, until it is answered or expires."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from apiconnector.fields import EncryptedJSONField, EncryptedTextField

LIFETIME = timedelta(minutes=10)
#: How long an answered or expired attempt is kept, so that a reload of the callback shows its outcome again.
KEPT = timedelta(days=1)
#: How many unanswered attempts of one person at one connection are kept: the newest.
OPEN_AT_MOST = 50
#: Rows removed at once.
_CHUNK = 500


def digest(text: str) -> str:
    """The hash under which a state or nonce is kept: the table gives nobody a usable one."""
    return hashlib.sha256(text.encode()).hexdigest()


class AttemptQuerySet(models.QuerySet["AuthorizationAttempt"]):
    """Ways to find attempts."""

    def for_state(self, hashed: str) -> AuthorizationAttempt | None:
        """The attempt that sent the state with this digest, with its connection and person."""
        return self.select_related("connection", "user").filter(state=hashed).first()

    def of(self, connection: models.Model) -> Self:
        """The attempts of one connection."""
        return self.filter(connection=connection)

    def forget_held(self, reason: str) -> None:
        """Forget held tokens about which nobody has decided."""
        held = AuthorizationAttempt.Outcome
        self.filter(outcome=held.HELD).update(held="", outcome=held.FAILED, message=reason)

    def prunable(self) -> Self:
        """Attempts that nobody can come back to."""
        return self.filter(created_at__lt=timezone.now() - KEPT)

    def superseded(self, attempt: AuthorizationAttempt) -> Self:
        """Unanswered attempts of the same person at the same connection, beyond the newest ones."""
        rows = self.filter(connection=attempt.connection_id, user=attempt.user_id, used_at__isnull=True)
        # Two steps: MariaDB takes no LIMIT in a subquery.
        kept = rows.order_by("-pk").values_list("pk", flat=True)
        oldest = next(iter(kept[OPEN_AT_MOST - 1 : OPEN_AT_MOST]), None)
        return self.none() if oldest is None else rows.filter(pk__lt=oldest)

    def remove_some(self) -> None:
        """Remove some of these rows, so that the table stays small without a cron job."""
        keys = list(self.order_by("pk").values_list("pk", flat=True)[:_CHUNK])
        if keys:
            # The condition is asked again: one that was answered meanwhile stays.
            self.filter(pk__in=keys).delete()


class AuthorizationAttempt(models.Model):
    """What has to be known when the provider sends the browser back (RFC 6749 section 4.1, RFC 7636, RFC 9207)."""

    class Via(models.TextChoices):
        """Where it was begun."""

        ADMIN = "admin", "Admin"
        COMMAND = "command", "Command"
        LINK = "link", "Link"

    class Outcome(models.TextChoices):
        """How it ended."""

        OPEN = "", "Not answered"
        AUTHORIZED = "authorized", "Authorized"
        DENIED = "denied", "Denied"
        FAILED = "failed", "Failed"
        EXPIRED = "expired", "Expired"
        HELD = "held", "Another account"

    connection = models.ForeignKey("apiconnector.Connection", on_delete=models.CASCADE, related_name="attempts")
    #: A hash, as is the nonce: see ``digest``.
    state = models.CharField(max_length=64, unique=True)
    verifier = EncryptedTextField()
    redirect_uri = models.TextField()
    issuer = models.TextField(blank=True)
    #: Whether the provider's metadata says that its answers name the issuer (RFC 9207 section 3).
    iss_promised = models.BooleanField(default=False)
    #: What the request rested on, as a hash: a connection edited since is not used with the answer.
    fingerprint = models.CharField(max_length=64, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    nonce = models.CharField(max_length=64)
    via = models.CharField(max_length=10, choices=Via, default=Via.ADMIN)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    used_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=12, choices=Outcome, blank=True, default=Outcome.OPEN)
    #: What the page said: our words, and the provider's own (untrusted, shown escaped).
    message = models.TextField(blank=True)
    error = models.TextField(blank=True)
    error_description = models.TextField(blank=True)
    #: A token of another account than the connection's, until a person has decided; and what that account is called.
    held = EncryptedJSONField()
    held_label = models.CharField(max_length=255, blank=True)

    objects: ClassVar[models.Manager[AuthorizationAttempt]] = AttemptQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name = "authorization attempt"

    def __str__(self) -> str:
        return f"{self.get_via_display()}, {self.created_at:%Y-%m-%d %H:%M}"

    def secret_hosts(self) -> frozenset[str]:
        """The verifier goes where the connection's secrets may go."""
        return self.connection.secret_hosts()

    @property
    def is_expired(self) -> bool:
        """Whether the state is older than ten minutes."""
        return timezone.now() - self.created_at > LIFETIME

    def consume(self) -> bool:
        """Spend the state: true for the one caller that may go on with it.

        That caller has the verifier in hand; the row forgets it.
        """
        now = timezone.now()
        won = type(self).objects.filter(pk=self.pk, used_at__isnull=True).update(used_at=now, verifier="") == 1
        if won:
            self.used_at = now
        return won

    def finish(self, outcome: Outcome, message: str, *, error: str = "", error_description: str = "") -> None:
        """Keep how it ended, for a reload of the page."""
        self.outcome, self.message = outcome, message
        self.error, self.error_description = error, error_description
        type(self).objects.filter(pk=self.pk).update(
            outcome=outcome, message=message, error=error, error_description=error_description
        )
