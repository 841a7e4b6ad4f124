"""Feeds that wait for another one: what may wait for what, and which values are there then."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import Manager

    from apiconnector.models.feed import Feed


def problems(feed: Feed) -> dict[str, str]:
    """What is wrong with the order of a feed and those around it, by field. Asks the database."""
    found = {}
    if feed.after_id is not None and (message := _problem_of_after(feed)):
        found["after"] = message
    if feed.pk is not None:
        for name, message in _problems_of_followers(feed):
            found.setdefault(name, message)
    return found


def _problem_of_after(feed: Feed) -> str:
    first = feed.after
    if first is None or first.pk == feed.pk:
        return "A feed can't wait for itself: choose another one, or none."
    if not feed.trigger:
        return "Only what is submitted can wait: enter the trigger of that feed here, too."
    if first.trigger != feed.trigger:
        return f"“{first}” does not listen to the trigger “{feed.trigger}”: choose one that does."
    if first.for_each:
        return f"“{first}” makes one request for each item, and nothing can wait for all of them: choose another one."
    if feed.is_active and not first.is_active:
        return f"“{first}” is switched off: switch it on first, or this one off."
    order = dict(_feeds(feed).filter(trigger=feed.trigger).values_list("pk", "after_id"))
    if feed.pk is not None and feed.pk in chain(first.pk, order):
        return f"“{first}” waits for this feed itself, so that none of them would ever be sent: choose another one."
    return ""


def _problems_of_followers(feed: Feed) -> list[tuple[str, str]]:
    """What this feed can't become, since others wait for it."""
    followers = list(_feeds(feed).filter(after_id=feed.pk).exclude(pk=feed.pk).order_by("pk"))
    found = []
    for follower in followers:
        if follower.trigger != feed.trigger:
            found.append(("trigger", f"“{follower}” waits for this feed, and both need the same trigger."))
        if feed.for_each:
            found.append(("for_each", f"“{follower}” waits for this feed, so that it can make one request only."))
        if follower.is_active and not feed.is_active:
            found.append(
                ("is_active", f"“{follower}” waits for this feed: switch that one off first, or pause this one.")
            )
    return found


def values_before(feed: Feed) -> frozenset[str]:
    """The names of the values that are there when this feed is sent: what those keep that it waits for."""
    if feed.after_id is None:
        return frozenset()
    rows = _feeds(feed).filter(trigger=feed.trigger).values_list("pk", "after_id", "response_values")
    kept = {pk: values for pk, _, values in rows}
    order = {pk: after for pk, after, _ in rows}
    return frozenset(name for pk in chain(feed.after_id, order) for name in kept.get(pk) or ())


def chain(pk: int | None, order: Mapping[int, int | None]) -> list[int]:
    """A feed, the one it waits for, and so on, by ``order``: which feed waits for which. Ends where it would repeat."""
    found: list[int] = []
    while pk is not None and pk not in found:
        found.append(pk)
        pk = order.get(pk)
    return found


def _feeds(feed: Feed) -> Manager[Feed]:
    return type(feed).objects
