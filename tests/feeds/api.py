"""An API on this machine that does what a test tells it, for each path."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass
class Reply:
    """What is answered, and after how many seconds."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    #: Seconds between two bytes of a body that never ends.
    drips: float = 0.0


@dataclass(frozen=True)
class Call:
    """A request that came."""

    at: float
    path: str
    key: str
    body: bytes


class Api(ThreadingHTTPServer):
    """Answers ``{}``, unless ``replies`` has something else for the path: a reply, or what makes one of a call."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls: list[Call] = []
        self.replies: dict[str, Reply | Callable[[Call], Reply]] = {}
        self.lock = threading.Lock()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def paths(self) -> list[str]:
        return [call.path for call in self.calls]


class _Handler(BaseHTTPRequestHandler):
    server: Api
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = Call(time.monotonic(), self.path, self.headers.get("Idempotency-Key", ""), body)
        with self.server.lock:
            self.server.calls.append(call)
        reply = self.server.replies.get(self.path, Reply())
        if callable(reply):
            reply = reply(call)
        time.sleep(reply.delay)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "1000000" if reply.drips else "2")
        self.end_headers()
        while reply.drips:
            time.sleep(reply.drips)
            self.wfile.write(b" ")
        self.wfile.write(b"{}")

    do_GET = do_PUT = do_POST

    def log_message(self, *args: object) -> None:
        """Quiet."""
