"""A site, and two kinds of provider: one that counts what it is asked, and django-oauth-toolkit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from apiconnector.models import Connection
from tests import provider, token_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.contrib.auth.models import User

    from tests.token_server import TokenServer


@pytest.fixture
def site(admin_user: User) -> Client:
    """The admin's browser on this site."""
    client = Client()
    client.force_login(admin_user)
    return client


@pytest.fixture
def server() -> Iterator[TokenServer]:
    """A token endpoint that takes any code, and writes down what it was sent."""
    with token_server.running() as running:
        yield running


@pytest.fixture
def attacker() -> Iterator[TokenServer]:
    """Another one, of somebody who would like to have what is meant for the first."""
    with token_server.running() as running:
        yield running


@pytest.fixture
def connect_to(db: None) -> Callable[..., Connection]:
    """A connection to a server that counts."""

    def make(server: TokenServer, slug: str = "crm", **fields: Any) -> Connection:
        return Connection.objects.create(**{
            "name": slug.upper(), "slug": slug, "base_url": f"{server.origin}/api",
            "auth_method": "oauth2_authorization_code", "client_id": f"id-of-{slug}",
            "client_secret": f"canary-secret-of-{slug}", "authorization_url": f"{server.origin}/authorize",
            "token_url": f"{server.origin}/token", "scope": "read", **fields,
        })  # fmt: skip  # in rows

    return make


@pytest.fixture
def connection(server: TokenServer, connect_to: Callable[..., Connection]) -> Connection:
    return connect_to(server)


@pytest.fixture
def real(live_server: Any, admin_user: User) -> Connection:
    """A connection to django-oauth-toolkit, over real HTTP."""
    provider.register(admin_user)
    return Connection.objects.create(**provider.connection_fields(live_server.url))
