"""Do something when what was just written is certain to stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

if TYPE_CHECKING:
    from collections.abc import Callable


def once_committed(act: Callable[[], object], using: str) -> None:
    """Call ``act`` after the transaction that is open, and not if it is rolled back; at once where none is.

    The transactions that ``TestCase`` wraps around a test are never committed: there it is called at once, too, so that
    a site's tests need no set-up of their own.
    """
    blocks = transaction.get_connection(using).atomic_blocks
    if all(block._from_testcase for block in blocks):  # noqa: SLF001 - Django's only way to tell; it decides by it itself
        act()
    else:
        transaction.on_commit(act, using=using, robust=True)
