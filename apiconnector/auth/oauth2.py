"""OAuth 2: the grants, and a log-in that works alike.

All send an access token; where it comes from is the token source's matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from apiconnector.auth.static import PLACEMENT_FIELDS, Placed

if TYPE_CHECKING:
    from requests import PreparedRequest

    from apiconnector.auth.method import Credentials

_CLIENT_FIELDS = ("client_id", "client_secret", "client_auth")


class Tokened(Placed):
    """A method whose credential is a token that was asked for: placing it, and one new token after a 401."""

    uses_token = True
    default_names: ClassVar[dict[str, str]] = {
        "header": "Authorization",
        "query": "access_token",
        "body": "access_token",
    }
    default_prefix = "Bearer"

    def __init__(self, connection: Credentials) -> None:
        super().__init__(connection)
        self._source = connection.token_source()

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Place the access token."""
        self.sent_token = self._source.access_token()
        self.place(request, self.sent_token)
        return request

    def renew(self, request: PreparedRequest) -> bool:
        """Place another token than the one just refused."""
        token = self._source.renew(self.sent_token)
        if token is None:
            return False
        self.sent_token = token
        self.place(request, token)
        return True

    def refused(self) -> None:
        """Tell where the token comes from."""
        self._source.refused(self.sent_token)


class OAuth2(Tokened):
    """What the grants of OAuth 2 share: a client that authenticates has a secret."""

    @classmethod
    def required(cls) -> tuple[str, ...]:
        """The secret is asked for in ``problems``: a public client has none."""
        return tuple(name for name in super().required() if name != "client_secret")

    @classmethod
    def problems(cls, connection: Any) -> dict[str, str]:
        """A client that authenticates has a secret."""
        if connection.client_auth != "none" and not connection.client_secret:
            return {"client_secret": "Enter the client secret, or choose the client authentication “none”."}
        return {}


class OAuth2ClientCredentials(OAuth2):
    """The site's own account (RFC 6749 section 4.4)."""

    name = "oauth2_client_credentials"
    label = "OAuth 2.0 client credentials"
    fields = (*_CLIENT_FIELDS, "token_url", "scope", "scope_delimiter", "revocation_url", *PLACEMENT_FIELDS)
    optional = ("client_auth", "scope", "scope_delimiter", "revocation_url", *PLACEMENT_FIELDS)

    @classmethod
    def problems(cls, connection: Any) -> dict[str, str]:
        """A public client can't use this grant (RFC 6749 section 4.4)."""
        if connection.client_auth == "none":
            return {"client_auth": "Client credentials need a client that authenticates (RFC 6749 section 4.4)."}
        return super().problems(connection)


class OAuth2AuthorizationCode(OAuth2):
    """An account whose owner approves on the provider's page (RFC 6749 section 4.1)."""

    name = "oauth2_authorization_code"
    label = "OAuth 2.0 authorization code"
    needs_person = True
    fields = (
        *_CLIENT_FIELDS,
        "authorization_url",
        "token_url",
        "scope",
        "pkce",
        "scope_delimiter",
        "issuer",
        "refresh_url",
        "revocation_url",
        *PLACEMENT_FIELDS,
    )
    optional = (
        "client_auth",
        "scope",
        "pkce",
        "scope_delimiter",
        "issuer",
        "refresh_url",
        "revocation_url",
        *PLACEMENT_FIELDS,
    )


class OAuth2Password(OAuth2):
    """Somebody's user name and password, kept here (RFC 6749 section 4.3)."""

    name = "oauth2_password"
    label = "OAuth 2.0 password (legacy)"
    fields = (
        "username",
        "password",
        *_CLIENT_FIELDS,
        "token_url",
        "scope",
        "scope_delimiter",
        "revocation_url",
        *PLACEMENT_FIELDS,
    )
    optional = ("client_id", "client_auth", "scope", "scope_delimiter", "revocation_url", *PLACEMENT_FIELDS)


class Login(Tokened):
    """An API's own log-in: one request of the dialect, whose answer holds the token."""

    name = "login"
    label = "Log in first, then use the token"
    fields = ("username", "password", "api_key", "client_id", "client_secret", *PLACEMENT_FIELDS)
    optional = fields

    @classmethod
    def problems(cls, connection: Any) -> dict[str, str]:
        """The request has to be described."""
        if isinstance(connection.dialect, dict) and not connection.dialect.get("login"):
            return {
                "dialect": 'Describe the log-in request, such as {"login": {"url": "login", "body": {"user": '
                '"{{ username }}", "password": "{{ password }}"}, "token_response": {"access_token": "body.token"}}}.'
            }
        return {}
