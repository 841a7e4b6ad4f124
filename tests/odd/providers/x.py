"""X (API v2).

- PKCE always, and Basic beside it; ``offline.access`` for a refresh token, which changes with each use.
- A dead refresh token is ``invalid_request``; without the right secret it is ``unauthorized_client``.

docs.x.com/fundamentals/authentication/oauth-2-0/user-access-token, issues of node-twitter-api-v2 and omniauth-twitter2
"""

from __future__ import annotations

from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, CODE_METHOD, FORM, Fake, RefusedError, Reply, Request, Story, route

SCOPE = "tweet.read users.read offline.access"


class X(Fake):
    slug = "x"
    hosts = ("x.com", "api.x.com")
    fields: ClassVar[dict[str, Any]] = {
        "base_url": "https://api.x.com/2",
        "auth_method": CODE_METHOD,
        "authorization_url": "https://x.com/i/oauth2/authorize",
        "token_url": "https://api.x.com/2/oauth2/token",
        "revocation_url": "https://api.x.com/2/oauth2/revoke",
        "scope": SCOPE,
        "pkce": "S256",
        "client_auth": "client_secret_basic",
        "test_path": "users/me",
        "label_template": "{{ body.data.username }}",
        "account_id_path": "body.data.id",
        "dialect": {},
    }
    call = ("GET", "users/me", {})
    story = Story(
        scope="users.read tweet.read offline.access",
        lifetime=7200,
        label="ada",
        account="2244994945",
        revoked=True,
    )

    def refusal(self, error: str, words: str, status: int = 400) -> RefusedError:
        return RefusedError(status, {"error": error, "error_description": words})

    def malformed(self, why: str) -> RefusedError:
        return self.refusal("invalid_request", f"Missing required parameter: {why}")

    def client(self, request: Request) -> None:
        unknown = self.refusal("unauthorized_client", "Missing valid authorization header", 401)
        self.must(request.basic == (CLIENT_ID, self.client_secret), unknown)
        self.must(request.content_type == FORM, self.malformed("grant_type"))

    @route("GET", "x.com", "/i/oauth2/authorize")
    def consent(self, request: Request) -> Reply:
        pkce = "code_challenge code_challenge_method"
        self.takes(request.query, f"response_type client_id redirect_uri scope state {pkce}")
        return self.back(request)

    @route("POST", "api.x.com", "/2/oauth2/token")
    def token(self, request: Request) -> dict[str, Any]:
        self.client(request)
        form = request.form
        if form.get("grant_type") == "refresh_token":
            self.takes(form, "grant_type refresh_token")
            dead = self.refusal("invalid_request", "Value passed for the token was invalid.")
            self.must(self.refresh and self.refresh == form["refresh_token"], dead)
        else:
            self.takes(form, "grant_type code redirect_uri code_verifier")
            dead = self.refusal("invalid_request", "Value passed for the authorization code was invalid.")
            self.must(self.spend(form["code"]) and self.proves(form["code_verifier"]), dead)
        self.issue()
        token = {"token_type": "bearer", "expires_in": 7200, "access_token": self.access}
        return {**token, "scope": "users.read tweet.read offline.access", "refresh_token": self.refresh}

    @route("POST", "api.x.com", "/2/oauth2/revoke")
    def revoke(self, request: Request) -> dict[str, Any]:
        self.client(request)
        self.takes(request.form, "token", "token_type_hint")
        self.revoked = self.revoked or request.form["token"]
        return {"revoked": True}

    @route("GET", "api.x.com", "/2/users/me")
    def me(self, request: Request) -> dict[str, Any]:
        words = {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}
        self.must(self.knows(request.authorization.removeprefix("Bearer ")), RefusedError(401, words))
        return {"data": {"id": "2244994945", "name": "Ada", "username": "ada"}}
