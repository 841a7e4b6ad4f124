"""Each server once for all tests; the admin's browser on this site, and the person's at the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.test import Client

from apiconnector.models import Connection
from tests.servers.dance import Site
from tests.servers.person import Person
from tests.servers.processes import canaille, oidc_provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.auth.models import User

    from tests.servers.processes import Server

_SERVERS = {"oidc-provider": oidc_provider, "canaille": canaille}


@pytest.fixture(scope="session", params=_SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with _SERVERS[request.param]() as running:
        yield running


@pytest.fixture(params=["basic", "post", "public"])
def client_id(request: pytest.FixtureRequest) -> str:
    """Two clients with a secret, in the header and in the form, and one without."""
    return str(request.param)


@pytest.fixture
def connection(server: Server, client_id: str, transactional_db: None) -> Connection:
    return Connection.objects.create(**server.connection(client_id))


@pytest.fixture
def person() -> Person:
    return Person()


@pytest.fixture
def site(admin_user: User, connection: Connection, person: Person) -> Site:
    """This site in the browser of the admin, who is the person at the server, too."""
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin_user)
    return Site(browser, connection, person)
