"""A round: everything that is due, sent by so many threads at once, and by as many processes as there are.

Runs are read a page at a time, the longest due first, and each is claimed by the thread that sends it. Two processes
that read the same page part when they first want the same run. Nothing is claimed ahead: a killed process leaves to
others what it was just sending.

So that an API that takes its time holds up no other: one connection gets at most half of the threads, and so do all
slow ones together, who have their turn after the others. One that has just answered quickly may have what nobody else
wants.
"""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from threading import Condition, Thread
from typing import TYPE_CHECKING, Final

from django.db import connections, router, transaction

from apiconnector.feeds import endings, followers
from apiconnector.feeds.away import AWAY
from apiconnector.feeds.delivery import deliver_one, look, rows, runs_of
from apiconnector.models import FeedRun, clock
from apiconnector.redaction import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime
    from threading import Event

    from apiconnector.models.run import RunQuerySet

logger = get_logger(__name__)

#: Runs that are read at once.
PAGE: Final = 100
#: Seconds from which an attempt makes its connection a slow one.
SLOW: Final = 2.0
#: Seconds after which runs that could not be claimed are looked at again.
_FORGET: Final = 5.0
#: Seconds between two looks after the database connection of a thread that goes on and on.
_LOOK_AFTER: Final = 60.0
#: The longest that a thread sleeps without asking whether it is to stop, in seconds.
_NAP: Final = 0.2


def deliver(
    *,
    limit: int | None = None,
    progress: Callable[[FeedRun], None] | None = None,
    workers: int = 1,
    stop: Event | None = None,
    stay: float | None = None,
) -> Counter[str]:
    """Send everything that is due, also what a killed worker left, and return how many came to which status.

    ``workers`` runs are sent at once, each in a thread with a database connection of its own; a single one, and all in
    a transaction or a database in memory, in the caller's thread. What becomes due meanwhile is the next call's: a run
    without a delay must not keep this one going for ever. With ``stay`` it goes on, and looks again every so many
    seconds. ``stop`` ends it after the runs at hand. ``progress`` is told of each run as it is afterwards, one at a
    time.

    Raises ``OperationalError`` or ``InterfaceError`` when the database is away, after the runs at hand.
    """
    endings.tell(runs_of(followers.release_missed()))
    found = Round(workers=1 if _must_stay_here() else workers, limit=limit, progress=progress, stop=stop, stay=stay)
    return found.play()


def _must_stay_here() -> bool:
    """Another thread has a connection of its own: it does not see a transaction's rows, nor a database in memory."""
    database = transaction.get_connection(router.db_for_write(FeedRun))
    return database.in_atomic_block or (database.vendor == "sqlite" and bool(database.is_in_memory_db()))


class Round:
    """What is due, handed out to threads. All attributes are guarded by one lock, also while a page is read."""

    def __init__(
        self,
        *,
        workers: int,
        limit: int | None,
        progress: Callable[[FeedRun], None] | None,
        stop: Event | None,
        stay: float | None,
    ) -> None:
        self._workers, self._left, self._progress, self._stop, self._stay = workers, limit, progress, stop, stay
        self._share = max(1, workers // 2)
        self._changed = Condition()
        self._page: deque[FeedRun] = deque()
        #: Runs that a thread has in hand, and how many of each connection.
        self._in_hand: set[int] = set()
        self._busy: Counter[int] = Counter()
        #: Connections whose last attempt took long, and those whose last one did not.
        self._slow: set[int] = set()
        self._quick: set[int] = set()
        #: Runs that could not be claimed, as they were found; and those of them that came up again nevertheless.
        self._lost: set[tuple[int, datetime | None]] = set()
        self._stubborn: set[int] = set()
        self._forget_at = time.monotonic() + _FORGET
        self._look_at = 0.0
        self._cut_off: datetime | None = None
        self._error: BaseException | None = None
        self.counts: Counter[str] = Counter()

    def play(self) -> Counter[str]:
        """Send until there is nothing left, or for good."""
        if self._workers == 1:
            self._work()
        else:
            # Daemons: this waits for them, unless somebody asks a second time to end at once.
            names = [f"apiconnector-worker-{number}" for number in range(1, self._workers + 1)]
            threads = [Thread(target=self._work_apart, name=name, daemon=True) for name in names]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        if self._error is not None:
            # Without the frames of the other thread, which hold what was opened.
            raise self._error.with_traceback(None)
        return self.counts

    def _work_apart(self) -> None:
        try:
            self._work()
        finally:
            connections.close_all()

    def _work(self) -> None:
        look_at = time.monotonic() + _LOOK_AFTER
        try:
            while (run := self._take()) is not None:
                self._send(run)
                if time.monotonic() > look_at:
                    look_at = time.monotonic() + _LOOK_AFTER
                    look_after_databases()
        except BaseException as error:  # noqa: BLE001 - raised again by who waits for the threads
            with self._changed:
                self._error = self._error or error
                self._changed.notify_all()

    def _send(self, run: FeedRun) -> None:
        began, done, is_away = time.monotonic(), None, True
        next_ones: list[FeedRun] = []
        try:
            done = deliver_one(run)
            is_away = False
            if done is not None and done.released:
                next_ones = look(rows().due().filter(pk__in=done.released[:PAGE]), PAGE)
        except AWAY:
            raise
        except Exception:
            # A row that can't be read, or whatever it is: the others have their turn.
            is_away = False
            logger.exception("Feed run %s could not be dealt with.", run.pk)
        finally:
            with self._changed:
                # Those that waited for it have their turn at once.
                self._page.extendleft(reversed(next_ones))
                self._put_back(run, done, time.monotonic() - began, is_away=is_away)

    def _put_back(self, run: FeedRun, done: FeedRun | None, seconds: float, *, is_away: bool) -> None:
        self._in_hand.discard(run.pk)
        self._busy[run.connection_id] -= 1
        if done is not None:
            (self._slow if seconds > SLOW else self._quick).add(run.connection_id)
            (self._quick if seconds > SLOW else self._slow).discard(run.connection_id)
            self.counts[str(done.status)] += 1
            if self._progress is not None:
                self._progress(done)
        elif not is_away:
            self._lost.add((run.pk, run.next_attempt_at))
            # Whoever has it goes through the same page.
            self._page.clear()
            if self._left is not None:
                self._left += 1
        self._look_at = 0.0
        self._changed.notify_all()

    def _take(self) -> FeedRun | None:
        """The next run to send; None when there is nothing more to do."""
        with self._changed:
            while not self._is_over():
                run = self._next()
                if run is not None:
                    self._in_hand.add(run.pk)
                    self._busy[run.connection_id] += 1
                    if self._left is not None:
                        self._left -= 1
                    return run
                if self._stay is None and not self._in_hand:
                    break
                self._changed.wait(_NAP)
            self._changed.notify_all()
            return None

    def _is_over(self) -> bool:
        is_stopped = self._stop is not None and self._stop.is_set()
        return is_stopped or self._error is not None or (self._left == 0 and not self._in_hand)

    def _next(self) -> FeedRun | None:
        if self._left == 0:
            return None
        if (run := self._from_page()) is not None:
            return run
        now = time.monotonic()
        if now < self._look_at:
            return None
        if self._stay is not None and now > self._forget_at:
            self._forget_at = now + _FORGET
            self._lost.clear()
            self._stubborn.clear()
        for others in self._left_out():
            self._read(others)
            if (run := self._from_page()) is not None:
                return run
        # Something in hand that ends says so sooner.
        self._look_at = now + (self._stay or _NAP)
        return None

    def _left_out(self) -> Iterable[frozenset[int]]:
        """Which connections are left out of a page, as long as there is anything else: slow ones, and who has some."""
        having = {pk for pk, number in self._busy.items() if number}
        shared = {pk for pk in having if self._busy[pk] >= self._share}
        closed = {pk for pk in having | self._slow if not self._may(pk)}
        return dict.fromkeys((frozenset(shared | self._slow), frozenset(having | closed), frozenset(closed)))

    def _from_page(self) -> FeedRun | None:
        while self._page:
            run = self._page.popleft()
            # What may not now comes up again in another page.
            if run.pk not in self._in_hand and self._may(run.connection_id):
                return run
        return None

    def _may(self, connection: int) -> bool:
        """Whether one more run of a connection may be sent at the same time."""
        if self._busy[connection] < self._share:
            return connection not in self._slow or sum(self._busy[pk] for pk in self._slow) < self._share
        return connection in self._quick and self._busy[connection] < self._workers

    def _read(self, without: Collection[int]) -> None:
        while True:
            found = self._due(without)
            if self._cut_off is None and found:
                self._cut_off = clock.now()
            again = {run.pk for run in found if (run.pk, run.next_attempt_at) in self._lost}
            if self._lost and found:
                # Somebody else sends, too, and begins with the longest due: this begins anywhere, until they meet.
                at = random.randrange(len(found))  # noqa: S311 - no secret
                found = found[at:] + found[:at]
            self._page.extend(run for run in found if run.pk not in again)
            self._stubborn |= again
            if self._page or not again:
                return

    def _due(self, without: Collection[int]) -> list[FeedRun]:
        due: RunQuerySet = rows().due()
        if self._stay is None and self._cut_off is not None:
            due = due.filter(next_attempt_at__lte=self._cut_off)
        if without:
            due = due.exclude(connection_id__in=without)
        if self._stubborn:
            due = due.exclude(pk__in=self._stubborn)
        # Each status by itself: so the index has them in their order, and a long queue is not sorted for each page.
        statuses = (FeedRun.Status.RUNNING, FeedRun.Status.PENDING)
        found = [run for status in statuses for run in look(due.filter(status=status), PAGE)]
        return sorted(found, key=lambda run: (run.next_attempt_at or 0, run.pk))[:PAGE]


def look_after_databases() -> None:
    """Do what Django does for each request: make a connection anew that broke, or is older than it may be."""
    for database in connections.all(initialized_only=True):
        # A caller's transaction is the caller's.
        if not database.in_atomic_block:
            database.close_if_unusable_or_obsolete()
