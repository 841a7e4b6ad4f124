"""One connection to a host: it connects to checked addresses only, and tells what has reached the wire."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import sys
from contextlib import suppress
from functools import cached_property
from typing import Any, Final

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import create_connection

from apiconnector.client import egress
from apiconnector.client.message import Answer, Replayed, host_of, plain_head
from apiconnector.client.untouched import Originals
from apiconnector.client.whole import Whole
from apiconnector.client.wire import Passed, watched
from apiconnector.exceptions import DestinationRefused

#: Where somebody puts others in their place, to forbid sending for instance, theirs are used.
_SOCKET: Final = socket.socket
_SENDING: Final = Originals((socket.socket, "sendall"), (socket.socket, "send"), (socket.socket, "fileno"))
#: Those of others, fake ones for instance, are read by their files only.
_SOCKETS: Final = frozenset({_SOCKET, ssl.SSLSocket})
#: So many bytes of an answer are looked for at once: what TLS gives at most, and most answers are shorter.
_AT_ONCE: Final = 16_384
#: What a socket says that the other side has closed.
_CLOSED: Final = frozenset({errno.EPIPE, errno.ECONNRESET, errno.EPROTOTYPE})


class TrackedConnection(HTTPConnection):
    """Connects to checked addresses, and tells the wire when the first byte of a request is handed to the socket."""

    scheme = "http"
    #: ``http.client`` prints what is sent, credentials and all, where somebody set this on its own class.
    debuglevel = 0
    _request_is_due = False
    #: The latest one, which may not be read yet.
    _answer: Answer | None = None

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

    def response_class(self, *args: Any, **kwargs: Any) -> Answer:  # type: ignore[override]  # it is only ever called
        """The answer to come, which is known here from then on."""
        self._answer = Answer(*args, **kwargs)
        return self._answer

    @property
    def has_unread_answer(self) -> bool:
        """Whether it was given back with something left of the answer before."""
        return self._answer is not None and not self._answer.isclosed()

    @property
    def has_surplus(self) -> bool:
        """Whether TLS holds something nobody asked for, where who looks at the socket does not see it."""
        pending = getattr(self.sock, "pending", None)
        return pending is not None and pending() > 0

    @cached_property
    def host_header(self) -> str | None:
        """What its requests name as their host, if that is plain."""
        return host_of(self.host, self.port, self.default_port)

    def transmit(self, message: bytes, timeout: float | None) -> None:
        """Send a whole request. Raises ``OSError``."""
        self._set_timeout(timeout)
        try:
            self._write(message)
        except OSError as error:
            # Who closes the connection may have answered before.
            if error.errno not in _CLOSED:
                raise

    def receive(self, method: str, url: str, timeout: float | None, pool: Any = None) -> Answer | Whole:
        """Read the answer to a request that was sent, or its head. Raises ``OSError`` and ``HTTPException``."""
        self._set_timeout(timeout)
        sock = self.sock
        if type(sock) in _SOCKETS:
            received = sock.recv(_AT_ONCE)
            head = plain_head(received, method)
            body = None if head is None else head.body_of(received)
            if head is not None and body is not None:
                whole = Whole(head, body, method, url, pool)
                # Whatever else has come was not asked for.
                whole.will_close = whole.will_close or head.end + len(body) < len(received)
                return whole
            sock = Replayed(sock, received)
        answer = self.response_class(sock, method=method)
        try:
            answer.begin()
        except BaseException:
            answer.close()
            raise
        return answer

    def _write(self, message: bytes) -> None:
        self._begin()
        sys.audit("http.client.send", self, message)
        sent = 0
        if type(self.sock) is _SOCKET and _SENDING.are_in_place() and os.name == "posix":
            # As much as it takes at once: sendall() asks first whether it would take any.
            with suppress(BlockingIOError):
                sent = os.write(self.sock.fileno(), message)
        if sent < len(message):
            self.sock.sendall(message[sent:])

    def _set_timeout(self, seconds: float | None) -> None:
        self.timeout = seconds
        # Setting it is a system call, for which the interpreter's lock is let go. Not all sockets tell what they have.
        if not hasattr(self.sock, "gettimeout") or self.sock.gettimeout() != seconds:
            self.sock.settimeout(seconds)

    def send(self, data: Any) -> None:
        """Send bytes; before the first one the wire is told."""
        if self._request_is_due:
            if self.sock is None:
                self.connect()
            self._begin()
        super().send(data)

    def _begin(self) -> None:
        self._request_is_due = False
        wire = watched()
        if wire is not None:
            wire.start(self.sock)


class TrackedTLSConnection(TrackedConnection, HTTPSConnection):
    """The same over TLS."""

    scheme = "https"
