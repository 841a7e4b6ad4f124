"""Write what was submitted: all runs that wait for none by one statement, then those that wait for these, and so on.

Where a feed has a run with the caller's idempotency key already, that one stands in for the new one.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from django.db import IntegrityError, router, transaction
from django.db.models import F

from apiconnector.feeds import plan
from apiconnector.feeds.followers import CHUNK, follow
from apiconnector.models import FeedRun, adding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apiconnector.feeds.plan import Step, Submission

#: Feed and idempotency key.
Key = tuple[int, str]
#: The runs of a submission, by level, by step, in order.
Planned = list[list[list[FeedRun]]]


def existing(planned: Sequence[Planned], submissions: Sequence[Submission]) -> dict[Key, FeedRun]:
    """The runs that are there already with feed and key of some of these.

    Where a feed with ``for_each`` has a run that is about no item, for it was skipped for instance, that one takes the
    place of those of the items in ``planned``. Asked before the transaction: SQLite refuses to write in one that has
    read what others have changed since.
    """
    drafts = [run for one in planned for level in one for runs in level for run in runs]
    of_none = [plan.item_key(submission.key, plan.NONE) for submission in submissions]
    feeds, keys = (
        {run.feed_id for run in drafts},
        sorted({*(run.idempotency_key for run in drafts), *filter(None, of_none)}),
    )
    rows = FeedRun.objects.using(router.db_for_write(FeedRun)).select_related("feed", "connection")
    known = {
        _key(run): run
        for start in range(0, len(keys), CHUNK)
        for run in rows.submitted_under(keys[start : start + CHUNK]).filter(feed__in=feeds)
    }
    for one, key in zip(planned, of_none, strict=True):
        for level in one:
            for number, runs in enumerate(level):
                if runs[0].feed.for_each and key is not None and (seen := known.get((runs[0].feed_id, key))):
                    level[number] = [copy(seen)]  # a draft like the others, which the one that is kept stands in for
    return known


def keep(
    levels: Sequence[Sequence[Step]], planned: Sequence[Planned], known: dict[Key, FeedRun] | None
) -> tuple[list[FeedRun], list[FeedRun]]:
    """Save the planned runs of each submission: all of them in order, as they are kept, and those that are new.

    ``known`` are those that are there already; None where no run has a key of the caller. He holds a transaction.
    """
    new: list[FeedRun] = []
    # Of each submission, by feed: the run that others wait for.
    firsts: list[dict[int, FeedRun]] = [{} for _ in planned]
    for depth, level in enumerate(levels):
        drafts = [run for one in planned for runs in one[depth] for run in runs]
        added = drafts if known is None else [run for run in drafts if known.setdefault(_key(run), run) is run]
        if depth:
            _let_follow(level, [one[depth] for one in planned], firsts, {id(run) for run in new})
        if known is None:
            FeedRun.objects.add_all(added)
        elif added:
            known |= _add_with_keys(added)
            added = [run for run in added if known[_key(run)] is run]
        new += added
        for one, first in zip(planned, firsts, strict=True):
            for number, runs in enumerate(one[depth]):
                one[depth][number] = kept = runs if known is None else [known[_key(run)] for run in runs]
                first[level[number].feed.pk] = kept[0]
    return [run for one in planned for runs_of_level in one for runs in runs_of_level for run in runs], new


def _let_follow(
    level: Sequence[Step], planned: Sequence[list[list[FeedRun]]], firsts: Sequence[dict[int, FeedRun]], new: set[int]
) -> None:
    pairs = [
        (run, found[step.first.pk])
        for runs_of_level, found in zip(planned, firsts, strict=True)
        for step, runs in zip(level, runs_of_level, strict=True)
        if step.first is not None
        for run in runs
    ]
    # One that was there before may be ending right now: it does so before this, or after this transaction.
    held = _held({first.pk for _, first in pairs if id(first) not in new})
    for run, first in pairs:
        follow(run, held.get(first.pk, first))


def _held(keys: set[int]) -> dict[int, FeedRun]:
    """These runs, locked: by a write that changes nothing, which locks on SQLite as well."""
    rows = FeedRun.objects.using(router.db_for_write(FeedRun))
    listed = sorted(keys)
    found: dict[int, FeedRun] = {}
    for start in range(0, len(listed), CHUNK):
        chunk = rows.filter(pk__in=listed[start : start + CHUNK])
        chunk.update(error=F("error"))
        found |= {run.pk: run for run in chunk.select_for_update()}
    return found


def _key(run: FeedRun) -> Key:
    # After a replay it goes out under another key than the one it was submitted with.
    return run.feed_id, run.submitted_key or run.idempotency_key


def _add_with_keys(runs: list[FeedRun]) -> dict[Key, FeedRun]:
    """Save runs; the ones that are kept, by feed and key: somebody else may have been first meanwhile."""
    using = router.db_for_write(FeedRun)
    try:
        with transaction.atomic(using=using):
            FeedRun.objects.add_all(runs)
    except IntegrityError:
        return {_key(run): _add_or_find(run, using) for run in runs}
    return {}


def _add_or_find(run: FeedRun, using: str) -> FeedRun:
    # Of the statement that was taken back it may have a key already.
    run.pk, run._state.adding = None, True
    try:
        with transaction.atomic(using=using):
            adding.add(run)
    except IntegrityError:
        # Locked, so that it is read as it is now and not as it was when this transaction began (MariaDB).
        rows = FeedRun.objects.using(using).select_for_update().filter(feed_id=run.feed_id)
        existing = rows.submitted_under([run.idempotency_key]).first()
        if existing is None:
            raise
        return existing
    return run
