"""Shopify.

- Every address is the shop's own; the token goes as ``X-Shopify-Access-Token``.
- ``expiring=1`` with the code asks for an offline token that expires, and a refresh token that changes.
- The callback brings ``shop``, ``hmac``, ``host`` and ``timestamp``; scopes are joined by commas.

shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant and
…/access-tokens/offline-access-tokens
"""

from __future__ import annotations

from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, Fake, RefusedError, Reply, Request, Story, preset, route

SHOP = "ada-shop.myshopify.com"


class Shopify(Fake):
    slug = "shopify"
    begins_with = "shopify"
    hosts = (SHOP,)
    fields: ClassVar[dict[str, Any]] = preset("shopify")
    entered: ClassVar[dict[str, Any]] = {"variables": {"shop": "ada-shop"}}
    call = ("POST", "graphql.json", {"json": {"query": "query { shop { id } }"}})
    story = Story(
        values={"shop_domain": SHOP},
        scope="read_products",
        refresh_lifetime=7776000,
        label="Ada's",
        account="gid://shopify/Shop/1",
    )
    unseen = frozenset({"dialect.test_request.success_when"})  # what a refused query shows

    @route("GET", SHOP, "/admin/oauth/authorize")
    def consent(self, request: Request) -> Reply:
        self.takes(request.query, "client_id scope redirect_uri state", "response_type")
        return self.back(request, shop=SHOP, hmac="700e2dadb827fcc8", host="YWRh", timestamp="1337178173")

    @route("POST", SHOP, "/admin/oauth/access_token")
    def token(self, request: Request) -> dict[str, Any]:
        form = request.form
        known = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, self.client_secret)
        self.must(known, RefusedError(400, {"error": "invalid_client"}))
        if form.get("grant_type") == "refresh_token":
            self.takes(form, "client_id client_secret grant_type refresh_token")
            words = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
            self.must(self.refresh and self.refresh == form["refresh_token"], RefusedError(400, words))
            self.issue()
        else:
            self.takes(form, "client_id client_secret code", "expiring grant_type redirect_uri")
            words = {"error": "invalid_request", "error_description": "The authorization code was not found."}
            self.must(self.spend(form["code"]), RefusedError(400, words))
            self.issue()
            if form.get("expiring") != "1":
                return {"access_token": self.access, "scope": "read_products"}
        return {
            "access_token": self.access,
            "scope": "read_products",
            "expires_in": 3600,
            "refresh_token": self.refresh,
            "refresh_token_expires_in": 7776000,
        }

    @route("POST", SHOP, "/admin/api/2026-10/graphql.json")
    def graphql(self, request: Request) -> dict[str, Any]:
        words = {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
        self.must(self.knows(request.headers.get("x-shopify-access-token")), RefusedError(401, words))
        self.must(request.json.get("query"), RefusedError(400, {"errors": {"query": "Required parameter missing"}}))
        return {"data": {"shop": {"id": "gid://shopify/Shop/1", "name": "Ada's", "myshopifyDomain": SHOP}}}
