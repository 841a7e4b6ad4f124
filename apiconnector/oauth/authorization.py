"""The authorization request (RFC 6749 section 4.1.1): where the browser is sent to."""

from __future__ import annotations

import secrets
import string
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_plus, urlencode

if TYPE_CHECKING:
    from apiconnector.oauth.pkce import Proof

_STATE_CHARACTERS = string.ascii_letters + string.digits
# Within the limits of all known providers, whose shortest are "at least 32" and "below 48".
_STATE_LENGTH = 40


def new_state() -> str:
    """Return 40 random letters and digits: over 230 bits, and nothing that a provider could encode twice."""
    return "".join(secrets.choice(_STATE_CHARACTERS) for _ in range(_STATE_LENGTH))


def authorization_url(
    endpoint: str,
    *,
    client_id: str,
    redirect_uri: str,
    scope: str,
    state: str,
    proof: Proof | None,
) -> str:
    """Build the URL of an authorization request with ``response_type=code``.

    The query that ``endpoint`` has is kept byte for byte (RFC 6749 section 3.1), except for parameters of the same
    name as one that is added; its fragment is dropped. ``scope`` is sent as it is, joined already. Empty parameters
    are left out, spaces become ``%20``.
    """
    params = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": scope,
        "state": state,
    }
    if proof is not None:
        # The method is sent always: a challenge without one means "plain" (RFC 7636 section 4.3).
        params |= {"code_challenge": proof.challenge, "code_challenge_method": proof.method}
    params = {name: value for name, value in params.items() if value}
    # Split by hand: urlsplit() and urlunsplit() would change the bytes that are to be kept.
    address, _, query = endpoint.partition("#")[0].partition("?")
    kept = "&".join(piece for piece in query.split("&") if _name(piece) not in params)
    separator = "&" if kept and not kept.endswith("&") else ""
    return f"{address}?{kept}{separator}{urlencode(params, safe='', quote_via=quote)}"


def _name(piece: str) -> str:
    return unquote_plus(piece.partition("=")[0])
