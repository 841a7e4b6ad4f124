"""``prune``: remove what is older than it is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.utils import timezone

from apiconnector import conf
from apiconnector.feeds.files import remove_orphans
from apiconnector.management.output import counted
from apiconnector.models import AuthorizationAttempt, ConnectionEvent, FeedRun

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet

    from apiconnector.management.output import Output

#: Rows removed by one statement: each is its own transaction, and a large table is never locked for long.
CHUNK = 500
#: Submitted files that no run needs are removed then: the transaction that stored a younger one may be open still.
ORPHANED = timedelta(days=1)


def add_parsers(jobs: Any) -> None:
    """Add the parsers of this group."""
    prune = jobs.add_parser("prune", help="Remove old runs, events and authorization attempts.")
    prune.add_argument("--dry-run", action="store_true", help="Only say how many there are.")
    prune.set_defaults(act=prune_records)


def prune_records(out: Output, options: dict[str, Any]) -> int:
    """Remove ended runs and events older than the retention time, and attempts nobody can come back to."""
    days = conf.retention_days()
    before = timezone.now() - timedelta(days=days)
    old: tuple[tuple[str, QuerySet[Any]], ...] = (
        ("run", prunable_runs(before)),
        ("event", ConnectionEvent.objects.filter(at__lt=before)),
        ("authorization attempt", AuthorizationAttempt.objects.prunable()),
    )
    if options["dry_run"]:
        counts = [counted(rows.count(), noun) for noun, rows in old]
    else:
        counts = [counted(_remove(rows, noun, out), noun) for noun, rows in old]
        if files := remove_orphans(timezone.now() - ORPHANED):
            out.note(f"{counted(files, 'submitted file')} that no run needs removed")
    done = "Would remove" if options["dry_run"] else "Removed"
    out.line(f"{done} {counts[0]} and {counts[1]} older than {counted(days, 'day')}, and {counts[2]}.")
    return 0


def prunable_runs(before: datetime) -> QuerySet[FeedRun]:
    """Runs that ended before a time.

    Never one that is still to be sent, nor one of which nobody knows whether it was sent: a person decides on that.
    """
    ended = [FeedRun.Status.SUCCEEDED, FeedRun.Status.FAILED, FeedRun.Status.DEAD, FeedRun.Status.SKIPPED]
    # created_at has the index; a run that waited for long is kept from its end on.
    return (
        FeedRun.objects.filter(status__in=ended, created_at__lt=before)
        .filter(Q(finished_at__lt=before) | Q(finished_at__isnull=True))
        .exclude(outcome=FeedRun.Outcome.UNKNOWN)
    )


def _remove(rows: QuerySet[Any], noun: str, out: Output) -> int:
    removed = 0
    while keys := list(rows.order_by("pk").values_list("pk", flat=True)[:CHUNK]):
        # The condition is asked again: a run may have been set to be sent anew since.
        removed += rows.filter(pk__in=keys).delete()[0]
        if len(keys) < CHUNK:
            break
        out.note(f"{counted(removed, noun)} removed so far")
    return removed
