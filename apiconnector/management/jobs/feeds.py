"""``run`` and ``deliver``: send feeds."""

from __future__ import annotations

import argparse
import json
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import InterfaceError, OperationalError, connections

from apiconnector import feeds
from apiconnector.exceptions import FeedNotFound, InvalidFeedData
from apiconnector.management.interrupt import stopping
from apiconnector.management.lookup import nearest, wrong_usage
from apiconnector.management.output import add_format, clean
from apiconnector.models import Feed, FeedRun

if TYPE_CHECKING:
    from apiconnector.management.output import Output

#: Characters of an answer that a person is shown; ``--format json`` gives all that is kept.
_SHOWN = 2_000


class _Stopped(Exception):  # noqa: N818 - no error: somebody asked for it
    """Ends a round of ``deliver --loop`` between two runs."""


def add_parsers(jobs: Any) -> None:
    """Add the parsers of this group."""
    run = jobs.add_parser("run", help="Send one feed now.")
    run.add_argument("feed", help="Slug of the feed.")
    run.add_argument("--data", default="{}", help="JSON object to fill the feed with; - reads standard input.")
    add_format(run)
    run.set_defaults(act=run_one)
    deliver = jobs.add_parser("deliver", help="Send every feed run that is due, and end.")
    often = deliver.add_mutually_exclusive_group()
    often.add_argument("--limit", type=int, default=None, help="Send at most so many.")
    often.add_argument("--loop", action="store_true", help="Stay, and look again for what is due.")
    deliver.add_argument("--interval", type=_seconds, default=10.0, help="Seconds between two looks of --loop (10).")
    deliver.set_defaults(act=deliver_due)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError("a number of seconds above 0 is needed")
    return seconds


def run_one(out: Output, options: dict[str, Any]) -> int:
    """Send one feed and print its run."""
    text = sys.stdin.read() if options["data"] == "-" else options["data"]
    try:
        run = feeds.run_feed(options["feed"], _object(text))
    except FeedNotFound as error:
        known = Feed.objects.filter(is_active=True).values_list("slug", flat=True)
        raise wrong_usage(f"{error}{nearest(options['feed'], known)}") from None
    except InvalidFeedData as error:
        raise wrong_usage(str(error)) from None
    if out.as_json:
        out.json(_run_fields(run))
    else:
        out.fields((name.replace("_", " "), value) for name, value in _run_lines(run))
    return 0 if run.status in {FeedRun.Status.SUCCEEDED, FeedRun.Status.SKIPPED} else 1


def _object(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise wrong_usage(f"--data is no JSON: {error}.") from None
    if not isinstance(data, dict):
        raise wrong_usage('--data must be a JSON object, such as {"email": "ada@example.org"}.')
    return data


def _run_fields(run: FeedRun) -> dict[str, Any]:
    return {
        "id": run.pk,
        "feed": run.feed.slug,
        "connection": run.connection.slug,
        "status": str(run.status),
        "outcome": str(run.outcome),
        "status_code": run.status_code,
        "duration_ms": run.duration_ms,
        "error": run.error,
        "error_message": run.error_message,
        "values": run.values,
        "data": run.data,
    }


def _run_lines(run: FeedRun) -> list[tuple[str, Any]]:
    lines = []
    for name, value in _run_fields(run).items():
        if value in ("", None, {}):
            continue
        text = clean(value)
        if len(text) > _SHOWN:
            text = f"{text[:_SHOWN]}… ({len(text):,} characters in all)"
        lines.append(("run" if name == "id" else name, text))
    return lines


def deliver_due(out: Output, options: dict[str, Any]) -> int:
    """Send what is due; with ``--loop`` until told to stop."""
    if options["loop"]:
        _loop(out, options["interval"])
        return 0
    counts = feeds.deliver(limit=options["limit"], progress=partial(_say, out))
    total = sum(counts.values())
    named = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    out.line(f"{total} due: {named}." if total else "Nothing is due.")
    return 1 if counts[FeedRun.Status.FAILED] or counts[FeedRun.Status.DEAD] else 0


def _say(out: Output, run: FeedRun) -> None:
    out.note(f"run {run.pk}  {run.status}  {run.error_message}".rstrip())


def _loop(out: Output, interval: float) -> None:
    stop = threading.Event()

    def sent(run: FeedRun) -> None:
        _say(out, run)
        if stop.is_set():
            raise _Stopped

    with stopping(stop):
        out.note("Sending what is due until stopped.")
        while not stop.is_set():
            _look_after_databases()
            try:
                feeds.deliver(progress=sent)
            except _Stopped:
                break
            except (OperationalError, InterfaceError) as error:
                out.note(f"The database did not answer ({type(error).__name__}); looking again in {interval:g} s.")
            stop.wait(interval)
        out.note("Stopped.")


def _look_after_databases() -> None:
    """What Django does for each request: a connection that broke, or is older than it may be, is made anew."""
    for database in connections.all(initialized_only=True):
        # A caller's transaction is the caller's.
        if not database.in_atomic_block:
            database.close_if_unusable_or_obsolete()
