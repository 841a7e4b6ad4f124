"""The authorization response (RFC 6749 section 4.1.2, RFC 9207): what the browser brings back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from apiconnector.oauth.words import MAX_DESCRIPTION, MAX_NAME, plain_words
from apiconnector.redaction import REDACTED

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A query with more bytes or more parameters than these is not read.
MAX_BYTES = 64 * 1024
MAX_PARAMETERS = 100

#: Sent twice, they are used by nobody (RFC 6749 section 3.1).
_ONCE = ("state", "code", "error", "iss")
#: Shorter ones are part of words by chance.
_SHORTEST_SECRET = 8
_ERROR_NAMES = ("error", "error_code", "errorCode", "error_type", "error_reason")
_DESCRIPTION_NAMES = ("error_description", "error_message", "errorMessage", "error_msg", "error_reason")


@dataclass(frozen=True)
class Callback:
    """What a provider sent back; every text is empty where it sent none. None of it is to be trusted.

    ``state``, ``code`` and ``iss`` are exact. The error's texts are kept and shown, so they are shortened, free of
    control characters, and repeat neither state nor code. The names in ``repeated`` were sent more than once, and
    their values are left empty. With ``too_long`` nothing was read at all.
    """

    state: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    iss: str = ""
    error: str = ""
    error_description: str = ""
    error_uri: str = ""
    repeated: tuple[str, ...] = ()
    too_long: bool = False
    #: All of it, as it came, and its parameters but for those sent more than once.
    query: str = field(default="", repr=False, compare=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)


def parse_callback(query: str, *, code_param: str = "code", state_param: str = "state") -> Callback:
    """Read a raw query string, without its ``?``; percent-encoding is undone once. Raises nothing.

    An error is also found under other names, such as ``error_code`` and ``error_message``. Where a provider sent
    neither a code nor a name for the error, its description stands for the name, so ``error`` tells that there is
    one. ``error_uri`` is kept only if it is a web address. ``code_param`` and ``state_param`` are the names of a
    provider that has its own for them.
    """
    # A lone surrogate can't be encoded later on; it becomes a question mark.
    raw = query.encode(errors="replace").decode()
    pieces = [piece for piece in raw.split("&") if piece]
    if len(raw.encode()) > MAX_BYTES or len(pieces) > MAX_PARAMETERS:
        return Callback(too_long=True)
    sent: dict[str, list[str]] = {}
    for piece in pieces:
        name, _, value = piece.partition("=")
        sent.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    once = dict.fromkeys((*_ONCE, code_param, state_param))
    repeated = tuple(name for name in once if len(sent.get(name, ())) > 1)
    params = {name: values[0] for name, values in sent.items() if name not in repeated}
    code, state = params.get(code_param, ""), params.get(state_param, "")
    description = _first(params, _DESCRIPTION_NAMES)
    error = _first(params, _ERROR_NAMES)
    if not error and not code:
        error = description
    uri = params.get("error_uri", "")
    for secret in (state, code):
        if len(secret) >= _SHORTEST_SECRET:
            error, description = error.replace(secret, REDACTED), description.replace(secret, REDACTED)
    return Callback(
        state=state,
        code=code,
        iss=params.get("iss", ""),
        error=plain_words(error, MAX_NAME),
        error_description=plain_words(description, MAX_DESCRIPTION),
        error_uri=plain_words(uri, MAX_DESCRIPTION) if uri.lower().startswith(("https://", "http://")) else "",
        repeated=repeated,
        query=query,
        params={name: values[0] for name, values in sent.items() if len(values) == 1},
    )


def _first(params: dict[str, str], names: tuple[str, ...]) -> str:
    # "0" is how some say that there was no error.
    return next((params[name] for name in names if params.get(name, "").strip() not in {"", "0"}), "")
