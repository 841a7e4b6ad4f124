"""Runs that end: those that end before anything is sent, and who is told of an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils import timezone

from apiconnector import signals
from apiconnector.feeds import files, notices
from apiconnector.models import FeedRun

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The error of a run whose turn will not come, because of another run.
AFTER: Final = "after"


def end_unsent(run: FeedRun, status: FeedRun.Status, error: str, message: str) -> None:
    """End a run of which nothing was sent, and nothing will be; saving it is the caller's matter."""
    run.status, run.outcome = status, FeedRun.Outcome.NOT_SENT
    run.error, run.error_message = error, message
    run.next_attempt_at, run.finished_at = None, timezone.now()


def tell(runs: Iterable[FeedRun]) -> None:
    """Remove the files these ended runs needed; tell the site's receivers of the ends, and whom their feeds name."""
    ended = list(runs)
    files.release(ended)
    for run in ended:
        signals.feed_run_finished.send_robust(FeedRun, run=run)
        # Of a run that shares the fate of another one people are told there.
        if run.error != AFTER:
            notices.tell_how_it_ended(run)
