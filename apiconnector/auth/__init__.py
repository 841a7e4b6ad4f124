"""How a request is authenticated: one small class for each method, found by name.

A site adds its own with ``register(MyMethod)`` in an app's ``ready()``; no migration, no template, no change here.
"""

from apiconnector.auth.base import AuthMethod, Credentials, TokenSource, choices, find, methods, register
from apiconnector.auth.oauth2 import Login, OAuth2AuthorizationCode, OAuth2ClientCredentials, OAuth2Password
from apiconnector.auth.static import ApiKey, Basic, Bearer, NoAuth

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

for _method in (
    NoAuth,
    Basic,
    Bearer,
    ApiKey,
    OAuth2ClientCredentials,
    OAuth2AuthorizationCode,
    OAuth2Password,
    Login,
):
    register(_method)
