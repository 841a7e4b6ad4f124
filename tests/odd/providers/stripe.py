"""Stripe Apps.

- The platform's secret key is the user name of Basic at the token endpoint, without a password; the client ID is known
  to the consent page alone.
- Access tokens last an hour, which no answer says; refresh tokens a year, and they change.

docs.stripe.com/stripe-apps/api-authentication/oauth
"""

from __future__ import annotations

from typing import Any, ClassVar

from tests.odd.fakes import CLIENT_ID, CODE_METHOD, Fake, RefusedError, Reply, Request, Story, route

ACCOUNT = "acct_1aTnTtAAB0hHJ26p"
NONE: dict[str, Any] = {"client_id": None, "client_secret": None}


class Stripe(Fake):
    slug = "stripe-app"
    hosts = ("marketplace.stripe.com", "api.stripe.com")
    fields: ClassVar[dict[str, Any]] = {
        "base_url": "https://api.stripe.com/v1",
        "auth_method": CODE_METHOD,
        "authorization_url": "https://marketplace.stripe.com/oauth/v2/authorize",
        "token_url": "https://api.stripe.com/v1/oauth/token",
        "pkce": "",
        "client_auth": "client_secret_post",
        "test_path": "account",
        "label_template": "{{ body.id }}",
        "account_id_path": "body.id",
        "dialect": {
            "token_params": NONE,
            "refresh_params": NONE,
            "token_headers": {"Authorization": 'Basic {{ client_secret|concat:":"|base64 }}'},
            "default_expires_in": 3600,
            "keep_from_token": {"stripe_user_id": {"path": "stripe_user_id", "pattern": "acct_[A-Za-z0-9]+"}},
        },
    }
    call = ("GET", "account", {})
    unseen = frozenset({"client_auth"})  # both parameters are taken out, and the header is replaced
    story = Story(values={"stripe_user_id": ACCOUNT}, scope="stripe_apps", label=ACCOUNT, account=ACCOUNT)

    @route("GET", "marketplace.stripe.com", "/oauth/v2/authorize")
    def consent(self, request: Request) -> Reply:
        self.takes(request.query, "client_id redirect_uri state", "response_type")
        self.must(request.query["client_id"] == CLIENT_ID, self.malformed("client_id"))
        return self.back(request, stripe_user_id=ACCOUNT, stripe_publishable_key="pk_test_1")

    @route("POST", "api.stripe.com", "/v1/oauth/token")
    def token(self, request: Request) -> dict[str, Any]:
        words = {"type": "invalid_request_error", "message": "Invalid API Key provided: sk_test_****"}
        self.must(request.basic == (self.client_secret, ""), RefusedError(401, {"error": words}))
        form = request.form
        if form.get("grant_type") == "refresh_token":
            self.takes(form, "grant_type refresh_token")
            words = {"error": "invalid_grant", "error_description": "This refresh token does not exist"}
            self.must(self.refresh and self.refresh == form["refresh_token"], RefusedError(400, words))
        else:
            self.takes(form, "grant_type code", "redirect_uri")
            words = {"error": "invalid_grant", "error_description": "Authorization code does not exist"}
            self.must(self.spend(form["code"]), RefusedError(400, words))
        self.issue()
        token = {"access_token": self.access, "refresh_token": self.refresh, "token_type": "bearer"}
        more = {"livemode": False, "scope": "stripe_apps", "stripe_publishable_key": "pk_test_1"}
        return {**token, **more, "stripe_user_id": ACCOUNT}

    @route("GET", "api.stripe.com", "/v1/account")
    def account(self, request: Request) -> dict[str, Any]:
        words = {"code": "api_key_expired", "message": "Expired API Key provided", "type": "invalid_request_error"}
        known = self.knows(request.authorization.removeprefix("Bearer "))
        self.must(known, RefusedError(401, {"error": words}))
        return {"id": ACCOUNT, "object": "account"}
