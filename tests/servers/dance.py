"""The steps of the dance: the button, the callback, the call of the API, the end of a token."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import requests
from django.urls import reverse
from django.utils import timezone

from apiconnector.models import Connection, Token
from apiconnector.shortcuts import connect
from tests.servers.processes import secret_of

if TYPE_CHECKING:
    from django.test import Client

    from tests.servers.person import Person
    from tests.servers.processes import Server


@dataclass(frozen=True)
class Site:
    """This site, with the admin's browser: CSRF is checked, cookies are kept."""

    browser: Client
    connection: Connection
    person: Person

    def press(self, button: str) -> Any:
        """Press a button of the connection's page, as the form there does."""
        page = self.browser.get(reverse("admin:apiconnector_connection_change", args=[self.connection.pk]))
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.content.decode())
        assert token
        url = reverse(f"admin:apiconnector_connection_{button}", args=[self.connection.pk])
        response = self.browser.post(url, {"csrfmiddlewaretoken": token[1]})
        assert response.status_code == 302
        return response

    def begin(self) -> str:
        """Press Authorize; where the browser is sent."""
        return str(self.press("authorize")["Location"])

    def come_back(self, url: str) -> Any:
        """Follow the server's redirect to the callback; the page there."""
        parts = urlsplit(url)
        return self.browser.get(f"{parts.path}?{parts.query}")

    def authorize(self) -> Any:
        """Press Authorize, have the person allow it, and come back."""
        page = self.come_back(self.person.answer(self.begin()))
        assert page.status_code == 200, text(page)
        return page

    @property
    def status(self) -> str:
        """The connection's status, as everybody else sees it."""
        return str(Connection.objects.get(pk=self.connection.pk).status)


def text(page: Any) -> str:
    """What a page says, without its head and its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.content.decode().partition("<body>")[2])).split())


def call(path: str = "api/me") -> Any:
    """The answer of the API to somebody who asks through the connection."""
    with connect("provider") as api:
        answer = api.get(path)
        answer.raise_for_status()
        return answer.json()


def end_access_token() -> None:
    """The access token has ended, as far as this site knows."""
    Token.objects.update(expires_at=timezone.now())


def tokens() -> tuple[str, str]:
    """What is stored: access token and refresh token."""
    token = Token.objects.get()
    return token.access_token.reveal(), token.refresh_token.reveal()


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def changed(url: str, **params: str) -> str:
    """A URL with other parameters."""
    return f"{url.partition('?')[0]}?{urlencode(query_of(url) | params)}"


def post(server: Server, path: str, client_id: str, form: dict[str, str]) -> requests.Response:
    """Ask an endpoint of the server as one of the clients, past this site."""
    secret, auth = secret_of(client_id), None
    if client_id == "post":
        form = {**form, "client_id": client_id, "client_secret": secret}
    elif secret:
        auth = in_the_header(client_id)
    else:
        form = {**form, "client_id": client_id}
    return requests.post(server.origin + path, data=form, auth=auth, timeout=10)


def in_the_header(client_id: str) -> tuple[str, str]:
    """ID and secret, each encoded before they are joined (RFC 6749 section 2.3.1)."""
    return quote(client_id, safe=""), quote(secret_of(client_id), safe="")


def revoke(server: Server, client_id: str, token: str) -> None:
    """The server takes a token back. Both take the secret in the header here, whatever the client is registered for."""
    url, auth = server.origin + server.revocation, in_the_header(client_id)
    answer = requests.post(url, data={"token": token}, auth=auth, timeout=10)
    assert answer.status_code == 200, answer.text
