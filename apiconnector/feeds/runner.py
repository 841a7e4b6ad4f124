"""Run one feed now."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from apiconnector.exceptions import FeedMisconfigured, FeedNotFound
from apiconnector.feeds import attempt, conditions, endings, recorded
from apiconnector.feeds.data import plain_data
from apiconnector.feeds.files import FromMemory, without_references
from apiconnector.feeds.uploads import Uploads
from apiconnector.feeds.verdict import End
from apiconnector.models import Feed, FeedRun, adding, finding


def find_feed(slug: str) -> Feed:
    """The active feed of this slug, with its connection and token; ``FeedNotFound`` where there is none."""
    feed = finding.find_feed(slug)
    if feed is None:
        raise FeedNotFound(f"There is no active feed {slug!r}.")
    return feed


def run_feed(slug: str, data: Any = None) -> FeedRun:
    """Send one feed now and return its ``FeedRun``, which was saved after the answer.

    One attempt is made. The run is ``failed`` whatever the remote did wrong and also when the connection is not ready;
    ``run.raise_for_status()`` turns that into an error. Where the feed's condition is not true of the data it is
    ``skipped``, and nothing is sent. The row belongs to the caller's transaction.

    Raises ``FeedNotFound`` for an unknown or inactive feed, ``FeedMisconfigured`` for one with ``for_each``, and
    ``InvalidFeedData`` for data that can't be kept.
    """
    feed = find_feed(slug)
    if feed.for_each:
        raise FeedMisconfigured(f"Feed “{slug}” makes one request for each item: use submit() for it.")
    uploads = Uploads()
    run = adding.draft(feed, plain_data(data, uploads), timezone.now())
    if uploads:
        run.file_source = FromMemory(uploads)
    done = None
    if conditions.admits(feed, run):
        done = attempt.send(feed, run)
        run.status = FeedRun.Status.SUCCEEDED if done.verdict.end is End.SUCCEEDED else FeedRun.Status.FAILED
        apply(run, done)
        run.finished_at = timezone.now()
    if uploads:
        # The files are kept nowhere: nothing may look as if they could be found.
        run.input, run.file_source, run.file_keys = without_references(run.input), None, ()
    adding.add(run)
    if done is not None:
        # The caller may read what is not kept.
        run.data = done.data
    endings.tell([run])
    return run


def apply(run: FeedRun, done: attempt.Attempt) -> None:
    """Write an attempt into its run; the status is the caller's matter."""
    run.outcome = done.verdict.outcome
    run.error, run.error_message = done.verdict.error, done.verdict.message
    run.status_code, run.duration_ms = done.status_code, done.duration_ms
    earlier, record = run.attempts, done.record
    if done.verdict.end is End.WAIT and earlier and earlier[-1]["error"] == done.verdict.error:
        # A run that waits looks again every few minutes; one line says so as well as a thousand, and since when.
        if record["token"] == earlier[-1]["token"] == recorded.AWAY:
            record = {**record, "at": earlier[-1]["at"]}
        earlier = earlier[:-1]
    run.attempts = recorded.added(earlier, record)
    if done.verdict.end is not End.WAIT:
        run.attempt_count += 1
    elif not run.attempt_count:
        # Nothing was attempted yet: what the feed is by then shall be sent.
        run.request = None
    run.data = None if done.is_private else done.data
    run.values = done.values or {}
    if done.is_private and done.verdict.end is End.SUCCEEDED:
        recorded.empty(run)
