"""A provider, a stranger's server, and an admin's browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from apiconnector.models import Connection
from tests.dialect import site as sites

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.contrib.auth.models import User

    from tests.dialect.site import Provider


@pytest.fixture
def site(admin_user: User) -> Client:
    client = Client()
    client.force_login(admin_user)
    return client


@pytest.fixture
def provider() -> Iterator[Provider]:
    with sites.running() as running:
        yield running


@pytest.fixture
def stranger() -> Iterator[Provider]:
    """Somebody else's server, which must not be asked for anything."""
    with sites.running() as running:
        running.answer("/token", {"access_token": "canary-strange"})
        yield running
        assert running.sent == []


@pytest.fixture
def make(provider: Provider) -> Callable[..., Connection]:
    """A saved connection to the provider, which could have been saved in the admin, too."""

    def make_connection(**fields: Any) -> Connection:
        connection = Connection(**{
            "name": "Odd", "slug": "odd", "base_url": f"{provider.origin}/api", "client_id": "the-client",
            "client_secret": "canary-client-secret", "auth_method": "oauth2_authorization_code",
            "authorization_url": f"{provider.origin}/authorize", "token_url": f"{provider.origin}/token", **fields,
        })  # fmt: skip  # in rows
        connection.full_clean()
        connection.save()
        return connection

    return make_connection
