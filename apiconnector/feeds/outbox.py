"""The outbox: what was submitted is kept in the caller's transaction, sent after commit, retried, never forgotten.

The task that wakes a worker carries ids only and may get lost, be repeated or come late without harm: the run's row
decides, and ``deliver()`` is what guarantees that everything due is sent.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any

from django.db import connections, router, transaction

from apiconnector.exceptions import InvalidFeedData
from apiconnector.feeds import delivery, endings, files, keeping, plan, schedule, takeup
from apiconnector.feeds.away import AWAY
from apiconnector.feeds.data import plain_data
from apiconnector.feeds.plan import KEY_LENGTH, Submission
from apiconnector.feeds.uploads import Uploads
from apiconnector.models import FeedRun, clock
from apiconnector.redaction import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from apiconnector.models import Connection
    from apiconnector.models.run import RunQuerySet

logger = get_logger(__name__)

#: How long one ``submit`` may hold its caller when the task backend sends at once, in seconds.
HOLD = 3.0


def submit(trigger: str, data: Any, *, idempotency_key: str | None = None) -> list[FeedRun]:
    """Keep a run for every active feed of ``trigger`` and send them after the transaction commits.

    ``data`` is a mapping such as ``form.cleaned_data``: text, numbers, booleans, null, dates, times, durations, UUIDs,
    files, and lists, sets and mappings of these. None is an empty one.

    A feed with ``for_each`` gets one for each item; one whose condition is not true gets a run that is ``skipped``; one
    that waits for another feed is sent once the run of that one has succeeded. The list has those first that others
    wait for.

    Outside a transaction they are handed over at once. Without an active feed the list is empty. With an
    ``idempotency_key`` (at most 255 printable ASCII characters, no space at its ends) that a feed has seen before, its
    existing run is returned.

    Raises ``InvalidFeedData`` for other data, for more of it than is kept, and for a key that can't be sent in a
    header: before anything is written, so that the caller's transaction stays usable.
    """
    uploads = Uploads()
    submission = Submission(plain_data(data, uploads), idempotency_key, uploads)
    _check_key(idempotency_key)
    return _submit(trigger, [submission])


def submit_many(
    trigger: str, data: Iterable[Any], *, idempotency_keys: Sequence[str | None] | None = None
) -> list[FeedRun]:
    """Submit each of ``data`` to the feeds of ``trigger``, as ``submit`` does, by few statements.

    All are kept in one transaction, or none is. The list has the runs of the first submission first. One of
    ``idempotency_keys`` belongs to each of ``data``.

    Raises ``InvalidFeedData``, which names the number of the submission, counted from 0, before anything is written.
    """
    listed = list(data)
    keys: Sequence[str | None] = [None] * len(listed) if idempotency_keys is None else list(idempotency_keys)
    if len(keys) != len(listed):
        raise InvalidFeedData(
            f"There are {len(listed):,} submissions and {len(keys):,} idempotency keys: each needs its own, or None."
        )
    submissions = []
    for number, (one, key) in enumerate(zip(listed, keys, strict=True)):
        with _naming(number):
            uploads = Uploads()
            submissions.append(Submission(plain_data(one, uploads), key, uploads))
            _check_key(key)
    return _submit(trigger, submissions, is_numbered=True) if submissions else []


@contextmanager
def _naming(number: int) -> Iterator[None]:
    """Say of which submission an error is."""
    try:
        yield
    except InvalidFeedData as error:
        message = f"data[{number}]: {error}"
    else:
        return
    # Raised outside the except clause: the frames of that error hold what was submitted.
    raise InvalidFeedData(message)


def _submit(trigger: str, submissions: list[Submission], *, is_numbered: bool = False) -> list[FeedRun]:
    levels = plan.levels_of(trigger)
    if not levels:
        logger.info("Nothing listens to the trigger %r: no active feed has it.", trigger)
        return []
    planned: list[keeping.Planned] = []
    for number, one in enumerate(submissions):
        with _naming(number) if is_numbered else nullcontext():
            planned.append([[plan.runs_of(step, one) for step in level] for level in levels])
    using = router.db_for_write(FeedRun)
    known = keeping.existing(planned, submissions) if any(one.key is not None for one in submissions) else None
    is_one = known is None and sum(len(runs) for one in planned for level in one for runs in level) == 1
    with (
        files.keeping(one.uploads for one in submissions) as needing,
        # No savepoint: whoever catches an error of the database has to leave the transaction, as with save().
        nullcontext() if is_one else transaction.atomic(using=using, savepoint=False),
    ):
        runs, new = keeping.keep(levels, planned, known)
        needing(new)
        if new:
            transaction.on_commit(partial(_after_commit, new), using=using, robust=True)
    if new:
        refresh(runs)
    return runs


def _after_commit(new: list[FeedRun]) -> None:
    endings.tell(run for run in new if run.is_ended)
    if due := [run.pk for run in new if run.next_attempt_at is not None]:
        hand_over(due)


def refresh(runs: Sequence[FeedRun]) -> None:
    """Read again what has become of these runs; within a transaction nothing has, as they are sent after it."""
    using = router.db_for_write(FeedRun)
    if not runs or transaction.get_connection(using).in_atomic_block:
        return
    try:
        fresh = FeedRun.objects.using(using).in_bulk([run.pk for run in runs])
    except AWAY as error:
        # They are kept: an error here would have them submitted twice.
        logger.warning("Feed runs could not be read again: the database did not answer (%s).", type(error).__name__)
        return
    for run in runs:
        if run.pk in fresh:
            for field in FeedRun._meta.concrete_fields:
                setattr(run, field.attname, getattr(fresh[run.pk], field.attname))


def _check_key(key: str | None) -> None:
    """A key has to fit into its column and into a header, which has no blanks at its ends."""
    if key is None:
        return
    is_text = isinstance(key, str) and 0 < len(key) <= KEY_LENGTH and key.isascii() and key.isprintable()
    # Spaces around it do not arrive: two keys would be one to the API.
    if not is_text or key != key.strip():
        raise InvalidFeedData(
            f"idempotency_key must be 1 to {KEY_LENGTH} printable ASCII characters, without a space at its ends: it is "
            "sent in a header."
        )


def hand_over(run_ids: list[int]) -> None:
    """Wake whoever sends: the task backend. What it does not take stays due.

    A backend that sends at once holds its caller for three seconds at most: a request that is under way then goes on in
    its thread, and runs that were not begun stay due.
    """
    # The task is checked against TASKS when it is imported.
    from apiconnector import tasks

    if not tasks.sends_at_once():
        share(run_ids)
        return
    if _must_stay_in_thread():
        _enqueue(run_ids)
        return
    # No daemon: a process that ends waits for what is being sent.
    thread = Thread(target=_enqueue_and_close, args=(run_ids,), name="apiconnector-submit")
    thread.start()
    thread.join(HOLD)
    takeup.begin()


def share(run_ids: list[int]) -> None:
    """Hand runs to a task backend with workers, with a task for each hundred; to one that sends at once, nothing."""
    from apiconnector import tasks

    if not tasks.sends_at_once():
        for start in range(0, len(run_ids), delivery.RUNS_PER_TASK):
            _enqueue(run_ids[start : start + delivery.RUNS_PER_TASK])


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
    _send_now(delivery.rows().waiting_for(connection))


def wake_from_rest(connection: Connection) -> bool:
    """End the rest that an API asked for, and send what it refused; False where it was not left alone.

    What has come since is due, and taken up as that.
    """
    if not schedule.end_rest(connection):
        return False
    refused = delivery.rows().filter(connection=connection, status_code__in=schedule.REFUSING)
    _send_now(refused.filter(status=FeedRun.Status.PENDING, next_attempt_at__isnull=False))
    return True


def _send_now(waiting: RunQuerySet) -> None:
    # Looked at before: so it is known what the database's clock says, by which they are due.
    ids = [run.pk for run in delivery.look(waiting.order_by("id"), 50)]
    if ids:
        waiting.update(next_attempt_at=clock.now())
        transaction.on_commit(partial(hand_over, ids), using=router.db_for_write(FeedRun), robust=True)
