"""A provider that counts: tokens that rotate, and an API that accepts only the newest. Plain http.server."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Iterator


class TokenServer(ThreadingHTTPServer):
    """``/token`` gives ``access-n`` and ``refresh-n``; ``/api/…`` wants the newest access token; ``/revoke`` ends it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.generation = 0
        self.requests: list[dict[str, str]] = []
        self.api_calls: list[str] = []
        self.expires_in: int | None = 3600
        self.delay = 0.0
        self.api_delay = 0.0
        self.rotates = True
        #: Whether a refresh token used again ends the whole grant (RFC 9700 section 4.14.2).
        self.detects_reuse = False
        self.is_revoked = False
        self.revocations: list[dict[str, str]] = []
        #: What the next token requests are answered with instead: status and body, and headers where there are any.
        self.answers: list[tuple[Any, ...]] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: TokenServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if self.path == "/revoke":
            self.server.revocations.append(form)
            self.server.is_revoked = True
            self.send(200, {})
            return
        if self.path != "/token":
            self.answer_api()
            return
        time.sleep(self.server.delay)
        with self.server.lock:
            self.server.requests.append(form)
            if self.server.answers:
                self.send(*self.server.answers.pop(0))
                return
            if form["grant_type"] == "refresh_token":
                is_newest = form["refresh_token"] == f"refresh-{self.server.generation}"
                self.server.is_revoked |= self.server.detects_reuse and not is_newest
                if not is_newest or self.server.is_revoked:
                    self.send(400, {"error": "invalid_grant"})
                    return
            self.server.is_revoked = False
            self.server.generation += 1
            number = self.server.generation
        answer: dict[str, Any] = {"access_token": f"access-{number}", "token_type": "bearer"}
        if form["grant_type"] != "client_credentials" and self.server.rotates:
            answer["refresh_token"] = f"refresh-{number}"
        if self.server.expires_in is not None:
            answer["expires_in"] = self.server.expires_in
        self.send(200, answer)

    def do_GET(self) -> None:
        self.answer_api()

    def answer_api(self) -> None:
        time.sleep(self.server.api_delay)
        sent = self.headers.get("Authorization", "")
        with self.server.lock:
            self.server.api_calls.append(sent)
            accepted = sent == f"Bearer access-{self.server.generation}" and not self.server.is_revoked
        self.send(200 if accepted else 401, {"accepted": accepted})

    def send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Quiet."""


Server = TypeVar("Server", bound=ThreadingHTTPServer)


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Let a server answer in a thread, and end it."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def running() -> Iterator[TokenServer]:
    with serving(TokenServer()) as server:
        yield server
