"""Somebody with a browser at one of the servers, who signs in and answers the question there."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

from tests.servers.processes import REDIRECT_URI

_STEPS = 20


class NeverCameBackError(Exception):
    """The server showed a page of its own instead of sending the browser back."""


class Person:
    """Fills in the forms of the servers' pages, whatever server it is."""

    def __init__(self) -> None:
        self.browser = requests.Session()

    def answer(self, url: str, *, allow: bool = True) -> str:
        """Open the authorization URL, sign in, allow or deny; the URL the server sends the browser back to."""
        page = self.browser.get(url, allow_redirects=False)
        for _ in range(_STEPS):
            if page.is_redirect:
                target = urljoin(page.url, page.headers["Location"])
                if target.startswith(REDIRECT_URI):
                    return target
                page = self.browser.get(target, allow_redirects=False)
            elif page.ok:
                page = self._fill_in(page, allow=allow)
            else:
                break
        raise NeverCameBackError(f"{page.status_code} {page.url}\n{page.text}")

    def _fill_in(self, page: requests.Response, *, allow: bool) -> requests.Response:
        found = _Page()
        found.feed(page.text)
        if "login" in found.fields:
            found.fields["login"] = "ada"
        if "password" in found.fields:
            found.fields["password"] = "secret"
        elif "login" not in found.fields:
            # The question: Canaille has a button for each answer, oidc-provider a link for "no".
            if not allow and found.abort:
                return self.browser.get(urljoin(page.url, found.abort), allow_redirects=False)
            if "answer" in found.buttons:
                found.fields["answer"] = "accept" if allow else "deny"
        target = urljoin(page.url, found.action)
        return self.browser.post(target, data=found.fields, headers={"Referer": page.url}, allow_redirects=False)


class _Page(HTMLParser):
    """The first form of a page, and the link that leaves it."""

    def __init__(self) -> None:
        super().__init__()
        self.action, self.abort = "", ""
        self.fields: dict[str, str] = {}
        self.buttons: set[str] = set()
        self._forms = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._forms += 1
            if self._forms == 1:
                self.action = values.get("action", "")
        elif tag == "a" and values.get("href", "").endswith("/abort"):
            self.abort = values["href"]
        elif self._forms == 1 and tag == "input" and "name" in values:
            self.fields[values["name"]] = values.get("value", "")
        elif self._forms == 1 and tag == "button" and "name" in values:
            self.buttons.add(values["name"])
