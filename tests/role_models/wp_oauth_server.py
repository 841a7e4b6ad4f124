"""WP OAuth Server 4.4 as it behaves: what it takes, what it refuses, and with which words."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.role_models.dance import CLIENT_ID, CLIENT_SECRET, REDIRECT_URI
from tests.role_models.serving import Reply, in_json, to

if TYPE_CHECKING:
    from tests.role_models.serving import Received

PASSWORD = "canary-password"


@dataclass
class WPOAuthServer:
    """``is_free``: the edition that has no refresh. ``strips_header``: a host that takes ``Authorization`` away."""

    is_free: bool = False
    strips_header: bool = False
    has_pretty_links: bool = True
    #: How the last token request proved who the client is.
    proved_by: str = ""
    number: int = 0
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)
    refresh_tokens: set[str] = field(default_factory=set)
    token_requests: list[dict[str, str]] = field(default_factory=list)
    revoked: list[dict[str, str]] = field(default_factory=list)
    posts: list[str] = field(default_factory=list)

    def __call__(self, request: Received) -> Reply:
        if self.strips_header:
            headers = {name: value for name, value in request.headers.items() if name != "authorization"}
            request = type(request)(request.method, request.path, request.raw_query, headers, request.body)
        name = self._endpoint(request)
        act = {
            "authorize": self.authorize, "token": self.token, "me": self.me, "revoke": self.revoke, "posts": self.post,
            "users": self.refuse_parameter,
        }.get(name)  # fmt: skip  # in rows
        return act(request) if act else Reply(404, b"<!DOCTYPE html><title>Page not found</title>")

    def _endpoint(self, request: Received) -> str:
        if request.path.startswith("/wp-json/wp/v2/"):
            return request.path.removeprefix("/wp-json/wp/v2/")
        if self.has_pretty_links:
            return request.path.removeprefix("/oauth/") if request.path.startswith("/oauth/") else ""
        return request.query.get("oauth", "") if request.path == "/" else ""

    def end_of_life(self) -> None:
        """All access tokens are too old from now on."""
        self.alive.clear()

    def authorize(self, request: Received) -> Reply:
        asked = request.query
        if asked.get("client_id") != CLIENT_ID or asked.get("redirect_uri") != REDIRECT_URI:
            return in_json({"error": "invalid_client", "error_description": "No client of this site"}, 400)
        if asked.get("response_type") != "code" or not asked.get("state"):
            return in_json({"error": "invalid_request"}, 400)
        self.number += 1
        code = f"code-{self.number}-of-wordpress"
        self.codes[code] = asked
        return to(REDIRECT_URI, code=code, state=asked["state"], iframe="break")

    def token(self, request: Received) -> Reply:
        form = request.form
        if request.method != "POST" or not form:
            return in_json({"error": "invalid_request", "error_description": "Only by POST, as a form"}, 405)
        self.token_requests.append(form)
        in_body = (form.get("client_id", ""), form.get("client_secret", ""))
        # ``Authorization: Bearer base64(id:secret)`` counts for nothing, whatever the documentation says.
        proof = request.basic or in_body
        if proof != (CLIENT_ID, CLIENT_SECRET):
            return in_json({"error": "invalid_client", "error_description": "Credentials not found or wrong"}, 400)
        if request.basic and form.get("client_secret"):
            return in_json({"error": "invalid_request", "error_description": "Credentials sent in two ways"}, 400)
        self.proved_by = "basic" if request.basic else "body"
        if form.get("grant_type") == "authorization_code":
            return self._exchanged(form)
        if form.get("grant_type") == "refresh_token":
            return self._refreshed(form)
        if form.get("grant_type") == "client_credentials":
            return self._granted(form.get("scope", "basic"))
        if form.get("grant_type") == "password":
            if (form.get("username"), form.get("password")) != ("ada", PASSWORD):
                return in_json({"error": "invalid_grant", "error_description": "Not this user and password"}, 401)
            return self._granted(form.get("scope", "basic"))
        return in_json({"error": "unsupported_grant_type"}, 400)

    def _exchanged(self, form: dict[str, str]) -> Reply:
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or form.get("redirect_uri") != REDIRECT_URI:
            return in_json({"error": "invalid_grant", "error_description": "The code is not (or no more) valid"}, 400)
        hashed = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if asked.get("code_challenge", "") not in {"", base64.urlsafe_b64encode(hashed).decode().rstrip("=")}:
            return in_json({"error": "invalid_grant", "error_description": "PKCE"}, 400)
        return self._granted(asked.get("scope", "basic"))

    def _refreshed(self, form: dict[str, str]) -> Reply:
        if self.is_free:
            return in_json({"error": "unauthorized_client", "error_description": "Grant not for this client"}, 400)
        if form.get("refresh_token") not in self.refresh_tokens:
            return in_json({"error": "invalid_grant", "error_description": "Not a refresh token"}, 400)
        self.refresh_tokens.discard(form["refresh_token"])
        return self._granted("basic")

    def _granted(self, scope: str) -> Reply:
        self.number += 1
        access, refresh = f"access-{self.number}-of-wordpress", f"refresh-{self.number}-of-wordpress"
        self.alive = {access}
        self.refresh_tokens.add(refresh)
        return in_json({
            "access_token": access, "expires_in": 3600, "token_type": "Bearer", "scope": scope, "refresh_token": refresh,
        })  # fmt: skip  # in rows

    def _refusal(self, request: Received) -> Reply | None:
        in_query = request.query.get("access_token", "")
        if request.bearer and in_query:
            return in_json({"error": "invalid_request", "error_description": "One way at a time"}, 400)
        token = request.bearer or in_query
        if token not in self.alive:
            return in_json({"error": "invalid_request", "error_description": "Missing, expired or revoked"}, 400)
        return None

    def me(self, request: Received) -> Reply:
        user = {"ID": "7", "user_login": "ada", "user_email": "ada@example.org", "display_name": "Ada L."}
        return self._refusal(request) or in_json(user)

    def post(self, request: Received) -> Reply:
        if refusal := self._refusal(request):
            return refusal
        if request.method == "POST":
            self.posts.append(request.json()["title"])
            return in_json({"id": len(self.posts)}, 201)
        return in_json([{"title": title} for title in self.posts])

    def refuse_parameter(self, request: Received) -> Reply:
        return self._refusal(request) or in_json({"code": "rest_invalid_param", "data": {"status": 400}}, 400)

    def revoke(self, request: Received) -> Reply:
        self.revoked.append(request.form)
        self.alive.discard(request.form.get("token", ""))
        self.refresh_tokens.discard(request.form.get("token", ""))
        return in_json({"status": True})
