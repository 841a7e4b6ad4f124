"""What an authorization request rested on: a connection edited before the answer came is not used with it."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apiconnector.models import Connection

#: Where the browser and the code are sent, and what was asked for in whose name; beside them the client ID.
FIELDS = ("auth_method", "is_active", "authorization_url", "token_url", "scope", "pkce", "dialect", "variables")


def fingerprint(connection: Connection, state: str) -> str:
    """A hash of what the request with this state rests on (RFC 9700 section 4.4.2: the tuple in place of an issuer).

    Keyed with the state, which the table does not hold: the client ID can't be guessed from it. Raises
    ``ConfigurationError`` when no key opens the client ID.
    """
    values = [str(getattr(connection, name)) for name in FIELDS]
    # Compared and not sent: a host that is new since must not hide that it is.
    values.append(connection.client_id.reveal())
    return hmac.new(state.encode(), json.dumps(values).encode(), hashlib.sha256).hexdigest()
