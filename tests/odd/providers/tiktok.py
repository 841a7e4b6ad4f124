"""TikTok (Login Kit, API v2).

- The client ID is called ``client_key`` in every request, and scopes are joined by commas.
- Errors of the token endpoint come with the status 200: ``{"error", "error_description", "log_id"}``.
- Access tokens last a day; refresh tokens a year (``refresh_expires_in``), and may change.
- An answer of the API has an ``error`` also when all is well: its code is then ``ok``.
- Revoking wants ``client_key``, ``client_secret`` and ``token``.

developers.tiktok.com/doc/oauth-user-access-token-management, …/doc/oauth-error-handling, …/doc/login-kit-web
"""

from __future__ import annotations

from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, CODE_METHOD, FORM, Fake, RefusedError, Reply, Request, Story, route

KEY: dict[str, Any] = {"client_key": "{{ client_id }}", "client_id": None}


class TikTok(Fake):
    slug = "tiktok"
    hosts = ("www.tiktok.com", "open.tiktokapis.com")
    fields: ClassVar[dict[str, Any]] = {
        "base_url": "https://open.tiktokapis.com/v2",
        "auth_method": CODE_METHOD,
        "authorization_url": "https://www.tiktok.com/v2/auth/authorize/",
        "token_url": "https://open.tiktokapis.com/v2/oauth/token/",
        "scope": "user.info.basic,video.list",
        "scope_delimiter": ",",
        "pkce": "",
        "client_auth": "client_secret_post",
        "test_path": "user/info/",
        "label_template": "{{ body.data.user.display_name }}",
        "account_id_path": "values.open_id",
        "dialect": {
            "authorization_params": KEY,
            "token_params": KEY,
            "refresh_params": KEY,
            "keep_from_token": {"open_id": {"path": "open_id", "pattern": "[A-Za-z0-9_-]+"}},
            "revoke": {
                "url": "https://open.tiktokapis.com/v2/oauth/revoke/",
                "format": "form",
                "body": {
                    "client_key": "{{ client_id }}",
                    "client_secret": "{{ client_secret }}",
                    "token": "{{ access_token }}",
                },
            },
            "test_request": {"params": {"fields": "open_id,display_name"}},
        },
    }
    call = ("GET", "user/info/", {"params": {"fields": "open_id"}})
    story = Story(
        values={"open_id": "723f24d7"},
        scope="user.info.basic,video.list",
        lifetime=86400,
        refresh_lifetime=31536000,
        label="Ada",
        account="723f24d7",
        revoked=True,
    )

    def malformed(self, why: str) -> RefusedError:
        return self.refusal("invalid_request", why)

    def refusal(self, error: str, description: str) -> RefusedError:
        return RefusedError(200, {"error": error, "error_description": description, "log_id": "202206221854370101"})

    @route("GET", "www.tiktok.com", "/v2/auth/authorize/")
    def consent(self, request: Request) -> Reply:
        self.takes(request.query, "client_key scope response_type redirect_uri state")
        self.must("," in request.query["scope"], self.malformed("scope"))
        return self.back(request, scopes=request.query["scope"])

    def client(self, request: Request) -> dict[str, str]:
        self.must(request.content_type == FORM, self.malformed("Only `application/x-www-form-urlencoded` is taken."))
        known = (request.form.get("client_key"), request.form.get("client_secret")) == (CLIENT_ID, self.client_secret)
        self.must(known, self.refusal("invalid_client", "Client key or secret is incorrect."))
        return request.form

    @route("POST", "open.tiktokapis.com", "/v2/oauth/token/")
    def token(self, request: Request) -> dict[str, Any]:
        form = self.client(request)
        if form.get("grant_type") == "refresh_token":
            self.takes(form, "client_key client_secret grant_type refresh_token")
            dead = self.refusal("invalid_grant", "Refresh token is invalid or expired.")
            self.must(self.refresh and form["refresh_token"] == self.refresh, dead)
        else:
            self.takes(form, "client_key client_secret grant_type code redirect_uri")
            self.must(self.spend(form["code"]), self.refusal("invalid_grant", "Authorization code is expired."))
        self.issue()
        return {
            "access_token": self.access,
            "expires_in": 86400,
            "open_id": "723f24d7",
            "refresh_expires_in": 31536000,
            "refresh_token": self.refresh,
            "scope": "user.info.basic,video.list",
            "token_type": "Bearer",
        }

    @route("POST", "open.tiktokapis.com", "/v2/oauth/revoke/")
    def revoke(self, request: Request) -> dict[str, Any]:
        self.takes(self.client(request), "client_key client_secret token")
        self.revoked = request.form["token"]
        return {}

    @route("GET", "open.tiktokapis.com", "/v2/user/info/")
    def user(self, request: Request) -> dict[str, Any]:
        if not self.knows(request.authorization.removeprefix("Bearer ")):
            words = "The access token is invalid or not found in the request."
            raise RefusedError(401, {"error": {"code": "access_token_invalid", "message": words, "log_id": "2022"}})
        if "fields" not in request.query:
            raise RefusedError(
                400, {"error": {"code": "invalid_params", "message": "fields is required", "log_id": "2022"}}
            )
        return {
            "data": {"user": {"open_id": "723f24d7", "display_name": "Ada"}},
            "error": {"code": "ok", "message": ""},
        }
