"""django-oauth-toolkit as the provider: register an app, and be the person who consents in a browser."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

import requests
from oauth2_provider.models import get_application_model

if TYPE_CHECKING:
    from django.contrib.auth.models import User

REDIRECT_URI = "http://testserver/oauth/callback"
CLIENT_ID, CLIENT_SECRET = "client-of-tests", "canary-client-secret"


def register(user: User, **fields: Any) -> Any:
    """Register the site under test at the provider."""
    values = {
        "name": "Site under test",
        "user": user,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "client_type": "confidential",
        "authorization_grant_type": "authorization-code",
        "redirect_uris": REDIRECT_URI,
        **fields,
    }
    return get_application_model().objects.create(**values)


def connection_fields(origin: str) -> dict[str, Any]:
    """The fields of a connection to the provider at ``origin``."""
    return {
        "name": "Provider",
        "slug": "provider",
        "base_url": f"{origin}/api/",
        "auth_method": "oauth2_authorization_code",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "authorization_url": f"{origin}/o/authorize/",
        "token_url": f"{origin}/o/token/",
        "revocation_url": f"{origin}/o/revoke_token/",
        "scope": "read write",
        "test_path": "me",
    }


class Person:
    """Somebody with a browser at the provider."""

    def __init__(self, username: str = "admin", password: str = "secret") -> None:
        self.browser = requests.Session()
        self.username, self.password = username, password

    def answer(self, url: str, *, allow: bool = True) -> str:
        """Open the authorization URL, log in, allow or deny; the URL the provider sends the browser back to."""
        page = self.browser.get(url, allow_redirects=False)
        if page.status_code == 302 and "/login/" in page.headers["Location"]:
            login = requests.compat.urljoin(url, page.headers["Location"])
            form = self.browser.get(login)
            fields = {**hidden(form.text), "username": self.username, "password": self.password}
            page = self.browser.post(form.url, data=fields, headers={"Referer": form.url})
        if page.status_code == 302:
            return page.headers["Location"]
        page.raise_for_status()
        fields = hidden(page.text)
        if allow:
            fields["allow"] = "Authorize"
        sent = self.browser.post(page.url, data=fields, headers={"Referer": page.url}, allow_redirects=False)
        assert sent.status_code == 302, sent.text
        return str(sent.headers["Location"])


def hidden(html: str) -> dict[str, str]:
    """The hidden fields of the first form."""
    found = {}
    for tag in re.findall(r"<input[^>]*type=\"hidden\"[^>]*>", html):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name:
            found[name[1]] = unescape(value[1]) if value else ""
    return found
