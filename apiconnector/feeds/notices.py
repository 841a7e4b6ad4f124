"""Mails to those whom a feed names: its runs begin to fail, and they succeed again. Each is told once.

What people were told is in the feed's row: whoever changes ``failing_since`` writes the mail, and of many workers one
does. A mail that can't be sent is as if there had been none: the next run tries again. A mail holds our own words only,
never what was sent or answered.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.mail import send_mail
from django.db import router
from django.utils import timezone

from apiconnector import mailing
from apiconnector.models import Feed, FeedRun, notified
from apiconnector.models.admin_page import whereabouts
from apiconnector.models.committed import once_committed
from apiconnector.models.endings import local
from apiconnector.redaction import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from django.db.models import QuerySet

logger = get_logger(__name__)

_BAD = frozenset({FeedRun.Status.FAILED, FeedRun.Status.DEAD})


def tell_how_it_ended(run: FeedRun) -> None:
    """Tell of a run that has ended, once that is committed. ``run.feed`` is loaded.

    As long as the feed names nobody, or a run succeeds as those before it did, nothing is asked of the database. That
    runs succeed again is noted even if the feed names nobody any more: the next failure is another one. Whatever goes
    wrong in telling is logged: delivery goes on.
    """
    feed = run.feed
    if run.status in _BAD and feed.notify:
        tell = _begin
    elif run.ok and feed.failing_since is not None:
        tell = _end
    else:
        return
    once_committed(partial(_quietly, tell, feed, run), router.db_for_write(FeedRun, instance=run))


def _quietly(tell: Callable[[Feed, FeedRun], None], feed: Feed, run: FeedRun) -> None:
    try:
        tell(feed, run)
    except Exception as error:  # noqa: BLE001 - whatever mail server and database do, delivery goes on
        # Without a traceback, and no error: logging an error may write a mail as well, and pages show its password.
        logger.warning("%s (%s).", _untold(feed), type(error).__name__)


def _begin(feed: Feed, run: FeedRun) -> None:
    now = timezone.now()
    if not _row(feed).filter(failing_since=None).update(failing_since=now):
        return
    feed.failing_since = now
    what = "It is not known whether the API acted on it" if run.outcome == FeedRun.Outcome.UNKNOWN else "It has failed"
    _send(
        feed,
        # As if it had not been noticed yet, unless somebody has noticed another thing meanwhile.
        lambda: _row(feed).filter(failing_since=now).update(failing_since=None),
        f"{_line(feed.name)} fails",
        _about(feed, run),
        f"{what}: {run.error_message or run.get_status_display()}",
        whereabouts(run),
        "This is told once. You get another mail when a run succeeds again; look up the runs in between in the admin.",
    )


def _end(feed: Feed, run: FeedRun) -> None:
    since = feed.failing_since
    if not _row(feed).exclude(failing_since=None).update(failing_since=None):
        return
    feed.failing_since = None
    _send(
        feed,
        lambda: _row(feed).filter(failing_since=None).update(failing_since=since),
        f"{_line(feed.name)} works again",
        _about(feed, run),
        f"It has succeeded. Runs have failed since {_moment(since)}: what became of those is in the admin.",
        whereabouts(run),
    )


def _row(feed: Feed) -> QuerySet[Feed]:
    return Feed.objects.using(router.db_for_write(Feed, instance=feed)).filter(pk=feed.pk)


def _about(feed: Feed, run: FeedRun) -> str:
    connection = feed.connection
    return (
        f"Feed: {_line(feed.name)} ({feed.slug})\n"
        f"Connection: {_line(connection.name)} ({connection.slug})\n"
        f"Run: {run.pk}"
    )


def _line(name: str) -> str:
    """A name in one line: a subject has no room for more."""
    return " ".join(name.split())


def _moment(at: datetime | None) -> str:
    return f"{local(at):%Y-%m-%d %H:%M %Z}".rstrip() if at is not None else "some time ago"


def _send(feed: Feed, unsent: Callable[[], object], subject: str, *paragraphs: str) -> None:
    if to := notified.addresses(feed.notify):
        subject, message = f"{settings.EMAIL_SUBJECT_PREFIX}{subject}", "\n\n".join(paragraphs)
        mailing.begin(lambda: send_mail(subject, message, None, to), about=_untold(feed), unsent=unsent)


def _untold(feed: Feed) -> str:
    return f"Nobody could be told how the feed “{feed.slug}” fares"
