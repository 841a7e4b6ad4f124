"""The outbox: what was submitted is kept in the caller's transaction, sent after commit, retried, never forgotten.

A run is claimed by one conditional UPDATE; the task that wakes a worker carries ids only and may get lost, be repeated
or come late without harm. ``deliver()`` is what guarantees that everything due is sent.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, router, transaction
from django.utils import timezone

from apiconnector import signals
from apiconnector.feeds import attempt
from apiconnector.feeds.data import plain_data
from apiconnector.feeds.runner import apply
from apiconnector.feeds.verdict import End
from apiconnector.models import Feed, FeedRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from apiconnector.models import Connection

logger = logging.getLogger(__name__)

#: How long one ``submit`` may hold its caller when the task backend sends at once, in seconds.
HOLD = 3.0
MAX_DELAY = timedelta(hours=12)
#: How soon a run looks again whether its connection is ready; authorizing wakes it at once.
WAIT = timedelta(minutes=5)
_hold_until: ContextVar[float | None] = ContextVar("apiconnector_hold_until", default=None)


def submit(trigger: str, data: Any, *, idempotency_key: str | None = None) -> list[FeedRun]:
    """Keep one run for every active feed of ``trigger`` and send them after the transaction commits.

    Outside a transaction they are handed over at once. Without an active feed the list is empty. With an
    ``idempotency_key`` (at most 255 characters) that a feed has seen before, its existing run is returned.

    Raises ``InvalidFeedData`` before any SQL, so that the caller's transaction stays usable.
    """
    plain = plain_data(data)
    if idempotency_key is not None and not (isinstance(idempotency_key, str) and 0 < len(idempotency_key) <= 255):
        from_ = type(idempotency_key).__name__
        raise ValueError(f"idempotency_key must be a text of 1 to 255 characters, not {from_}.")
    feeds = list(Feed.objects.filter(trigger=trigger, is_active=True).select_related("connection")) if trigger else []
    if not feeds:
        logger.info("Nothing listens to the trigger %r: no active feed has it.", trigger)
        return []
    runs, new = [], []
    for feed in feeds:
        run, is_new = _keep(feed, plain, idempotency_key)
        runs.append(run)
        if is_new:
            new.append(run.pk)
    if new:
        using = router.db_for_write(FeedRun)
        transaction.on_commit(partial(hand_over, new), using=using, robust=True)
        if not transaction.get_connection(using).in_atomic_block:
            for run in runs:
                run.refresh_from_db()
    return runs


def _keep(feed: Feed, data: dict[str, Any], key: str | None) -> tuple[FeedRun, bool]:
    run = FeedRun(feed=feed, connection=feed.connection, input=data, next_attempt_at=timezone.now())
    if key is None:
        run.save(force_insert=True)
        return run, True
    run.idempotency_key = key
    try:
        with transaction.atomic(using=router.db_for_write(FeedRun)):
            run.save(force_insert=True)
    except IntegrityError:
        existing = FeedRun.objects.filter(feed=feed, idempotency_key=key).first()
        if existing is None:
            raise
        return existing, False
    return run, True


def hand_over(run_ids: list[int]) -> None:
    """Wake whoever sends: the task backend. What it does not take stays due."""
    from apiconnector.tasks import send_runs  # noqa: PLC0415 - the task is checked against TASKS when imported

    token = _hold_until.set(time.monotonic() + HOLD)
    try:
        send_runs.enqueue(run_ids)
    except Exception:
        logger.exception("%d feed runs could not be handed to the task backend; they stay due.", len(run_ids))
    finally:
        _hold_until.reset(token)


def send_due(run_ids: Iterable[int]) -> Counter[str]:
    """Send those of these runs that are due; counts by status. Stops early where a request is being held."""
    counts: Counter[str] = Counter()
    until = _hold_until.get()
    for run_id in run_ids:
        if until is not None and time.monotonic() > until:
            break
        run = FeedRun.objects.due(timezone.now()).filter(pk=run_id).first()
        if run is not None and (status := process(run)):
            counts[status] += 1
    return counts


def deliver(*, limit: int | None = None, progress: Callable[[FeedRun], None] | None = None) -> Counter[str]:
    """Send everything that is due, also what a killed worker left, and return how many ended in which status."""
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
    feed = Feed.objects.select_related("connection__token").get(pk=run.feed_id)
    was_running = run.status == FeedRun.Status.RUNNING
    abandoned_at = timezone.now() + _patience(feed)
    if not FeedRun.objects.claim(run, abandoned_at=abandoned_at):
        return ""
    run.status, run.next_attempt_at, run.started_at = FeedRun.Status.RUNNING, abandoned_at, timezone.now()
    if was_running and run.outcome == FeedRun.Outcome.UNKNOWN and not _may_repeat(feed):
        run.status, run.error = FeedRun.Status.FAILED, "interrupted"
        run.error_message = (
            "The worker was stopped while it sent this: whether the API acted on it is unknown. Look there before "
            "sending it again."
        )
        return _finish(run, abandoned_at)
    if not feed.is_active:
        run.status, run.next_attempt_at = FeedRun.Status.PENDING, timezone.now() + WAIT
        run.error, run.error_message = "not_ready", "The feed is switched off."
        return _finish(run, abandoned_at)
    rows = FeedRun.objects.filter(pk=run.pk, next_attempt_at=abandoned_at)
    # A run killed before its first byte was not sent, whatever an earlier attempt did.
    rows.update(outcome=FeedRun.Outcome.NOT_SENT)
    done = attempt.send(feed, run, before_first_byte=partial(rows.update, outcome=FeedRun.Outcome.UNKNOWN))
    apply(run, done)
    _schedule(run, feed, done.verdict.end)
    return _finish(run, abandoned_at)


def _may_repeat(feed: Feed) -> bool:
    return feed.method in {"GET", "PUT", "DELETE"} or bool(feed.idempotency_header)


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
        run.status, run.next_attempt_at = (
            FeedRun.Status.PENDING,
            timezone.now() + delay(feed, run.attempt_count),
        )


def delay(feed: Feed, attempts: int) -> timedelta:
    """How long to wait after the ``attempts``-th attempt: the feed's delay, tripled each time, at most 12 hours."""
    seconds = min(feed.retry_delay * 3.0 ** min(attempts - 1, 30), MAX_DELAY.total_seconds())
    return timedelta(seconds=seconds)


def _finish(run: FeedRun, abandoned_at: datetime) -> str:
    """Save what became of a claimed run, unless it counted as abandoned and another worker took it over."""
    if run.is_ended:
        run.next_attempt_at, run.finished_at = None, timezone.now()
    names = (
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
    kept = FeedRun.objects.filter(pk=run.pk, status=FeedRun.Status.RUNNING, next_attempt_at=abandoned_at).update(
        **{name: getattr(run, name) for name in names}
    )
    if not kept:
        logger.warning("Feed run %s took longer than it may; another worker has taken it over.", run.pk)
        return ""
    if run.is_ended:
        signals.feed_run_finished.send_robust(FeedRun, run=run)
    return str(run.status)


def wake(connection: Connection) -> None:
    """Send what waited for this connection, now that it is ready again."""
    waiting = FeedRun.objects.filter(connection_id=connection.pk, status=FeedRun.Status.PENDING, error="not_ready")
    waiting.update(next_attempt_at=timezone.now())
    ids = list(waiting.order_by("id").values_list("pk", flat=True)[:50])
    if ids:
        transaction.on_commit(partial(hand_over, ids), using=router.db_for_write(FeedRun), robust=True)
