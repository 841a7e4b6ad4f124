"""The main job, step by step: what a person does with the demo, done over HTTP."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from example_site.demo.browser import Browser, Page
    from example_site.demo.place import Place
    from example_site.demo.records import Records

_FIRST = {"name": "First visitor", "email": "first@example.org", "message": "Do you deliver?\nOn Sundays, too?"}
_SECOND = {"name": "Second visitor", "email": "second@example.org", "message": "Sent after the token expired."}
_THIRD = {"name": "Third visitor", "email": "third@example.org", "message": "Sent after disconnecting."}
#: How long to wait for what should be there at once, on a slow machine.
_PATIENCE = 10.0
_TIMEOUT = 10


class StepError(Exception):
    """A step did not do what it should; the text says what was seen."""


class Journey:
    """Goes from the first log-in to the refusal after disconnecting. Each step returns what was seen."""

    def __init__(self, place: Place, browser: Browser, records: Records, client: tuple[str, str]) -> None:
        self.place = place
        self.browser = browser
        self.records = records
        #: The client id and secret that the site is registered with at the CRM.
        self.client = client
        self.connection_url = ""
        self.consent_url = ""
        self.callback_state = ""
        self.landing: Page | None = None
        self.refreshes_before = 0

    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        """The steps in order, each with its title."""
        return [
            ("Log in to the admin", self.log_in),
            ("Authorize", self.authorize),
            ("Log in and consent at the CRM", self.consent),
            ("Callback", self.callback),
            ("Submit the contact form", self.submit_first),
            ("The lead is in the CRM", self.see_lead),
            ("Let the token expire", self.expire),
            ("Submit again", self.submit_second),
            ("Refreshed once", self.count_refreshes),
            ("Disconnect", self.disconnect),
            ("Submit after disconnecting", self.submit_refused),
        ]

    def log_in(self) -> str:
        """Log in, and find the connection in the list."""
        login = self.browser.open(f"{self.place.site}/admin/apiconnector/connection/")
        connections = self.browser.submit(login.form(having="password"), {"username": "admin", "password": "admin"})
        _expect(connections.status == requests.codes.ok and "Demo CRM" in connections.links, _seen(connections))
        self.connection_url = connections.links["Demo CRM"]
        page = self.browser.open(self.connection_url)
        _expect("Not authorized" in page.text, f"the connection should not be authorized yet; {_seen(page)}")
        return "the connection is there, not authorized yet"

    def authorize(self) -> str:
        """Press Authorize on the connection's page; don't follow yet."""
        form = self.browser.open(self.connection_url).form(to="/authorize/")
        sent = self.browser.submit(form, follow=False)
        _expect(sent.location.startswith(f"{self.place.crm}/o/authorize/?"), f"not sent to the CRM; {_seen(sent)}")
        asked = dict(parse_qsl(urlsplit(sent.location).query))
        _expect(asked.get("state"), "the request has no state")
        _expect(asked.get("code_challenge"), "the request has no PKCE challenge")
        _expect(asked.get("code_challenge_method") == "S256", "the challenge is not S256")
        _expect(asked.get("redirect_uri") == f"{self.place.site}/oauth/callback", "another redirect URI is sent")
        self.consent_url, self.callback_state = sent.location, asked["state"]
        return "sent to the CRM with state and PKCE (S256)"

    def consent(self) -> str:
        """Log in at the CRM and allow the access; don't follow yet."""
        login = self.browser.open(self.consent_url)
        _expect(login.url.startswith(f"{self.place.crm}/login/"), f"the CRM should ask who it is; {_seen(login)}")
        asked = self.browser.submit(login.form(having="password"), {"username": "crm", "password": "crm"})
        _expect("Add leads" in asked.text, f"the CRM should ask for consent; {_seen(asked)}")
        allowed = self.browser.submit(asked.form(having="client_id"), button="allow", follow=False)
        answer = dict(parse_qsl(urlsplit(allowed.location).query))
        _expect(allowed.location.startswith(f"{self.place.site}/oauth/callback?"), f"not sent back; {_seen(allowed)}")
        _expect(answer.get("state") == self.callback_state, "the CRM gave another state back")
        _expect(answer.get("code"), f"the CRM gave no code, but {sorted(answer)}")
        self.consent_url = allowed.location
        return "sent back with a code and the same state"

    def callback(self) -> str:
        """Land on the site's callback; the connection is authorized afterwards."""
        landing = self.browser.open(self.consent_url)
        _expect(landing.status == requests.codes.ok, _seen(landing))
        page = self.browser.open(self.connection_url)
        _expect("Not authorized" not in page.text and "Authorized" in page.text, _seen(page))
        requested = self.records.token_requests()
        _expect(requested == [("authorization_code", 200)], f"the CRM counts these token requests: {requested}")
        return "the connection is authorized"

    def submit_first(self) -> str:
        """Send the contact form."""
        self._send_form(_FIRST)
        return "thank-you page"

    def see_lead(self) -> str:
        """The CRM's own page shows what was sent."""
        self._wait_for_leads(_FIRST)
        page = self.browser.open(f"{self.place.crm}/")
        _expect(_FIRST["email"] in page.text, f"the CRM's page should show the lead; {_seen(page)}")
        return "name, e-mail address and message as they were typed"

    def expire(self) -> str:
        """Wait until the CRM itself refuses the token."""
        began = time.monotonic()
        while self._api_status(self.records.newest_tokens()[0]) != requests.codes.unauthorized:
            waited = time.monotonic() - began
            _expect(waited < self.place.token_seconds + _PATIENCE, f"the token is still good after {waited:.0f} s")
            time.sleep(0.1)
        self.refreshes_before = len(self.records.refreshes())
        return f"its life is {self.place.token_seconds} s; now the CRM answers 401"

    def submit_second(self) -> str:
        """Send the contact form with a token that has expired."""
        self._send_form(_SECOND)
        self._wait_for_leads(_FIRST, _SECOND)
        return "thank-you page, and the second lead is in the CRM"

    def count_refreshes(self) -> str:
        """The CRM saw one refresh, and answered it with a token."""
        refreshes = self.records.refreshes()[self.refreshes_before :]
        _expect(refreshes == [requests.codes.ok], f"the CRM answered {len(refreshes)} refreshes: {refreshes}")
        return "the CRM counts exactly one refresh"

    def disconnect(self) -> str:
        """Press Disconnect: the site forgets the tokens, the CRM refuses them."""
        access_token, refresh_token = self.records.newest_tokens()
        page = self.browser.submit(self.browser.open(self.connection_url).form(to="/disconnect/"))
        _expect("Not authorized" in page.text, f"the connection should not be authorized any more; {_seen(page)}")
        status = self._api_status(access_token)
        _expect(status == requests.codes.unauthorized, f"the CRM answers {status} to the access token")
        answer = self._refresh(refresh_token)
        _expect(answer.status_code == requests.codes.bad_request, f"the CRM answers {answer.status_code} to a refresh")
        return "revoked: the CRM refuses the access token (401) and the refresh token (400)"

    def submit_refused(self) -> str:
        """Send the contact form without a connection: nothing leaves, nothing is lost."""
        self._send_form(_THIRD)
        status, outcome, error = self.records.runs()[-1]
        _expect(
            status == "pending" and outcome != "sent",
            f"the run should wait, but is {status} ({outcome or 'not tried'}, {error or 'no error'})",
        )
        self._wait_for_leads(_FIRST, _SECOND)
        return "nothing reaches the CRM; the run is kept and waits"

    def _send_form(self, values: Mapping[str, str]) -> None:
        page = self.browser.submit(self.browser.open(f"{self.place.site}/").form(having="message"), values)
        _expect("Thank you" in page.text, f"no thank-you page; {_seen(page)}")

    def _wait_for_leads(self, *sent: Mapping[str, str]) -> None:
        """Wait until the CRM has exactly these leads."""
        # A form sends line breaks as CR LF.
        expected = [(lead["name"], lead["email"], lead["message"].replace("\n", "\r\n")) for lead in sent]
        give_up = time.monotonic() + _PATIENCE
        while (leads := self.records.leads()) != expected:
            _expect(time.monotonic() < give_up, f"the CRM has {leads}; the site's last runs are {self.records.runs()}")
            time.sleep(0.1)

    def _api_status(self, access_token: str) -> int:
        with requests.Session() as api:
            api.trust_env = False
            bearer = {"Authorization": f"Bearer {access_token}"}
            return api.get(f"{self.place.crm}/api/me", headers=bearer, timeout=_TIMEOUT).status_code

    def _refresh(self, refresh_token: str) -> requests.Response:
        client_id, client_secret = self.client
        with requests.Session() as api:
            api.trust_env = False
            data = {
                "grant_type": "refresh_token",
                "refresh_token": refresh_token,
                "client_id": client_id,
                "client_secret": client_secret,
            }
            return api.post(f"{self.place.crm}/o/token/", data=data, timeout=_TIMEOUT)


def _expect(condition: object, otherwise: str) -> None:
    if not condition:
        raise StepError(otherwise)


def _seen(page: Page) -> str:
    where = f" to {page.location.partition('?')[0]}" if page.location else ""
    return f"{page.url.partition('?')[0]} answered {page.status}{where}: {page.text[:300]}"
