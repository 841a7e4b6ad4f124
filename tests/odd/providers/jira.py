"""Jira Cloud.

- ``audience`` and ``prompt`` in the authorization request; token requests are JSON.
- The site's ``cloudId`` is asked for, and is a part of every address.
- Refresh tokens change; a dead one is refused with 403.

developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps,
developer.atlassian.com/cloud/oauth/getting-started/refresh-tokens
"""

from __future__ import annotations

from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, JSON, Fake, RefusedError, Reply, Request, Story, preset, route

CLOUD = "1324a887-45db-1bf4-1e99-ef0ff456d421"
SCOPE = "offline_access read:jira-user read:jira-work write:jira-work"


class Jira(Fake):
    slug = "jira"
    begins_with = "jira"
    hosts = ("auth.atlassian.com", "api.atlassian.com")
    fields: ClassVar[dict[str, Any]] = preset("jira")
    call = ("GET", "rest/api/3/myself", {})
    story = Story(values={"cloud_id": CLOUD}, scope=SCOPE, label="Ada L.", account="5b10a")
    unseen = frozenset({
        "default_headers.Accept", "dialect.after_authorize.headers.Accept",  # JSON by itself
        "dialect.refresh_token_idle_days",  # tells when to refresh what nobody uses
    })  # fmt: skip  # in rows

    @route("GET", "auth.atlassian.com", "/authorize")
    def consent(self, request: Request) -> Reply:
        self.takes(request.query, "audience client_id scope redirect_uri state response_type prompt")
        self.must(request.query["audience"] == "api.atlassian.com", self.malformed("audience"))
        return self.back(request)

    @route("POST", "auth.atlassian.com", "/oauth/token")
    def token(self, request: Request) -> dict[str, Any]:
        self.must(request.content_type == JSON, self.malformed("JSON is wanted"))
        sent = request.json
        known = (sent.get("client_id"), sent.get("client_secret")) == (CLIENT_ID, self.client_secret)
        self.must(known, RefusedError(401, {"error": "access_denied", "error_description": "Unauthorized"}))
        if sent.get("grant_type") == "refresh_token":
            self.takes(sent, "grant_type client_id client_secret refresh_token")
            words = {"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}
            self.must(self.refresh and self.refresh == sent["refresh_token"], RefusedError(403, words))
        else:
            self.takes(sent, "grant_type client_id client_secret code redirect_uri")
            words = {"error": "invalid_grant", "error_description": "Invalid authorization code"}
            self.must(self.spend(sent["code"]), RefusedError(403, words))
        self.issue()
        token = {"access_token": self.access, "expires_in": 3600, "token_type": "Bearer"}
        return {**token, "refresh_token": self.refresh, "scope": SCOPE}

    def known(self, request: Request) -> None:
        known = self.knows(request.authorization.removeprefix("Bearer "))
        self.must(known, RefusedError(401, {"code": 401, "message": "Unauthorized"}))

    @route("GET", "api.atlassian.com", "/oauth/token/accessible-resources")
    def resources(self, request: Request) -> list[dict[str, Any]]:
        self.known(request)
        return [{"id": CLOUD, "name": "Acme", "url": "https://acme.atlassian.net", "scopes": ["read:jira-user"]}]

    @route("GET", "api.atlassian.com", f"/ex/jira/{CLOUD}/rest/api/3/myself")
    def myself(self, request: Request) -> dict[str, Any]:
        self.known(request)
        return {"accountId": "5b10a", "displayName": "Ada L."}
