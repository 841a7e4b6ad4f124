"""The process's connection pool: it connects to checked addresses only, and tells what has reached the wire."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import create_connection

from apiconnector.client import egress
from apiconnector.exceptions import DestinationRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import PreparedRequest, Response

#: Hosts whose connections are kept; the one not used for longest goes first.
MAX_HOSTS: Final = 64
#: Idle connections kept for each host. More threads than this still work, on connections of their own.
MAX_IDLE_PER_HOST: Final = 32


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
                raise _Passed(error) from None
        self._socket = sock
        self.written = True

    def abort(self) -> None:
        """Break off the request from another thread: who waits for its answer gets a connection error."""
        # Past SSLSocket.shutdown(), which would take the TLS state from under the thread that is reading.
        if self._socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(getattr(self._socket, "socket", self._socket), socket.SHUT_RDWR)


class _Passed(Exception):  # noqa: N818 - never leaves this module
    """Carries an error of ours past urllib3, which would take an ``OSError`` for the network's."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


_watched: ContextVar[Wire | None] = ContextVar("apiconnector_wire", default=None)


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


class _TrackedConnection(HTTPConnection):
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
            raise _Passed(refused) from None
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
        # A CONNECT to a proxy passes through send() too, and is no byte of the request.
        due, self._request_is_due = self._request_is_due, False
        try:
            super().connect()
        finally:
            self._request_is_due = due

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._request_is_due = True
        try:
            super().request(*args, **kwargs)
        finally:
            self._request_is_due = False

    def send(self, data: Any) -> None:
        if self._request_is_due:
            if self.sock is None:
                self.connect()
            self._request_is_due = False
            wire = _watched.get()
            if wire is not None:
                wire.start(self.sock)
        super().send(data)


class _TrackedTLSConnection(_TrackedConnection, HTTPSConnection):
    """The same over TLS."""

    scheme = "https"


class TrackingPool(HTTPConnectionPool):
    """Connections of one host that track."""

    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802 - urllib3's name
        """Looked up for each connection: VCR replaces the class on urllib3's own pools, and then wins."""
        original = HTTPConnectionPool.ConnectionCls
        return _TrackedConnection if original is HTTPConnection else original


class TrackingTLSPool(HTTPSConnectionPool):
    """The same over TLS."""

    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802 - urllib3's name
        """Looked up for each connection, as above."""
        original = HTTPSConnectionPool.ConnectionCls
        return _TrackedTLSConnection if original is HTTPSConnection else original


_POOLS: Final = {"http": TrackingPool, "https": TrackingTLSPool}


class PooledAdapter(HTTPAdapter):
    """The transport of all sessions of a process. Thread-safe; never repeats a request by itself."""

    def __init__(self) -> None:
        super().__init__(pool_connections=MAX_HOSTS, pool_maxsize=MAX_IDLE_PER_HOST, max_retries=0, pool_block=False)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Use pools that track."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        """Use pools that track, except for SOCKS, which has pools of its own."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if type(manager) is ProxyManager:
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Choose the pool. Nothing is written yet; from here on only a connection that tracks can tell."""
        wire = _watched.get()
        if wire is not None:
            wire.written = False
        pool: Any = super().get_connection_with_tls_context(request, verify, proxies, cert)
        is_ours = issubclass(pool.ConnectionCls, _TrackedConnection)
        if not is_ours or select_proxy(request.url or "", proxies):
            egress.check_looked_up_elsewhere(request.url or "")
        if wire is not None and not is_ours:
            wire.written = None
        return pool

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send a request. What ``before_first_byte`` raises comes out as it is.

        Raises ``DestinationRefused`` for an address that this server's requests may not reach.
        """
        egress.check(request.url or "")
        try:
            return super().send(request, *args, **kwargs)
        except _Passed as passed:
            error = passed.error
        raise error

    def close(self) -> None:
        """Keep the pool: it belongs to the process, not to the session that is closed."""

    def start_afresh(self) -> None:
        """Forget all connections, for the child of a fork: two processes can't share one."""
        self.proxy_manager.clear()
        self.init_poolmanager(MAX_HOSTS, MAX_IDLE_PER_HOST, block=False)


_adapter: Final = PooledAdapter()
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_adapter.start_afresh)


def shared_adapter() -> HTTPAdapter:
    """The transport of this process: mount it, and connections are reused across sessions and threads."""
    return _adapter
