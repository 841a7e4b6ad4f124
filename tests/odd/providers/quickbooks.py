"""QuickBooks Online.

- The company comes with the callback (``realmId``) and is part of every address.
- Basic at the token endpoint, which answers JSON to who accepts it.
- The refresh token changes; its life is ``x_refresh_token_expires_in``. Revoking is JSON with Basic.

developer.intuit.com/app/developer/qbo/docs/develop/authentication-and-authorization/oauth-2.0,
github.com/intuit/oauth-pythonclient
"""

from __future__ import annotations

from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, FORM, Fake, RefusedError, Reply, Request, Story, preset, route

REALM, OTHER_REALM = "9341453474484455", "123145822244174"
API = f"/v3/company/{REALM}/query"


class QuickBooks(Fake):
    slug = "quickbooks"
    begins_with = "quickbooks"
    hosts = (
        "appcenter.intuit.com",
        "oauth.platform.intuit.com",
        "developer.api.intuit.com",
        "sandbox-quickbooks.api.intuit.com",
    )
    fields: ClassVar[dict[str, Any]] = preset("quickbooks")
    entered: ClassVar[dict[str, Any]] = {"variables": {"environment": "sandbox-quickbooks"}}
    call = ("GET", "query", {"params": {"query": "select * from CompanyInfo"}})
    story = Story(
        values={"realm_id": REALM},
        scope="com.intuit.quickbooks.accounting",
        refresh_lifetime=8726400,
        label="Acme",
        account=REALM,
        revoked=True,
    )
    unseen = frozenset({
        "revocation_url",  # the declared request takes its place
        "dialect.revoke.headers.Accept",  # sent by itself
    })  # fmt: skip  # in rows

    def __init__(self) -> None:
        super().__init__()
        self.realm = REALM

    def client(self, request: Request) -> None:
        known = request.basic == (CLIENT_ID, self.client_secret)
        self.must(known, RefusedError(401, {"error": "invalid_client"}))
        wants_json = request.headers.get("accept") == "application/json"
        self.must(wants_json, RefusedError(406, {"error": "invalid_request"}))

    @route("GET", "appcenter.intuit.com", "/connect/oauth2")
    def consent(self, request: Request) -> Reply:
        self.takes(request.query, "client_id response_type scope redirect_uri state")
        return self.back(request, realmId=self.realm)

    @route("POST", "oauth.platform.intuit.com", "/oauth2/v1/tokens/bearer")
    def token(self, request: Request) -> dict[str, Any]:
        self.client(request)
        self.must(request.content_type == FORM, RefusedError(400, {"error": "invalid_request"}))
        form = request.form
        if form.get("grant_type") == "refresh_token":
            self.takes(form, "grant_type refresh_token")
            words = {"error_description": "Incorrect or invalid refresh token", "error": "invalid_grant"}
            self.must(self.refresh and self.refresh == form["refresh_token"], RefusedError(400, words))
        else:
            self.takes(form, "grant_type code redirect_uri")
            self.must(self.spend(form["code"]), RefusedError(400, {"error": "invalid_grant"}))
        self.issue()
        return {
            "token_type": "bearer",
            "expires_in": 3600,
            "refresh_token": self.refresh,
            "x_refresh_token_expires_in": 8726400,
            "access_token": self.access,
        }

    @route("POST", "developer.api.intuit.com", "/v2/oauth2/tokens/revoke")
    def revoke(self, request: Request) -> dict[str, Any]:
        self.client(request)
        self.takes(request.json, "token")
        self.revoked = request.json["token"]
        return {}

    @route("GET", "sandbox-quickbooks.api.intuit.com", API)
    @route("GET", "sandbox-quickbooks.api.intuit.com", API.replace(REALM, OTHER_REALM))
    def query(self, request: Request) -> dict[str, Any]:
        words = {"fault": {"error": [{"message": "AuthenticationFailed", "code": "3200"}], "type": "AUTHENTICATION"}}
        self.must(self.knows(request.authorization.removeprefix("Bearer ")), RefusedError(401, words))
        self.must(self.realm in request.path, RefusedError(403, {"fault": {"type": "AuthorizationFault"}}))
        # XML, else.
        self.must(request.headers.get("accept") == "application/json", RefusedError(406, {}))
        self.takes(request.query, "query")
        return {"QueryResponse": {"CompanyInfo": [{"CompanyName": "Acme", "Id": "1"}]}}
