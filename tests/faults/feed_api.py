"""An API for feeds that fails at random, acts or not, and counts what it has applied."""

from __future__ import annotations

import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: What the feeds of these tests wait for an answer, in seconds; and how long one is held to be too late.
PATIENCE = 0.6
_TOO_LATE = 1.0
#: What happens to a request, and how often.
_FAULTS = {"500": 8, "429": 8, "reset": 8, "late": 3}
_NONE = 73


class FeedApi(ThreadingHTTPServer):
    """``/keyed`` knows idempotency keys, ``/plain`` does not, and refuses every fiftieth number for good."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.random = random.Random(7)
        self.is_troubled = True
        #: How often each number was applied, by path; and the keys that were seen with it.
        self.applied: dict[str, Counter[int]] = {"/keyed": Counter(), "/plain": Counter()}
        self.keys: dict[int, set[str]] = {}
        #: What was done to requests.
        self.met: Counter[str] = Counter()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def act(self, path: str, number: int, key: str) -> None:
        with self.lock:
            if path == "/keyed":
                if key in self.keys.setdefault(number, set()):
                    return
                self.keys[number].add(key)
            self.applied[path][number] += 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet: clients are killed here."""


class _Handler(BaseHTTPRequestHandler):
    server: FeedApi
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server, path = self.server, self.path
        number = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["number"]
        with server.lock:
            fault = ""
            if server.is_troubled:
                (fault,) = server.random.choices([*_FAULTS, ""], [*_FAULTS.values(), _NONE])
            acts_first = server.random.random() < 0.5
            server.met[fault or "no fault"] += 1
        if path == "/plain" and number % 50 == 0:
            self.send(400)
            return
        if fault == "429":  # never acted on
            self.send(429, {"Retry-After": "1"} if acts_first else {})
            return
        if not fault or acts_first:
            server.act(path, number, self.headers.get("Idempotency-Key", ""))
        if fault == "reset":
            # Sent at once, as a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        if fault == "late":
            time.sleep(_TOO_LATE)
        self.send(500 if fault == "500" else 200)

    def send(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": "2"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: object) -> None:
        """Quiet."""
