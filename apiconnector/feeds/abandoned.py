"""Claims that are abandoned: when one counts as that, and what becomes of a run whose worker is gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from apiconnector.feeds import recorded
from apiconnector.feeds.rendering import method_of
from apiconnector.feeds.verdict import IDEMPOTENT
from apiconnector.models import FeedRun

if TYPE_CHECKING:
    from apiconnector.models import Feed

_CUT_OFF: Final = (
    "The worker was stopped while it sent this: whether the API acted on it is unknown. Look there before sending it "
    "again."
)
_NO_KEY: Final = (
    "Whether the API acted on the last attempt is unknown, and the feed does not send the idempotency key any more in "
    "the header of that attempt. Look there before sending it again."
)


@dataclass(frozen=True)
class Left:
    """What is known of the attempt before this one, where nobody knows whether the API got it."""

    #: Failed or dead where the run must not be sent again; empty where it may.
    end: str = ""
    message: str = ""
    #: What becomes of the record, by the names of fields.
    record: dict[str, Any] = field(default_factory=dict)


def look(feed: Feed, run: FeedRun) -> Left:
    """What an earlier attempt left of a run that is about to be claimed, and whether it may be sent.

    One that was cut off after its first byte is an attempt like another: it is in the record, and counts.
    """
    if run.outcome != FeedRun.Outcome.UNKNOWN:
        return Left()
    if run.status != FeedRun.Status.RUNNING:
        return Left() if may_repeat(feed, run) else Left(FeedRun.Status.FAILED, _NO_KEY)
    entry = recorded.line(recorded.INTERRUPTED, "The worker was stopped while it sent this.", at=run.started_at)
    made = run.attempt_count + 1
    record = {"attempts": recorded.added(run.attempts, entry), "attempt_count": made}
    if not may_repeat(feed, run):
        return Left(FeedRun.Status.FAILED, _CUT_OFF, record)
    if made >= feed.max_attempts:
        return Left(FeedRun.Status.DEAD, _CUT_OFF, record)
    return Left(record=record)


def may_repeat(feed: Feed, run: FeedRun) -> bool:
    """Whether an API takes what was sent and what will be sent for one: it knows the key of both, or needs none."""
    sent = feed.idempotency_header if run.request is None else run.request.get("key_header", "")
    return method_of(feed, run) in IDEMPOTENT or bool(sent and sent == feed.idempotency_header)


def patience(feed: Feed) -> timedelta:
    """Longer than an attempt can take: waiting for a lease, a token request, and the request with its redirects."""
    return timedelta(seconds=60 + 6 * feed.connection.timeout_seconds + 4 * _timeout(feed))


def longest(feed: Feed) -> float:
    """How long a request may take from its first byte on, in seconds, with redirects: well within the patience."""
    return 30 + 4 * _timeout(feed)


def _timeout(feed: Feed) -> float:
    return feed.timeout or feed.connection.timeout_seconds
