"""The token request (RFC 6749 sections 4.1.3, 4.4.2 and 6) and its answer (section 5.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from apiconnector.exceptions import ExpressionError, TokenRequestFailed
from apiconnector.oauth.answer import parse_body, reported
from apiconnector.oauth.lifetime import after, moment
from apiconnector.oauth.refusal import refusal
from apiconnector.oauth.ways import STANDARD
from apiconnector.oauth.wire import Answer, Send, TokenEndpointRequest, build_request, exchange
from apiconnector.oauth.words import MAX_DESCRIPTION, MAX_NAME, plain_words, without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from apiconnector.oauth.answer import ErrorReport
    from apiconnector.oauth.client_auth import ClientAuthentication
    from apiconnector.oauth.grants import Grant
    from apiconnector.oauth.ways import Ways

__all__ = ["Answer", "Send", "TokenAnswer", "TokenEndpointRequest", "request_token"]

#: The longest token that is taken, in characters.
MAX_TOKEN = 64 * 1024

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


def request_token(
    url: str, grant: Grant, client: ClientAuthentication, send: Send, *, now: datetime, ways: Ways = STANDARD
) -> TokenAnswer:
    """Ask the token endpoint at ``url`` for a token, as ``ways`` say; lifetimes are added to ``now``.

    Raises ``TokenRequestFailed`` when there is none to be had; its ``act`` tells who has to do something about it.
    """
    request = build_request(url, grant.params(), client, ways)
    # The URL may hold a secret in its query. An error leaves from this frame, and pages on errors show its locals.
    del url
    return send_for_token(request, grant, client, send, now=now, ways=ways)


def send_for_token(
    request: TokenEndpointRequest,
    grant: Grant,
    client: ClientAuthentication,
    send: Send,
    *,
    now: datetime,
    ways: Ways,
) -> TokenAnswer:
    """Send a request whose answer holds a token. Raises what ``request_token`` raises."""
    # Made elsewhere: pages on errors show the locals of the frame that raises.
    result = _asked(request, grant, client, send, now, ways)
    if isinstance(result, TokenRequestFailed):
        raise result
    return result


class _Read(NamedTuple):
    """An answer with its parsed body, the members that were found elsewhere, and the error it reports."""

    answer: Answer
    data: Any
    picked: Mapping[str, Any]
    report: ErrorReport


def _asked(  # noqa: PLR0917 - all are needed, and named alike
    request: TokenEndpointRequest, grant: Grant, client: ClientAuthentication, send: Send, now: datetime, ways: Ways
) -> TokenAnswer | TokenRequestFailed:
    answer = exchange(send, request)
    if isinstance(answer, TokenRequestFailed):
        return answer
    secrets = (*grant.secrets, *client.secrets, *ways.secrets)
    data = parse_body(answer.body)
    picked: dict[str, Any] = {}
    problem = ""
    try:
        picked = dict(ways.pick(answer, data)) if ways.pick else {}
    except ExpressionError as error:
        problem = str(error)
    read = _Read(answer, data, picked, reported(data, picked))
    token = None if problem else _read_token(read, now, secrets, ways)
    if token is not None:
        return token
    found = _members(read).get("access_token")
    return refusal(request.url, answer, grant, client, secrets, report=read.report, problem=problem, token=found)


def _members(read: _Read) -> dict[str, Any]:
    """The members of an answer by their names in RFC 6749."""
    return {**(read.data if isinstance(read.data, dict) else {}), **read.picked}


def _read_token(read: _Read, now: datetime, sent: tuple[str, ...], ways: Ways) -> TokenAnswer | None:
    data, picked = read.data, read.picked
    is_success = 200 <= read.answer.status_code < 300 and not read.report.present
    if not is_success or not (isinstance(data, dict) or picked):
        return None
    members = _members(read)
    access_token = members.get("access_token")
    # Everything else in a refresh token's place, such as null or false, means that there is none.
    refresh_token = members["refresh_token"] if isinstance(members.get("refresh_token"), str) else ""
    if not _is_usable(access_token) or (refresh_token and not _is_usable(refresh_token)):
        return None
    token_type = members.get("token_type")
    secrets = (access_token, refresh_token, *sent)
    return TokenAnswer(
        access_token=access_token,
        refresh_token=refresh_token,
        token_type=_words(token_type, MAX_NAME, secrets) if isinstance(token_type, str) else "",
        expires_at=_expires_at(members, picked, now, ways),
        refresh_expires_at=_refresh_expires_at(members, picked, now, ways),
        scope=_scope(members.get("scope"), secrets),
        raw=data if isinstance(data, dict) else {},
    )


def _expires_at(members: Mapping[str, Any], picked: Mapping[str, Any], now: datetime, ways: Ways) -> datetime | None:
    if "expires_at" in picked and (end := moment(picked["expires_at"], now)):
        return end
    stated = members.get("expires_in")
    if end := after([stated], now, unit=ways.expires_unit):
        return end
    if stated is None:
        if end := moment(members.get("expires_at"), now):
            return end
        return after([ways.default_expires_in], now)
    return None


def _refresh_expires_at(
    members: Mapping[str, Any], picked: Mapping[str, Any], now: datetime, ways: Ways
) -> datetime | None:
    if "refresh_expires_at" in picked and (end := moment(picked["refresh_expires_at"], now)):
        return end
    names = ("refresh_expires_in",) if "refresh_expires_in" in picked else _REFRESH_LIFETIMES
    return after([members.get(name) for name in names], now, unit=ways.expires_unit)


def _is_usable(token: Any) -> TypeGuard[str]:
    """Whether it is a text of visible characters and spaces, all that RFC 6749 appendix A.12 and A.17 allow."""
    if not isinstance(token, str) or len(token) > MAX_TOKEN:
        return False
    return token.isascii() and token.isprintable() and token.strip() != ""


def _scope(value: Any, secrets: tuple[str, ...]) -> str | None:
    if isinstance(value, list):
        value = " ".join(item for item in value if isinstance(item, str))
    return _words(value, MAX_DESCRIPTION, secrets) if isinstance(value, str) else None


def _words(text: str, limit: int, secrets: tuple[str, ...]) -> str:
    """A text that is kept readable beside the tokens. One of them, or what was sent, has no place in it."""
    return plain_words(without_secrets(text, (one for one in secrets if len(one) >= _LONG)), limit)
