"""``replay``: send again what failed."""

from __future__ import annotations

import argparse
import re
import sys
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from apiconnector.feeds.replay import WHY_LEFT, replay
from apiconnector.management.lookup import nearest, wrong_usage
from apiconnector.management.output import counted
from apiconnector.models import Feed, FeedRun

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from apiconnector.management.output import Output

_ENDED = Q(status__in=[FeedRun.Status.FAILED, FeedRun.Status.DEAD])
_UNKNOWN = Q(outcome=FeedRun.Outcome.UNKNOWN)
#: What --status takes. Those of unknown outcome are named by themselves: the API may have acted on them.
_STATES = {
    "failed": Q(status=FeedRun.Status.FAILED) & ~_UNKNOWN,
    "dead": Q(status=FeedRun.Status.DEAD) & ~_UNKNOWN,
    "unknown": _ENDED & _UNKNOWN,
    "succeeded": Q(status=FeedRun.Status.SUCCEEDED),
}
_BACK = re.compile(r"([0-9]{1,6})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
#: Numbers that an error names, and runs between two lines of progress.
_NAMED, _OFTEN = 5, 1_000


def add_parsers(jobs: Any) -> None:
    """Add the parser of this group."""
    parser = jobs.add_parser("replay", help="Send runs again that failed, under a new idempotency key.")
    parser.add_argument("runs", nargs="*", type=int, metavar="run", help="Number of a run.")
    parser.add_argument("--feed", help="All of the feed with this slug that failed or died.")
    parser.add_argument(
        "--status",
        action="append",
        choices=[*_STATES],
        help="Those that are so; may be repeated. Default: failed and dead, without those of unknown outcome.",
    )
    parser.add_argument(
        "--since", type=_moment, help="Those submitted since a day or time, such as 2026-11-01, or 90m, 36h, 7d ago."
    )
    parser.add_argument("--again", action="store_true", help="Also send what has succeeded already.")
    parser.add_argument("--yes", action="store_true", help="Do not ask.")
    parser.set_defaults(act=replay_runs)


def _moment(text: str) -> datetime:
    try:
        if back := _BACK.fullmatch(text):
            return timezone.now() - timedelta(**{_UNITS[back[2]]: int(back[1])})
        at = datetime.combine(date.fromisoformat(text), time()) if len(text) <= 10 else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            "a day such as 2026-11-01, a time such as 2026-11-01T12:30, or a distance such as 36h is needed"
        ) from None
    return timezone.make_aware(at) if timezone.is_naive(at) and settings.USE_TZ else at


def replay_runs(out: Output, options: dict[str, Any]) -> int:
    """Replay the runs of these numbers, or all that match. Ends with 1 where one was left alone, or nobody agreed."""
    rows = _chosen(options)
    number = rows.count()
    if not number:
        out.line("No run matches.")
        return 0
    if not options["yes"] and not _is_agreed(out, rows, number):
        out.fail("Nothing was replayed.")
        return 1

    def progress(done: int, of: int) -> None:
        if done % _OFTEN == 0 and done < of:
            out.note(f"{done} of {counted(of, 'run')} looked at so far")

    counts = replay(rows, by="the command line", again=options["again"], progress=progress)
    said = [f"{counted(counts['replayed'], 'run')} will be sent again."]
    if counts["followers"]:
        said.append(f"Waiting for them again: {counted(counts['followers'], 'run')}.")
    out.line(" ".join(said))
    left = [name for name in WHY_LEFT if counts[name]]
    for name in left:
        out.fail(f"Left alone: {counted(counts[name], 'run')} ({WHY_LEFT[name]}).")
    return 1 if left else 0


def _chosen(options: dict[str, Any]) -> QuerySet[FeedRun]:
    ids, slug, states, since = options["runs"], options["feed"], options["status"], options["since"]
    filters = slug is not None or bool(states) or since is not None
    if bool(ids) == filters:
        raise wrong_usage("Name runs by their numbers, or choose them by --feed, --status and --since.")
    if ids:
        return _by_number(ids)
    if "succeeded" in (states or ()) and not options["again"]:
        raise wrong_usage("--status succeeded sends again what has arrived: say --again, too.")
    rows = FeedRun.objects.all()
    if slug is not None:
        feed = Feed.objects.filter(slug=slug).first()
        if feed is None:
            known = Feed.objects.values_list("slug", flat=True)
            raise wrong_usage(f"There is no feed “{slug}”.{nearest(slug, known)}")
        rows = rows.filter(feed=feed)
    if since is not None:
        rows = rows.filter(created_at__gte=since)
    wanted = Q()
    for state in states or ("failed", "dead"):
        wanted |= _STATES[state]
    return rows.filter(wanted)


def _by_number(ids: list[int]) -> QuerySet[FeedRun]:
    rows = FeedRun.objects.filter(pk__in=[pk for pk in ids if pk < 2**63])
    there = set(rows.values_list("pk", flat=True))
    if missing := [str(pk) for pk in dict.fromkeys(ids) if pk not in there]:
        more = " and more" if len(missing) > _NAMED else ""
        raise wrong_usage(f"There is no run {', '.join(missing[:_NAMED])}{more}.")
    return rows


def _is_agreed(out: Output, rows: QuerySet[FeedRun], number: int) -> bool:
    said = [f"{counted(number, 'run')} would be sent again, under a new idempotency key."]
    if unknown := rows.filter(_STATES["unknown"]).count():
        said.append(f"Of {unknown} it is not known whether the API has acted on them already.")
    out.note(f"{' '.join(said)} Go on? [y/N]")
    return sys.stdin.readline().strip().casefold() in {"y", "yes"}
