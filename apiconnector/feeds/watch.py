"""Break off requests that would outlast the claim of their run: an API may send a byte now and then, for ever.

No time-out of a socket covers that. One thread watches all requests of a process.
"""

from __future__ import annotations

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
    idle_since = time.monotonic()
    while True:
        time.sleep(EVERY)
        now = time.monotonic()
        if _watched:
            idle_since = now
        elif now - idle_since > _LINGER:
            return
        for wire, until in list(_watched.items()):
            if now > until:
                end(wire)
                wire.abort()
