"""Mailchimp.

- Tokens have no end (``expires_in`` 0, ``scope`` null), and there is no refresh.
- The data centre, which is a part of the API's host, is asked for at ``/oauth2/metadata``, with the scheme ``OAuth``.

mailchimp.com/developer/marketing/guides/access-user-data-oauth-2/
"""

from __future__ import annotations

from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, Fake, RefusedError, Reply, Request, Story, preset, route

API = "us6.api.mailchimp.com"


class Mailchimp(Fake):
    slug = "mailchimp"
    begins_with = "mailchimp"
    hosts = ("login.mailchimp.com", API)
    fields: ClassVar[dict[str, Any]] = preset("mailchimp")
    call = ("GET", "", {})
    story = Story(
        values={"dc": "us6"},
        lifetime=None,
        label="Acme",
        account="1a2b",
        renewed_ahead=False,
        # There is nothing to refresh with: the refusal is the answer.
        expired="401",
        dead="401",
        status="authorized",
    )
    refresh_has_secret = False

    #: The documentation has ``OAuth``; the other one is seen to work, too.
    schemes: ClassVar[frozenset[str]] = frozenset({"OAuth", "Bearer"})

    def __init__(self) -> None:
        super().__init__()
        self.dc = "us6"

    @route("GET", "login.mailchimp.com", "/oauth2/authorize")
    def consent(self, request: Request) -> Reply:
        self.takes(request.query, "response_type client_id redirect_uri state")
        return self.back(request)

    @route("POST", "login.mailchimp.com", "/oauth2/token")
    def token(self, request: Request) -> dict[str, Any]:
        form = request.form
        self.takes(form, "grant_type client_id client_secret redirect_uri code")
        known = (form["client_id"], form["client_secret"]) == (CLIENT_ID, self.client_secret)
        self.must(known, RefusedError(400, {"error": "invalid_client"}))
        self.must(self.spend(form["code"]), RefusedError(400, {"error": "invalid_grant"}))
        self.issue()
        return {"access_token": self.access, "expires_in": 0, "scope": None}

    @route("GET", "login.mailchimp.com", "/oauth2/metadata")
    def metadata(self, request: Request) -> dict[str, Any]:
        scheme, _, token = request.authorization.partition(" ")
        self.must(scheme in self.schemes and self.knows(token), RefusedError(401, {"error": "invalid_token"}))
        return {"dc": self.dc, "role": "owner", "accountname": "Acme", "api_endpoint": f"https://{API}"}

    @route("GET", API, "/3.0/")
    @route("GET", API, "/3.0")
    def root(self, request: Request) -> dict[str, Any]:
        words = {"type": "https://mailchimp.com/developer/marketing/docs/errors/", "title": "API Key Invalid"}
        known = self.knows(request.authorization.removeprefix("Bearer "))
        self.must(known, RefusedError(401, {**words, "status": 401, "detail": "Your API key may be invalid"}))
        return {"account_id": "1a2b", "account_name": "Acme"}


class StrictMailchimp(Mailchimp):
    """By the letter of its documentation."""

    schemes = frozenset({"OAuth"})
    fields: ClassVar[dict[str, Any]] = preset(
        "mailchimp",
        dialect={
            "after_authorize": {
                "url": "https://login.mailchimp.com/oauth2/metadata",
                "headers": {"Authorization": "OAuth {{ access_token }}"},
                "values": {"dc": {"path": "body.dc", "pattern": "[a-z]+[0-9]*"}},
            }
        },
    )
