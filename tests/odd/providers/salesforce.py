"""Salesforce.

- The token answer says where the org is (``instance_url``), and not how long the token lasts.
- A refresh goes to the log-in host, repeats ``instance_url`` and sends no refresh token.
- PKCE may be required.

help.salesforce.com: OAuth 2.0 Web Server Flow, OAuth 2.0 Refresh Token Flow, Revoke OAuth Tokens
"""

from __future__ import annotations

from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, FORM, Fake, RefusedError, Reply, Request, Story, preset, route

INSTANCE = "acme--dev.sandbox.my.salesforce.com"
MOVED = "acme--new.sandbox.my.salesforce.com"


class Salesforce(Fake):
    slug = "salesforce"
    begins_with = "salesforce"
    hosts = ("test.salesforce.com", INSTANCE, MOVED)
    fields: ClassVar[dict[str, Any]] = preset("salesforce")
    entered: ClassVar[dict[str, Any]] = {"variables": {"login_url": "https://test.salesforce.com"}}
    call = ("GET", "services/oauth2/userinfo", {})
    story = Story(
        values={"instance_url": f"https://{INSTANCE}"},
        scope="refresh_token api id",
        lifetime=None,
        label="Ada L. (ada@example.org)",
        account="005",
        renewed_ahead=False,
        revoked=True,
    )
    rotates = False

    def __init__(self) -> None:
        super().__init__()
        self.instance_url = f"https://{INSTANCE}"
        self.user_id = "005"

    def refusal(self, error: str, words: str, status: int = 400) -> RefusedError:
        return RefusedError(status, {"error": error, "error_description": words})

    @route("GET", "test.salesforce.com", "/services/oauth2/authorize")
    def consent(self, request: Request) -> Reply:
        pkce = "code_challenge code_challenge_method"
        self.takes(request.query, f"client_id response_type scope redirect_uri state {pkce}")
        return self.back(request)

    @route("POST", "test.salesforce.com", "/services/oauth2/token")
    def token(self, request: Request) -> dict[str, Any]:
        self.must(request.content_type == FORM, self.malformed("form"))
        form = request.form
        secret = form.get("client_secret") == self.client_secret
        self.must(form.get("client_id") == CLIENT_ID, self.refusal("invalid_client_id", "client identifier invalid"))
        self.must(secret, self.refusal("invalid_client", "invalid client credentials"))
        is_refresh = form.get("grant_type") == "refresh_token"
        if is_refresh:
            self.takes(form, "client_id client_secret grant_type refresh_token")
            known = self.refresh and self.refresh == form["refresh_token"]
            self.must(known, self.refusal("invalid_grant", "expired access/refresh token"))
        else:
            self.takes(form, "client_id client_secret grant_type code redirect_uri code_verifier")
            self.must(self.spend(form["code"]), self.refusal("invalid_grant", "expired authorization code"))
            self.must(self.proves(form["code_verifier"]), self.refusal("invalid_grant", "invalid code verifier"))
        self.issue()
        answer = {
            "access_token": self.access,
            "signature": "SSSbLO/gBhmmyNUvN18ODBDFYHzakxOMgqYtu+hDPsc=",
            "scope": "refresh_token api id",
            "instance_url": self.instance_url,
            "id": "https://test.salesforce.com/id/00D/005",
            "token_type": "Bearer",
            "issued_at": "1278448384422",
        }
        return answer if is_refresh else {**answer, "refresh_token": self.refresh}

    @route("POST", "test.salesforce.com", "/services/oauth2/revoke")
    def revoke(self, request: Request) -> dict[str, Any]:
        self.revoked = self.revoked or request.form["token"]
        return {}

    @route("GET", INSTANCE, "/services/oauth2/userinfo")
    @route("GET", MOVED, "/services/oauth2/userinfo")
    def userinfo(self, request: Request) -> dict[str, Any]:
        words = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
        here = self.instance_url == f"https://{request.host}"
        self.must(here and self.knows(request.authorization.removeprefix("Bearer ")), RefusedError(401, words))
        return {"user_id": self.user_id, "preferred_username": "ada@example.org", "name": "Ada L."}
