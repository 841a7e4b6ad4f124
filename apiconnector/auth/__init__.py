"""How a request is authenticated: one small class for each method, found by name.

A site adds its own with ``register(MyMethod)`` in an app's ``ready()``; no migration, no template, no change here.
"""

from typing import TYPE_CHECKING

from apiconnector.auth.base import choices, find, methods, register
from apiconnector.late import imported_late

if TYPE_CHECKING:
    from apiconnector.auth.method import AuthMethod, Credentials, TokenSource
    from apiconnector.auth.oauth2 import Login, OAuth2AuthorizationCode, OAuth2ClientCredentials, OAuth2Password
    from apiconnector.auth.static import ApiKey, Basic, Bearer, NoAuth
else:
    __getattr__, __dir__ = imported_late(
        __name__,
        method=("AuthMethod", "Credentials", "TokenSource"),
        oauth2=("Login", "OAuth2AuthorizationCode", "OAuth2ClientCredentials", "OAuth2Password"),
        static=("ApiKey", "Basic", "Bearer", "NoAuth"),
    )

__all__ = [
    "ApiKey",
    "AuthMethod",
    "Basic",
    "Bearer",
    "Credentials",
    "Login",
    "NoAuth",
    "OAuth2AuthorizationCode",
    "OAuth2ClientCredentials",
    "OAuth2Password",
    "TokenSource",
    "choices",
    "find",
    "methods",
    "register",
]
