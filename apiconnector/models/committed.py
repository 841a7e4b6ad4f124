"""Do something when what was just written is certain to stay."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction

from apiconnector.models import apart

if TYPE_CHECKING:
    from collections.abc import Callable


def once_committed(act: Callable[[], object], using: str) -> None:
    """Call ``act`` after the transaction that is open, and not if it is rolled back; at once where none is.

    The transactions that ``TestCase`` wraps around a test are never committed: there it is called at once, too, so that
    a site's tests need no set-up of their own. From a thread that works apart it is left to the thread that waits.
    """
    if apart.is_apart():
        act = partial(apart.leave, act)
    connection = transaction.get_connection(using)
    is_test = any(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)
    if connection.in_atomic_block and not is_test:
        transaction.on_commit(act, using=using, robust=True)
    else:
        act()
