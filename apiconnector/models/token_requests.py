"""Ask the token endpoint for a connection, in its dialect: a code, a refresh, or the site's own account."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from apiconnector.client import token_sender
from apiconnector.dialect import KeptValueError, KeptValueMissingError, keep, members
from apiconnector.exceptions import Act, ConfigurationError, RequestRefused, TokenRequestFailed
from apiconnector.models import clock, declared, names
from apiconnector.oauth import (
    AuthorizationCode,
    ClientCredentials,
    Password,
    RefreshToken,
    TokenAnswer,
    Ways,
    request_token,
)
from apiconnector.redaction import clean_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from apiconnector.dialect import Dialect
    from apiconnector.models.connection import Connection
    from apiconnector.models.token import Token
    from apiconnector.oauth import Answer, Grant


@dataclass(frozen=True)
class Granted:
    """A token answer, with the values to keep beside the token.

    ``problem`` says why values were left as they were. With a ``failure`` only the refresh token is new: what was to
    follow the refresh has failed.
    """

    answer: TokenAnswer = field(repr=False)
    values: Mapping[str, Any] = field(repr=False)
    problem: str = ""
    failure: TokenRequestFailed | None = None


@clean_frames
def exchange(connection: Connection, code: str, redirect_uri: str, verifier: Any) -> Granted:
    """Hand in a code, for a connection that is on trial with what was kept of the callback.

    Raises ``TokenRequestFailed``, and ``ConfigurationError`` for what can't be sent or kept.
    """
    dialect = connection.read_dialect()
    # Opened within the call: pages on errors show the locals of a frame, and a grant hides what it holds.
    grant = AuthorizationCode(code, redirect_uri, connection.open(verifier, "code verifier"))
    known = names.for_sending(connection, {"scope": connection.scope, **grant.params()})
    answer = _ask(connection, "token_url", grant, known, dialect.token_params)
    return _completed(connection, answer, dict(connection.kept_values))


@clean_frames
def fetch(connection: Connection) -> Granted:
    """Fetch a token for the site's own account, by the grant of the connection's method, or by logging in.

    Raises what ``exchange()`` raises; a value that can't be kept is the administrator's matter.
    """
    dialect = connection.read_dialect()
    if connection.auth_method == "login":
        answer = declared.log_in(connection)
    else:
        grant: Grant = ClientCredentials(connection.scope)
        if connection.auth_method == "oauth2_password":
            grant = Password(connection.reveal("username"), connection.reveal("password"), connection.scope)
        known = names.for_sending(connection, {"scope": connection.scope})
        answer = _ask(connection, "token_url", grant, known, dialect.token_params)
    try:
        granted = _completed(connection, answer, dict(connection.kept_values))
        after = dialect.after_authorize
        if after is not None and not set(after.values) <= set(granted.values):
            trial = connection.try_out(granted.values, granted.answer)
            granted = replace(granted, values={**granted.values, **declared.values_after(trial, granted.answer)})
            connection.try_out(granted.values)
    except KeptValueError as error:
        reason = str(error)
    else:
        return granted
    raise TokenRequestFailed(reason, act=Act.ADMINISTRATOR)


@clean_frames
def refresh(connection: Connection, token: Token) -> Granted:
    """Refresh a token. A value that can't be kept leaves the one that was there: the new token must not be lost."""
    dialect = connection.read_dialect()
    if token.refresh_token and not dialect.renews_itself:
        grant = RefreshToken(connection.open(token.refresh_token, "refresh token"))
    else:
        grant = RefreshToken(connection.open(token.access_token, "access token"))
    known = names.for_sending(
        connection,
        {
            "scope": connection.scope,
            "access_token": connection.open(token.access_token, "access token") if dialect.refresh_params else "",
            **grant.params(),
        },
    )
    column = "refresh_url" if connection.refresh_url else "token_url"
    answer = _ask(connection, column, grant, known, dialect.refresh_params, is_refresh=True)
    values = dict(connection.kept_values)
    try:
        return _completed(connection, answer, values, is_refresh=True)
    except TokenRequestFailed as error:
        failure = error
    except (ConfigurationError, RequestRefused) as error:
        failure = TokenRequestFailed(str(error), act=Act.ADMINISTRATOR)
    # What was rotated must not be lost. The access token is not the one that requests need.
    access_token, expires_at = answer.access_token, clock.now()
    with suppress(ConfigurationError):
        access_token = str(connection.open(token.access_token, "access token"))
        expires_at = token.expires_at or expires_at
    return Granted(replace(answer, access_token=access_token, expires_at=expires_at), values, failure=failure)


def _ask(
    connection: Connection,
    column: str,
    grant: Grant,
    known: names.Names,
    params: Mapping[str, Any],
    *,
    is_refresh: bool = False,
) -> TokenAnswer:
    dialect = connection.read_dialect()
    client = connection.client_authentication()
    # Before the ways, whose secrets are all that was opened: an address may hold one, too.
    url = connection.address(column, known)
    ways = Ways(
        params=names.filled(connection, dict(params), known),
        headers=headers(connection, known),
        format=dialect.refresh_format if is_refresh else dialect.token_request_format,
        method=dialect.refresh_method if is_refresh else dialect.token_request_method,
        pick=picker(dialect),
        expires_unit=dialect.expires_unit,
        default_expires_in=dialect.default_expires_in,
        secrets=tuple(connection.opened),
    )
    send = token_sender(connection.timeout_seconds)
    return request_token(url, grant, client, send, now=clock.now(), ways=ways)


def headers(connection: Connection, known: names.Names) -> dict[str, Any]:
    """What the dialect lays over the headers of a request to the token or revocation endpoint."""
    return one_line(connection, names.filled(connection, dict(connection.read_dialect().token_headers), known))


def picker(dialect: Dialect) -> Callable[[Answer, Any], Mapping[str, Any]] | None:
    """What finds members of a token answer elsewhere than RFC 6749 has them; None where the dialect names none."""
    if not dialect.token_response:
        return None

    def pick(answer: Answer, data: Any) -> Mapping[str, Any]:
        del answer
        return {} if data is None else members(dialect.token_response, data)

    return pick


@clean_frames
def one_line(connection: Connection, headers: Mapping[str, Any]) -> dict[str, Any]:
    """Headers as text; ``ConfigurationError`` for one that can't be sent, which the HTTP library's would repeat."""
    found = {name: value if value is None else str(value) for name, value in headers.items()}
    unfit = [name for name, value in found.items() if value is not None and not _fits(value)]
    if unfit:
        raise ConfigurationError(
            f"“{connection}”: the header {unfit[0]} of the dialect would hold a line break, or a character that a "
            "header can't carry."
        )
    return found


def _fits(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _completed(
    connection: Connection, first: TokenAnswer, values: dict[str, Any], *, is_refresh: bool = False
) -> Granted:
    """The token to use, after a second request where the dialect has one, and the values to keep."""
    dialect = connection.read_dialect()
    answer = first
    if dialect.second_token is not None and (dialect.second_token.after_refresh or not is_refresh):
        second = declared.second_token(connection, first)
        answer = replace(
            second,
            refresh_token=second.refresh_token or first.refresh_token,
            refresh_expires_at=second.refresh_expires_at or first.refresh_expires_at,
            scope=first.scope if second.scope is None else second.scope,
            raw={**first.raw, **second.raw},
        )
    if dialect.renews_itself:
        answer = replace(answer, refresh_token="")  # never sent, so not kept either
    if not dialect.keep_from_token:
        return Granted(answer, values)
    tokens = (first.access_token, first.refresh_token, answer.access_token, answer.refresh_token, *connection.opened)
    kept: dict[str, Any] = {}
    problems: list[str] = []
    for name, declared_value in dialect.keep_from_token.items():
        try:
            found = keep({name: declared_value}, answer.raw, where="The token answer", secrets=tokens)
            connection.try_out({**values, **kept, **found})
        except ConfigurationError as error:
            if not is_refresh:
                raise
            # Most providers do not repeat them on a refresh, or some of them.
            if not isinstance(error, KeptValueMissingError):
                problems.append(str(error))
        else:
            kept |= found
    return Granted(answer, {**values, **kept}, " ".join(problems))
