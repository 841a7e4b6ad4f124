"""Find the attempt that an answer belongs to, and read the answer in the dialect of its connection."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from apiconnector.dialect import EMPTY
from apiconnector.exceptions import DialectError
from apiconnector.models import AuthorizationAttempt
from apiconnector.models.attempt import digest
from apiconnector.oauth import parse_callback

if TYPE_CHECKING:
    from apiconnector.dialect import Dialect
    from apiconnector.models import Connection
    from apiconnector.oauth import Callback

#: What a state of ours looks like: only such values are looked up under other names.
_STATE = re.compile(r"[A-Za-z0-9]{40}")
#: So many of them, at most: anybody may call the callback.
_MOST = 5


def dialect_of(connection: Connection) -> Dialect:
    """A connection's dialect; the plain one where it can't be read, which is said when the code is exchanged."""
    try:
        return connection.read_dialect()
    except DialectError:
        return EMPTY


def find(callback: Callback) -> AuthorizationAttempt | None:
    """The attempt with the state among the parameters of an answer; None where there is none.

    A state under another name counts only for a connection whose dialect has that name for it.
    """
    attempt = _with(callback, "state")
    if attempt is not None and dialect_of(attempt.connection).callback_state_param == "state":
        return attempt
    # Names only: pages on errors show the locals of a frame.
    names = [name for name, value in callback.params.items() if name != "state" and _STATE.fullmatch(value)]
    for name in names[:_MOST]:
        attempt = _with(callback, name)
        if attempt is not None and dialect_of(attempt.connection).callback_state_param == name:
            return attempt
    return None


def _with(callback: Callback, name: str) -> AuthorizationAttempt | None:
    hashed = digest(callback.params[name]) if callback.params.get(name) else ""
    return AuthorizationAttempt.objects.for_state(hashed) if hashed else None


def read_for(attempt: AuthorizationAttempt, callback: Callback) -> Callback:
    """The answer with state and code under the names that the connection's dialect has for them."""
    dialect = dialect_of(attempt.connection)
    if (dialect.callback_code_param, dialect.callback_state_param) == ("code", "state"):
        return callback
    read = parse_callback(
        callback.query, code_param=dialect.callback_code_param, state_param=dialect.callback_state_param
    )
    return replace(read, query=callback.query)
