"""A browser without a screen: one cookie jar, redirects, and forms taken from the pages themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import requests

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

_TIMEOUT = 20
_REDIRECTS = range(300, 400)
_NOT_TYPED = {"checkbox", "radio", "submit", "button", "image", "file", "reset"}


@dataclass
class Form:
    """A form of a page: where it goes, and what it holds before anything is typed."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    #: The named buttons: only the one that is pressed is sent.
    buttons: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """An answer, as a person sees it."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__()
        self.url = response.url
        self.status = response.status_code
        #: Where a redirect that was not followed leads to; empty where there is none.
        self.location = urljoin(self.url, response.headers.get("Location", ""))
        if self.status not in _REDIRECTS:
            self.location = ""
        self.forms: list[Form] = []
        #: Addresses by the text of their link.
        self.links: dict[str, str] = {}
        self._texts: list[str] = []
        self._link: tuple[str, int] | None = None
        self._textarea = ""
        self._hidden = 0
        self.feed(response.text)
        self.close()

    @property
    def text(self) -> str:
        """The words on the page."""
        return " ".join(" ".join(self._texts).split())

    def form(self, *, to: str = "", having: str = "") -> Form:
        """The first form whose address ends with ``to`` and that has a field named ``having``.

        ``LookupError`` where there is none.
        """
        for form in self.forms:
            if form.action.endswith(to) and (not having or having in form.values):
                return form
        raise LookupError(f"{self.url} ({self.status}) has no such form. It says: {self.text[:300]}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect forms, fields and links."""
        given = {name: value or "" for name, value in attrs}
        if tag in {"script", "style"}:
            self._hidden += 1
        elif tag == "form":
            self.forms.append(Form(urljoin(self.url, given.get("action", "")), given.get("method", "get").lower()))
        elif tag == "a":
            self._link = (urljoin(self.url, given.get("href", "")), len(self._texts))
        elif self.forms and (name := given.get("name")):
            form = self.forms[-1]
            kind = given.get("type", "submit" if tag == "button" else "text")
            if kind == "submit":
                form.buttons[name] = given.get("value", "")
            elif tag == "textarea":
                self._textarea = name
                form.values[name] = ""
            elif tag == "input" and (kind not in _NOT_TYPED or "checked" in given):
                form.values[name] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """Leave a link, a text area, or what is not shown."""
        if tag in {"script", "style"}:
            self._hidden -= 1
        elif tag == "textarea":
            self._textarea = ""
        elif tag == "a" and self._link is not None:
            address, begin = self._link
            self.links.setdefault(" ".join(" ".join(self._texts[begin:]).split()), address)
            self._link = None

    def handle_data(self, data: str) -> None:
        """Collect words."""
        if self._textarea:
            self.forms[-1].values[self._textarea] += data
        elif not self._hidden:
            self._texts.append(data)


class Browser:
    """Keeps cookies by host, as a browser does; knows nothing but what pages say."""

    def __init__(self) -> None:
        self._session = requests.Session()
        # The servers are on this machine: no proxy, no .netrc.
        self._session.trust_env = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def open(self, url: str) -> Page:
        """Go to an address, and on to where it redirects."""
        return Page(self._session.get(url, timeout=_TIMEOUT))

    def submit(
        self, form: Form, values: Mapping[str, str] | None = None, *, button: str = "", follow: bool = True
    ) -> Page:
        """Type ``values`` into a form and send it; ``button`` is the named one that is pressed.

        With ``follow`` false a redirect is not followed, so that one can see where it leads.
        """
        unknown = set(values or {}) - set(form.values)
        if unknown or (button and button not in form.buttons):
            raise LookupError(f"The form to {form.action} has no {', '.join(sorted(unknown)) or button}.")
        data = {**form.values, **(values or {})}
        if button:
            data[button] = form.buttons[button]
        # A form sends line breaks as CR LF (HTML standard, section 4.10.21.4).
        data = {name: "\r\n".join(value.replace("\r\n", "\n").split("\n")) for name, value in data.items()}
        response = self._session.request(form.method, form.action, data=data, timeout=_TIMEOUT, allow_redirects=follow)
        return Page(response)
