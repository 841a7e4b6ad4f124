"""Send again what has ended: one run, many, or all that match. A person asks for it, and the record says who."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db import router, transaction

from apiconnector.feeds import outbox, recorded
from apiconnector.feeds.endings import AFTER
from apiconnector.models import FeedRun, clock
from apiconnector.models.run import new_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.models import QuerySet

Status, Outcome = FeedRun.Status, FeedRun.Outcome
#: Runs of one transaction: their attempts are read and written, and others write meanwhile.
CHUNK: Final = 50
#: Runs of one task, and of one statement; and of all, so many are handed to a backend that sends while it is asked.
_TASK, _AT_ONCE = 500, 50
#: Why runs were left alone, by the name of their count.
WHY_LEFT: Final = {
    AFTER: "the run to wait for has not succeeded; replay that one",
    "emptied": "nothing is left to send, for the feed keeps nothing of what was submitted",
    "left": "still to be sent, skipped, succeeded, or replayed by somebody else just now",
}


def replay(
    runs: QuerySet[FeedRun],
    *,
    by: object,
    again: bool = False,
    seconds: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Counter[str]:
    """Make runs that failed or died pending, under a new idempotency key, and send them after commit.

    What was submitted is filled into the feed as it is now, and the attempts are counted from none; those there were
    stay in the record, with a line that says ``by`` whom it was replayed. Followers that failed because a replayed run
    had failed wait for it again. Of two callers at once, one replays a run. ``again`` also sends what has succeeded.

    Each 50 are a transaction of their own, unless the caller has one. After ``seconds`` it stops. ``progress`` is
    called with how many were looked at, and of how many.

    Returns counts: ``replayed``; ``followers`` that wait again; and of those that were left alone: ``after`` (the run
    it waits for has not succeeded), ``emptied`` (what was submitted was not kept), ``not_reached`` (time was up), and
    ``left`` (still to be sent, skipped, succeeded without ``again``, or changed by somebody else just now).
    """
    using = router.db_for_write(FeedRun)
    until = None if seconds is None else time.monotonic() + seconds
    # Looked up once: what is replayed would change what is found.
    ids = sorted(runs.using(using).order_by().values_list("pk", flat=True))
    counts: Counter[str] = Counter()
    due: list[int] = []
    waiting: set[int] = set()
    for begin in range(0, len(ids), CHUNK):
        if until is not None and time.monotonic() > until:
            counts["not_reached"] = len(ids) - begin
            break
        chunk = [pk for pk in ids[begin : begin + CHUNK] if pk not in waiting]
        chosen = _Chunk(chunk, by, again=again, using=using)
        chosen.replay()
        counts += chosen.counts
        due += chosen.due
        waiting |= chosen.followers
        if progress is not None:
            progress(min(begin + CHUNK, len(ids)), len(ids))
    if due:
        transaction.on_commit(partial(_hand_over, due), using=using, robust=True)
    return counts


class _Chunk:
    """Some runs that are replayed together."""

    def __init__(self, ids: Sequence[int], by: object, *, again: bool, using: str) -> None:
        self.ids, self.by, self.rows = ids, by, FeedRun.objects.using(using)
        self.replayable = [Status.FAILED, Status.DEAD, *([Status.SUCCEEDED] if again else [])]
        self.counts: Counter[str] = Counter()
        #: Those to be sent now.
        self.due: list[int] = []
        self.replayed: set[int] = set()
        #: Those that wait again, because what they wait for is replayed.
        self.followers: set[int] = set()

    def replay(self) -> None:
        found = self.rows.filter(pk__in=self.ids, status__in=self.replayable).order_by("pk")
        found = found.select_related("waits_for").only(
            "status", "error", "attempts", "idempotency_key", "waits_for__status", "waits_for__outcome",
            "waits_for__error",
        )  # fmt: skip  # in rows
        read = list(found)
        # It begins with a write: on SQLite a transaction that has read can't write once somebody else has written.
        with transaction.atomic(using=self.rows.db):
            alone = [run.pk for run in read if self._is_left_alone(run)]
            self._let_followers_wait()
        settled = {*alone, *self.replayed, *self.followers}
        self.counts["replayed"], self.counts["followers"] = len(self.replayed), len(self.followers)
        self.counts["left"] = sum(pk not in settled for pk in self.ids)

    def _is_left_alone(self, run: FeedRun) -> bool:
        """Replay one, unless there is a reason not to, which is counted."""
        if recorded.is_emptied(run):
            self.counts["emptied"] += 1
            return True
        waits = run.waits_for_id in self.replayed | self.followers
        if waits and run.error == AFTER:
            self.followers.add(run.pk)  # done below
            return False
        if not waits and not may_follow(run.waits_for):
            self.counts[AFTER] += 1
            return True
        entry = recorded.line(recorded.REPLAYED, f"Replayed by {self.by}.")
        if not self._update(
            self.rows.filter(pk=run.pk, status=run.status, idempotency_key=run.idempotency_key),
            idempotency_key=new_key(),
            attempts=recorded.added(run.attempts, entry),
            next_attempt_at=None if waits else clock.now(),
        ):
            return False
        self.replayed.add(run.pk)
        if not waits:
            self.due.append(run.pk)
        return False

    def _let_followers_wait(self) -> None:
        """Let those wait again that failed because the replayed ones had, and theirs, and so on."""
        self.followers.clear()
        rows = self.rows.filter(status=Status.FAILED, error=AFTER).order_by()
        parents = list(self.replayed)
        while parents:
            some, parents = parents[:_TASK], parents[_TASK:]
            found = list(rows.filter(waits_for__in=some).values_list("pk", flat=True))
            for begin in range(0, len(found), _TASK):
                self._update(rows.filter(pk__in=found[begin : begin + _TASK]), next_attempt_at=None)
            self.followers.update(found)
            parents += found

    @staticmethod
    def _update(rows: QuerySet[FeedRun], **values: Any) -> int:
        return rows.update(
            status=Status.PENDING, outcome=Outcome.OPEN, attempt_count=0, request=None, error="", error_message="",
            started_at=None, finished_at=None, **values,
        )  # fmt: skip  # in rows


def may_follow(first: FeedRun | None) -> bool:
    """Whether a run has nothing to wait for: it succeeded, or a person found that it has arrived."""
    if first is None or first.status == Status.SUCCEEDED:
        return True
    return first.error == recorded.DECIDED and first.outcome == Outcome.SENT


def _hand_over(ids: list[int]) -> None:
    from apiconnector import tasks

    if tasks.sends_at_once():
        # The rest stays due: who asked for a replay does not wait for all of it.
        outbox.hand_over(ids[:_AT_ONCE])
        return
    for begin in range(0, len(ids), _TASK):
        outbox.hand_over(ids[begin : begin + _TASK])


def decide(run: FeedRun, *, arrived: bool, by: object) -> bool:
    """Write down what a person found out about a run whose outcome is ``unknown``; false where it is not any more.

    The run stays what it is, ``failed`` or ``dead``, with the outcome ``sent`` or ``not_sent``. It is pruned in time.
    """
    said = f"It has {'arrived' if arrived else 'not arrived'}, as {by} found out."
    rows = FeedRun.objects.filter(
        pk=run.pk, status__in=[Status.FAILED, Status.DEAD], outcome=Outcome.UNKNOWN, idempotency_key=run.idempotency_key
    )
    return bool(
        rows.update(
            outcome=Outcome.SENT if arrived else Outcome.NOT_SENT,
            error=recorded.DECIDED,
            error_message=said,
            attempts=recorded.added(run.attempts, recorded.line(recorded.DECIDED, said)),
        )
    )
