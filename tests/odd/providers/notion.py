"""Notion.

- ``owner=user`` in the authorization request; token requests are JSON with Basic.
- ``Notion-Version`` with every request. The answer has the workspace; refresh tokens change. No answer says how long a
  token lasts.

developers.notion.com/reference/create-a-token, …/reference/refresh-a-token, …/reference/versioning
"""

from __future__ import annotations

from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, JSON, Fake, RefusedError, Reply, Request, Story, preset, route

WORKSPACE, BOT = "6d0a7b5a-8c1f-4f3f-9f05-0d4f6a4e2c11", "0a1b2c3d-1111-4222-8333-444455556666"
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Notion(Fake):
    slug = "notion"
    begins_with = "notion"
    hosts = ("api.notion.com",)
    fields: ClassVar[dict[str, Any]] = preset(
        "notion",
        dialect={
            "keep_from_token": {
                "workspace_id": {"path": "workspace_id", "pattern": UUID},
                "bot_id": {"path": "bot_id", "pattern": UUID},
            }
        },
    )
    call = ("GET", "users/me", {})
    story = Story(
        values={"workspace_id": WORKSPACE, "bot_id": BOT},
        lifetime=None,
        label="Acme",
        account=BOT,
        renewed_ahead=False,
        revoked=True,
    )

    def refusal(self, status: int, code: str, words: str) -> RefusedError:
        return RefusedError(status, {"object": "error", "status": status, "code": code, "message": words})

    def client(self, request: Request) -> None:
        self.must(request.basic == (CLIENT_ID, self.client_secret), RefusedError(401, {"error": "invalid_client"}))
        self.must(request.content_type == JSON, self.refusal(400, "invalid_json", "Error parsing JSON body."))
        self.versioned(request)

    def versioned(self, request: Request) -> None:
        words = "Notion-Version header should be defined"
        self.must(request.headers.get("notion-version"), self.refusal(400, "missing_version", words))

    @route("GET", "api.notion.com", "/v1/oauth/authorize")
    def consent(self, request: Request) -> Reply:
        self.takes(request.query, "client_id redirect_uri response_type owner state")
        self.must(request.query["owner"] == "user", self.malformed("owner"))
        return self.back(request)

    @route("POST", "api.notion.com", "/v1/oauth/token")
    def token(self, request: Request) -> dict[str, Any]:
        self.client(request)
        sent = request.json
        if sent.get("grant_type") == "refresh_token":
            self.takes(sent, "grant_type refresh_token")
            words = {"error": "invalid_grant", "error_description": "Invalid refresh token."}
            self.must(self.refresh and self.refresh == sent["refresh_token"], RefusedError(400, words))
        else:
            self.takes(sent, "grant_type code redirect_uri")
            self.must(self.spend(sent["code"]), RefusedError(400, {"error": "invalid_grant"}))
        self.issue()
        return {
            "access_token": self.access,
            "token_type": "bearer",
            "refresh_token": self.refresh,
            "bot_id": BOT,
            "workspace_icon": None,
            "workspace_name": "Acme",
            "workspace_id": WORKSPACE,
            "owner": {"type": "user", "user": {"object": "user", "id": "u1"}},
            "duplicated_template_id": None,
        }

    @route("POST", "api.notion.com", "/v1/oauth/revoke")
    def revoke(self, request: Request) -> dict[str, Any]:
        self.client(request)
        self.takes(request.json, "token")
        self.revoked = request.json["token"]
        return {}

    @route("GET", "api.notion.com", "/v1/users/me")
    def me(self, request: Request) -> dict[str, Any]:
        known = self.knows(request.authorization.removeprefix("Bearer "))
        self.must(known, self.refusal(401, "unauthorized", "API token is invalid."))
        self.versioned(request)
        return {"object": "user", "id": BOT, "name": "Site", "type": "bot", "bot": {"workspace_name": "Acme"}}
