"""The connections of the process: they connect to checked addresses only, and tell what has reached the wire."""

from __future__ import annotations

import socket
import sys
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import create_connection

from apiconnector.client import egress
from apiconnector.exceptions import DestinationRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(getattr(self._socket, "socket", self._socket), socket.SHUT_RDWR)


class Passed(Exception):  # noqa: N818 - never leaves the adapter
    """Carries an error of ours past urllib3, which would take an ``OSError`` for the network's, to the adapter."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


_watched: ContextVar[Wire | None] = ContextVar("apiconnector_wire", default=None)


def watched() -> Wire | None:
    """The wire that what is sent now is reported to."""
    return _watched.get()


@contextmanager
def watching(wire: Wire | None) -> Iterator[None]:
    """Report what is sent inside the block to ``wire`` only; None: to nobody, nor to an outer block's."""
    if wire is not None:
        wire.written = None  # another transport may be mounted, or this one mocked
    token = _watched.set(wire)
    try:
        yield
    finally:
        _watched.reset(token)


class TrackedConnection(HTTPConnection):
    """Connects to checked addresses, and tells the wire when the first byte of a request is handed to the socket."""

    scheme = "http"
    #: ``http.client`` prints what is sent, credentials and all, where somebody set this on its own class.
    debuglevel = 0
    _request_is_due = False

    def _new_conn(self) -> socket.socket:
        # Overridden although its name is private: here, and nowhere else, urllib3 looks up the name. A proxy is the
        # site's own configuration, and what it is asked for is checked by the adapter.
        if self.proxy is not None or egress.policy().trusts(self.host):
            return super()._new_conn()
        try:
            addresses = egress.resolve(self.scheme, self.host, self.port)
        except DestinationRefused as refused:
            raise Passed(refused) from None
        except (socket.gaierror, UnicodeError) as error:
            raise NewConnectionError(self, f"Failed to resolve the name: {error}") from error
        for position, address in enumerate(addresses, 1):
            try:
                connected = create_connection(
                    (address, self.port),
                    self.timeout,
                    source_address=self.source_address,
                    socket_options=self.socket_options,
                )
            except OSError as error:
                if position < len(addresses):
                    continue
                if isinstance(error, TimeoutError):
                    raise ConnectTimeoutError(self, f"Connection to {self.host} timed out.") from error
                raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error
            sys.audit("http.client.connect", self, self.host, self.port)
            return connected
        raise NewConnectionError(self, "The name has no address.")

    def connect(self) -> None:
        """Connect, and through a proxy, without taking that for the request."""
        # A CONNECT to a proxy passes through send() too, and is no byte of the request.
        due, self._request_is_due = self._request_is_due, False
        try:
            super().connect()
        finally:
            self._request_is_due = due

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request, whose first byte is still to come."""
        self._request_is_due = True
        try:
            super().request(*args, **kwargs)
        finally:
            self._request_is_due = False

    def send(self, data: Any) -> None:
        """Send bytes; before the first one the wire is told."""
        if self._request_is_due:
            if self.sock is None:
                self.connect()
            self._request_is_due = False
            wire = _watched.get()
            if wire is not None:
                wire.start(self.sock)
        super().send(data)


class _TrackedTLSConnection(TrackedConnection, HTTPSConnection):
    """The same over TLS."""

    scheme = "https"


class TrackingPool(HTTPConnectionPool):
    """Connections of one host that track."""

    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802 - urllib3's name
        """Looked up for each connection: VCR replaces the class on urllib3's own pools, and then wins."""
        original = HTTPConnectionPool.ConnectionCls
        return TrackedConnection if original is HTTPConnection else original


class TrackingTLSPool(HTTPSConnectionPool):
    """The same over TLS."""

    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802 - urllib3's name
        """Looked up for each connection, as above."""
        original = HTTPSConnectionPool.ConnectionCls
        return _TrackedTLSConnection if original is HTTPSConnection else original
