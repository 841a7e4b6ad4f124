"""Claims that are abandoned: when one counts as that, and what becomes of a run whose worker is gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from apiconnector.conf import MAX_TIMEOUT
from apiconnector.feeds import recorded, verdict
from apiconnector.feeds.rendering import method_of
from apiconnector.models import FeedRun

if TYPE_CHECKING:
    from apiconnector.feeds.attempt import Attempt
    from apiconnector.models import Feed

_CUT_OFF: Final = (
    "The worker was stopped while it sent this: whether the API acted on it is unknown. Look there before sending it "
    "again."
)
_OTHERWISE: Final = (
    "another one would not be taken for the same: the feed has another idempotency header by now, or another "
    "connection. Look there before sending it again."
)
_NO_KEY: Final = f"Whether the API acted on the last attempt is unknown, and {_OTHERWISE}"
_BEFORE: Final = "The worker was stopped before it sent anything."
#: So many workers in a row are stopped before they send a run: it is what stops them, by its size for instance.
MOST_STOPPED: Final = 5
_GIVEN_UP: Final = (
    f"{MOST_STOPPED} workers in a row were stopped while they made the request of this, and nothing was sent. Look "
    "into the log of the workers: what was submitted may be too large for them."
)


@dataclass(frozen=True)
class Left:
    """What is known of the attempt before this one, where its worker is gone or nobody knows whether the API got it."""

    #: Failed or dead where the run must not be sent again; empty where it may.
    end: str = ""
    message: str = ""
    #: What came of that attempt, and what kind of end it had.
    outcome: str = FeedRun.Outcome.NOT_SENT
    error: str = ""
    #: What becomes of the record, by the names of fields.
    record: dict[str, Any] = field(default_factory=dict)


def look(feed: Feed, run: FeedRun) -> Left:
    """What earlier attempts left of a run that is about to be claimed, and whether it may be sent.

    One that was cut off after its first byte is an attempt like another: it is in the record, and counts. One that was
    stopped before it is in the record only.
    """
    is_running = run.status == FeedRun.Status.RUNNING
    if is_running and run.outcome == FeedRun.Outcome.UNKNOWN:
        return _cut_off(feed, run)
    left = _stopped(run) if is_running else Left()
    in_doubt = 0 if run.outcome == FeedRun.Outcome.UNKNOWN else (run.request or {}).get("in_doubt")
    if left.end or in_doubt is None or may_repeat(feed, run):
        return left
    if not in_doubt:
        return _unknown(FeedRun.Status.FAILED, _NO_KEY, left.record)
    message = f"The API answered {in_doubt}, and may have acted on it all the same; {_OTHERWISE}"
    return Left(FeedRun.Status.FAILED, message, FeedRun.Outcome.SENT, "http_status", left.record)


def _cut_off(feed: Feed, run: FeedRun) -> Left:
    entry = recorded.line(recorded.INTERRUPTED, "The worker was stopped while it sent this.", at=run.started_at)
    made = run.attempt_count + 1
    record = {"attempts": recorded.added(run.attempts, entry), "attempt_count": made}
    if not may_repeat(feed, run):
        return _unknown(FeedRun.Status.FAILED, _CUT_OFF, record)
    if made >= feed.max_attempts:
        return _unknown(FeedRun.Status.DEAD, _CUT_OFF, record)
    return Left(record={**record, "request": run.request and {**run.request, "in_doubt": 0}})


def mark(run: FeedRun, done: Attempt) -> None:
    """Note in a run what the API may have acted on, for all attempts to come."""
    status = done.status_code
    # One that refuses the credential was not acted on.
    is_answered = (
        status is not None and done.record["token"] != recorded.REFUSED and verdict.is_in_doubt(status, done.headers)
    )
    if run.request is not None and (run.outcome == FeedRun.Outcome.UNKNOWN or is_answered):
        run.request = {**run.request, "in_doubt": done.status_code or 0}


def _unknown(end: str, message: str, record: dict[str, Any]) -> Left:
    return Left(end, message, FeedRun.Outcome.UNKNOWN, recorded.INTERRUPTED, record)


def _stopped(run: FeedRun) -> Left:
    """What to do about a run whose worker is gone before the first byte; others may have been, too."""
    entries = run.attempts if isinstance(run.attempts, list) else []
    others = takewhile(lambda entry: isinstance(entry, dict) and entry.get("error") == recorded.STOPPED, entries[::-1])
    record = {"attempts": recorded.added(entries, recorded.line(recorded.STOPPED, _BEFORE, at=run.started_at))}
    if len(list(others)) + 1 < MOST_STOPPED:
        return Left(record=record)
    return Left(FeedRun.Status.DEAD, _GIVEN_UP, FeedRun.Outcome.NOT_SENT, recorded.STOPPED, record)


def may_repeat(feed: Feed, run: FeedRun) -> bool:
    """Whether an API takes what was sent and what will be sent for one: it knows the key of both, or needs none."""
    if method_of(feed, run) in verdict.IDEMPOTENT or not feed.idempotency_header:
        return method_of(feed, run) in verdict.IDEMPOTENT
    if run.request is None:
        return True
    by = run.request.get("connection_id")
    return run.request.get("key_header") == feed.idempotency_header and by in {None, feed.connection_id}


def patience(feed: Feed) -> timedelta:
    """Longer than an attempt can take: waiting for a lease, a token request, and the request with its redirects."""
    return timedelta(seconds=60 + 6 * feed.connection.timeout_seconds + 4 * _timeout(feed))


def longest(feed: Feed) -> float:
    """How long a request may take from its first byte on, in seconds, with redirects: well within the patience."""
    return 30 + 4 * _timeout(feed)


def _timeout(feed: Feed) -> float:
    # A longer one was stored past the form.
    return min(feed.timeout or feed.connection.timeout_seconds, MAX_TIMEOUT)
