"""Send the requests that a dialect declares: log in, a second token, what follows authorizing, revoke."""

from __future__ import annotations

import json
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any

import requests

from apiconnector.client import token_sender
from apiconnector.dialect import KeptValueError, keep, members
from apiconnector.exceptions import ConfigurationError, DestinationRefused, TokenRequestFailed
from apiconnector.models import clock, names
from apiconnector.oauth import (
    LoginRequest,
    PublicClient,
    SecondTokenRequest,
    TokenAnswer,
    TokenEndpointRequest,
    Ways,
    send_for_token,
    with_query,
)
from apiconnector.redaction import clean_frames
from apiconnector.templating import names_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests.auth import AuthBase

    from apiconnector.dialect import DeclaredRequest
    from apiconnector.models.connection import Connection
    from apiconnector.oauth import Answer, Grant


def log_in(connection: Connection) -> TokenAnswer:
    """Send the log-in request of a connection. Raises ``TokenRequestFailed`` and ``ConfigurationError``."""
    request = connection.read_dialect().login
    if request is None:
        raise ConfigurationError(f"“{connection}” has no log-in request: describe it as “login” in the dialect.")
    known = names.for_sending(connection, {"scope": connection.scope})
    return _token(connection, request, known, LoginRequest())


def second_token(connection: Connection, first: TokenAnswer) -> TokenAnswer:
    """Ask for the token that takes the place of the first one. Raises what ``log_in()`` raises."""
    request = connection.read_dialect().second_token
    assert request is not None  # the caller looked
    known = names.for_sending(
        connection,
        {"scope": connection.scope, "access_token": first.access_token, "refresh_token": first.refresh_token},
    )
    return _token(connection, request, known, SecondTokenRequest(first.access_token))


def values_after(connection: Connection, answer: TokenAnswer) -> dict[str, Any]:
    """What is kept of the request after authorizing, for a connection that is on trial with its new token.

    Raises ``KeptValueError`` where the request fails or its answer is not what was expected; nothing is kept then.
    """
    request = connection.read_dialect().after_authorize
    if request is None:
        return {}
    fixed = {"status": 200, "headers": {}, "body": dict(answer.raw), "access_token": answer.access_token}
    known = names.for_sending(connection, fixed)
    what = "The request after authorizing"
    # One that says itself where the token goes carries it there, and nowhere else.
    parts = [dict(request.params), dict(request.headers), request.body]
    says_where = "access_token" in names_in([part for part in parts if part])
    try:
        sent = _send(connection, request, known, auth=None if says_where else connection.method(connection))
    except (TokenRequestFailed, DestinationRefused) as error:
        reason = str(error)
    except requests.RequestException:
        reason = "it could not be sent. Check its url, headers and body in the dialect."
    else:
        if 200 <= sent.status_code < 300:
            secrets = (answer.access_token, answer.refresh_token, *connection.opened)
            return keep(request.values, root_of(sent), where=f"{what}, after_authorize,", secrets=secrets)
        reason = f"it was answered {sent.status_code}. Check its url, and the scope of the connection."
    raise KeptValueError(f"{what} failed: {reason}")


def revoke(connection: Connection, access_token: Any, refresh_token: Any) -> bool:
    """Send the declared request that ends the authorization; whether it was answered 2xx.

    Raises ``ConfigurationError``.
    """
    request = connection.read_dialect().revoke
    assert request is not None  # the caller looked
    known = names.for_sending(
        connection,
        {
            "access_token": connection.open(access_token, "access token"),
            "refresh_token": connection.open(refresh_token, "refresh token"),
        },
    )
    try:
        return 200 <= _send(connection, request, known).status_code < 300
    except requests.RequestException:
        return False


def root_of(answer: Answer) -> dict[str, Any]:
    """What expressions on an answer see: ``{status, headers, cookies, body}``; a body that is no JSON is text."""
    text = answer.body.decode("utf-8", "replace")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = text
    return {
        "status": answer.status_code,
        "headers": dict(answer.headers),
        "cookies": _cookies(answer.headers.get("set-cookie", "")),
        "body": body,
    }


def _cookies(lines: str) -> dict[str, str]:
    found = {}
    for line in lines.splitlines():
        cookie: SimpleCookie = SimpleCookie()
        with suppress(CookieError):
            cookie.load(line)
        found.update({name: morsel.value for name, morsel in cookie.items()})
    return found


def _token(connection: Connection, request: DeclaredRequest, known: names.Names, grant: Grant) -> TokenAnswer:
    dialect = connection.read_dialect()
    prepared = _prepared(connection, request, known)
    ways = Ways(
        pick=_picker(request),
        expires_unit=dialect.expires_unit,
        default_expires_in=dialect.default_expires_in,
        secrets=tuple(connection.opened),
    )
    return send_for_token(
        prepared,
        grant,
        PublicClient("", ""),
        token_sender(connection.timeout_seconds),
        now=clock.now(),
        ways=ways,
    )


def _picker(request: DeclaredRequest) -> Callable[[Answer, Any], Mapping[str, Any]]:
    def pick(answer: Answer, data: Any) -> Mapping[str, Any]:
        del data
        return members(request.token_response, root_of(answer))

    return pick


def _send(
    connection: Connection, request: DeclaredRequest, known: names.Names, *, auth: AuthBase | None = None
) -> Answer:
    return token_sender(connection.timeout_seconds, "address")(_prepared(connection, request, known, auth=auth))


@clean_frames
def _prepared(
    connection: Connection, request: DeclaredRequest, known: names.Names, *, auth: AuthBase | None = None
) -> TokenEndpointRequest:
    """The request with everything filled in. The address is checked before anything is opened for it."""
    url = connection.declared_address(request, known)
    params = _without_empty(names.filled(connection, dict(request.params), known))
    headers = {
        name: str(value)
        for name, value in names.filled(connection, dict(request.headers), known).items()
        if value is not None
    }
    body = names.filled(connection, request.body, known)
    if request.format == "query" and body is not None:
        params |= _without_empty(body)
    given: dict[str, Any] = {}
    if request.format == "json" and body is not None:
        given["json"] = body
    elif request.format == "form" and body is not None:
        given["data"] = _without_empty(body)
    headers = {"Accept": "application/json", **headers}
    problem = ""
    try:
        made = requests.Request(request.method, with_query(url, params), headers=headers, **given).prepare()
        if auth is not None:
            made = auth(made)
    except (requests.RequestException, UnicodeError):
        problem = "can't be sent as it is filled in: look at its url, headers and body"
    if problem:
        raise ConfigurationError(f"“{connection}”, {connection.label_of('dialect')}: a request {problem}.")
    content = made.body.encode() if isinstance(made.body, str) else (made.body or b"")
    sent = {name: str(value) for name, value in made.headers.items() if name.lower() != "content-length"}
    return TokenEndpointRequest(str(made.url), sent, content, request.method)


def _without_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != ""}
