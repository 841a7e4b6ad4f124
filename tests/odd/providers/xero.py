"""Xero.

- Which organisations the token is for is asked at ``/connections``, and said with each request: ``Xero-Tenant-Id``.
- Basic at the token endpoint; ``offline_access`` for a refresh token, which changes.

developer.xero.com/documentation/guides/oauth2/auth-flow, …/guides/oauth2/tenants
"""

from __future__ import annotations

from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, Fake, RefusedError, Reply, Request, Story, preset, route

TENANT = "45e4708e-d862-4111-ab3a-dd8cd03913e1"
SCOPE = "offline_access accounting.settings.read accounting.contacts accounting.invoices"


class Xero(Fake):
    slug = "xero"
    begins_with = "xero"
    hosts = ("login.xero.com", "identity.xero.com", "api.xero.com")
    fields: ClassVar[dict[str, Any]] = preset("xero")
    call = ("GET", "Organisation", {})
    story = Story(
        values={"tenant_id": TENANT},
        scope=SCOPE,
        lifetime=1800,
        label="Demo Company (NZ)",
        account="b2c885a9",
        revoked=True,
    )
    unseen = frozenset({
        "dialect.after_authorize.headers.Accept",  # sent by itself
        "dialect.refresh_token_idle_days",  # tells when to refresh what nobody uses
    })  # fmt: skip  # in rows

    @route("GET", "login.xero.com", "/identity/connect/authorize")
    def consent(self, request: Request) -> Reply:
        self.takes(request.query, "response_type client_id redirect_uri scope state")
        return self.back(request)

    @route("POST", "identity.xero.com", "/connect/token")
    def token(self, request: Request) -> dict[str, Any]:
        self.must(request.basic == (CLIENT_ID, self.client_secret), RefusedError(400, {"error": "invalid_client"}))
        form = request.form
        if form.get("grant_type") == "refresh_token":
            self.takes(form, "grant_type refresh_token")
            self.must(
                self.refresh and self.refresh == form["refresh_token"], RefusedError(400, {"error": "invalid_grant"})
            )
        else:
            self.takes(form, "grant_type code redirect_uri")
            self.must(self.spend(form["code"]), RefusedError(400, {"error": "invalid_grant"}))
        self.issue()
        token = {"access_token": self.access, "expires_in": 1800, "token_type": "Bearer"}
        return {**token, "refresh_token": self.refresh, "scope": SCOPE}

    @route("POST", "identity.xero.com", "/connect/revocation")
    def revoke(self, request: Request) -> dict[str, Any]:
        self.must(request.basic == (CLIENT_ID, self.client_secret), RefusedError(400, {"error": "invalid_client"}))
        self.revoked = self.revoked or request.form["token"]
        return {}

    def known(self, request: Request) -> None:
        words = {"Type": None, "Title": "Unauthorized", "Status": 401, "Detail": "TokenExpired: token expired at …"}
        self.must(self.knows(request.authorization.removeprefix("Bearer ")), RefusedError(401, words))

    @route("GET", "api.xero.com", "/connections")
    def connections(self, request: Request) -> list[dict[str, Any]]:
        self.known(request)
        return [{"id": "e1eede29", "tenantId": TENANT, "tenantType": "ORGANISATION", "tenantName": "Demo Company (NZ)"}]

    @route("GET", "api.xero.com", "/api.xro/2.0/Organisation")
    def organisation(self, request: Request) -> dict[str, Any]:
        self.known(request)
        words = {"Title": "Forbidden", "Status": 403, "Detail": "AuthenticationUnsuccessful"}
        self.must(request.headers.get("xero-tenant-id") == TENANT, RefusedError(403, words))
        self.must(request.headers.get("accept") == "application/json", RefusedError(406, {}))  # XML, else
        return {"Organisations": [{"OrganisationID": "b2c885a9", "Name": "Demo Company (NZ)"}]}
