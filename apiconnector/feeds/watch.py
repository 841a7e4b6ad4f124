"""Break off requests that would outlast the claim of their run: an API may send a byte now and then, for ever.

No time-out of a socket covers that. One thread watches all requests of a process.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from apiconnector.client import Wire

#: Seconds between two looks, and without anything to watch until the thread ends.
EVERY: Final = 1.0
_LINGER: Final = 30.0

#: Until when each request may take, by ``time.monotonic()``.
_watched: dict[Wire, float] = {}
_thread: threading.Thread | None = None


def begin(wire: Wire, seconds: float) -> None:
    """Let the request of this wire take so many seconds from now on."""
    global _thread  # noqa: PLW0603 - one for the process
    _watched[wire] = time.monotonic() + seconds
    # Two that begin at once may start two threads: the second one finds nothing to do. A fork has none.
    if _thread is None or not _thread.is_alive():
        _thread = threading.Thread(target=_watch, name="apiconnector-watch", daemon=True)
        _thread.start()


def end(wire: Wire) -> None:
    """It is over."""
    _watched.pop(wire, None)


def _watch() -> None:
    global _thread  # noqa: PLW0603 - likewise
    idle_since = time.monotonic()
    while True:
        time.sleep(EVERY)
        now = time.monotonic()
        if _watched:
            idle_since = now
        elif now - idle_since > _LINGER:
            # Who begins from now on starts another thread; who began a moment ago is seen here.
            _thread = None
            if not _watched:
                return
        for wire, until in list(_watched.items()):
            if now > until:
                end(wire)
                wire.abort()


if hasattr(os, "register_at_fork"):  # not on Windows
    # The child has the parent's connections, and would break off what the parent sends later by the same ones.
    os.register_at_fork(after_in_child=_watched.clear)
