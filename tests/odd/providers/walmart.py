"""Walmart Marketplace.

- Client credentials with Basic. ``WM_SVC.NAME`` and ``WM_QOS.CORRELATION_ID`` with every request, the one for a token
  included, which is answered as XML to who does not accept JSON.
- The token goes as ``WM_SEC.ACCESS_TOKEN``, for fifteen minutes. A refusal is a list of errors with 401.

developer.walmart.com/doc/us/mp/us-mp-auth/, developer.walmart.com/us-marketplace/reference/tokenapi
"""

from __future__ import annotations

from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, CREDENTIALS_METHOD, Fake, RefusedError, Request, Story, route

HEADERS = {"WM_SVC.NAME": "Walmart Marketplace", "WM_QOS.CORRELATION_ID": "our-site", "Accept": "application/json"}


class Walmart(Fake):
    slug = "walmart"
    hosts = ("marketplace.walmartapis.com",)
    fields: ClassVar[dict[str, Any]] = {
        "base_url": "https://marketplace.walmartapis.com/v3",
        "auth_method": CREDENTIALS_METHOD,
        "token_url": "https://marketplace.walmartapis.com/v3/token",
        "client_auth": "client_secret_basic",
        "credential_name": "WM_SEC.ACCESS_TOKEN",
        "default_headers": HEADERS,
        "test_path": "token/detail",
        "account_id_path": "body.partnerId",
        "dialect": {
            "token_headers": {"WM_SVC.NAME": "Walmart Marketplace", "WM_QOS.CORRELATION_ID": "our-site"},
        },
    }
    call = ("GET", "token/detail", {})
    story = Story(lifetime=900, account="10000012345", dead="TokenRequestFailed", status="misconfigured")

    def __init__(self) -> None:
        super().__init__()
        self.is_active = True

    def kill(self) -> None:
        self.is_active, self.access = False, ""

    def refusal(self, status: int, code: str, words: str) -> RefusedError:
        error = {"code": f"{code}.GMP_GATEWAY_API", "field": code, "description": code, "info": words}
        return RefusedError(status, {"error": [{**error, "severity": "ERROR", "category": "DATA", "causes": []}]})

    def malformed(self, why: str) -> RefusedError:
        return self.refusal(400, "INVALID_REQUEST", why)

    def headed(self, request: Request) -> None:
        for name in HEADERS:
            missing = self.refusal(400, "INVALID_REQUEST_HEADER", f"{name} set null or is invalid")
            self.must(request.headers.get(name.lower()), missing)
        self.must(request.headers["accept"] == "application/json", RefusedError(406, "<xml/>"))

    @route("POST", "marketplace.walmartapis.com", "/v3/token")
    def token(self, request: Request) -> dict[str, Any]:
        self.headed(request)
        known = self.is_active and request.basic == (CLIENT_ID, self.client_secret)
        self.must(known, self.refusal(401, "UNAUTHORIZED", "Unauthorized token or incorrect authorization header."))
        self.takes(request.form, "grant_type")
        self.must(request.form["grant_type"] == "client_credentials", self.malformed("grant_type"))
        self.issue()
        return {"access_token": self.access, "token_type": "Bearer", "expires_in": 900}

    @route("GET", "marketplace.walmartapis.com", "/v3/token/detail")
    def detail(self, request: Request) -> dict[str, Any]:
        self.headed(request)
        known = self.knows(request.headers.get("wm_sec.access_token"))
        self.must(known, self.refusal(401, "UNAUTHORIZED", "Unauthorized token or incorrect authorization header."))
        return {"partnerId": "10000012345", "scopes": {"reports": "view_only"}}
