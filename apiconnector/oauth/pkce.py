"""Proof Key for Code Exchange (RFC 7636): only the one who asked for a code can exchange it."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field

from apiconnector.exceptions import ConfigurationError

#: Random bytes of a verifier; they make 86 characters of the 43 to 128 that RFC 7636 section 4.1 allows.
_VERIFIER_BYTES = 64


@dataclass(frozen=True)
class Proof:
    """A verifier, to be kept here until the code is exchanged, and the challenge that goes ahead of it.

    With ``plain`` the challenge is the verifier, so neither is shown.
    """

    verifier: str = field(repr=False)
    challenge: str = field(repr=False)
    method: str


def new_proof(method: str) -> Proof | None:
    """Make a proof for ``"S256"`` or ``"plain"`` (RFC 7636 section 4.2); None for ``""``, no PKCE.

    Raises ``ConfigurationError`` for another method.
    """
    if method == "":
        return None
    verifier = secrets.token_urlsafe(_VERIFIER_BYTES)
    if method == "plain":
        return Proof(verifier, verifier, method)
    if method == "S256":
        digest = hashlib.sha256(verifier.encode("ascii")).digest()
        return Proof(verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii"), method)
    raise ConfigurationError("The PKCE method must be S256, plain or empty.")
