"""Clover (v2/OAuth, expiring tokens).

- Token requests are JSON with ``client_id``, ``client_secret`` and ``code``, and nothing else.
- Ends are moments, in seconds since 1970: ``access_token_expiration``, ``refresh_token_expiration``.
- A refresh goes to another address with ``client_id`` and ``refresh_token``, without the secret; it changes.
- The merchant, a part of every address, comes with the callback.

docs.clover.com/dev/docs/high-trust-app-auth-flow, docs.clover.com/dev/docs/refresh-access-tokens
"""

from __future__ import annotations

import time
from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, CODE_METHOD, JSON, Fake, RefusedError, Reply, Request, Story, route

MERCHANT = "M1ERCHANT1234"
API = "apisandbox.dev.clover.com"


class Clover(Fake):
    slug = "clover"
    hosts = ("sandbox.dev.clover.com", API)
    fields: ClassVar[dict[str, Any]] = {
        "base_url": f"https://{API}/v3/merchants/{{{{ merchant_id }}}}",
        "auth_method": CODE_METHOD,
        "authorization_url": "https://sandbox.dev.clover.com/oauth/v2/authorize",
        "token_url": f"https://{API}/oauth/v2/token",
        "refresh_url": f"https://{API}/oauth/v2/refresh",
        "pkce": "",
        "client_auth": "client_secret_post",
        "label_template": "{{ body.name }}",
        "account_id_path": "body.id",
        "dialect": {
            "token_request_format": "json",
            "token_params": {"grant_type": None, "redirect_uri": None},
            "refresh_params": {"grant_type": None, "client_secret": None},
            "token_response": {
                "expires_at": "access_token_expiration",
                "refresh_expires_at": "refresh_token_expiration",
            },
            "keep_from_callback": {"merchant_id": {"path": "merchant_id", "pattern": "[A-Z0-9]{13}"}},
        },
    }
    call = ("GET", "", {})
    story = Story(
        values={"merchant_id": MERCHANT}, lifetime=1800, refresh_lifetime=31536000, label="Ada's", account=MERCHANT
    )
    refresh_has_secret = False
    used_code = "misconfigured"

    def malformed(self, why: str) -> RefusedError:
        return RefusedError(400, {"message": f"Bad Request: {why}"})

    @route("GET", "sandbox.dev.clover.com", "/oauth/v2/authorize")
    def consent(self, request: Request) -> Reply:
        self.takes(request.query, "client_id redirect_uri state", "response_type")
        return self.back(request, merchant_id=MERCHANT, employee_id="E1", client_id=CLIENT_ID)

    @route("POST", API, "/oauth/v2/token")
    def token(self, request: Request) -> dict[str, Any]:
        self.must(request.content_type == JSON, RefusedError(415, {"message": "Unsupported Media Type"}))
        sent = request.json
        self.takes(sent, "client_id client_secret code")
        known = (sent["client_id"], sent["client_secret"]) == (CLIENT_ID, self.client_secret)
        self.must(known, RefusedError(401, {"message": "Failed to validate the client."}))
        self.must(self.spend(sent["code"]), RefusedError(400, {"message": "Failed to validate authentication code."}))
        return self.answered()

    @route("POST", API, "/oauth/v2/refresh")
    def renew(self, request: Request) -> dict[str, Any]:
        self.must(request.content_type == JSON, RefusedError(415, {"message": "Unsupported Media Type"}))
        self.takes(request.json, "client_id refresh_token")
        known = self.refresh and request.json["refresh_token"] == self.refresh
        self.must(known, RefusedError(401, {"message": "Invalid refresh token."}))
        return self.answered()

    def answered(self) -> dict[str, Any]:
        self.issue()
        now = int(time.time())
        token = {"access_token": self.access, "access_token_expiration": now + 1800}
        return {**token, "refresh_token": self.refresh, "refresh_token_expiration": now + 31536000}

    @route("GET", API, f"/v3/merchants/{MERCHANT}")
    @route("GET", API, f"/v3/merchants/{MERCHANT}/")
    def merchant(self, request: Request) -> dict[str, Any]:
        known = self.knows(request.authorization.removeprefix("Bearer "))
        self.must(known, RefusedError(401, {"message": "401 Unauthorized"}))
        return {"id": MERCHANT, "name": "Ada's"}
