"""``prune``: remove what is older than it is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from apiconnector import conf
from apiconnector.feeds.files import remove_orphans
from apiconnector.feeds.pruning import CHUNK, count_prunable, prune_runs
from apiconnector.management.output import counted
from apiconnector.models import AuthorizationAttempt, ConnectionEvent

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from apiconnector.management.output import Output

#: Submitted files that no run needs are removed then: the transaction that stored a younger one may be open still.
ORPHANED = timedelta(days=1)
#: So old is nothing that a database has a date for.
_OLDEST = timedelta(days=365_000)


def add_parsers(jobs: Any) -> None:
    """Add the parsers of this group."""
    prune = jobs.add_parser("prune", help="Remove old runs, events and authorization attempts.")
    prune.add_argument("--dry-run", action="store_true", help="Only say how many there are.")
    prune.set_defaults(act=prune_records)


def prune_records(out: Output, options: dict[str, Any]) -> int:
    """Remove ended runs and events older than the retention time, and attempts nobody can come back to."""
    days = conf.retention_days()
    # Longer than there are dates is for ever.
    before = timezone.now() - timedelta(days=min(days, _OLDEST.days))
    events = ConnectionEvent.objects.filter(at__lt=before)
    attempts = AuthorizationAttempt.objects.prunable()
    if options["dry_run"]:
        counts = [count_prunable(before), events.count(), attempts.count()]
    else:
        said = prune_runs(before, progress=lambda removed: out.note(f"{counted(removed, 'run')} removed so far"))
        counts = [said, _remove(events, "event", out), _remove(attempts, "authorization attempt", out)]
        if files := remove_orphans(timezone.now() - ORPHANED):
            out.note(f"{counted(files, 'submitted file')} that no run needs removed")
    done = "Would remove" if options["dry_run"] else "Removed"
    out.line(
        f"{done} {counted(counts[0], 'run')} and {counted(counts[1], 'event')} older than {counted(days, 'day')}, and "
        f"{counted(counts[2], 'authorization attempt')}."
    )
    return 0


def _remove(rows: QuerySet[Any], noun: str, out: Output) -> int:
    removed = 0
    while keys := list(rows.order_by("pk").values_list("pk", flat=True)[:CHUNK]):
        removed += rows.filter(pk__in=keys).delete()[0]
        if len(keys) < CHUNK:
            break
        out.note(f"{counted(removed, noun)} removed so far")
    return removed
