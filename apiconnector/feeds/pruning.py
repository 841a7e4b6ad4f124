"""Remove runs that are older than they are kept, a few at a time, while others write."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.db import connections, router, transaction
from django.db.models import Exists, OuterRef, Q

from apiconnector.models import FeedFile, FeedRun

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

#: Rows removed by one statement, at most and at least: each is its own transaction, and shall take no longer than so
#: many seconds. On SQLite nobody else can write meanwhile; elsewhere only these rows are locked, which nobody wants.
CHUNK, _SMALLEST = 500, 20
_BRIEF, _BRIEF_ON_SQLITE = 0.5, 0.03
#: Between two of them others have their turn: as long as the one before took, within these bounds in seconds. On SQLite
#: a writer that waits looks only now and then whether it may.
_SHORTEST, _LONGEST = 0.005, 1.0
_ENDED = (FeedRun.Status.SUCCEEDED, FeedRun.Status.FAILED, FeedRun.Status.DEAD, FeedRun.Status.SKIPPED)


def _is_old(before: datetime) -> Q:
    """Ended before a time, and nobody has to do anything about it."""
    # created_at has the index; a run that waited for long is kept from its end on.
    ended = Q(finished_at__lt=before) | Q(finished_at__isnull=True)
    return Q(ended, status__in=_ENDED, created_at__lt=before) & ~Q(outcome=FeedRun.Outcome.UNKNOWN)


def count_prunable(before: datetime) -> int:
    """How many runs ``prune_runs`` would remove."""
    stays = FeedRun.objects.filter(~_is_old(before), waits_for=OuterRef("pk"))
    return FeedRun.objects.filter(_is_old(before), ~Exists(stays)).count()


def prune_runs(before: datetime, *, progress: Callable[[int], None] | None = None) -> int:
    """Remove runs that ended before a time; how many. ``files.remove_orphans`` takes the files that are left.

    Never one that is still to be sent, nor one of which nobody knows whether it was sent: a person decides on that. Nor
    one that another has waited for, as long as that one is there. ``progress`` is called with how many are gone, now
    and then.
    """
    removed = 0
    # Those that others have waited for come to be prunable once these are gone.
    while found := _pass(before, removed, progress):
        removed += found
    return removed


def _pass(before: datetime, earlier: int, progress: Callable[[int], None] | None) -> int:
    """Go through the old runs once, from the oldest on."""
    alone = ~Exists(FeedRun.objects.filter(waits_for=OuterRef("pk")))
    rows = FeedRun.objects.filter(_is_old(before), alone).order_by("created_at", "pk").values_list("created_at", "pk")
    brief = _BRIEF_ON_SQLITE if connections[rows.db].vendor == "sqlite" else _BRIEF
    removed, told, size = 0, 0, min(CHUNK, 4 * _SMALLEST)
    chunk = list(rows[:size])
    while chunk:
        began = time.monotonic()
        removed += _remove([pk for _, pk in chunk], before)
        took = time.monotonic() - began
        if progress is not None and removed - told >= CHUNK:
            told = removed
            progress(earlier + removed)
        time.sleep(min(max(took, _SHORTEST), _LONGEST))
        size = max(_SMALLEST, size // 2) if took > brief else min(CHUNK, size * 2)
        at, last = chunk[-1]
        # The first condition finds the place in the index, the other says that it is behind the last one.
        chunk = list(rows.filter(Q(created_at__gte=at), Q(created_at__gt=at) | Q(pk__gt=last))[:size])
    return removed


def _remove(keys: list[int], before: datetime) -> int:
    """Remove those of these that are still old: a run may have been set to be sent anew since.

    Asked and removed by one statement, or under a lock where there is one: nothing comes between.
    """
    using = router.db_for_write(FeedRun)
    runs = FeedRun.objects.using(using).filter(_is_old(before), pk__in=keys)
    links = FeedFile.runs.through.objects.using(using)
    with transaction.atomic(using=using):
        if connections[using].features.has_select_for_update:
            keys = list(runs.select_for_update().order_by("pk").values_list("pk", flat=True))
            if not keys:
                return 0
            runs = FeedRun.objects.using(using).filter(pk__in=keys)
        links.filter(feedrun__in=runs.values("pk")).delete()
        # Not delete(): it reads the rows with all they hold, and removes them in a statement of its own.
        return int(runs._raw_delete(using))  # noqa: SLF001 - Django's own way to remove by one statement
