"""The connections, tokens and feeds that are measured. Imported once Django is set up."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apiconnector.models import Connection, ConnectionEvent, Feed, FeedRun, Token

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.processes import Server

SLUG = "provider"
FEED = "find-contact"
PATH = "contacts"
TRIGGER = "contact-form"


def connection(server: Server, tokens: dict[str, Any], *, life: timedelta) -> Connection:
    """An authorized connection, in place of any other; ``life`` is what its token has left, less than 0 if expired."""
    FeedRun.objects.all().delete()
    Feed.objects.all().delete()
    Connection.objects.all().delete()
    connection = Connection.objects.create(
        name="Provider", slug=SLUG, base_url=f"{server.origin}/api", auth_method="oauth2_authorization_code",
        client_id="id", client_secret="secret", token_url=f"{server.origin}/token",
        authorization_url=f"{server.origin}/authorize",
    )  # fmt: skip  # in rows
    now = timezone.now()
    Token.objects.create(
        connection=connection, access_token=tokens["access_token"], refresh_token=tokens["refresh_token"],
        issued_at=now - timedelta(hours=1), expires_at=now + life, generation=1,
    )  # fmt: skip  # in rows
    return connection


def own_connection(server: Server) -> Connection:
    """A connection of client credentials, without a token, in place of any other."""
    Connection.objects.all().delete()
    return Connection.objects.create(
        name="Provider", slug=SLUG, base_url=f"{server.origin}/api", auth_method="oauth2_client_credentials",
        client_id="id", client_secret="secret", token_url=f"{server.origin}/token",
    )  # fmt: skip  # in rows


def feed(connection: Connection) -> Feed:
    """The request of the other ways to send, described as data."""
    return Feed.objects.create(
        connection=connection, name="Find contact", slug=FEED, trigger=TRIGGER, method="GET", path=PATH, query={"email": "{{ email }}"},
        body_format="none", response_values={"id": "body.id"},
    )  # fmt: skip  # in rows


def crowd(url: Callable[[int], str], access_token: str, numbers: range) -> None:
    """Authorized connections beside those that are there, with slugs from ``slug_of``.

    ``url`` gives the base URL of one by its number.
    """
    now = timezone.now()
    connections = Connection.objects.bulk_create(
        [
            Connection(
                name=f"Provider {number}", slug=slug_of(number), base_url=url(number),
                auth_method="oauth2_authorization_code", client_id="id", client_auth="none",
                token_url=f"{url(number)}/token", authorization_url=f"{url(number)}/authorize",
            )
            for number in numbers
        ],
        batch_size=500,
    )  # fmt: skip  # in rows
    Token.objects.bulk_create(
        [
            Token(
                connection=connection, access_token=access_token, issued_at=now, expires_at=now + timedelta(hours=1),
                generation=1,
            )
            for connection in connections
        ],
        batch_size=500,
    )  # fmt: skip  # in rows


def history(numbers: range) -> None:
    """A feed, a run and an event of each of these connections."""
    connections = Connection.objects.filter(slug__in=[slug_of(number) for number in numbers])
    feeds = Feed.objects.bulk_create(
        Feed(connection=each, name=each.name, slug=f"feed-{each.slug}", method="GET", path=PATH) for each in connections
    )
    FeedRun.objects.bulk_create(
        FeedRun(feed=feed, connection_id=feed.connection_id, status=FeedRun.Status.SUCCEEDED) for feed in feeds
    )
    ConnectionEvent.objects.bulk_create(
        ConnectionEvent(connection=each, kind=ConnectionEvent.Kind.TESTED) for each in connections
    )


def slug_of(number: int) -> str:
    return f"provider-{number}"


def statements(work: Callable[[], object]) -> int:
    """How many SQL statements some work takes in this thread, transactions included."""
    with CaptureQueriesContext(database) as captured:
        work()
    return len(captured)


def staff() -> Client:
    """The browser of somebody who may see everything in the admin."""
    browser = Client()
    browser.force_login(get_user_model().objects.create_superuser("ada", "ada@example.org", "password"))
    return browser


def page(browser: Client, url: str) -> None:
    """Open a page of the admin; one that is not answered 200 raises ``RuntimeError``."""
    status = browser.get(url).status_code
    if status != 200:
        raise RuntimeError(f"{url} was answered {status}.")
