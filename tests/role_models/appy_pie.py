"""Appy Pie Connect as its documentation has it: one host to authorize, another one with the API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.role_models.dance import CLIENT_ID, CLIENT_SECRET, REDIRECT_URI
from tests.role_models.serving import Reply, in_json, to

if TYPE_CHECKING:
    from tests.role_models.serving import Received

#: The codes it documents.
CODES = (2032, 2034, 2036, 2038, 2039, 2040, 2041)


@dataclass
class AppyPie:
    """``takes_header``: what the API takes the token in."""

    takes_header: str = "authorization"
    #: Whether the token answer is wrapped as all others are.
    wraps_tokens: bool = False
    #: What the API says next, in place of an answer: status and code.
    says: tuple[int, int] | None = None
    number: int = 0
    scopes: list[str] = field(default_factory=list)
    codes: set[str] = field(default_factory=set)
    alive: str = ""
    refresh_token: str = ""
    token_requests: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def accounts(self, request: Received) -> Reply:
        """The host where people sign in and tokens are made."""
        if (request.method, request.path) == ("GET", "/oAuth/authorize"):
            asked = request.query
            self.scopes.append(asked.get("scope", ""))
            is_known = asked.get("client_id") == CLIENT_ID and asked.get("redirect_uri") == REDIRECT_URI
            if not is_known or asked.get("response_type") != "code" or asked.get("scope") != "*":
                return self.failed(400)
            self.number += 1
            code = f"code-{self.number}-of-appy-pie"
            self.codes.add(code)
            return to(REDIRECT_URI, code=code, state=asked["state"])
        if (request.method, request.path) == ("POST", "/v1/oauth2/token"):
            return self.token(request)
        return self.failed(404)

    def token(self, request: Received) -> Reply:
        form = request.form
        self.token_requests.append(form)
        if (request.basic or (form.get("client_id"), form.get("client_secret"))) != (CLIENT_ID, CLIENT_SECRET):
            return self.failed(401)
        if form.get("grant_type") == "authorization_code":
            if form.get("code") not in self.codes or form.get("redirect_uri") != REDIRECT_URI:
                return self.failed(400)
            self.codes.discard(form["code"])
        elif form.get("grant_type") != "refresh_token" or form.get("refresh_token") != self.refresh_token:
            return self.failed(400)
        self.number += 1
        self.alive, self.refresh_token = f"eyJ-{self.number}-of-appy-pie", f"refresh-{self.number}-of-appy-pie"
        answer = {"access_token": self.alive, "refresh_token": self.refresh_token, "expires_in": "7200"}
        return in_json({"success": True, "data": answer} if self.wraps_tokens else answer)

    def api(self, request: Received) -> Reply:
        """The host of the API."""
        self.headers.append(dict(request.headers))
        if not request.path.startswith("/api/v2/integrations/"):
            return self.failed(404)
        if self.says is not None:
            (status, code), self.says = self.says, None
            return self.failed(status, code)
        sent = request.bearer if self.takes_header == "authorization" else request.headers.get(self.takes_header, "")
        if not sent:
            return self.failed(200, 2032)
        if sent != self.alive:
            return self.failed(401)
        if request.path.endswith("/me"):
            return in_json({"success": True, "data": {"_id": "61dfc1c1", "name": "Ada L.", "email": "ada@example.org"}})
        if request.method == "POST":
            return in_json({"success": True, "data": {"name": request.json()["name"], "_id": "c-1"}}, 201)
        return self.failed(405)

    @staticmethod
    def failed(status: int, code: int | None = None) -> Reply:
        body: dict[str, Any] = {"success": False, "message": "Failed"}
        if code is not None:
            body["code"] = code
        return in_json(body, status)
