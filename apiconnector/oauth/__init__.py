"""The OAuth 2 wire protocol, as a client: what is sent to a provider, and what its answers mean.

It knows no model and opens no connection: it is handed plain values, and something that sends. What is handed in
for a token (``grants``) and how the client proves who it is (``client_auth``) are two families that don't know each
other.
"""

from apiconnector.oauth.authorization import authorization_url, new_state
from apiconnector.oauth.callback import Callback, parse_callback
from apiconnector.oauth.client_auth import (
    CLIENT_AUTHENTICATIONS,
    ClientAuthentication,
    ClientSecretBasic,
    ClientSecretPost,
    PublicClient,
)
from apiconnector.oauth.grants import (
    AuthorizationCode,
    ClientCredentials,
    Grant,
    LoginRequest,
    Password,
    RefreshToken,
    SecondTokenRequest,
)
from apiconnector.oauth.pkce import Proof, new_proof
from apiconnector.oauth.revocation import revoke
from apiconnector.oauth.token import Answer, Send, TokenAnswer, TokenEndpointRequest, request_token, send_for_token
from apiconnector.oauth.ways import Ways
from apiconnector.oauth.wire import laid_over, with_query

__all__ = [
    "CLIENT_AUTHENTICATIONS",
    "Answer",
    "AuthorizationCode",
    "Callback",
    "ClientAuthentication",
    "ClientCredentials",
    "ClientSecretBasic",
    "ClientSecretPost",
    "Grant",
    "LoginRequest",
    "Password",
    "Proof",
    "PublicClient",
    "RefreshToken",
    "SecondTokenRequest",
    "Send",
    "TokenAnswer",
    "TokenEndpointRequest",
    "Ways",
    "authorization_url",
    "laid_over",
    "new_proof",
    "new_state",
    "parse_callback",
    "request_token",
    "revoke",
    "send_for_token",
    "with_query",
]
