"""A service such as viaSocket's twelve steps describe: every step has something that this one insists on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.role_models.dance import CLIENT_ID, CLIENT_SECRET, REDIRECT_URI
from tests.role_models.serving import Reply, in_json, to

if TYPE_CHECKING:
    from tests.role_models.serving import Received


@dataclass
class PluginService:
    """One account at a time: ``account`` is who is signed in at the consent page."""

    account: str = "ada@example.org"
    number: int = 0
    codes: dict[str, str] = field(default_factory=dict)
    alive: dict[str, str] = field(default_factory=dict)
    refresh_tokens: dict[str, str] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    def __call__(self, request: Received) -> Reply:
        self.seen.append((request.method, request.path))
        act = {
            ("GET", "/oauth/authorize"): self.authorize,
            ("POST", "/oauth/access-token"): self.exchange,
            ("POST", "/oauth/refresh-token"): self.refresh,
            ("POST", "/oauth/revoke-token"): self.revoke,
        }.get((request.method, request.path))
        return act(request) if act else self.api(request)

    def authorize(self, request: Received) -> Reply:
        asked = request.query
        wanted = {
            "response_type": "code", "client_id": CLIENT_ID, "redirect_uri": REDIRECT_URI,
            "scope": "read_profile,write_data", "region": "eu",
        }  # fmt: skip  # in rows
        wrong = [name for name, value in wanted.items() if asked.get(name) != value]
        if wrong or len(asked.get("state", "")) < 32:
            return in_json({"error": "invalid_request", "wrong": wrong}, 400)
        self.number += 1
        self.codes[f"code-{self.number}"] = self.account
        return to(REDIRECT_URI, code=f"code-{self.number}", state=asked["state"])

    @staticmethod
    def _is_client(form: dict[str, str]) -> bool:
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)

    def exchange(self, request: Received) -> Reply:
        form = request.form
        if form.get("grant_type") != "authorization_code":
            return in_json({"error": "unsupported_grant_type"}, 400)
        if not self._is_client(form):
            return in_json({"error": "invalid_client"}, 401)
        account = self.codes.pop(form.get("code", ""), None)
        if account is None or form.get("redirect_uri") != REDIRECT_URI:
            return in_json({"error": "invalid_grant"}, 400)
        return self._granted(account)

    def refresh(self, request: Received) -> Reply:
        form = request.form
        if not self._is_client(form):
            return in_json({"error": "invalid_client"}, 401)
        account = self.refresh_tokens.pop(form.get("refresh_token", ""), None)
        if form.get("grant_type") != "refresh_token" or account is None:
            return in_json({"error": "invalid_grant"}, 400)
        return self._granted(account)

    def _granted(self, account: str) -> Reply:
        self.number += 1
        access, refresh = f"access-{self.number}-of-service", f"refresh-{self.number}-of-service"
        self.alive[access] = account
        self.refresh_tokens[refresh] = account
        return in_json({"access_token": access, "refresh_token": refresh, "expires_in": 3600, "token_type": "bearer"})

    def revoke(self, request: Received) -> Reply:
        """Its own way: JSON, authenticated with the token that is to end."""
        if request.bearer not in self.alive:
            return in_json({"error": "invalid_token"}, 401)
        self.revoked.append(request.json()["token"])
        del self.alive[request.bearer]
        return in_json({"revoked": True})

    def api(self, request: Received) -> Reply:
        account = self.alive.get(request.bearer)
        if account is None:
            return in_json({"error": "unauthorized"}, 401)
        if request.headers.get("x-region") != "eu" or request.query.get("api_version") != "2026-01":
            return in_json({"error": "region and version are needed"}, 422)
        if request.path == "/sandbox/v1/profile":
            return in_json({"id": f"id-of-{account}", "email": account})
        if request.path == "/sandbox/v1/leads" and request.method == "POST":
            self.bodies.append(request.json())
            return in_json({"id": len(self.bodies)}, 201)
        return in_json({"error": "not_found"}, 404)

    def files(self, request: Received) -> Reply:
        """The other host of the API."""
        is_known = request.bearer in self.alive
        return in_json({"files": []}) if is_known else in_json({"error": "unauthorized"}, 401)
