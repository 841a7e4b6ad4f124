"""The lease on a token: who has it may ask for another one, and nobody else."""

from __future__ import annotations

import secrets
import time
from functools import partial
from typing import Final

from django.db import OperationalError, connections

from apiconnector.models import apart, clock
from apiconnector.models.token import Token

#: How often a caller looks whether the one who holds the lease is done, in seconds.
POLL: Final = 0.05
#: On SQLite: a write that took longer than this, in seconds, waited for somebody's transaction, which may have stored a
#: token and have been rolled back; it is written again within the other time.
_UNHINDERED: Final = 0.02
_GRACE: Final = 0.5


def is_outdated(token: Token) -> bool:
    """Whether another generation than this one is stored by now."""
    rows = Token.objects.using(apart.database()).filter(pk=token.pk)
    return rows.exclude(generation=token.generation).exists()


class Lease:
    """The lease that one caller takes, for so many ``seconds``; the rows are in ``TokenQuerySet.acquire_lease``."""

    def __init__(self, seconds: float) -> None:
        self.owner = secrets.token_hex(16)
        self.seconds = seconds
        self._was_locked = False

    def take(self, token: Token) -> bool:
        """Take the lease on a token as it was just read: whoever stored another generation makes this miss.

        Raises ``apart.UnreachableError`` where the caller's transaction is in the way.
        """
        is_held = token.lease_until is not None and token.lease_until > clock.now()
        is_sqlite = connections[apart.database()].vendor == "sqlite"
        shares = apart.in_transaction() and not apart.must_stay()
        if is_held:
            if is_sqlite and shares:
                # From inside of a transaction nobody sees how it ends.
                raise apart.UnreachableError
            return False
        began = time.monotonic()
        try:
            with apart.brief():
                is_taken = Token.objects.acquire_lease(token, owner=self.owner, seconds=self.seconds)
        except OperationalError:
            self._was_locked = True
            # A lock: on SQLite of whoever writes just now, elsewhere perhaps of the caller who waits for this.
            if shares if is_sqlite else apart.is_apart():
                raise apart.UnreachableError from None
            if shares:
                raise
            return False
        self._was_locked |= time.monotonic() - began > _UNHINDERED
        if is_taken and is_sqlite and self._was_locked and not shares and self._is_stored_now(token):
            apart.afterwards(partial(Token.objects.release_lease, token, owner=self.owner))
            return False
        return is_taken

    def _is_stored_now(self, token: Token) -> bool:
        """Whether a token appears that another process had stored in a transaction which was rolled back just now.

        It writes it again as soon as the lock is free; but this one may have been the first to get it.
        """
        until = time.monotonic() + _GRACE
        while time.monotonic() < until:
            if is_outdated(token):
                return True
            time.sleep(POLL)
        return False
