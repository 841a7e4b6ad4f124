"""A feed that goes on after a pause, or elsewhere: what was kept meanwhile is sent.

While a feed is paused or switched off, its runs stay as they are, and are not due. Nothing has to be written for that,
neither when the pause begins nor when it ends.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from django.db import router, transaction

from apiconnector.feeds.delivery import rows
from apiconnector.feeds.outbox import hand_over
from apiconnector.models import FeedRun

if TYPE_CHECKING:
    from apiconnector.models import Feed

#: Runs that are handed over at once; the rest is due, and sent as what is due is.
MOST: Final = 50


def resume(feed: Feed) -> None:
    """Hand over what a feed that was saved has due, once the save is committed.

    What waits goes with the feed to another connection: neither a rest of the one before holds it back, nor that it is
    not ready.
    """
    if feed.is_paused or not feed.is_active:
        return
    waiting = rows().filter(feed_id=feed.pk, status=FeedRun.Status.PENDING)
    waiting.exclude(connection_id=feed.connection_id).update(connection_id=feed.connection_id)
    ids = list(rows().due().filter(feed_id=feed.pk).values_list("pk", flat=True)[:MOST])
    if ids:
        transaction.on_commit(partial(hand_over, ids), using=router.db_for_write(FeedRun), robust=True)
