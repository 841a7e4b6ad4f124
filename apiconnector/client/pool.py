"""The pools of the process: what is plain goes out in few steps over a connection that is there."""

from __future__ import annotations

import inspect
import logging
import ssl
import threading
from http.client import HTTPConnection as HTTPClientConnection
from http.client import HTTPException
from http.client import HTTPResponse as HTTPClientResponse
from typing import Any, Final

from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ProtocolError, ReadTimeoutError, SSLError

from apiconnector.client.connection import TrackedConnection, TrackedTLSConnection
from apiconnector.client.idle import Idle
from apiconnector.client.message import request_bytes
from apiconnector.client.untouched import Originals
from apiconnector.client.whole import Whole, header_dict
from apiconnector.client.wire import watched

# Where urllib3 says what it sends and is answered.
_log: Final = logging.getLogger("urllib3.connectionpool")
#: The connection that was taken for a request that turned out not to be plain, with its pool.
_taken: Final = threading.local()
#: How requests asks for a request that is plain, besides ``retries`` and ``timeout``.
_AS_REQUESTS: Final = dict.fromkeys(
    ("redirect", "assert_same_host", "preload_content", "decode_content", "chunked"), False
)
#: What a request would go through, one after the other.
_ORIGINALS: Final = Originals(
    *((kind, name) for kind in (HTTPConnectionPool, HTTPSConnectionPool)
      for name in ("urlopen", "_make_request", "_get_conn", "_put_conn")),
    *((kind, name) for kind in (HTTPConnection, HTTPSConnection, HTTPClientConnection)
      for name in ("request", "putrequest", "putheader", "endheaders", "send", "getresponse")),
    *((HTTPClientResponse, name) for name in ("begin", "read")),
)  # fmt: skip  # in rows
#: Whether this is the urllib3 that ``_exchange`` makes answers of: version 2.
_IS_KNOWN: Final = {"version_string", "sock_shutdown"} <= inspect.signature(HTTPResponse.__init__).parameters.keys()


class _Pool(HTTPConnectionPool):
    """Sends what is plain over a connection that is there in few steps, and leaves to urllib3 whatever is not."""

    QueueCls = Idle  # type: ignore[assignment]  # has what is used of a queue

    def _get_conn(self, timeout: float | None = None) -> Any:
        pool, conn = _taken.__dict__.pop("conn", (None, None))
        if pool is self:
            return conn
        conn = super()._get_conn(timeout)
        if isinstance(conn, TrackedConnection) and (conn.has_unread_answer or conn.has_surplus):
            conn.close()  # what is left there would be taken for the next answer
        return conn

    def _put_conn(self, conn: Any) -> None:
        wire = watched()
        if wire is not None and conn is not None:
            wire.finish(conn.sock)
        super()._put_conn(conn)

    def urlopen(  # type: ignore[override]  # what is passed on is not looked at
        self, method: str, url: str, body: Any = None, headers: Any = None, **kwargs: Any
    ) -> Any:
        """Send a request and return the answer, as urllib3 does."""
        options = dict(kwargs)
        retries, timeout = options.pop("retries", None), options.pop("timeout", None)
        is_plain = _IS_KNOWN and options == _AS_REQUESTS and self.proxy is None and _is_simple(timeout)
        if is_plain and _ORIGINALS.are_in_place():
            conn = self._get_conn()
            is_mine = True
            try:
                message = self._message(conn, method, url, body, headers)
                if message is not None:
                    response = self._exchange(conn, method, url, message, timeout)
                    response.retries = retries
                    if isinstance(response, Whole):
                        is_mine = False  # first: an interrupt may come at any moment
                        self._put_conn(conn)
                    return response
            except BaseException:
                if is_mine:
                    conn.close()
                    self._put_conn(None)
                raise
            # For the call of urllib3 that comes next, on this thread.
            _taken.conn = self, conn
        try:
            return super().urlopen(method, url, body, headers, **kwargs)
        finally:
            # It fails before it takes one where it can do nothing with what it is given.
            _, left = _taken.__dict__.pop("conn", (self, None))
            if left is not None:
                self._put_conn(left)

    @staticmethod
    def _message(conn: Any, method: str, url: str, body: Any, headers: Any) -> bytes | None:
        if not isinstance(conn, TrackedConnection) or conn.sock is None or not isinstance(body, str | bytes | None):
            return None
        return request_bytes(method, url, conn.host_header, headers, body)

    def _exchange(self, conn: TrackedConnection, method: str, url: str, message: bytes, timeout: Any) -> HTTPResponse:
        self.num_requests += 1
        sock, is_sent = conn.sock, False
        try:
            self._validate_conn(conn)  # warns where certificates are not verified
            conn.transmit(message, timeout.connect_timeout)
            is_sent = True
            answer = conn.receive(method, url, timeout.read_timeout, self)
        except (OSError, HTTPException) as error:
            # What urllib3 makes of it.
            if is_sent and isinstance(error, TimeoutError):
                text = f"Read timed out. (read timeout={timeout.read_timeout})"
                raise ReadTimeoutError(self, url, text) from error
            if isinstance(error, ssl.SSLError):
                raise SSLError(error) from error
            raise ProtocolError("Connection aborted.", error) from error
        if answer.will_close:
            conn.close()
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug(
                '%s://%s:%s "%s %s %s" %s %s',
                self.scheme, self.host, self.port, method, url, "HTTP/1.1", answer.status, answer.length,
            )  # fmt: skip  # in the rows of urllib3
        if isinstance(answer, Whole):
            return answer
        return HTTPResponse(
            answer, header_dict(answer.fields), answer.status, answer.version, "HTTP/1.1", answer.reason,
            preload_content=False, decode_content=False, original_response=answer, pool=self, connection=conn,
            request_method=method, request_url=url, sock_shutdown=sock.shutdown,
        )  # fmt: skip  # in rows


def _is_simple(timeout: Any) -> bool:
    if not isinstance(timeout, Timeout) or timeout.total is not None or timeout.read_timeout == 0:
        return False
    return isinstance(timeout.connect_timeout, int | float | None) and isinstance(
        timeout.read_timeout, int | float | None
    )


class TrackingPool(_Pool):
    """Connections of one host that track."""

    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802 - urllib3's name
        """Looked up for each connection: VCR replaces the class on urllib3's own pools, and then wins."""
        original = HTTPConnectionPool.ConnectionCls
        return TrackedConnection if original is HTTPConnection else original


class TrackingTLSPool(_Pool, HTTPSConnectionPool):
    """The same over TLS."""

    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802 - urllib3's name
        """Looked up for each connection, as above."""
        original = HTTPSConnectionPool.ConnectionCls
        return TrackedTLSConnection if original is HTTPSConnection else original
