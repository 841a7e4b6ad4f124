"""``run`` and ``deliver``: send feeds."""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from django.db import InterfaceError, OperationalError, connections, router

from apiconnector import feeds
from apiconnector.exceptions import FeedNotFound, InvalidFeedData
from apiconnector.feeds.round import look_after_databases
from apiconnector.management.interrupt import stopping
from apiconnector.management.lookup import nearest, wrong_usage
from apiconnector.management.output import add_format, clean
from apiconnector.models import Feed, FeedRun

if TYPE_CHECKING:
    from apiconnector.management.output import Output

#: Characters of an answer that a person is shown; ``--format json`` gives all that is kept.
_SHOWN = 2_000
#: Runs that ``deliver`` sends at once where nothing else is said, and at most.
WORKERS = 4
MOST_WORKERS = 64
#: Seconds between two lines about how far a long round is; and where it stops counting what is left.
_SUM_UP = 10.0
_COUNTED = 100_000


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
    deliver.add_argument(
        "--workers",
        type=_count,
        default=None,
        metavar="N",
        help=f"Send so many at once, each in a thread with a database connection of its own ({WORKERS}; SQLite: 1).",
    )
    deliver.add_argument("--interval", type=_seconds, default=10.0, help="Seconds between two looks of --loop (10).")
    deliver.set_defaults(act=deliver_due)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError("a number of seconds above 0 is needed")
    return seconds


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"a number from 1 to {MOST_WORKERS} is needed")
    return count


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
    workers = options["workers"] or _usual_workers()
    if options["loop"]:
        _loop(out, options["interval"], workers)
        return 0
    stop = threading.Event()
    with stopping(stop):
        counts = feeds.deliver(limit=options["limit"], progress=_Told(out), workers=workers, stop=stop)
    total = sum(counts.values())
    named = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    if stop.is_set():
        out.note("Stopped: what is left is still due.")
    out.line(f"{total} due: {named}." if total else "Nothing is due.")
    return 1 if counts[FeedRun.Status.FAILED] or counts[FeedRun.Status.DEAD] else 0


def _usual_workers() -> int:
    """SQLite lets one write at a time: there more threads are worth it for slow APIs only."""
    return 1 if connections[router.db_for_write(FeedRun)].vendor == "sqlite" else WORKERS


class _Told:
    """Says what became of each run, and in a long round how far it is."""

    def __init__(self, out: Output) -> None:
        self._out, self._sent, self._began = out, 0, time.monotonic()
        self._said_at = self._began

    def __call__(self, run: FeedRun) -> None:
        self._out.note(f"run {run.pk}  {run.status}  {run.error_message}".rstrip())
        self._sent += 1
        now = time.monotonic()
        if now - self._said_at >= _SUM_UP:
            self._said_at = now
            left = FeedRun.objects.due().order_by()[: _COUNTED + 1].count()
            due = f"more than {_COUNTED:,}" if left > _COUNTED else f"{left:,}"
            self._out.note(f"{self._sent:,} sent in {now - self._began:.0f} s, {due} due.")


def _loop(out: Output, interval: float, workers: int) -> None:
    stop = threading.Event()
    with stopping(stop):
        out.note("Sending what is due until stopped.")
        while not stop.is_set():
            look_after_databases()
            try:
                feeds.deliver(progress=_Told(out), workers=workers, stop=stop, stay=interval)
            except (OperationalError, InterfaceError) as error:
                out.note(f"The database did not answer ({type(error).__name__}); looking again in {interval:g} s.")
            stop.wait(interval)
        out.note("Stopped.")
