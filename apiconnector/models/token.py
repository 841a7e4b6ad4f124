"""What the machine wrote after authorizing or asking; the lease and the journal of a refresh."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from apiconnector.exceptions import SecretSealed, SecretUnreadable
from apiconnector.fields import EncryptedTextField, JSONTextField
from apiconnector.models import clock
from apiconnector.models.clock import DatabaseNow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apiconnector.crypto import Secret
    from apiconnector.models.token_requests import Granted
    from apiconnector.oauth import TokenAnswer

#: A token is renewed this long before its end, or in the last quarter of a life shorter than four times that.
EARLY = timedelta(seconds=30)


class TokenQuerySet(models.QuerySet["Token"]):
    """The conditional updates that decide who refreshes."""

    def acquire_lease(self, token: Token, *, owner: str, seconds: float) -> bool:
        """Take the lease on a token as it was read, and write down that a refresh begins.

        True for exactly one caller until the lease is released or ``seconds`` have passed by the database's clock. A
        lease that was never released is that of a worker that died: taking it over is counted.
        """
        as_read = {name: getattr(token, name) for name in ("pk", "generation", "lease_owner", "failures")}
        died = {"interruptions": F("interruptions") + 1} if token.lease_owner else {}
        return (
            self.filter(**as_read)
            .filter(Q(lease_until__isnull=True) | Q(lease_until__lt=DatabaseNow()))
            .update(
                lease_owner=owner,
                lease_until=DatabaseNow() + timedelta(seconds=seconds),
                refresh_started_at=Coalesce("refresh_started_at", DatabaseNow()),
                **died,
            )
            == 1
        )

    def release_lease(
        self,
        token: Token,
        *,
        owner: str,
        failure: str = "",
        retry_after: float | None = None,
        is_unanswered: bool = False,
    ) -> None:
        """Give the lease back after a refresh that brought no token.

        ``failure`` says why, ``retry_after`` when the provider wants to be asked again (seconds). The journal is as it
        was before, unless the request ``is_unanswered``: the provider may have acted on it.
        """
        values: dict[str, Any] = {"lease_owner": "", "lease_until": None}
        if not is_unanswered:
            values["refresh_started_at"] = token.refresh_started_at
        if failure:
            values |= _failed(failure, retry_after)
        self.filter(pk=token.pk, lease_owner=owner).update(**values)

    def note_failure(self, token: Token, *, failure: str, retry_after: float | None, is_unanswered: bool) -> None:
        """Write down what ``release_lease`` did, where it was undone together with the lease; else change nothing."""
        as_read = {name: getattr(token, name) for name in ("pk", "generation", "lease_owner", "failures")}
        values = _failed(failure, retry_after)
        if is_unanswered:
            values["refresh_started_at"] = Coalesce("refresh_started_at", DatabaseNow())
        self.filter(**as_read).update(**values)

    def store(self, token: Token, values: Mapping[str, Any]) -> bool:
        """Write a refreshed token; false where another generation is there already.

        An answer that comes after the lease's end is stored like any other. The lease that somebody else has taken
        meanwhile was one on the generation that is gone, and so are the journal and the workers that died with it: with
        a new generation there, their refused request is not believed.
        """
        rows = self.filter(pk=token.pk, generation=token.generation)
        renewed = {**NOTHING_BEGUN, **NOTHING_FAILED, **values, "generation": F("generation") + 1}
        return rows.update(**renewed) == 1


def _failed(failure: str, retry_after: float | None) -> dict[str, Any]:
    after = None if retry_after is None else DatabaseNow() + timedelta(seconds=retry_after)
    return {"failures": F("failures") + 1, "failed_at": DatabaseNow(), "failure": failure, "retry_after_at": after}


#: The columns of a token row of which no attempt to renew it has failed, and of one of which none has begun.
NOTHING_FAILED: Final = {"failures": 0, "failed_at": None, "failure": "", "retry_after_at": None}
NOTHING_BEGUN: Final = {"lease_owner": "", "lease_until": None, "refresh_started_at": None, "interruptions": 0}


class Token(models.Model):
    """The token of one connection. ``generation`` counts up with each new one and fences late writers off."""

    connection = models.OneToOneField("apiconnector.Connection", on_delete=models.CASCADE, related_name="token")
    access_token = EncryptedTextField()
    refresh_token = EncryptedTextField()
    issued_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    refresh_expires_at = models.DateTimeField(null=True, blank=True)
    scope = models.TextField(blank=True)
    account_id = models.CharField(max_length=255, blank=True, db_index=True)
    account_label = models.CharField(max_length=255, blank=True)
    values = JSONTextField(default=dict, blank=True, json_type=dict)
    redirect_uri = models.TextField(blank=True)
    #: The origin of the site a person authorized it for: no other one refreshes it. Empty: any may.
    site = models.TextField(blank=True, default="")
    generation = models.PositiveBigIntegerField(default=0)
    lease_owner = models.CharField(max_length=32, blank=True, default="")
    #: Written and compared by the database's clock only.
    lease_until = models.DateTimeField(null=True, blank=True)
    #: The journal: when the first refresh of this generation began whose outcome nobody knows, by the database's clock.
    refresh_started_at = models.DateTimeField(null=True, blank=True)
    #: How often a refresh of this generation was begun by a worker that died before its end.
    interruptions = models.PositiveSmallIntegerField(default=0)
    #: What the latest failed attempts to renew mean for the next one: how many in a row, when the last one, why, and
    #: when the provider said to come again. Emptied by the next token.
    failures = models.PositiveIntegerField(default=0)
    failed_at = models.DateTimeField(null=True, blank=True)
    failure = models.TextField(blank=True, default="")
    retry_after_at = models.DateTimeField(null=True, blank=True)
    #: Whether the API refused it at once, as it had refused the one before: then the token is not the reason.
    refused_when_new = models.BooleanField(default=False)
    #: Seconds that a token of this connection lived until it was refused, where the provider states no lifetime.
    learned_life = models.FloatField(null=True, blank=True)
    #: The longest life in seconds that a refresh token of this grant was stated to have.
    refresh_life = models.FloatField(null=True, blank=True)

    objects: ClassVar[TokenQuerySet] = TokenQuerySet.as_manager()  # type: ignore[assignment]  # stubs see a Manager

    class Meta:
        verbose_name = "token"

    def __str__(self) -> str:
        return f"Token of {self.connection}"

    def secret_hosts(self) -> frozenset[str]:
        """A token goes where its connection's secrets may go."""
        return self.connection.secret_hosts()

    def is_expired(self, now: datetime) -> bool:
        """Whether its stated life is over. One whose life is unknown works until it is refused."""
        return self.expires_at is not None and self.expires_at <= now

    def due_at(self, *, renews_itself: bool = False) -> datetime | None:
        """When it should be renewed ahead of its end, which is stated or was learned; None: nobody knows its end.

        One that ``renews_itself`` can't be renewed afterwards: that is done in the last third of its life.
        """
        if self.expires_at is not None:
            life = self.expires_at - self.issued_at
        elif self.learned_life is not None:
            life = timedelta(seconds=self.learned_life)
        else:
            return None
        end = self.expires_at or self.issued_at + life
        return end - (life / 3 if renews_itself else min(EARLY, life / 4))

    @classmethod
    def _sealed(cls, name: str, value: str, hosts: frozenset[str]) -> Secret[Any]:
        field = cls._meta.get_field(name)
        assert isinstance(field, EncryptedTextField)
        return field.seal(value, hosts)

    @classmethod
    def values_from(cls, answer: TokenAnswer, *, scope: str, hosts: frozenset[str]) -> dict[str, Any]:
        """The columns that a token answer fills, sealed for ``hosts``; ``scope`` is what was asked for."""
        return {
            "access_token": cls._sealed("access_token", answer.access_token, hosts),
            "refresh_token": cls._sealed("refresh_token", answer.refresh_token, hosts),
            "issued_at": clock.now(),
            "expires_at": answer.expires_at,
            "refresh_expires_at": answer.refresh_expires_at,
            "scope": scope if answer.scope is None else answer.scope,
        }

    def _refresh_token_or_none(self) -> str | None:
        # The site's own token is had without it, also where no key opens it any more.
        try:
            return str(self.refresh_token.reveal())
        except (SecretUnreadable, SecretSealed):
            return None

    def renewed_by(self, granted: Granted, *, scope: str) -> dict[str, Any]:
        """The columns that change when it is renewed; ``scope`` is what was asked for.

        The refresh token stays as it is in the row when the answer has no new one.
        """
        connection, answer = self.connection, granted.answer
        has_moved = granted.values != self.values
        hosts = (connection.try_out(granted.values) if has_moved else connection).secret_hosts()
        values = self.values_from(answer, scope=scope, hosts=hosts)
        if not answer.refresh_token:
            # Not written as it was read: it may have been encrypted with a newer key since.
            del values["refresh_token"]
        stays = not answer.refresh_token or answer.refresh_token == self._refresh_token_or_none()
        if stays and answer.refresh_expires_at is None:
            # It ends when it was stated to, also where that is not said again.
            del values["refresh_expires_at"]
        if has_moved:
            values["values"] = dict(granted.values)
        if (failure := granted.failure) is not None:
            # The refresh token is new, and for the rest there is nothing to use: that counts as an attempt that failed.
            now, after = clock.now(), failure.retry_after
            values |= {"failures": self.failures + 1, "failed_at": now, "failure": str(failure)}
            values["retry_after_at"] = None if after is None else now + timedelta(seconds=after)
        return values
