"""Instagram (API with Instagram Login).

- The code gives a token for an hour, documented inside ``data`` and seen without; what was granted is ``permissions``.
- A GET exchanges it for one of sixty days (``ig_exchange_token``), with the secret in the query.
- There is no refresh token: a GET renews the long-lived token with itself (``ig_refresh_token``), while it works.
- Errors of the graph are 400 with ``OAuthException`` and a code; 190 is a dead token. ``#_`` follows the code.

developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/business-login,
…/instagram-platform/reference/access_token, …/instagram-platform/reference/refresh_access_token
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, CODE_METHOD, FORM, Fake, RefusedError, Reply, Request, Story, route

PERMISSIONS = ["instagram_business_basic", "instagram_business_manage_comments"]
USER = 17841405793187218


class Instagram(Fake):
    slug = "instagram"
    hosts = ("www.instagram.com", "api.instagram.com", "graph.instagram.com")
    fields: ClassVar[dict[str, Any]] = {
        "base_url": "https://graph.instagram.com",
        "auth_method": CODE_METHOD,
        "authorization_url": "https://www.instagram.com/oauth/authorize",
        "token_url": "https://api.instagram.com/oauth/access_token",
        "refresh_url": "https://graph.instagram.com/refresh_access_token",
        "scope": "instagram_business_basic,instagram_business_manage_comments",
        "scope_delimiter": ",",
        "pkce": "",
        "client_auth": "client_secret_post",
        "test_path": "me",
        "label_template": "{{ body.username }}",
        "account_id_path": "values.user_id",
        "dialect": {
            "token_response": {
                "access_token": "data[0].access_token || access_token",
                "scope": "data[0].permissions || permissions",
                "error": "(error.code == `190` && 'invalid_grant') || error.type || error_type",
            },
            "keep_from_token": {"user_id": {"path": "data[0].user_id || user_id", "pattern": "[0-9]+"}},
            "second_token": {
                "method": "GET",
                "url": "https://graph.instagram.com/access_token",
                "params": {
                    "grant_type": "ig_exchange_token",
                    "client_secret": "{{ client_secret }}",
                    "access_token": "{{ access_token }}",
                },
            },
            "refresh_request_method": "GET",
            "refresh_params": {
                "grant_type": "ig_refresh_token",
                "access_token": "{{ access_token }}",
                "refresh_token": None,
                "client_id": None,
                "client_secret": None,
            },
            "expired_when": "body.error.code == `190`",
            "test_request": {"params": {"fields": "user_id,username"}},
        },
    }
    call = ("GET", "me", {"params": {"fields": "username"}})
    story = Story(
        values={"user_id": USER},
        scope=" ".join(PERMISSIONS),
        lifetime=5183940,
        label="ada",
        account=str(USER),
        # A token that has ended can't be renewed with itself.
        expired="AuthorizationRequired",
    )
    refresh_has_secret = False
    is_flat: ClassVar[bool] = False

    def refused(self, words: str, code: int) -> RefusedError:
        return RefusedError(
            400, {"error": {"message": words, "type": "OAuthException", "code": code, "fbtrace_id": "A1"}}
        )

    def malformed(self, why: str) -> RefusedError:
        return RefusedError(400, {"error_type": "OAuthException", "code": 400, "error_message": why})

    @route("GET", "www.instagram.com", "/oauth/authorize")
    def consent(self, request: Request) -> Reply:
        self.takes(request.query, "client_id redirect_uri response_type scope state")
        found = self.back(request)
        return replace(found, headers={"Location": found.headers["Location"] + "#_"})

    @route("POST", "api.instagram.com", "/oauth/access_token")
    def token(self, request: Request) -> dict[str, Any]:
        self.must(request.content_type == FORM, self.malformed("form"))
        form = request.form
        self.takes(form, "client_id client_secret grant_type redirect_uri code")
        known = (form["client_id"], form["client_secret"]) == (CLIENT_ID, self.client_secret)
        self.must(known, self.malformed("Error validating client secret."))
        self.must(self.spend(form["code"]), self.malformed("Matching code was not found or was already used"))
        self.count += 1
        self.access = f"short-{self.count}"
        if self.is_flat:
            return {"access_token": self.access, "user_id": USER, "permissions": PERMISSIONS}
        return {"data": [{"access_token": self.access, "user_id": USER, "permissions": PERMISSIONS}]}

    def long_lived(self) -> dict[str, Any]:
        self.issue()
        return {"access_token": self.access, "token_type": "bearer", "expires_in": 5183944}

    @route("GET", "graph.instagram.com", "/access_token")
    def exchange(self, request: Request) -> dict[str, Any]:
        self.takes(request.query, "grant_type client_secret access_token")
        self.must(request.query["grant_type"] == "ig_exchange_token", self.refused("Unsupported get request", 100))
        self.must(request.query["client_secret"] == self.client_secret, self.refused("Error validating secret", 1))
        self.must(self.knows(request.query["access_token"]), self.refused("Session key invalid", 452))
        return self.long_lived()

    @route("GET", "graph.instagram.com", "/refresh_access_token")
    def renew(self, request: Request) -> dict[str, Any]:
        self.takes(request.query, "grant_type access_token")
        self.must(request.query["grant_type"] == "ig_refresh_token", self.refused("Unsupported get request", 100))
        dead = self.refused("Error validating access token: Session has expired on Thursday", 190)
        self.must(self.knows(request.query["access_token"]), dead)
        return self.long_lived()

    @route("GET", "graph.instagram.com", "/me")
    def me(self, request: Request) -> dict[str, Any]:
        dead = self.refused("Error validating access token: Session has expired on Thursday", 190)
        self.must(self.knows(request.authorization.removeprefix("Bearer ")), dead)
        self.must(request.query.get("fields"), self.refused("An unknown error has occurred.", 1))
        return {"user_id": USER, "username": "ada"}


class FlatInstagram(Instagram):
    """The same, with the answer that is seen in place of the one documented."""

    is_flat = True
