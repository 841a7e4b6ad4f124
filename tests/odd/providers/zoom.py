"""Zoom, server to server.

- The grant is called ``account_credentials`` and names the ``account_id``; the client authenticates with Basic.
- No refresh token: another token is fetched, after an hour or when one is refused (401, code 124).

developers.zoom.us/docs/internal-apps/s2s-oauth/, developers.zoom.us/blog/s2s-token-generation-troubleshoot/
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, CREDENTIALS_METHOD, FORM, Fake, RefusedError, Request, Story, route

ACCOUNT = "q6gBJVO5TzexKYTb_I2rpg"


class Zoom(Fake):
    slug = "zoom"
    hosts = ("zoom.us", "api.zoom.us")
    fields: ClassVar[dict[str, Any]] = {
        "base_url": "https://api.zoom.us/v2",
        "auth_method": CREDENTIALS_METHOD,
        "token_url": "https://zoom.us/oauth/token",
        "client_auth": "client_secret_basic",
        "test_path": "users/me",
        "label_template": "{{ body.email }}",
        "account_id_path": "body.account_id",
        "dialect": {
            "variables": {"account_id": {"label": "Account ID", "pattern": "[A-Za-z0-9_-]+"}},
            "token_params": {"grant_type": "account_credentials", "account_id": "{{ account_id }}"},
        },
    }
    entered: ClassVar[dict[str, Any]] = {"variables": {"account_id": ACCOUNT}}
    call = ("GET", "users/me", {})
    story = Story(
        scope="meeting:read:admin user:read:user:admin",
        label="ada@example.org",
        account=ACCOUNT,
        dead="TokenRequestFailed",
        status="misconfigured",
    )

    def __init__(self) -> None:
        super().__init__()
        self.is_active = True
        self.api_url = "https://api.zoom.us"

    def kill(self) -> None:
        self.is_active, self.access = False, ""

    def malformed(self, why: str) -> RefusedError:
        return RefusedError(400, {"reason": "unsupported grant type", "error": "unsupported_grant_type"})

    @route("POST", "zoom.us", "/oauth/token")
    def token(self, request: Request) -> dict[str, Any]:
        words = {"reason": "Invalid client_id or client_secret", "error": "invalid_client"}
        self.must(request.basic == (CLIENT_ID, self.client_secret), RefusedError(400, words))
        self.must(request.content_type == FORM, self.malformed("form"))
        self.takes(request.form, "grant_type account_id")
        self.must(request.form["grant_type"] == "account_credentials", self.malformed("grant_type"))
        wrong = RefusedError(400, {"reason": "Bad request", "error": "invalid_request"})
        self.must(request.form["account_id"] == ACCOUNT, wrong)
        self.must(
            self.is_active, RefusedError(400, {"reason": "The app has been disabled", "error": "invalid_request"})
        )
        self.issue()
        scope = "meeting:read:admin user:read:user:admin"
        token = {"access_token": self.access, "token_type": "bearer", "expires_in": 3599, "scope": scope}
        return {**token, "api_url": self.api_url}

    @route("GET", "api.zoom.us", "/v2/users/me")
    def me(self, request: Request) -> dict[str, Any]:
        known = self.knows(request.authorization.removeprefix("Bearer "))
        self.must(known, RefusedError(401, {"code": 124, "message": "Access token is expired."}))
        return {"id": "zJKy", "account_id": ACCOUNT, "email": "ada@example.org"}


class RegionalZoom(Zoom):
    """With the API where the token answer says it is."""

    fields: ClassVar[dict[str, Any]] = {
        **Zoom.fields,
        "base_url": "{{ api_url }}/v2",
        "allowed_hosts": [".zoom.us"],
        "dialect": {
            **Zoom.fields["dialect"],
            "keep_from_token": {"api_url": {"path": "api_url", "pattern": "https://api[a-z-]*\\.zoom\\.us"}},
        },
    }
    story = replace(Zoom.story, values={"api_url": "https://api.zoom.us"})
