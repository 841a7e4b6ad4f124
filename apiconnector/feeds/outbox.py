"""The outbox: what was submitted is kept in the caller's transaction, sent after commit, retried, never forgotten.

The task that wakes a worker carries ids only and may get lost, be repeated or come late without harm: the run's row
decides, and ``deliver()`` is what guarantees that everything due is sent.
"""

from __future__ import annotations

import time
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, connections, router, transaction
from django.utils import timezone

from apiconnector.exceptions import InvalidFeedData
from apiconnector.feeds import delivery, files
from apiconnector.feeds.data import plain_data
from apiconnector.feeds.uploads import Uploads
from apiconnector.models import Feed, FeedRun
from apiconnector.models.validation import is_findable
from apiconnector.redaction import get_logger

if TYPE_CHECKING:
    from apiconnector.models import Connection

logger = get_logger(__name__)

#: How long one ``submit`` may hold its caller when the task backend sends at once, in seconds.
HOLD = 3.0
KEY_LENGTH = 255


def submit(trigger: str, data: Any, *, idempotency_key: str | None = None) -> list[FeedRun]:
    """Keep one run for every active feed of ``trigger`` and send them after the transaction commits.

    Outside a transaction they are handed over at once. Without an active feed the list is empty. With an
    ``idempotency_key`` (at most 255 printable ASCII characters) that a feed has seen before, its existing
    run is returned.

    Raises ``InvalidFeedData``, also for a key that can't be sent in a header, before any SQL, so that the
    caller's transaction stays usable.
    """
    uploads = Uploads()
    plain = plain_data(data, uploads)
    _check_key(idempotency_key)
    feeds: list[Feed] = []
    if trigger and is_findable(trigger):
        feeds = list(Feed.objects.filter(trigger=trigger, is_active=True).select_related("connection"))
    if not feeds:
        logger.info("Nothing listens to the trigger %r: no active feed has it.", trigger)
        return []
    runs, new = [], []
    with files.keeping([uploads]) as needing:
        for feed in feeds:
            run, is_new = _keep(feed, plain, idempotency_key)
            runs.append(run)
            if is_new:
                new.append(run.pk)
        needing(run for run in runs if run.pk in new)
    if new:
        using = router.db_for_write(FeedRun)
        transaction.on_commit(partial(hand_over, new), using=using, robust=True)
        if not transaction.get_connection(using).in_atomic_block:
            for run in runs:
                run.refresh_from_db()
    return runs


def _check_key(key: str | None) -> None:
    """A key has to fit into its column and into a header."""
    if key is None:
        return
    if not isinstance(key, str) or not 0 < len(key) <= KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise InvalidFeedData(
            f"idempotency_key must be 1 to {KEY_LENGTH} printable ASCII characters: it is sent in a header."
        )


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
    """Wake whoever sends: the task backend. What it does not take stays due.

    A backend that sends at once holds its caller for three seconds at most: a request that is under way then goes on in
    its thread, and runs that were not begun stay due.
    """
    # The task is checked against TASKS when it is imported.
    from apiconnector import tasks

    if not tasks.sends_at_once() or _must_stay_in_thread():
        _enqueue(run_ids)
        return
    # No daemon: a process that ends waits for what is being sent.
    thread = Thread(target=_enqueue_and_close, args=(run_ids,), name="apiconnector-submit")
    thread.start()
    thread.join(HOLD)


def _must_stay_in_thread() -> bool:
    """Another thread has a connection of its own: it does not see a transaction's rows, nor a database in memory."""
    connection = transaction.get_connection(router.db_for_write(FeedRun))
    if connection.in_atomic_block:
        return True
    return connection.vendor == "sqlite" and bool(connection.is_in_memory_db())


def _enqueue_and_close(run_ids: list[int]) -> None:
    try:
        _enqueue(run_ids)
    finally:
        connections.close_all()


def _enqueue(run_ids: list[int]) -> None:
    from apiconnector import tasks

    token = delivery.hold_until.set(time.monotonic() + HOLD)
    try:
        tasks.send_runs.enqueue(run_ids)
    except Exception:
        logger.exception("%d feed runs could not be handed to the task backend; they stay due.", len(run_ids))
    finally:
        delivery.hold_until.reset(token)


def wake(connection: Connection) -> None:
    """Send what waited for this connection, now that it is ready again."""
    waiting = FeedRun.objects.waiting_for(connection)
    waiting.update(next_attempt_at=timezone.now())
    ids = list(waiting.order_by("id").values_list("pk", flat=True)[:50])
    if ids:
        transaction.on_commit(partial(hand_over, ids), using=router.db_for_write(FeedRun), robust=True)
