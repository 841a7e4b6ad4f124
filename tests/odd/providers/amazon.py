"""Amazon Selling Partner API.

- The consent page is Seller Central's and knows the app by ``application_id``; it takes nothing else of OAuth but
  ``state`` and ``redirect_uri``.
- The code comes back as ``spapi_oauth_code``, with ``selling_partner_id``.
- The token goes as ``x-amz-access-token``. An expired one is refused with 403, as is what a role does not allow; the
  details tell. A ``User-Agent`` is required.

developer-docs.amazon.com/sp-api/docs/website-authorization-workflow, …/docs/connect-to-the-selling-partner-api
"""

from __future__ import annotations

from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, CODE_METHOD, Fake, RefusedError, Reply, Request, Story, route

APPLICATION = "amzn1.sp.solution.0a1b2c3d-4e5f"
SELLER = "A3FHEPEXAMPLE"


class Amazon(Fake):
    slug = "amazon-sp"
    hosts = ("sellercentral.amazon.com", "api.amazon.com", "sellingpartnerapi-na.amazon.com")
    fields: ClassVar[dict[str, Any]] = {
        "base_url": "https://sellingpartnerapi-na.amazon.com",
        "auth_method": CODE_METHOD,
        "authorization_url": "https://sellercentral.amazon.com/apps/authorize/consent",
        "token_url": "https://api.amazon.com/auth/o2/token",
        "pkce": "",
        "client_auth": "client_secret_post",
        "credential_name": "x-amz-access-token",
        "default_headers": {"User-Agent": "OurSite/1.0 (Language=Python)"},
        "test_path": "sellers/v1/marketplaceParticipations",
        "label_template": "{{ body.payload.0.storeName }}",
        "account_id_path": "values.selling_partner_id",
        "dialect": {
            "variables": {
                "application_id": {"label": "Application ID", "pattern": "amzn1\\.sp\\.solution\\.[a-z0-9-]+"}
            },
            "authorization_params": {
                "application_id": "{{ application_id }}",
                "client_id": None,
                "response_type": None,
            },
            "callback_code_param": "spapi_oauth_code",
            "keep_from_callback": {"selling_partner_id": {"path": "selling_partner_id", "pattern": "[A-Z0-9]+"}},
            "expired_when": "status == `403` && contains(body.errors[0].details || '', 'access token')",
        },
    }
    entered: ClassVar[dict[str, Any]] = {"variables": {"application_id": APPLICATION}}
    call = ("GET", "sellers/v1/marketplaceParticipations", {})
    story = Story(values={"selling_partner_id": SELLER}, label="Ada's", account=SELLER)
    rotates = False

    @route("GET", "sellercentral.amazon.com", "/apps/authorize/consent")
    def consent(self, request: Request) -> Reply:
        self.takes(request.query, "application_id state redirect_uri", "version")
        self.must(request.query["application_id"] == APPLICATION, self.malformed("MD1000"))
        return self.back(request, code_name="spapi_oauth_code", selling_partner_id=SELLER)

    @route("POST", "api.amazon.com", "/auth/o2/token")
    def token(self, request: Request) -> dict[str, Any]:
        form = request.form
        known = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, self.client_secret)
        words = {"error_description": "Client authentication failed", "error": "invalid_client"}
        self.must(known, RefusedError(401, words))
        if form.get("grant_type") == "refresh_token":
            self.takes(form, "grant_type client_id client_secret refresh_token")
            words = {"error_description": "The request has an invalid grant parameter : refresh_token"}
            self.must(self.refresh == form["refresh_token"], RefusedError(400, {**words, "error": "invalid_grant"}))
        else:
            self.takes(form, "grant_type client_id client_secret code", "redirect_uri")
            words = {"error_description": "The request has an invalid grant parameter : code"}
            self.must(self.spend(form["code"]), RefusedError(400, {**words, "error": "invalid_grant"}))
        self.issue()
        return {
            "access_token": self.access,
            "refresh_token": self.refresh,
            "token_type": "bearer",
            "expires_in": 3600,
        }

    @route("GET", "sellingpartnerapi-na.amazon.com", "/sellers/v1/marketplaceParticipations")
    def participations(self, request: Request) -> dict[str, Any]:
        denied = {"code": "Unauthorized", "message": "Access to requested resource is denied."}
        details = {"details": "The access token you provided has expired."}
        self.must(request.headers.get("user-agent", "").startswith("OurSite/"), RefusedError(400, {"errors": [denied]}))
        known = self.knows(request.headers.get("x-amz-access-token"))
        self.must(known, RefusedError(403, {"errors": [denied | details]}))
        return {"payload": [{"marketplace": {"id": "ATVPDKIKX0DER"}, "storeName": "Ada's"}]}

    @route("GET", "sellingpartnerapi-na.amazon.com", "/orders/v0/orders")
    def orders(self, request: Request) -> Reply:
        """What the role does not allow; the token is fine."""
        denied = {"code": "Unauthorized", "message": "Access to requested resource is denied.", "details": ""}
        return Reply(403, {"errors": [denied]})
