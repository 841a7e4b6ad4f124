"""The servers, each in a process of its own: how one is started, and what an admin types to connect to it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

REDIRECT_URI = "http://testserver/oauth/callback"
#: How long a server may take to start, on a slow machine. Seconds.
_PATIENCE = 60
_ROOT = Path(__file__).parent.parent.parent
_NODE = Path(__file__).parent / "node"
_GRANTS = ["authorization_code", "refresh_token"]
_AUTHENTICATIONS = {
    "basic": "client_secret_basic",
    "post": "client_secret_post",
    "public": "none",
    "short": "client_secret_basic",
    "service": "client_secret_basic",
}


class ServerMissingError(Exception):
    """A server can't be started: the tests fail, they are not skipped."""


def secret_of(client_id: str) -> str:
    """The secret of one of the clients, hard to encode; empty for the one that has none."""
    return "" if client_id == "public" else f"canary secret/+:%25&=~ of {client_id}"


def clients() -> list[dict[str, Any]]:
    """The clients that a server knows from the beginning, by the names of RFC 7591."""
    return [_client(name) for name in _AUTHENTICATIONS]


def _client(name: str) -> dict[str, Any]:
    is_service = name == "service"
    metadata = {
        "client_id": name,
        "client_secret": secret_of(name),
        "client_name": f"Site under test, {name}",
        "client_uri": "http://testserver",
        "token_endpoint_auth_method": _AUTHENTICATIONS[name],
        "redirect_uris": [] if is_service else [REDIRECT_URI],
        "response_types": [] if is_service else ["code"],
        "grant_types": ["client_credentials"] if is_service else _GRANTS,
        "scope": "read" if is_service else "openid offline_access read",
    }
    return {key: value for key, value in metadata.items() if value or isinstance(value, list)}


@dataclass(frozen=True)
class Server:
    """A running server. The paths are those that its metadata names, too."""

    name: str
    origin: str
    issuer: str
    authorization: str
    token: str
    revocation: str
    userinfo: str
    metadata: tuple[str, ...]
    #: The clients that are given a new refresh token with each refresh.
    rotates_for: tuple[str, ...] = ("basic", "post", "public", "short")
    #: Whether a refresh token that is used again ends the whole grant (RFC 9700 section 4.14.2).
    ends_on_reuse: bool = False
    #: Whether a scope that a client may not have is refused, and not left out.
    refuses_scopes: bool = False
    #: The clients that may revoke their tokens.
    revokes_for: tuple[str, ...] = ("basic", "post", "public")
    #: Whether a refresh token lives longer than the access token beside it.
    refreshes_what_ended: bool = True

    def connection(self, client_id: str) -> dict[str, Any]:
        """The fields of a connection to this server as one of the clients."""
        fields = {
            "name": "Provider",
            "slug": "provider",
            "base_url": self.origin,
            "client_id": client_id,
            "client_secret": secret_of(client_id),
            "client_auth": _AUTHENTICATIONS[client_id],
            "issuer": self.issuer,
            "token_url": self.origin + self.token,
            "revocation_url": self.origin + self.revocation,
            "test_path": "api/me",
        }
        if client_id == "service":
            return {**fields, "auth_method": "oauth2_client_credentials", "scope": "read"}
        return {
            **fields,
            "auth_method": "oauth2_authorization_code",
            # A refresh token is for who asks for "offline_access" and has the person asked again (OpenID Connect Core
            # section 11).
            "authorization_url": f"{self.origin}{self.authorization}?prompt=consent",
            "scope": "openid offline_access read",
        }


@contextmanager
def oidc_provider() -> Iterator[Server]:
    """oidc-provider, written in JavaScript."""
    node = shutil.which("node")
    if node is None or not (_NODE / "node_modules" / "oidc-provider").is_dir():
        raise ServerMissingError(
            "Install Node 18 or newer with npm (Debian: apt-get install nodejs npm), and run npm ci in "
            f"{_NODE.relative_to(_ROOT)}."
        )
    with _running([node, "server.mjs"], _NODE) as origin:
        yield Server(
            name="oidc-provider",
            origin=origin,
            issuer=origin,
            authorization="/auth",
            token="/token",
            revocation="/token/revocation",
            userinfo="/me",
            metadata=("/.well-known/openid-configuration",),
            rotates_for=("basic", "public", "short"),
            ends_on_reuse=True,
            refuses_scopes=True,
        )


@contextmanager
def canaille() -> Iterator[Server]:
    """Canaille, written in Python on top of Authlib and Flask."""
    if find_spec("canaille") is None:
        raise ServerMissingError("Install the extra: pip install -e '.[test,servers]'.")
    with _running([sys.executable, "-m", "tests.servers.canaille_server"], _ROOT) as origin:
        yield Server(
            name="canaille",
            origin=origin,
            issuer=origin,
            authorization="/oauth/authorize",
            token="/oauth/token",
            revocation="/oauth/revoke",
            userinfo="/oauth/userinfo",
            metadata=("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"),
            revokes_for=("basic", "post"),
            refreshes_what_ended=False,
        )


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[str]:
    """Start a server, and yield its origin; it ends with the block, and with this process at the latest."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "COVERAGE_"))}
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(
            [*command, json.dumps(clients())],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
        )
        try:
            yield f"http://127.0.0.1:{_port(process, Path(log.name))}"
        finally:
            assert process.stdin
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        has_ended = process.poll() is not None
        if found := re.search(r"^listening on (\d+)$", log.read_text(), re.MULTILINE):
            return found[1]
        if has_ended:
            break
        time.sleep(0.05)
    raise ServerMissingError(f"{process.args!r} does not start:\n{log.read_text()}")
