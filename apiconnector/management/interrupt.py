"""Let Ctrl-C and SIGTERM end a job at a place where nothing is half done."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping(stop: threading.Event) -> Iterator[None]:
    """Set ``stop`` when Ctrl-C is pressed or SIGTERM comes; a second one ends the job at once."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may listen
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def asked(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()
        put_back()

    for number in _SIGNALS:
        signal.signal(number, asked)
    try:
        yield
    finally:
        put_back()
