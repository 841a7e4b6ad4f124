"""The token request (RFC 6749 sections 4.1.3, 4.4.2 and 6) and its answer (section 5.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeGuard

from apiconnector.exceptions import TokenRequestFailed
from apiconnector.oauth.answer import parse_body, read_error
from apiconnector.oauth.refusal import refusal
from apiconnector.oauth.wire import Answer, Send, TokenEndpointRequest, exchange, form_request
from apiconnector.oauth.words import MAX_DESCRIPTION, MAX_NAME, plain_words, without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from apiconnector.oauth.client_auth import ClientAuthentication
    from apiconnector.oauth.grants import Grant

__all__ = ["Answer", "Send", "TokenAnswer", "TokenEndpointRequest", "request_token"]

#: The longest token that is taken, in characters.
MAX_TOKEN = 64 * 1024
#: The longest lifetime that is believed, in seconds: 100 years.
MAX_LIFETIME = 100 * 365.25 * 24 * 3600

#: A shorter token may be part of a scope by chance.
_LONG = 8
_REFRESH_LIFETIMES = (
    "refresh_token_expires_in",
    "refresh_expires_in",
    "x_refresh_token_expires_in",
    "refresh_expires",
)


@dataclass(frozen=True)
class TokenAnswer:
    """A token. A lifetime that is unknown is None, as is a scope that was not stated; other texts are then empty.

    ``raw`` is the whole parsed answer.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    token_type: str
    expires_at: datetime | None
    refresh_expires_at: datetime | None
    scope: str | None
    raw: Mapping[str, Any] = field(repr=False)


def request_token(url: str, grant: Grant, client: ClientAuthentication, send: Send, *, now: datetime) -> TokenAnswer:
    """Ask the token endpoint at ``url`` for a token; lifetimes are added to ``now``.

    Raises ``TokenRequestFailed`` when there is none to be had; its ``act`` tells who has to do something about it.
    """
    request = form_request(url, grant.params(), client)
    # The URL may hold a secret in its query. An error leaves from this frame, and pages on errors show its locals.
    del url
    answer = exchange(send, request)
    if isinstance(answer, TokenRequestFailed):
        raise answer
    token = _read_token(answer, now, (*grant.secrets, *client.secrets))
    if token is None:
        raise refusal(request.url, answer, grant, client)
    return token


def _read_token(answer: Answer, now: datetime, sent: tuple[str, ...]) -> TokenAnswer | None:
    data = parse_body(answer.body)
    if not 200 <= answer.status_code < 300 or not isinstance(data, dict) or read_error(data).present:
        return None
    access_token = data.get("access_token")
    # Everything else in a refresh token's place, such as null or false, means that there is none.
    refresh_token = data["refresh_token"] if isinstance(data.get("refresh_token"), str) else ""
    if not _is_usable(access_token) or (refresh_token and not _is_usable(refresh_token)):
        return None
    token_type = data.get("token_type")
    secrets = (access_token, refresh_token, *sent)
    return TokenAnswer(
        access_token=access_token,
        refresh_token=refresh_token,
        token_type=_words(token_type, MAX_NAME, secrets) if isinstance(token_type, str) else "",
        expires_at=_end(data, ("expires_in",), now),
        refresh_expires_at=_end(data, _REFRESH_LIFETIMES, now),
        scope=_scope(data.get("scope"), secrets),
        raw=data,
    )


def _is_usable(token: Any) -> TypeGuard[str]:
    """Whether it is a text of visible characters and spaces, all that RFC 6749 appendix A.12 and A.17 allow."""
    if not isinstance(token, str) or len(token) > MAX_TOKEN:
        return False
    return token.isascii() and token.isprintable() and token.strip() != ""


def _end(data: Mapping[str, Any], names: tuple[str, ...], now: datetime) -> datetime | None:
    """When the first readable lifetime among ``names`` ends."""
    for name in names:
        seconds = _seconds(data.get(name))
        if seconds is not None:
            return now + timedelta(seconds=seconds)
    return None


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    # Not a number fails both comparisons. Less than a microsecond would be no time at all.
    return seconds if 1e-6 <= seconds <= MAX_LIFETIME else None


def _scope(value: Any, secrets: tuple[str, ...]) -> str | None:
    if isinstance(value, list):
        value = " ".join(item for item in value if isinstance(item, str))
    return _words(value, MAX_DESCRIPTION, secrets) if isinstance(value, str) else None


def _words(text: str, limit: int, secrets: tuple[str, ...]) -> str:
    """A text that is kept readable beside the tokens. One of them, or what was sent, has no place in it."""
    return plain_words(without_secrets(text, (one for one in secrets if len(one) >= _LONG)), limit)
