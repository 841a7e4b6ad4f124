"""The idle connections of a pool."""

from __future__ import annotations

import queue
from collections import deque
from typing import Any


class Idle:
    """A queue of the last in, first out, without a lock: nobody waits for a connection, there may be more."""

    def __init__(self, maxsize: int) -> None:
        self._most, self._conns = maxsize, deque[Any]()

    def get(self, block: bool = False, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002 - as queues have it
        """The one that was used last. Raises ``queue.Empty``."""
        del block, timeout
        try:
            return self._conns.pop()
        except IndexError:
            raise queue.Empty from None

    def put(self, conn: Any, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as queues have it
        """Keep one. Raises ``queue.Full``."""
        del block
        if len(self._conns) >= self._most:
            raise queue.Full
        self._conns.append(conn)

    def qsize(self) -> int:
        """How many there are."""
        return len(self._conns)
