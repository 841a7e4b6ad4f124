"""Zoho CRM.

- The callback says which data centre the account is in: ``accounts-server`` is where the code is exchanged.
- The token answer says where the API is: ``api_domain``. A refresh repeats that, and sends no refresh token.
- Errors of the token endpoint come with 200; the scheme of the header is ``Zoho-oauthtoken``.

zoho.com/accounts/protocol/oauth/web-apps/access-token.html, zoho.com/accounts/protocol/oauth/multi-dc.html
"""

from __future__ import annotations

from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, Fake, RefusedError, Reply, Request, Story, preset, route

SCOPE = "ZohoCRM.users.READ,ZohoCRM.modules.ALL"


class Zoho(Fake):
    slug = "zoho"
    begins_with = "zoho"
    hosts = ("accounts.zoho.com", "accounts.zoho.eu", "www.zohoapis.eu")
    fields: ClassVar[dict[str, Any]] = preset("zoho")
    call = ("GET", "users", {"params": {"type": "CurrentUser"}})
    story = Story(
        values={"accounts_server": "https://accounts.zoho.eu", "api_domain": "https://www.zohoapis.eu"},
        scope=SCOPE,
        label="Ada L. (ada@example.org)",
        account="3652397000000186021",
        revoked=True,
    )
    rotates = False
    unseen = frozenset({"credential_name"})  # named so by itself

    def __init__(self) -> None:
        super().__init__()
        self.accounts_server, self.api_domain = "https://accounts.zoho.eu", "https://www.zohoapis.eu"

    def malformed(self, why: str) -> RefusedError:
        return RefusedError(200, {"error": "invalid_request"})

    @route("GET", "accounts.zoho.com", "/oauth/v2/auth")
    def consent(self, request: Request) -> Reply:
        self.takes(request.query, "client_id response_type redirect_uri scope state access_type prompt")
        return self.back(request, location="eu", **{"accounts-server": self.accounts_server})

    @route("POST", "accounts.zoho.eu", "/oauth/v2/token")
    def token(self, request: Request) -> dict[str, Any]:
        form = request.form
        known = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, self.client_secret)
        self.must(known, RefusedError(200, {"error": "invalid_client"}))
        is_refresh = form.get("grant_type") == "refresh_token"
        if is_refresh:
            self.takes(form, "client_id client_secret grant_type refresh_token")
            self.must(self.refresh == form["refresh_token"], RefusedError(200, {"error": "invalid_code"}))
        else:
            self.takes(form, "client_id client_secret grant_type code redirect_uri")
            self.must(self.spend(form["code"]), RefusedError(200, {"error": "invalid_code"}))
        self.issue()
        answer = {
            "access_token": self.access,
            "api_domain": self.api_domain,
            "token_type": "Bearer",
            "expires_in": 3600,
        }
        return answer if is_refresh else {**answer, "refresh_token": self.refresh}

    @route("POST", "accounts.zoho.eu", "/oauth/v2/token/revoke")
    def revoke(self, request: Request) -> dict[str, Any]:
        self.revoked = request.form["token"]
        return {"status": "success"}

    @route("GET", "www.zohoapis.eu", "/crm/v8/users")
    def users(self, request: Request) -> dict[str, Any]:
        if not self.knows(request.authorization.removeprefix("Zoho-oauthtoken ")):
            words = {"code": "INVALID_TOKEN", "details": {}, "message": "invalid oauth token", "status": "error"}
            raise RefusedError(401, words)
        everybody = [{"id": "1", "full_name": "Grace H.", "email": "grace@example.org"}]
        ada = {"id": "3652397000000186021", "full_name": "Ada L.", "email": "ada@example.org"}
        return {"users": [ada] if request.query.get("type") == "CurrentUser" else everybody}
