"""The connection, token and feed that are measured. Imported once Django is set up."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from apiconnector.models import Connection, Feed, FeedRun, Token

if TYPE_CHECKING:
    from tests.benchmarks.processes import Server

SLUG = "provider"
FEED = "find-contact"
PATH = "contacts"


def connection(server: Server, tokens: dict[str, Any], *, life: timedelta) -> Connection:
    """An authorized connection, in place of any other; ``life`` is what its token has left, less than 0 if expired."""
    FeedRun.objects.all().delete()
    Feed.objects.all().delete()
    Connection.objects.all().delete()
    connection = Connection.objects.create(
        name="Provider", slug=SLUG, base_url=f"{server.origin}/api", auth_method="oauth2_authorization_code",
        client_id="id", client_secret="secret", token_url=f"{server.origin}/token",
        authorization_url=f"{server.origin}/authorize",
    )  # fmt: skip
    now = timezone.now()
    Token.objects.create(
        connection=connection, access_token=tokens["access_token"], refresh_token=tokens["refresh_token"],
        issued_at=now - timedelta(hours=1), expires_at=now + life, generation=1,
    )  # fmt: skip
    return connection


def own_connection(server: Server) -> Connection:
    """A connection of client credentials, without a token, in place of any other."""
    Connection.objects.all().delete()
    return Connection.objects.create(
        name="Provider", slug=SLUG, base_url=f"{server.origin}/api", auth_method="oauth2_client_credentials",
        client_id="id", client_secret="secret", token_url=f"{server.origin}/token",
    )  # fmt: skip


def feed(connection: Connection) -> Feed:
    """The request of the other ways to send, described as data."""
    return Feed.objects.create(
        connection=connection, name="Find contact", slug=FEED, method="GET", path=PATH, query={"email": "{{ email }}"},
        body_format="none", response_values={"id": "body.id"},
    )  # fmt: skip
