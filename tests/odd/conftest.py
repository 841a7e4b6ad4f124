"""One server that plays every provider under its real names: https, with a certificate, on the loopback interface."""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from django.test import Client

from tests.client.origins import make_certificate
from tests.odd.fakes import Fake, Reply, Request
from tests.odd.providers import FAKES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.contrib.auth.models import User

#: Somebody else's, who would like to have what is sent.
EVIL = "evil.example"
HOSTS = sorted({host for fake in FAKES for host in fake.hosts} | {EVIL})


_look_up: Any = socket.getaddrinfo


@dataclass
class World:
    """The providers of a test, and all that reached no provider."""

    port: int
    bundle: Path
    fake: Fake = field(default_factory=Fake)
    strays: list[Request] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def begin(self, fake: Fake) -> Fake:
        self.fake = fake
        self.strays, self.unknown, self.errors = [], [], []
        return fake

    def answer(self, request: Request) -> Reply:
        if request.host not in self.fake.hosts:
            self.strays.append(request)
            return Reply(200, {"access_token": "evil", "dc": "us6"})
        try:
            return self.fake.answer(request)
        except Exception as error:
            self.errors.append(repr(error))
            raise

    def addresses(self, host: Any, port: Any, *args: object, **kwargs: object) -> list[Any]:
        """Stands in for ``socket.getaddrinfo``: the names of providers are this server, and no others have https."""
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name not in HOSTS and port != 443:
            return cast("list[Any]", _look_up(host, port, *args, **kwargs))  # a database, for instance
        if name not in HOSTS or port != 443:
            self.unknown.append(f"{name}:{port}")
            raise socket.gaierror(socket.EAI_NONAME, "unknown on purpose")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", self.port))]

    def approve(self, url: str) -> requests.Response:
        """Open the consent page and approve; what the browser gets."""
        return requests.get(url, allow_redirects=False, timeout=10)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        reply = self.server.world.answer(Request(self.command, headers["host"], parts.path, query, headers, body))
        content = json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = handle_any

    def log_message(self, *args: object) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    world: World

    def __init__(self, context: Any) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.context = context

    def get_request(self) -> Any:
        connection, address = super().get_request()
        # The handshake belongs to the thread of the connection.
        return self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, *args: object) -> None:
        """Quiet: the world has written down what went wrong."""


@pytest.fixture(scope="session")
def providers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    certificate = make_certificate(tmp_path_factory.mktemp("tls"), *HOSTS)
    server = _Server(certificate.context)
    server.world = World(server.server_port, certificate.bundle)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server.world
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def world(providers: World, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[World]:
    """Nothing but the rules of the connection stands between its secrets and somebody else's host."""
    settings.APICONNECTOR_TRUSTED_HOSTS = HOSTS
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(providers.bundle))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("socket.getaddrinfo", providers.addresses)
    providers.begin(Fake())
    yield providers
    assert providers.errors == []
    assert providers.strays == []


@pytest.fixture
def site(admin_user: User) -> Client:
    """The admin's browser on this site."""
    client = Client()
    client.force_login(admin_user)
    return client
