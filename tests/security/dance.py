"""The steps of an authorization, one at a time, so that an attacker can do something in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from django.urls import reverse

if TYPE_CHECKING:
    from django.test import Client

    from apiconnector.models import Connection

CALLBACK = "/oauth/callback"
CODE = "canary-code-0123456789"


def press(site: Client, connection: Connection) -> str:
    """Press Authorize; the address the browser is sent to."""
    response = site.post(reverse("admin:apiconnector_connection_authorize", args=[connection.pk]))
    assert response.status_code == 302
    assert urlsplit(response["Location"]).path != urlsplit(change_url(connection)).path, "sent back to the form"
    return str(response["Location"])


def land(site: Client, **params: str) -> Any:
    """Come back to the callback with these parameters."""
    return site.get(CALLBACK, params)


def come_back(site: Client, url: str) -> Any:
    """Come back as the provider says."""
    parts = urlsplit(url)
    assert parts.path == CALLBACK
    return site.get(f"{parts.path}?{parts.query}")


def param(url: str, name: str) -> str:
    """One parameter of an address."""
    return parse_qs(urlsplit(url).query)[name][0]


def state_of(url: str) -> str:
    return param(url, "state")


def change_url(connection: Connection) -> str:
    return reverse("admin:apiconnector_connection_change", args=[connection.pk])


def text(response: Any) -> str:
    return str(response.content.decode())
