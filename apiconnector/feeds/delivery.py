"""Send kept runs: claim one, send it once, write down how that went, and when to try again.

A run is claimed by one conditional UPDATE that says when the claim counts as abandoned; every later write repeats that
moment as its condition. A worker that was too slow finds that another has taken over, and writes nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from apiconnector import signals
from apiconnector.feeds import attempt, notices
from apiconnector.feeds.runner import apply
from apiconnector.feeds.verdict import IDEMPOTENT, End
from apiconnector.models import Feed, FeedRun
from apiconnector.redaction import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

logger = get_logger(__name__)

MAX_DELAY = timedelta(hours=12)
#: How soon a run looks again whether its connection is ready; authorizing wakes it at once.
WAIT = timedelta(minutes=5)
#: Until when a caller is being held, by ``time.monotonic()``; None in a worker.
hold_until: ContextVar[float | None] = ContextVar("apiconnector_hold_until", default=None)
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
)


class _TakenOver(Exception):  # noqa: N818 - never leaves this module
    """Another worker has the run: nothing may be sent."""


def send_due(run_ids: Iterable[int]) -> Counter[str]:
    """Send those of these runs that are due; counts by status. Stops early where a caller is being held."""
    counts: Counter[str] = Counter()
    until = hold_until.get()
    for run_id in run_ids:
        if until is not None and time.monotonic() > until:
            break
        run = FeedRun.objects.due(timezone.now()).filter(pk=run_id).first()
        if run is not None and (status := process(run)):
            counts[status] += 1
    return counts


def deliver(*, limit: int | None = None, progress: Callable[[FeedRun], None] | None = None) -> Counter[str]:
    """Send everything that is due, also what a killed worker left, and return how many came to which status."""
    counts: Counter[str] = Counter()
    began = timezone.now()
    while limit is None or sum(counts.values()) < limit:
        # What became due since is the next call's: a run without a delay must not keep this one going for ever.
        run = FeedRun.objects.due(began).first()
        if run is None:
            break
        if status := process(run):
            counts[status] += 1
            if progress is not None:
                progress(run)
    return counts


def process(run: FeedRun) -> str:
    """Claim a due run, send it once and write down how that went; its status, or "" if another worker has it."""
    run.feed = feed = Feed.objects.select_related("connection__token").get(pk=run.feed_id)
    was_cut_off = run.status == FeedRun.Status.RUNNING and run.outcome == FeedRun.Outcome.UNKNOWN
    is_undecided = was_cut_off and not _may_repeat(feed)
    abandoned_at = timezone.now() + _patience(feed)
    # A run killed before its first byte was not sent, whatever an earlier attempt did.
    outcome = FeedRun.Outcome.UNKNOWN if is_undecided else FeedRun.Outcome.NOT_SENT
    if not FeedRun.objects.claim(run, abandoned_at=abandoned_at, outcome=outcome):
        return ""
    run.status, run.next_attempt_at, run.outcome = FeedRun.Status.RUNNING, abandoned_at, outcome
    if is_undecided:
        run.status, run.error = FeedRun.Status.FAILED, "interrupted"
        run.error_message = (
            "The worker was stopped while it sent this: whether the API acted on it is unknown. Look there before "
            "sending it again."
        )
    elif not feed.is_active:
        run.status, run.next_attempt_at = FeedRun.Status.PENDING, timezone.now() + WAIT
        run.error, run.error_message = "not_ready", "The feed is switched off."
    else:
        try:
            _send(run, feed, abandoned_at)
        except _TakenOver:
            return ""
    return _finish(run, abandoned_at)


def _send(run: FeedRun, feed: Feed, abandoned_at: datetime) -> None:
    claimed = FeedRun.objects.filter(pk=run.pk, status=FeedRun.Status.RUNNING, next_attempt_at=abandoned_at)

    def before_first_byte() -> None:
        if not claimed.update(outcome=FeedRun.Outcome.UNKNOWN):
            raise _TakenOver
        run.outcome = FeedRun.Outcome.UNKNOWN

    try:
        done = attempt.send(feed, run, before_first_byte=before_first_byte)
        apply(run, done)
        end = done.verdict.end
    except _TakenOver:
        raise
    except Exception as error:
        # Whatever it is, one run must not hold up the others, nor be tried for ever.
        logger.exception("Feed run %s could not be sent.", run.pk)
        run.error, run.error_message = (
            "internal",
            f"An unexpected error stopped this ({type(error).__name__}); see the log.",
        )
        run.attempt_count += 1
        may_retry = run.outcome != FeedRun.Outcome.UNKNOWN or _may_repeat(feed)
        end = End.RETRY if may_retry else End.FAILED
    _schedule(run, feed, end)


def _may_repeat(feed: Feed) -> bool:
    return feed.method in IDEMPOTENT or bool(feed.idempotency_header)


def _patience(feed: Feed) -> timedelta:
    """Longer than an attempt can take: waiting for a lease, a token request, and the request with its redirects."""
    seconds = feed.connection.timeout_seconds
    return timedelta(seconds=60 + 6 * seconds + 4 * (feed.timeout or seconds))


def _schedule(run: FeedRun, feed: Feed, end: End) -> None:
    if end is End.SUCCEEDED:
        run.status = FeedRun.Status.SUCCEEDED
    elif end is End.FAILED:
        run.status = FeedRun.Status.FAILED
    elif end is End.WAIT:
        run.status, run.next_attempt_at = FeedRun.Status.PENDING, timezone.now() + WAIT
    elif run.attempt_count >= feed.max_attempts:
        run.status = FeedRun.Status.DEAD
    else:
        run.status = FeedRun.Status.PENDING
        run.next_attempt_at = timezone.now() + delay(feed, run.attempt_count)


def delay(feed: Feed, attempts: int) -> timedelta:
    """How long to wait after the ``attempts``-th attempt: the feed's delay, tripled each time, at most 12 hours."""
    seconds = min(feed.retry_delay * 3.0 ** min(attempts - 1, 30), MAX_DELAY.total_seconds())
    return timedelta(seconds=seconds)


def _finish(run: FeedRun, abandoned_at: datetime) -> str:
    """Save what became of a claimed run, unless it counted as abandoned and another worker took it over."""
    if run.is_ended:
        run.next_attempt_at, run.finished_at = None, timezone.now()
    kept = FeedRun.objects.filter(pk=run.pk, status=FeedRun.Status.RUNNING, next_attempt_at=abandoned_at).update(
        **{name: getattr(run, name) for name in _RESULT}
    )
    if not kept:
        logger.warning("Feed run %s took longer than it may; another worker has taken it over.", run.pk)
        return ""
    if run.is_ended:
        signals.feed_run_finished.send_robust(FeedRun, run=run)
        notices.tell_how_it_ended(run)
    return str(run.status)
