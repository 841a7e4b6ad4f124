"""A provider that rotates refresh tokens, revokes the family on reuse (RFC 9700 4.14.2), and fails as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A request that is held is let go after so many seconds, so that a test that has failed ends.
LONGEST_HOLD = 60.0


@dataclass
class Plan:
    """What happens to one token request: ``arrived`` says that it is held, and ``proceed`` lets it go."""

    holds: Literal["", "before", "after"] = ""
    #: Whether the provider acts on it; else it is as if the request had been lost.
    acts: bool = True
    #: Whether the client gets an answer.
    answers: bool = True
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    arrived: threading.Event = field(default_factory=threading.Event)
    proceed: threading.Event = field(default_factory=threading.Event)

    def hold(self) -> None:
        self.arrived.set()
        self.proceed.wait(LONGEST_HOLD)

    def wait(self) -> None:
        assert self.arrived.wait(LONGEST_HOLD), "the token request never came"


class Provider(ThreadingHTTPServer):
    """``/token`` gives ``access-n`` and ``refresh-n``, and takes the newest only; so does ``/api/…``."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.newest = 1
        self.is_revoked = False
        #: Whether the reuse of a refresh token ends the grant; else it is only refused.
        self.revokes_family = True
        #: Refresh tokens that it takes again, as providers do that forgive an answer which never arrived.
        self.forgiven: set[str] = set()
        self.expires_in: float = 3600
        self.delay = 0.0
        #: Access tokens that the API refuses although they have not been replaced.
        self.refused: set[str] = set()
        #: What the next token requests meet.
        self.plans: deque[Plan] = deque()
        #: The token requests as they came: when (``time.time()``), and with which refresh token.
        self.requests: list[tuple[float, str]] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def sent(self) -> list[str]:
        """The refresh tokens that came, in their order."""
        return [token for _, token in self.requests]

    def plan(self, **values: Any) -> Plan:
        self.plans.append(plan := Plan(**values))
        return plan

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet: clients are killed here."""


class _Handler(BaseHTTPRequestHandler):
    server: Provider
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        server = self.server
        with server.lock:
            server.requests.append((time.time(), form.get("refresh_token", "")))
            plan = server.plans.popleft() if server.plans else Plan()
        if plan.holds == "before":
            plan.hold()
        status, answer = plan.status, dict[str, Any]()
        if plan.acts and status == 200:
            with server.lock:
                status, answer = self.token(form)
        time.sleep(server.delay)
        if plan.holds == "after":
            plan.hold()
        if plan.answers:
            self.send(status, answer, plan.headers)
        else:
            self.close_connection = True

    def token(self, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        server = self.server
        if form["grant_type"] == "authorization_code":
            server.is_revoked = False
        elif server.is_revoked or form["refresh_token"] not in {f"refresh-{server.newest}", *server.forgiven}:
            server.is_revoked |= server.revokes_family
            return 400, {"error": "invalid_grant"}
        server.newest += 1
        return 200, {
            "access_token": f"access-{server.newest}", "refresh_token": f"refresh-{server.newest}",
            "token_type": "Bearer", "expires_in": server.expires_in,
        }  # fmt: skip  # in rows

    def do_GET(self) -> None:
        server, sent = self.server, self.headers.get("Authorization", "").removeprefix("Bearer ")
        with server.lock:
            accepted = sent == f"access-{server.newest}" and not server.is_revoked and sent not in server.refused
        self.send(200 if accepted else 401, {}, {})

    def send(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Quiet."""
