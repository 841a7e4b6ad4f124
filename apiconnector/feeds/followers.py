"""Runs that wait for another one: what they wait for, what becomes of them when it ends, and the values they get."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.db import router, transaction
from django.db.models import Q
from django.utils import timezone

from apiconnector.feeds.endings import AFTER, end_unsent
from apiconnector.models import FeedRun, clock

if TYPE_CHECKING:
    from apiconnector.models.run import RunQuerySet

#: The most runs that one statement is about.
CHUNK: Final = 500
#: One that waits for another run is pending, and not due at any time.
_WAITING: Final = Q(status=FeedRun.Status.PENDING, next_attempt_at=None)
_GONE: Final = "The run that had to succeed before this one was removed: nothing was sent."


def _rows() -> RunQuerySet:
    """The runs where they are written: a replica may not have what was written a moment ago."""
    return FeedRun.objects.using(router.db_for_write(FeedRun))


@dataclass(frozen=True)
class Released:
    """What became of the runs that waited for one: the keys of those to be sent now, and of those that have ended."""

    due: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)


def follow(run: FeedRun, first: FeedRun) -> None:
    """Let a run that is not saved yet wait for another one, which is; where that has ended, it shares its fate."""
    run.waits_for = first
    if run.is_ended:
        return  # by a rule of its own
    if not first.is_ended:
        run.next_attempt_at = None
    elif not first.ok:
        end_unsent(run, *_fate(first))


def release(run: FeedRun) -> Released:
    """Decide on the runs that wait for one that has ended, in the transaction that writes its end.

    Where it succeeded they are due. Where it was skipped so are they, and else they have failed, and so on down to
    those that wait for them.
    """
    waiting = _waiting_for([run.pk])
    if not waiting:
        return Released()
    if run.ok:
        _update(waiting, next_attempt_at=clock.now())
        return Released(due=waiting)
    return Released(ended=_end(waiting, *_fate(run)))


def release_missed() -> list[int]:
    """Decide on runs that wait for one that has ended already, or is gone; the keys of those that have ended by it.

    None is left by this package: an end and what it releases are one transaction. But others may change and delete
    rows, and what was kept is never forgotten.
    """
    left = _rows().filter(_WAITING).exclude(waits_for__status__in=[FeedRun.Status.PENDING, FeedRun.Status.RUNNING])
    ended: list[int] = []
    for key in set(left.values_list("waits_for_id", flat=True)[:CHUNK]):
        with transaction.atomic(using=router.db_for_write(FeedRun)):
            first = _rows().select_for_update().filter(pk=key).first()
            if first is not None and first.is_ended:
                ended += release(first).ended
            elif first is None:
                gone = list(_rows().filter(_WAITING, waits_for=None).values_list("pk", flat=True)[:CHUNK])
                ended += _end(gone, FeedRun.Status.FAILED, AFTER, _GONE)
    return ended


def values_of(run: FeedRun) -> dict[str, Any]:
    """What the runs kept of their answers that this one waited for, all the way up; the nearest wins."""
    found: dict[str, Any] = {}
    first = run.waits_for_id
    while first is not None:
        row = _rows().filter(pk=first).values_list("values", "waits_for_id").first()
        if row is None:
            break
        values, first = row
        found = {**values, **found}
    return found


def _fate(first: FeedRun) -> tuple[FeedRun.Status, str, str]:
    """Status, error and message of a run whose turn will not come, as the one before it has ended badly."""
    if first.error == AFTER:  # the first of them all is the one to look at
        return FeedRun.Status(first.status), AFTER, first.error_message
    named = f"Run {first.pk} of “{first.feed}”, which has to succeed before this one,"
    if first.status == FeedRun.Status.SKIPPED:
        return FeedRun.Status.SKIPPED, AFTER, f"{named} was skipped."
    return (
        FeedRun.Status.FAILED,
        AFTER,
        f"{named} did not: nothing was sent. When that one is replayed, this one waits for it again.",
    )


def _end(waiting: list[int], status: FeedRun.Status, error: str, message: str) -> list[int]:
    """End these runs and those that wait for them, all the way down; the keys of all."""
    ended: list[int] = []
    while waiting:
        _update(
            waiting, status=status, outcome=FeedRun.Outcome.NOT_SENT, error=error, error_message=message,
            finished_at=timezone.now(),
        )  # fmt: skip  # in rows
        ended += waiting
        waiting = _waiting_for(waiting)
    return ended


def _waiting_for(keys: list[int]) -> list[int]:
    rows = _rows().filter(_WAITING).order_by("pk")
    return [
        key
        for start in range(0, len(keys), CHUNK)
        for key in rows.filter(waits_for__in=keys[start : start + CHUNK]).values_list("pk", flat=True)
    ]


def _update(keys: list[int], **changes: Any) -> None:
    for start in range(0, len(keys), CHUNK):
        _rows().filter(_WAITING, pk__in=keys[start : start + CHUNK]).update(**changes)
