"""Tell the visitor of a form that what was entered could not be sent at once, where a feed has a message for that."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.contrib import messages
from django.db import router, transaction
from django.db.models import Q

from apiconnector.models import FeedRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest

Status = FeedRun.Status

#: What is not over well, though somebody has tried: a worker that has not begun yet is no failure.
_NOT_SENT = Q(status__in=[Status.FAILED, Status.DEAD, Status.RUNNING]) | Q(
    status=Status.PENDING, started_at__isnull=False
)


def tell_visitor(request: HttpRequest, runs: Sequence[FeedRun]) -> None:
    """After the commit that has these runs sent, show the messages of the feeds whose runs did not succeed.

    As long as no feed has a message, nothing is asked of the database.
    """
    texts = {run.feed_id: run.feed.visitor_message for run in runs if run.feed.visitor_message}
    if not texts:
        return
    using = router.db_for_write(FeedRun)
    # Behind the call that sends them: these are made in the order in which they were registered.
    transaction.on_commit(
        partial(_show, request, texts, [run.pk for run in runs if run.feed_id in texts], using),
        using=using,
        robust=True,
    )


def _show(request: HttpRequest, texts: dict[int, str], run_ids: list[int], using: str) -> None:
    not_sent = FeedRun.objects.using(using).filter(_NOT_SENT, pk__in=run_ids)
    feeds = set(not_sent.order_by().values_list("feed_id", flat=True).distinct())
    # Two feeds may say the same.
    for text in dict.fromkeys(text for feed_id, text in texts.items() if feed_id in feeds):
        # Silently: a site without the message middleware has no place for it. Django REST framework wraps requests.
        messages.warning(getattr(request, "_request", request), text, fail_silently=True)
