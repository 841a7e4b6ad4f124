"""What a submission makes: which feeds get a run, in which order, and how many. Nothing is written here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.utils import timezone

from apiconnector.exceptions import ExpressionError, InvalidFeedData
from apiconnector.feeds import conditions
from apiconnector.feeds.endings import AFTER, end_unsent
from apiconnector.feeds.uploads import Uploads
from apiconnector.fields.json_text import dumps
from apiconnector.models import Feed, FeedRun, following
from apiconnector.models.validation import is_findable

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The longest idempotency key.
KEY_LENGTH: Final = 255
#: What stands for the number of an item in the key of a run that is about none.
NONE: Final = "-"
#: The most characters that the runs of one feed keep of one submission, all together.
MOST_KEPT: Final = 100_000_000


@dataclass(frozen=True)
class Submission:
    """What was submitted, as plain data, and the caller's idempotency key."""

    data: dict[str, Any]
    key: str | None = None
    #: The files in it.
    uploads: Uploads = field(default_factory=Uploads)


@dataclass(frozen=True)
class Step:
    """A feed that gets a run of each submission, and the one whose run comes first."""

    feed: Feed
    first: Feed | None = None
    #: Why its turn would never come; empty where it does.
    problem: str = ""


def levels_of(trigger: str) -> list[list[Step]]:
    """The feeds that listen to a trigger: those that wait for none, those that wait for one of these, and so on.

    A feed that is switched off is among them where an active one waits for it: what is submitted waits for both. One
    query.
    """
    if not trigger or not is_findable(trigger):
        return []
    feeds = {
        feed.pk: feed
        for feed in Feed.objects.filter(trigger=trigger).select_related("connection").order_by("name", "pk")
        # MariaDB takes upper and lower case for the same, and passes over blanks at the end.
        if feed.trigger == trigger
    }
    order = {pk: feed.after_id for pk, feed in feeds.items()}
    wanted = {pk for feed in feeds.values() if feed.is_active for pk in following.chain(feed.pk, order)}
    levels: list[list[Step]] = []
    for pk, feed in feeds.items():
        if pk not in wanted:
            continue
        chain = following.chain(pk, order)
        problem = _problem(chain, feeds)
        depth = 0 if problem else len(chain) - 1
        levels += [[] for _ in range(depth + 1 - len(levels))]
        first = feeds[chain[1]] if depth else None
        levels[depth].append(Step(feed, first, problem))
    return levels


def _problem(chain: list[int], feeds: Mapping[int, Feed]) -> str:
    """Why the feed at the beginning of a chain would wait for ever: what no form would have saved."""
    lost = [pk for pk in chain if pk not in feeds]
    if lost:
        return "A feed that has to succeed before this one does not listen to its trigger."
    if feeds[chain[-1]].after_id is not None:
        return "The feeds that have to succeed before this one wait for each other."
    if any(feeds[pk].for_each for pk in chain[1:]):
        return "A feed that has to succeed before this one makes one request for each item: nothing can wait for it."
    return ""


def runs_of(step: Step, submission: Submission) -> list[FeedRun]:
    """The runs of a feed for a submission: one, or one for each item. Those that will not be sent have ended.

    Raises ``InvalidFeedData`` for more items than are taken at once.
    """
    feed, data = step.feed, submission.data
    # Not the caller's key as it is: his next one could be that of one of several items.
    run = _run(feed, data, item_key(submission.key, NONE) if feed.for_each else submission.key)
    if not conditions.admits(feed, run):
        return [run]
    if step.problem:
        end_unsent(run, FeedRun.Status.FAILED, AFTER, f"{step.problem} Nothing was sent: correct it, and replay this.")
        return [run]
    if not feed.for_each:
        return [run]
    try:
        items = conditions.items_of(feed, data)
    except ExpressionError as error:
        end_unsent(run, FeedRun.Status.FAILED, "template", f"for_each: {error}")
        return [run]
    if not items:
        end_unsent(run, FeedRun.Status.SKIPPED, "", "There are no items.")
        return [run]
    each = [conditions.data_with(feed, data, item) for item in items]
    if len(items) * len(dumps(each[0])) > MOST_KEPT:
        raise InvalidFeedData(
            f"Feed “{feed.slug}” would keep what was submitted {len(items):,} times, which is too much. Let for_each "
            "name a list by itself, such as rows, submit fewer items at once, or less beside them."
        )
    return [
        _run(feed, kept, item_key(submission.key, n), item)
        for n, (kept, item) in enumerate(zip(each, items, strict=True))
    ]


def _run(feed: Feed, data: dict[str, Any], key: str | None, item: Any = None) -> FeedRun:
    run = FeedRun(feed=feed, connection=feed.connection, input=data, item=item, next_attempt_at=timezone.now())
    if key is not None:
        run.idempotency_key = run.submitted_key = key
    return run


def item_key(key: str | None, number: int | str) -> str | None:
    """The caller's key for one of several items, or ``NONE``: with its number, hashed where that would be too long."""
    if key is None:
        return None
    made = f"{key}.{number}"
    return made if len(made) <= KEY_LENGTH else f"{hashlib.sha256(key.encode()).hexdigest()}.{number}"
