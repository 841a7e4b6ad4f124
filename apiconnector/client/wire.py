"""What of a request has reached the network, and who is told of it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Wire:
    """What of the latest HTTP request has reached the network.

    ``written``: False as long as there were only DNS, connect and TLS (and CONNECT to a proxy), True as soon
    as the first byte of the request is handed to the socket, None where nobody can tell: a mocked transport,
    SOCKS.

    ``before_first_byte`` is called after connect and TLS and before the first byte, once for each HTTP
    request: also for the next hop of a redirect and for the second try after a 401. What it raises goes to
    the caller as it is, and nothing is written. It is not called where ``written`` stays None.
    """

    def __init__(self, before_first_byte: Callable[[], object] | None = None) -> None:
        self.before_first_byte = before_first_byte
        self.written: bool | None = None
        self._socket: Any = None
        self._lock = threading.Lock()

    def start(self, sock: Any) -> None:
        """Note that the first byte is about to be written to ``sock``."""
        if self.before_first_byte is not None:
            try:
                self.before_first_byte()
            except Exception as error:  # noqa: BLE001 - raised again by the adapter
                raise Passed(error) from None
        self._socket = sock
        self.written = True

    def abort(self) -> None:
        """Break off the request from another thread: who waits for its answer gets a connection error."""
        # Past SSLSocket.shutdown(), which would take the TLS state from under the thread that is reading.
        with self._lock, suppress(OSError):
            if self._socket is not None:
                socket.socket.shutdown(getattr(self._socket, "socket", self._socket), socket.SHUT_RDWR)

    def finish(self, sock: Any) -> None:
        """Forget ``sock``, which may be another request's from now on."""
        with self._lock:
            if self._socket is sock:
                self._socket = None


class Passed(Exception):  # noqa: N818 - never leaves the adapter
    """Carries an error of ours past urllib3, which would take an ``OSError`` for the network's, to the adapter."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


_watched: ContextVar[Wire | None] = ContextVar("apiconnector_wire", default=None)


def watched() -> Wire | None:
    """The wire that what is sent now is reported to."""
    return _watched.get()


class Watching:
    """Reports what is sent inside the block to ``wire`` only; None: to nobody, nor to an outer block's."""

    __slots__ = ("_token", "_wire")

    def __init__(self, wire: Wire | None) -> None:
        self._wire = wire

    def __enter__(self) -> None:
        if self._wire is not None:
            self._wire.written = None  # another transport may be mounted, or this one mocked
        self._token = _watched.set(self._wire)

    def __exit__(self, *_: object) -> None:
        _watched.reset(self._token)
