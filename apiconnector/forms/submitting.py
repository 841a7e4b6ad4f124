"""What all of them have in common: submit, and log what no feed can keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import router, transaction

from apiconnector.exceptions import InvalidFeedData
from apiconnector.models import FeedRun
from apiconnector.redaction import get_logger
from apiconnector.shortcuts import submit

if TYPE_CHECKING:
    from collections.abc import Callable

logger = get_logger("apiconnector.forms")


def submit_or_log(trigger: str, get_data: Callable[[], Any], who: str, way_out: str) -> list[FeedRun]:
    """The runs that are kept of what ``get_data`` returns; none where it can't be kept, which is logged.

    ``who`` submits, and ``way_out`` is where other data can be handed over.
    """
    try:
        return submit(trigger, get_data())
    except InvalidFeedData as error:
        # Raised before any SQL: what the form saves is not in danger. Without the traceback, whose frames hold what
        # the visitor typed.
        logger.error(  # noqa: TRY400 - see above
            "%s submitted nothing to “%s”, because a field can't be kept: %s Hand over other data with %s.",
            who,
            trigger,
            error,
            way_out,
        )
        return []


def one_transaction() -> transaction.Atomic:
    """Around what a form saves and what is to be sent: both are kept, or neither is."""
    return transaction.atomic(using=router.db_for_write(FeedRun))


def name_of(given: Any) -> str:
    """What a view or function is called in a log; a ``functools.partial`` has no name."""
    return f"{given.__module__}.{given.__qualname__}" if hasattr(given, "__qualname__") else repr(given)
