"""A server that says whatever an example tells it to, byte by byte, and keeps what it was sent."""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.client.servers import raw_server, request_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Play:
    """The bytes of an answer in pieces, with a pause of some seconds between two, and what then: close or silence."""

    pieces: list[bytes]
    pause: float = 0.0
    silent: bool = False


def proper(status: bytes = b"200 OK", headers: bytes = b"", body: bytes = b"{}") -> Play:
    """An answer as it should be."""
    return Play([b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n" % len(body) + headers + b"\r\n" + body])


@dataclass
class Script:
    """What the server says to each connection, once it has read a request."""

    url: str = ""
    play: Play = field(default_factory=proper)
    received: list[bytes] = field(default_factory=list)

    def talk(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received.append(request_of(connection))
        for number, piece in enumerate(self.play.pieces):
            if number and self.play.pause:
                time.sleep(self.play.pause)
            connection.sendall(piece)
        if self.play.silent:
            while connection.recv(65536):
                pass


@contextmanager
def scripted() -> Iterator[Script]:
    script = Script()
    with raw_server(script.talk) as url:
        script.url = url
        yield script
