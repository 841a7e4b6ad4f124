"""A server that answers what it is told, and remembers what it was asked."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from tests.odd_answers.shapes import TokenRow, gives

if TYPE_CHECKING:
    from collections.abc import Iterator


class OddServer(ThreadingHTTPServer):
    daemon_threads = True
    row: TokenRow = gives("a token", {"access_token": "access-value-1"})

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, str]] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *args: object) -> None:
        """Say nothing: some answers are broken off on purpose, and some are not read to their end."""


class _Handler(BaseHTTPRequestHandler):
    server: OddServer
    protocol_version = "HTTP/1.1"
    timeout = 10
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        self.server.asked.append({name: values[0] for name, values in form.items()})
        row = self.server.row
        self.close_connection = True
        if row.raw:
            self.wfile.write(row.raw)
            return
        # By hand: the library would add headers of its own.
        head = "".join(f"{name}: {value}\r\n" for name, value in row.headers.items())
        lines = f"HTTP/1.1 {row.status} Odd\r\n{head}Content-Length: {len(row.content)}\r\nConnection: close\r\n\r\n"
        self.wfile.write(lines.encode() + row.content)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def running() -> Iterator[OddServer]:
    server = OddServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server(running: OddServer) -> OddServer:
    running.asked.clear()
    running.row = OddServer.row
    return running
