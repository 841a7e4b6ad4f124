"""The rules of a feed: whether it is sent for what was submitted, how often, and whether an answer is a success."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from apiconnector.exceptions import ExpressionError, InvalidFeedData
from apiconnector.feeds.endings import end_unsent
from apiconnector.models import FeedRun
from apiconnector.templating import search, truth
from apiconnector.templating.kinds import kind

if TYPE_CHECKING:
    from apiconnector.models import Feed

#: The most runs that one submission makes of one feed.
MAX_ITEMS: Final = 10_000
#: An expression that only says where the list is.
_PLACE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)


def admits(feed: Feed, run: FeedRun) -> bool:
    """Whether a run is to be sent, by the condition of its feed; without a condition it is.

    One that is not has ended afterwards: as skipped, or as failed where the condition can't be evaluated.
    """
    if not feed.condition:
        return True
    try:
        if truth(search(feed.condition, run.input)):
            return True
    except ExpressionError as error:
        end_unsent(run, FeedRun.Status.FAILED, "template", f"condition: {error}")
    else:
        end_unsent(run, FeedRun.Status.SKIPPED, "", "The condition is not true of what was submitted.")
    return False


def items_of(feed: Feed, data: dict[str, Any]) -> list[Any]:
    """The items of which each gets a run of its own.

    Raises ``ExpressionError`` where there is no list, and ``InvalidFeedData`` for more than ``MAX_ITEMS``.
    """
    found = search(feed.for_each, data)
    if not isinstance(found, list):
        raise ExpressionError(
            f"{feed.for_each} gives {kind(found)}, not a list. An empty list sends nothing; (… || `[]`) stands in for "
            "one that is not there."
        )
    if len(found) > MAX_ITEMS:
        raise InvalidFeedData(
            f"Feed “{feed.slug}” makes one request for each item, and these are {len(found):,}: at most "
            f"{MAX_ITEMS:,} are taken at once. Submit them in several parts."
        )
    return found


def list_of(feed: Feed) -> list[str]:
    """The names that lead to the list, where ``for_each`` does no more than name it; else none."""
    return feed.for_each.split(".") if _PLACE.fullmatch(feed.for_each) else []


def data_with(feed: Feed, data: dict[str, Any], item: Any) -> dict[str, Any]:
    """What was submitted, with this item alone in the list that it is of.

    Else a list of a thousand rows would be kept a thousand times. Where ``for_each`` does more than name a list, all of
    it is there.
    """
    place = list_of(feed)
    if not place:
        return data
    *above, last = place
    copied = inner = dict(data)
    for name in above:
        inner[name] = inner = dict(inner[name])
    inner[last] = [item]
    return copied
