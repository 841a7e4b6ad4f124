"""A provider of a few lines, and the steps of authorizing at it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.token_server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Sent:
    """What a server was sent. ``form`` is the body's, of a form or of JSON."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    form: Any = field(default_factory=dict)


class Provider(ThreadingHTTPServer):
    """Answers each path with what ``answers`` has for it, in order; the last answer stays."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: list[Sent] = []
        self.answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = {}

    def handle_error(self, *args: object) -> None:
        """Quiet: a client may go away before it has read the answer."""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str, body: Any, status: int = 200, **headers: str) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.setdefault(path, []).append((status, headers, content))

    def at(self, path: str) -> list[Sent]:
        return [one for one in self.sent if one.path == path]


class _Handler(BaseHTTPRequestHandler):
    server: Provider
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        parts = urlsplit(self.path)
        kind = self.headers.get("Content-Type", "")
        form = json.loads(body) if "json" in kind and body else {k: v[0] for k, v in parse_qs(body).items()}
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.server.sent.append(Sent(self.command, parts.path, query, dict(self.headers), form))
        answers = self.server.answers.get(parts.path) or [(404, {}, b'{"error": "not_found"}')]
        status, headers, content = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            for one in value.split("\n"):
                self.send_header(name.replace("_", "-"), one)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_DELETE = do_PUT = do_GET

    def log_message(self, *args: object) -> None:
        """Quiet."""


@contextmanager
def running() -> Iterator[Provider]:
    with serving(Provider()) as server:
        yield server
