"""The authorization request (RFC 6749 section 4.1.1): where the browser is sent to."""

from __future__ import annotations

import secrets
import string
from typing import TYPE_CHECKING, Any

from apiconnector.oauth.wire import laid_over, with_query

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    params: Mapping[str, Any] | None = None,
) -> str:
    """Build the URL of an authorization request with ``response_type=code``.

    The query that ``endpoint`` has is kept byte for byte (RFC 6749 section 3.1), except for parameters of the same
    name as one that is added; its fragment is dropped. ``scope`` is sent as it is, joined already. ``params`` are laid
    over the standard ones, and None leaves one out. Empty parameters are left out, spaces become ``%20``.
    """
    standard = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": scope,
        "state": state,
    }
    if proof is not None:
        # The method is sent always: a challenge without one means "plain" (RFC 7636 section 4.3).
        standard |= {"code_challenge": proof.challenge, "code_challenge_method": proof.method}
    return with_query(endpoint, laid_over(standard, params or {}))
