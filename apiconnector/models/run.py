"""One execution of a feed, with its attempts and outcome."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from django.db import connections, models, router
from django.db.models import Exists, OuterRef, Q
from django.db.models.signals import post_save, pre_save
from django.utils import timezone

from apiconnector.exceptions import FeedFailed
from apiconnector.fields import ExactCharField, JSONTextField
from apiconnector.fields.json_text import dumps
from apiconnector.models.clock import DatabaseNow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from apiconnector.models.connection import Connection


#: The most runs, and the most characters of what was submitted, that are added by one statement.
MOST_ROWS: Final = 500
MOST_TEXT: Final = 2_000_000
#: SQLite cuts its time to milliseconds: without it a run would not be due in the moment it is kept for.
_TICK = timedelta(milliseconds=1)


def new_key() -> str:
    """A random idempotency key."""
    return str(uuid.uuid4())


class RunQuerySet(models.QuerySet["FeedRun"]):
    """What is due, and the conditional update that claims it."""

    def due(self, now: datetime | None = None) -> Self:
        """Runs to be sent now: waiting ones whose time has come, and those whose worker is gone.

        Not those of a feed that is paused or switched off, nor of a connection whose API asked to be left alone: they
        stay as they are, and are due when that is over. Without ``now`` it is now by the database's clock.
        """
        statuses = [FeedRun.Status.PENDING, FeedRun.Status.RUNNING]
        come = self.filter(status__in=statuses, next_attempt_at__lte=now or DatabaseNow() + _TICK)
        return come.not_held_back(now).order_by("next_attempt_at", "id")

    def not_held_back(self, now: datetime | None = None) -> Self:
        """Runs that no pause and no rest holds back."""
        # Asked for each run by itself: a join could make the database read other tables first, and can't be updated.
        feeds = _related("feed").filter(Q(is_paused=True) | Q(is_active=False), pk=OuterRef("feed_id"))
        connections = _related("connection").filter(
            busy_until__gt=now or DatabaseNow() + _TICK, pk=OuterRef("connection_id")
        )
        return self.exclude(Exists(feeds)).exclude(Exists(connections))

    def waiting_for(self, connection: Connection) -> Self:
        """Runs that wait for a connection to be ready."""
        return self.filter(connection_id=connection.pk, status=FeedRun.Status.PENDING, error="not_ready")

    def claim(self, run: FeedRun, *, abandoned_at: datetime, outcome: FeedRun.Outcome, **also: Any) -> bool:
        """Take a run that is due; true for exactly one caller.

        It counts as abandoned at ``abandoned_at``; until the first byte is sent, ``outcome`` says what would be true
        if this worker were killed. ``also`` is written with it.
        """
        return (
            self.filter(pk=run.pk, status=run.status, next_attempt_at=run.next_attempt_at).update(
                status=FeedRun.Status.RUNNING,
                outcome=outcome,
                next_attempt_at=abandoned_at,
                started_at=timezone.now(),
                **also,
            )
            == 1
        )

    def add_all(self, runs: list[FeedRun]) -> None:
        """Save new runs by few statements; one by one where a receiver of Django's signals wants to hear of each.

        The caller holds a transaction. Raises what ``save()`` raises.
        """
        using = str(router.db_for_write(FeedRun))
        is_heard = pre_save.has_listeners(FeedRun) or post_save.has_listeners(FeedRun)
        if is_heard or len(runs) == 1 or not connections[using].features.can_return_rows_from_bulk_insert:
            for run in runs:
                run.save(force_insert=True)
        else:
            for chunk in _chunks(runs):
                self.using(using).bulk_create(chunk)


def _chunks(runs: list[FeedRun]) -> Iterator[list[FeedRun]]:
    """Parts that one statement can add: a database takes no more than so much text at once (MariaDB: 16 MB)."""
    sizes: dict[int, int] = {}
    chunk: list[FeedRun] = []
    room = MOST_TEXT
    for run in runs:
        if id(run.input) not in sizes:  # many have the same
            sizes[id(run.input)] = len(dumps(run.input))
        size = sizes[id(run.input)] + (0 if run.item is None else len(dumps(run.item)))
        if chunk and (size > room or len(chunk) == MOST_ROWS):
            yield chunk
            chunk, room = [], MOST_TEXT
        chunk.append(run)
        room -= size
    yield chunk


def _related(name: str) -> models.QuerySet[Any]:
    """All rows of the model that this field leads to, which imports this module."""
    model: Any = FeedRun._meta.get_field(name).related_model
    return models.QuerySet(model)


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
    # Their indexes are below, with the order of the lists.
    feed = models.ForeignKey("apiconnector.Feed", on_delete=models.PROTECT, related_name="runs", db_index=False)
    connection = models.ForeignKey(
        "apiconnector.Connection", on_delete=models.PROTECT, related_name="runs", db_index=False
    )
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
    idempotency_key = ExactCharField(max_length=255, default=new_key)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    #: Where its files are read, if they are kept nowhere: those of ``run_feed``.
    file_source: Any = None
    #: The keys of its files, as of an attempt: what was submitted may be forgotten at its end.
    file_keys: Collection[str] = ()
    #: The runs that waited for this one and are due, once it has succeeded.
    released: Sequence[int] = ()

    objects: ClassVar[RunQuerySet] = RunQuerySet.as_manager()  # type: ignore[assignment]  # stubs see a Manager

    class Meta:
        ordering = ("-id",)
        verbose_name = "feed run"
        # The key first: people look for a run by it.
        constraints = (models.UniqueConstraint(fields=["idempotency_key", "feed"], name="apiconnector_run_key"),)
        indexes = (
            # What is due is found without reading what has ended.
            models.Index(fields=["status", "next_attempt_at"], name="apiconnector_run_due"),
            # Each filter of the list of runs gives its page in order, however many runs there are.
            models.Index(fields=["status", "created_at"], name="apiconnector_run_status"),
            models.Index(fields=["outcome", "created_at"], name="apiconnector_run_outcome"),
            models.Index(fields=["feed", "created_at"], name="apiconnector_run_feed"),
            models.Index(fields=["connection", "created_at"], name="apiconnector_run_last"),
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
