"""Canaille on a free port of 127.0.0.1: ``python -m tests.servers.canaille_server <clients as JSON, RFC 7591>``.

Says "listening on <port>", and ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime
from tempfile import TemporaryDirectory
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from authlib.integrations.flask_oauth2 import current_token
from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from canaille.oidc.provider import authorization, require_oauth

PERSON = {
    "user_name": "ada",
    "password": "secret",
    "formatted_name": "Ada",
    "family_name": "Ada",
    "emails": ["ada@example.org"],
}
CONFIG = {
    "SECRET_KEY": "not a secret: these are tests",
    "PREFERRED_URL_SCHEME": "http",
    # Not "memory", which takes any code of a client for the one that is handed in.
    "CANAILLE": {"DATABASE": "sql"},
    # It was made to log people in; a client that wants an API has no use for a nonce.
    "CANAILLE_OIDC": {"REQUIRE_NONCE": False},
}


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Say nothing: there are errors on standard error enough."""


def register(metadata: dict[str, Any]) -> None:
    """A client, by the names of RFC 7591, that the server knows from the beginning."""
    client = models.Client(**{**metadata, "scope": metadata["scope"].split(), "client_id_issued_at": datetime.now(UTC)})
    Backend.instance.save(client)
    client.audience = [client]
    Backend.instance.save(client)


def api() -> dict[str, Any]:
    """An API of its own: the endpoint "userinfo" is for people only."""
    person = current_token.subject
    return {"client": current_token.client.client_id, "who": person.user_name if person else None}


def lifetime(client: Any, grant_type: str) -> int:
    """One client's tokens end while a test waits."""
    return 2 if client.client_id == "short" else 600


def make_app(port: int, clients: list[dict[str, Any]], folder: str) -> Any:
    database = {"DATABASE_URI": f"sqlite:///{folder}/db", "PASSWORD_HASH_PARAMS": {"pbkdf2_sha512__rounds": 1}}
    app = create_app(config={**CONFIG, "CANAILLE_SQL": database, "SERVER_NAME": f"127.0.0.1:{port}"}, env_file=None)
    app.add_url_rule("/api/me", view_func=require_oauth()(api))
    # Random tokens: its own say nothing but who, for whom and until which second, so that two of the same second are
    # one, and the first is revoked when it is refreshed.
    app.config["OAUTH2_ACCESS_TOKEN_GENERATOR"] = True
    app.config["OAUTH2_TOKEN_EXPIRES_IN"] = "tests.servers.canaille_server.lifetime"
    authorization.register_token_generator("default", authorization.create_bearer_token_generator(app.config))
    with app.app_context(), Backend.instance.session():
        Backend.instance.save(models.User(**PERSON))
        for metadata in clients:
            register(metadata)
    return app


def main(clients: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as folder, WSGIServer(("127.0.0.1", 0), Quiet) as server:
        server.set_app(make_app(server.server_port, clients, folder))
        print(f"listening on {server.server_port}", flush=True)
        threading.Thread(target=end_with_input, args=[server], daemon=True).start()
        server.serve_forever(poll_interval=0.05)


def end_with_input(server: WSGIServer) -> None:
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
