"""Reddit.

- ``duration=permanent`` for a refresh token. Basic at the token endpoint.
- A ``User-Agent`` of one's own with every request, those for a token included: others are answered 429.
- A used code is 200 with ``{"error": "invalid_grant"}``; a dead refresh token is 400 with
  ``{"message": "Bad Request", "error": 400}``.

github.com/reddit-archive/reddit/wiki/OAuth2, github.com/reddit-archive/reddit/wiki/API, the tests of PRAW
"""

from __future__ import annotations

from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, CODE_METHOD, Fake, RefusedError, Reply, Request, Story, route

AGENT = "web:org.example.site:v1.0 (by /u/ada)"


class Reddit(Fake):
    slug = "reddit"
    hosts = ("www.reddit.com", "oauth.reddit.com")
    fields: ClassVar[dict[str, Any]] = {
        "base_url": "https://oauth.reddit.com/api/v1",
        "auth_method": CODE_METHOD,
        "authorization_url": "https://www.reddit.com/api/v1/authorize",
        "token_url": "https://www.reddit.com/api/v1/access_token",
        "revocation_url": "https://www.reddit.com/api/v1/revoke_token",
        "scope": "identity read",
        "pkce": "",
        "client_auth": "client_secret_basic",
        "default_headers": {"User-Agent": AGENT},
        "test_path": "me",
        "label_template": "{{ body.name }}",
        "account_id_path": "body.id",
        "dialect": {
            "authorization_params": {"duration": "permanent"},
            "token_headers": {"User-Agent": AGENT},
            "token_response": {"error": "(error == `400` && 'invalid_grant') || error"},
        },
    }
    story = Story(
        scope="identity read",
        lifetime=86400,
        label="ada",
        account="t2ada",
        revoked=True,
    )
    rotates = False

    def polite(self, request: Request) -> None:
        words = {"message": "Too Many Requests", "error": 429}
        self.must(request.headers.get("user-agent") == AGENT, RefusedError(429, words))

    def client(self, request: Request) -> None:
        self.polite(request)
        known = request.basic == (CLIENT_ID, self.client_secret)
        self.must(known, RefusedError(401, {"message": "Unauthorized", "error": 401}))

    @route("GET", "www.reddit.com", "/api/v1/authorize")
    def consent(self, request: Request) -> Reply:
        self.takes(request.query, "client_id response_type state redirect_uri scope", "duration")
        self.is_permanent = request.query.get("duration") == "permanent"
        return self.back(request)

    @route("POST", "www.reddit.com", "/api/v1/access_token")
    def token(self, request: Request) -> dict[str, Any]:
        self.client(request)
        form = request.form
        if form.get("grant_type") == "refresh_token":
            self.takes(form, "grant_type refresh_token")
            dead = RefusedError(400, {"message": "Bad Request", "error": 400})
            self.must(self.refresh and self.refresh == form["refresh_token"], dead)
        else:
            self.takes(form, "grant_type code redirect_uri")
            self.must(self.spend(form["code"]), RefusedError(200, {"error": "invalid_grant"}))
        self.issue()
        token = {"access_token": self.access, "token_type": "bearer", "expires_in": 86400, "scope": "identity read"}
        return {**token, "refresh_token": self.refresh} if self.is_permanent else token

    @route("POST", "www.reddit.com", "/api/v1/revoke_token")
    def revoke(self, request: Request) -> dict[str, Any]:
        self.client(request)
        self.takes(request.form, "token", "token_type_hint")
        self.revoked = self.revoked or request.form["token"]
        return {}

    @route("GET", "oauth.reddit.com", "/api/v1/me")
    def me(self, request: Request) -> dict[str, Any]:
        self.polite(request)
        known = self.knows(request.authorization.removeprefix("Bearer "))
        self.must(known, RefusedError(401, {"message": "Unauthorized", "error": 401}))
        return {"id": "t2ada", "name": "ada"}
