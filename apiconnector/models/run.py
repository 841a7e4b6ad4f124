"""One execution of a feed, with its attempts and outcome."""

from __future__ import annotations

import uuid
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import connections, models, router, transaction
from django.db.models.signals import post_save, pre_save
from django.utils import timezone

from apiconnector.exceptions import FeedFailed
from apiconnector.fields import JSONTextField

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from apiconnector.models.connection import Connection


def new_key() -> str:
    """A random idempotency key."""
    return str(uuid.uuid4())


class RunQuerySet(models.QuerySet["FeedRun"]):
    """What is due, and the conditional update that claims it."""

    def due(self, now: datetime) -> Self:
        """Runs to be sent now: waiting ones whose time has come, and those whose worker is gone."""
        return self.filter(
            status__in=[FeedRun.Status.PENDING, FeedRun.Status.RUNNING], next_attempt_at__lte=now
        ).order_by("next_attempt_at", "id")

    def waiting_for(self, connection: Connection) -> Self:
        """Runs that wait for a connection to be ready."""
        return self.filter(connection_id=connection.pk, status=FeedRun.Status.PENDING, error="not_ready")

    def claim(self, run: FeedRun, *, abandoned_at: datetime, outcome: FeedRun.Outcome) -> bool:
        """Take a run that is due; true for exactly one caller.

        It counts as abandoned at ``abandoned_at``; until the first byte is sent, ``outcome`` says what would be true
        if this worker were killed.
        """
        return (
            self.filter(pk=run.pk, status=run.status, next_attempt_at=run.next_attempt_at).update(
                status=FeedRun.Status.RUNNING,
                outcome=outcome,
                next_attempt_at=abandoned_at,
                started_at=timezone.now(),
            )
            == 1
        )

    def add(self, run: FeedRun) -> None:
        """Save a new run, as ``run.save()`` does, by a statement that is written once.

        For a run that is written at its end, while its caller waits.
        """
        if pre_save.has_listeners(FeedRun) or post_save.has_listeners(FeedRun):
            run.save(force_insert=True)
            return
        using = str(router.db_for_write(FeedRun, instance=run))
        database = connections[using]
        statement, columns = _insertion(using)
        given = run.__dict__
        values = [prepare(given[name], database) if prepare else given[name] for name, prepare in columns]
        with transaction.mark_for_rollback_on_error(using=using), database.cursor() as cursor:
            cursor.execute(statement, values)
            if database.features.can_return_columns_from_insert:
                (run.pk,) = cursor.fetchone()
            else:
                run.pk = database.ops.last_insert_id(cursor, FeedRun._meta.db_table, "id")
        run._state.db, run._state.adding = using, False


@cache
def _insertion(using: str) -> tuple[str, list[tuple[str, Callable[[Any, Any], Any] | None]]]:
    """The statement that adds a run to a database; the attributes it takes, and what makes values of them."""
    database, meta = connections[using], FeedRun._meta
    quoted = database.ops.quote_name
    fields = [field for field in meta.concrete_fields if not field.primary_key]
    columns = ", ".join(quoted(str(field.column)) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    returning = f" RETURNING {quoted('id')}" if database.features.can_return_columns_from_insert else ""
    statement = f"INSERT INTO {quoted(meta.db_table)} ({columns}) VALUES ({places}){returning}"  # noqa: S608 - names
    # Texts and whole numbers are in every database what they are here; Django takes six steps to say so.
    others = [field for field in fields if isinstance(field, models.DateTimeField | JSONTextField)]
    return statement, [(field.attname, field.get_db_prep_save if field in others else None) for field in fields]


class FeedRun(models.Model):
    """What was submitted, each attempt to send it, and how it ended."""

    class Status(models.TextChoices):
        """Where a run is in its life."""

        PENDING = "pending", "Pending"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        DEAD = "dead", "Dead"
        SKIPPED = "skipped", "Skipped"

    class Outcome(models.TextChoices):
        """Whether the API got it."""

        OPEN = "", "Not tried"
        SENT = "sent", "Sent"
        NOT_SENT = "not_sent", "Not sent"
        UNKNOWN = "unknown", "Unknown"

    # Protected: what was submitted is not lost because somebody tidies up. Switch a feed off instead.
    feed = models.ForeignKey("apiconnector.Feed", on_delete=models.PROTECT, related_name="runs")
    connection = models.ForeignKey("apiconnector.Connection", on_delete=models.PROTECT, related_name="runs")
    #: The run of another feed that has to succeed first.
    waits_for = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="followers", db_index=True
    )
    input = JSONTextField(default=dict, blank=True)
    #: What this one of the runs of a feed with ``for_each`` is about.
    item = JSONTextField(null=True, blank=True, default=None)
    #: What the first attempt made of feed and input. All attempts send it, also when the feed is edited meanwhile.
    request = JSONTextField(null=True, blank=True, default=None)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    outcome = models.CharField(max_length=10, choices=Outcome, blank=True, default=Outcome.OPEN)
    attempts = JSONTextField(default=list, blank=True)
    attempt_count = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    data = JSONTextField(null=True, blank=True, default=None)
    values = JSONTextField(default=dict, blank=True)
    error = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    idempotency_key = models.CharField(max_length=255, default=new_key)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    #: Where its files are read, if they are kept nowhere: those of ``run_feed``.
    file_source: Any = None
    #: The keys of its files, as of an attempt: what was submitted may be forgotten at its end.
    file_keys: Collection[str] = ()

    objects: ClassVar[RunQuerySet] = RunQuerySet.as_manager()  # type: ignore[assignment]  # stubs see a Manager

    class Meta:
        ordering = ("-id",)
        verbose_name = "feed run"
        constraints = (models.UniqueConstraint(fields=["feed", "idempotency_key"], name="apiconnector_run_key"),)
        indexes = (
            # What is due is found without reading what has ended.
            models.Index(fields=["status", "next_attempt_at"], name="apiconnector_run_due"),
            models.Index(fields=["connection", "id"], name="apiconnector_run_last"),
        )
        permissions = (
            ("replay_feedrun", "Can replay feed runs"),
            ("view_body_feedrun", "Can view what feed runs sent and received"),
        )

    def __str__(self) -> str:
        return f"Run {self.pk}: {self.get_status_display()}"

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.status == self.Status.SUCCEEDED

    @property
    def is_ended(self) -> bool:
        """Whether nothing more will be tried."""
        return self.status not in {self.Status.PENDING, self.Status.RUNNING}

    def raise_for_status(self) -> None:
        """Raise ``FeedFailed`` for a run that failed or gave up; a skipped or waiting one passes."""
        if self.status in {self.Status.FAILED, self.Status.DEAD}:
            raise FeedFailed(
                f"Feed “{self.feed.slug}”, run {self.pk}: {self.error_message or self.get_status_display()}",
                run=self,
            )
