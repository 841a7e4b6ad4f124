"""Registers the methods of this app, in the order in which forms show them."""

from apiconnector.auth.base import register
from apiconnector.auth.oauth2 import Login, OAuth2AuthorizationCode, OAuth2ClientCredentials, OAuth2Password
from apiconnector.auth.static import ApiKey, Basic, Bearer, NoAuth

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
