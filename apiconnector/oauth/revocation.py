"""Revoke a token (RFC 7009)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiconnector.exceptions import TokenRequestFailed
from apiconnector.oauth.answer import parse_body, plain_name, read_error
from apiconnector.oauth.ways import Ways
from apiconnector.oauth.wire import build_request, exchange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apiconnector.oauth.client_auth import ClientAuthentication
    from apiconnector.oauth.wire import Send

#: The server does not know the token, or not any more. By RFC 7009 section 2.2 it should say 200 to that.
_GONE = frozenset({"invalidtoken", "invalidgrant", "tokennotfound", "tokenexpired", "tokenrevoked"})


def revoke(
    url: str,
    token: str,
    client: ClientAuthentication,
    send: Send,
    *,
    token_type_hint: str = "",
    headers: Mapping[str, str | None] | None = None,
) -> bool:
    """Ask the endpoint at ``url`` to revoke ``token``; whether the token is known not to work any more.

    True for a 2xx without an error, and for an error that says there is no such token. False for everything else,
    ``unsupported_token_type`` among it: the server can't revoke such a token, which lives on (RFC 7009 section
    2.2.1). Never raises for what the remote does. ``token_type_hint`` is ``access_token`` or ``refresh_token``.
    ``headers`` are laid over the standard ones, and None leaves one out.

    Some servers take a secret in the form at their token endpoint and nowhere else: a client that is refused with it
    is sent once more with its secret in the header.
    """
    params = {name: value for name, value in (("token", token), ("token_type_hint", token_type_hint)) if value}
    request = build_request(url, params, client, Ways(headers=headers or {}))
    answer = exchange(send, request)
    if isinstance(answer, TokenRequestFailed):
        return False
    report = read_error(parse_body(answer.body))
    if client.fallback is not None and any(plain_name(code) == "invalidclient" for code in report.codes):
        return revoke(url, token, client.fallback, send, token_type_hint=token_type_hint, headers=headers)
    if any(plain_name(code) in _GONE for code in report.codes):
        # A server in trouble did nothing, whatever it says.
        return answer.status_code < 500
    return 200 <= answer.status_code < 300 and not report.present
