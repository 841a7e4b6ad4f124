"""Slack, a user's token.

- Scopes go as ``user_scope``, joined by commas; ``scope`` is the bot's and stays away.
- The code gives the token inside ``authed_user``; with token rotation a refresh gives it at the top.
- Everything is 200; ``ok`` and ``error`` tell.

docs.slack.dev/authentication/installing-with-oauth, docs.slack.dev/authentication/using-token-rotation,
docs.slack.dev/reference/methods/oauth.v2.access
"""

from __future__ import annotations

from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, Fake, RefusedError, Reply, Request, Story, preset, route

SCOPE, GRANTED = "channels:read,chat:write", "channels:read"


class Slack(Fake):
    slug = "slack"
    begins_with = "slack"
    hosts = ("slack.com",)
    fields: ClassVar[dict[str, Any]] = preset(
        "slack",
        scope=SCOPE,
        account_id_path="body.user_id",
        dialect={
            "authorization_params": {"user_scope": "{{ scope }}", "scope": None},
            "token_response": {
                "access_token": "authed_user.access_token || access_token",
                "refresh_token": "authed_user.refresh_token || refresh_token",
                "expires_in": "authed_user.expires_in || expires_in",
                "scope": "authed_user.scope || scope",
            },
        },
    )
    call = ("POST", "auth.test", {})
    unseen = frozenset({"dialect.test_request.success_when"})  # what a dead token shows
    story = Story(
        scope=GRANTED,
        lifetime=43200,
        label="Acme (ada)",
        account="U1",
        revoked=True,
    )

    def refusal(self, error: str) -> RefusedError:
        return RefusedError(200, {"ok": False, "error": error})

    def malformed(self, why: str) -> RefusedError:
        return self.refusal("invalid_arguments")

    @route("GET", "slack.com", "/oauth/v2/authorize")
    def consent(self, request: Request) -> Reply:
        self.takes(request.query, "client_id user_scope redirect_uri state", "response_type")
        return self.back(request)

    @route("POST", "slack.com", "/api/oauth.v2.access")
    def token(self, request: Request) -> dict[str, Any]:
        name, secret = request.basic
        self.must(name == CLIENT_ID, self.refusal("invalid_client_id"))
        self.must(secret == self.client_secret, self.refusal("bad_client_secret"))
        is_refresh = request.form.get("grant_type") == "refresh_token"
        if is_refresh:
            self.takes(request.form, "grant_type refresh_token")
            known = self.refresh and request.form["refresh_token"] == self.refresh
            self.must(known, self.refusal("invalid_refresh_token"))
        else:
            self.takes(request.form, "grant_type code redirect_uri")
            self.must(self.spend(request.form["code"]), self.refusal("invalid_code"))
        self.issue()
        token = {"access_token": self.access, "refresh_token": self.refresh, "expires_in": 43200, "scope": GRANTED}
        token |= {"token_type": "user"}
        team = {"ok": True, "app_id": "A1", "team": {"id": "T1", "name": "Acme"}, "enterprise": None}
        return {**team, **token, "user_id": "U1"} if is_refresh else {**team, "authed_user": {"id": "U1", **token}}

    @route("POST", "slack.com", "/api/auth.test")
    def who(self, request: Request) -> dict[str, Any]:
        self.must(self.knows(request.authorization.removeprefix("Bearer ")), self.refusal("token_expired"))
        return {"ok": True, "team": "Acme", "user": "ada", "team_id": "T1", "user_id": "U1"}

    @route("POST", "slack.com", "/api/auth.revoke")
    def revoke(self, request: Request) -> dict[str, Any]:
        self.must(self.knows(request.authorization.removeprefix("Bearer ")), self.refusal("invalid_auth"))
        self.revoked = self.access
        return {"ok": True, "revoked": True}
