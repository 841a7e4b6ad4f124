"""The whole dance: the admin's button, a browser at the provider, and the callback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from django.urls import reverse

if TYPE_CHECKING:
    from django.test import Client

    from apiconnector.models import Connection

CLIENT_ID, CLIENT_SECRET = "site-of-tests", "canary-client-secret"
REDIRECT_URI = "http://testserver/oauth/callback"


def press_authorize(site: Client, connection: Connection) -> str:
    """Press Authorize; the address that the browser is sent to."""
    response = site.post(reverse("admin:apiconnector_connection_authorize", args=[connection.pk]))
    assert response.status_code == 302
    assert urlsplit(response["Location"]).path != change_url(connection), "sent back to the form"
    return str(response["Location"])


def approve(url: str) -> str:
    """Be the person's browser at the provider; where it is sent back to."""
    page = requests.get(url, allow_redirects=False, timeout=5)
    assert page.status_code == 302, page.text
    return page.headers["Location"]


def come_back(site: Client, url: str) -> Any:
    """Open the callback as the provider says."""
    assert url.startswith(f"{REDIRECT_URI}?")
    return site.get(f"/oauth/callback?{urlsplit(url).query}")


def authorize(site: Client, connection: Connection) -> Any:
    """All of it; the landing page. The connection is read again."""
    page = come_back(site, approve(press_authorize(site, connection)))
    refreshed(connection)
    return page


def refreshed(connection: Connection) -> Connection:
    """The connection as it is stored, with its token."""
    connection.refresh_from_db()
    connection._state.fields_cache.pop("token", None)
    return connection


def disconnect(site: Client, connection: Connection) -> str:
    """Press Disconnect; the page that says what happened."""
    response: Any = site.post(reverse("admin:apiconnector_connection_disconnect", args=[connection.pk]), follow=True)
    refreshed(connection)
    return text(response)


def press_test(site: Client, connection: Connection) -> str:
    """Press Test; the page that says what happened."""
    response: Any = site.post(reverse("admin:apiconnector_connection_test", args=[connection.pk]), follow=True)
    return text(response)


def change_url(connection: Connection) -> str:
    return reverse("admin:apiconnector_connection_change", args=[connection.pk])


def text(response: Any) -> str:
    return str(response.content.decode())
