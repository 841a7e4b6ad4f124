"""Send kept runs: claim one, send it once, write down how that went, and when to try again.

A run is claimed by one conditional UPDATE that says when the claim counts as abandoned; every later write repeats that
moment as its condition. A worker that was too slow finds that another has taken over, and writes nothing. All moments
go by the database's clock, which the machines share.
"""

from __future__ import annotations

import time
from collections import Counter
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from django.db import router, transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from apiconnector.client.wire import watched
from apiconnector.feeds import abandoned, attempt, endings, followers, recorded, schedule, watch
from apiconnector.feeds.away import AWAY, insist
from apiconnector.feeds.runner import apply
from apiconnector.feeds.schedule import delay
from apiconnector.feeds.verdict import End
from apiconnector.models import FeedRun, clock, finding
from apiconnector.models.clock import DatabaseNow
from apiconnector.redaction import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from apiconnector.client import Wire
    from apiconnector.models import Connection, Feed
    from apiconnector.models.run import RunQuerySet

__all__ = ["delay", "hold_until", "process", "send_due"]

logger = get_logger(__name__)

#: So many runs are one task: several workers share what is more.
RUNS_PER_TASK: Final = 100
#: Until when a caller is being held, by ``time.monotonic()``; None in a worker.
hold_until: ContextVar[float | None] = ContextVar("apiconnector_hold_until", default=None)
#: What this process may be wrong by about the database's clock.
_TICK: Final = timedelta(milliseconds=50)
#: Ids that are looked up at once.
_BATCH: Final = 100
_RESULT = (
    "status",
    "outcome",
    "attempts",
    "attempt_count",
    "next_attempt_at",
    "status_code",
    "duration_ms",
    "data",
    "values",
    "error",
    "error_message",
    "finished_at",
    "request",
)


class _TakenOver(Exception):  # noqa: N818 - never leaves this module
    """Another worker has the run: nothing may be sent."""


def rows() -> RunQuerySet:
    """The runs where they are written: a replica may lag behind."""
    return FeedRun.objects.using(router.db_for_write(FeedRun))


def runs_of(keys: Sequence[int]) -> list[FeedRun]:
    """The runs of these keys, with all they carry."""
    return [run for at in range(0, len(keys), _BATCH) for run in rows().filter(pk__in=keys[at : at + _BATCH])]


def look(found: RunQuerySet, most: int) -> list[FeedRun]:
    """So many of these runs, without what they carry; measures the database's clock by the way."""
    began = time.monotonic()
    light = found.only("status", "outcome", "next_attempt_at", "feed_id", "connection_id")
    runs = list(light.annotate(moment=DatabaseNow())[:most])
    if runs:
        clock.measured(cast("Any", runs[0]).moment, took=time.monotonic() - began)
    return runs


def send_due(run_ids: Iterable[int]) -> Counter[str]:
    """Send those of these runs that are due; counts by status. Stops early where a caller is being held."""
    counts: Counter[str] = Counter()
    until, ids = hold_until.get(), list(run_ids)
    for at in range(0, len(ids), _BATCH):
        for run in _in_order(ids[at : at + _BATCH]):
            if until is not None and time.monotonic() > until:
                return counts
            for each in in_turn(run):
                counts[str(each.status)] += 1
                if until is not None and time.monotonic() > until:
                    return counts
    return counts


def _in_order(ids: Sequence[int]) -> list[FeedRun]:
    """Those of some runs that may be sent, in the order given."""
    # One that was never tried is due whatever the clock of the machine that kept it says.
    new = rows().filter(status=FeedRun.Status.PENDING, next_attempt_at__isnull=False, started_at=None)
    found = {
        run.pk: run for kept in (rows().due(), new.not_held_back()) for run in look(kept.filter(pk__in=ids), len(ids))
    }
    return [found[pk] for pk in ids if pk in found]


def in_turn(run: FeedRun) -> Iterator[FeedRun]:
    """Process a run and, where it has succeeded, those that waited for it; gives each that was processed here."""
    done = deliver_one(run)
    if done is None:
        return
    yield done
    for at in range(0, len(done.released), _BATCH):
        # As they are now: another worker may have been faster.
        for follower in _in_order(done.released[at : at + _BATCH]):
            yield from in_turn(follower)


def process(run: FeedRun) -> str:
    """Claim a due run, send it once and write down how that went.

    Returns its status, or "" for one that is not to be sent now: another worker has it, its feed is paused, its API
    asked to be left alone. ``run`` is as it was found due, and is not changed.
    """
    done = deliver_one(run)
    return "" if done is None else str(done.status)


def deliver_one(found: FeedRun) -> FeedRun | None:
    """The same; the run as it is afterwards, or None."""
    # Those that wait for it were kept together with it.
    followed = Exists(FeedRun.objects.filter(waits_for=OuterRef("pk")))
    run = rows().annotate(feed_slug=F("feed__slug"), has_followers=followed).filter(pk=found.pk).first()
    if run is None or (run.status, run.next_attempt_at) != (found.status, found.next_attempt_at):
        return None
    feed = finding.find_feed(cast("Any", run).feed_slug)
    if feed is None or _is_held_back(feed):
        return None
    run.feed = feed
    left = abandoned.look(feed, run)
    abandoned_at = clock.now() + abandoned.patience(feed)
    # A run killed before its first byte was not sent, whatever an earlier attempt did.
    outcome = FeedRun.Outcome(left.outcome)
    if not rows().claim(run, abandoned_at=abandoned_at, outcome=outcome, **({} if left.end else left.record)):
        return None
    run.status, run.next_attempt_at, run.outcome = FeedRun.Status.RUNNING, abandoned_at, outcome
    if run.connection_id != feed.connection_id:  # changed past ``save()``
        run.connection = feed.connection
        rows().filter(pk=run.pk).update(connection_id=feed.connection_id)
    for name, value in left.record.items():
        setattr(run, name, value)
    if left.end:
        run.status, run.error, run.error_message = left.end, left.error, left.message
    else:
        try:
            _send(run, feed, abandoned_at)
        except _TakenOver:
            return None
    return run if _finish(run, abandoned_at) else None


def _is_held_back(feed: Feed) -> bool:
    """Whether a pause or a rest began after a run was found to be due."""
    until = feed.connection.busy_until
    return feed.is_paused or (until is not None and until > clock.now() + _TICK)


def _send(run: FeedRun, feed: Feed, abandoned_at: datetime) -> None:
    claimed = rows().filter(pk=run.pk, status=FeedRun.Status.RUNNING, next_attempt_at=abandoned_at)
    wires: list[Wire] = []

    def before_first_byte() -> None:
        if not claimed.update(outcome=FeedRun.Outcome.UNKNOWN, request=run.request):
            raise _TakenOver
        if (wire := watched()) is not None:
            wires.append(wire)
            watch.begin(wire, abandoned.longest(feed))
        # Last: what fails before has not sent anything.
        run.outcome = FeedRun.Outcome.UNKNOWN

    wait = again_in = None
    try:
        done = attempt.send(feed, run, before_first_byte=before_first_byte)
        apply(run, done)
        abandoned.mark(run, done)
        end = done.verdict.end
        again_in = done.verdict.again_in
        if done.status_code is not None:
            wait = schedule.asked_for(done.status_code, done.headers)
    except _TakenOver:
        raise
    except Exception as error:
        if isinstance(error, AWAY) and run.outcome != FeedRun.Outcome.UNKNOWN:
            # Nothing was sent, and it is not the run's fault.
            logger.warning("Feed run %s waits: the database did not answer (%s).", run.pk, type(error).__name__)
            run.status, run.next_attempt_at = FeedRun.Status.PENDING, clock.now() + schedule.WAIT_FOR_DATABASE
            return
        # Whatever it is, one run must not hold up the others, nor be tried for ever.
        logger.exception("Feed run %s could not be sent.", run.pk)
        run.error, run.error_message = (
            "internal",
            f"An unexpected error stopped this ({type(error).__name__}); see the log.",
        )
        run.attempt_count += 1
        may_retry = run.outcome != FeedRun.Outcome.UNKNOWN or abandoned.may_repeat(feed, run)
        end = End.RETRY if may_retry else End.FAILED
    finally:
        for wire in wires:
            watch.end(wire)
    _schedule(run, feed, end, schedule.until_ready(again_in) if end is End.WAIT else timedelta(seconds=wait or 0))
    if wait is not None:
        _rest(feed.connection, wait)


def _schedule(run: FeedRun, feed: Feed, end: End, at_least: timedelta) -> None:
    if end is End.SUCCEEDED:
        run.status = FeedRun.Status.SUCCEEDED
    elif end is End.FAILED:
        run.status = FeedRun.Status.FAILED
    elif end is End.WAIT and not _has_waited_too_long(run):
        run.status, run.next_attempt_at = FeedRun.Status.PENDING, clock.now() + at_least
    elif end is End.WAIT or run.attempt_count >= feed.max_attempts:
        run.status = FeedRun.Status.DEAD
    else:
        run.status = FeedRun.Status.PENDING
        run.next_attempt_at = clock.now() + max(schedule.spread(feed, run.attempt_count), at_least)


def _has_waited_too_long(run: FeedRun) -> bool:
    last = run.attempts[-1]
    # Who waits for a person is told of otherwise, and waits on.
    if last["token"] != recorded.AWAY:
        return False
    return datetime.fromisoformat(last["at"]) < timezone.now() - schedule.LONGEST_WAIT_FOR_TOKEN


def _rest(connection: Connection, seconds: float) -> None:
    try:
        schedule.rest(connection, seconds)
    except AWAY:
        # Its next answer will say so again.
        logger.warning("That “%s” asked to be left alone could not be written down.", connection, exc_info=True)


def _finish(run: FeedRun, abandoned_at: datetime) -> bool:
    """Save what became of a claimed run, unless it counted as abandoned and another worker took it over."""
    if run.is_ended:
        run.next_attempt_at, run.finished_at = None, timezone.now()
    released = followers.Released()

    def save() -> bool:
        nonlocal released
        is_kept, released = _save(run, abandoned_at)
        return is_kept

    if not insist(save, lambda: _is_saved(run)):
        logger.warning("Feed run %s took longer than it may; another worker has taken it over.", run.pk)
        return False
    if run.is_ended:
        endings.tell([run, *runs_of(released.ended)])
        # Whoever sent this one goes on with those that waited for it; other workers help where these are many.
        run.released = released.due
        if len(run.released) > RUNS_PER_TASK:
            # It hands over to this module.
            from apiconnector.feeds import outbox

            transaction.on_commit(partial(outbox.share, released.due), using=router.db_for_write(FeedRun), robust=True)
    return True


def _save(run: FeedRun, abandoned_at: datetime) -> tuple[bool, followers.Released]:
    claimed = rows().filter(pk=run.pk, status=FeedRun.Status.RUNNING, next_attempt_at=abandoned_at)
    names = (*_RESULT, *recorded.EMPTIED) if recorded.is_emptied(run) else _RESULT
    result = {name: getattr(run, name) for name in names}
    if not run.is_ended or not cast("Any", run).has_followers:
        return bool(claimed.update(**result)), followers.Released()
    # Together: a worker killed in between would leave those that wait for it waiting for ever.
    with transaction.atomic(using=router.db_for_write(FeedRun)):
        is_kept = bool(claimed.update(**result))
        return is_kept, followers.release(run) if is_kept else followers.Released()


def _is_saved(run: FeedRun) -> bool:
    """Whether the row says this already: a database that crashed may have kept what it did not confirm."""
    names = ("status", "outcome", "attempt_count", "next_attempt_at", "finished_at")
    return rows().filter(pk=run.pk, **{name: getattr(run, name) for name in names}).exists()
