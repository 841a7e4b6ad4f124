"""A database that is away just when something has to be written down."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from django.db import InterfaceError, OperationalError, router, transaction

from apiconnector.models import FeedRun

if TYPE_CHECKING:
    from collections.abc import Callable

#: What a database says that is away, restarts, or is locked for longer than it waits.
AWAY: Final = (OperationalError, InterfaceError)
#: For how long it is tried to write down what became of a run, in seconds: databases are restarted in less.
_LONGEST: Final = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


def insist(write: Callable[[], bool], is_written: Callable[[], bool]) -> bool:
    """Write, and again for a minute where the database is away: what an API has answered can't be asked for twice.

    ``is_written`` is asked after a write that failed: a database that crashed may have kept what it did not confirm.
    Raises the database's error at last, and at once within a transaction.
    """
    database, until, pause = transaction.get_connection(router.db_for_write(FeedRun)), None, _FIRST_PAUSE
    while True:
        try:
            return write() or (until is not None and is_written())
        except AWAY:
            until = until or time.monotonic() + _LONGEST
            if database.in_atomic_block or time.monotonic() > until:
                raise
            if database.vendor != "sqlite":
                database.close()
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
