"""Open a connection's session, and send its test request."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import requests
from requests.auth import AuthBase

from apiconnector.client import ApiSession, Destinations
from apiconnector.exceptions import (
    ApiConnectorError,
    ConfigurationError,
    DialectError,
    RequestRefused,
    SecretSealed,
    SecretUnreadable,
)
from apiconnector.models.binding import leaves
from apiconnector.models.names import Names
from apiconnector.models.token import Token
from apiconnector.redaction import REDACTED, Redactor, literal_secrets, remember
from apiconnector.templating import compile_template, fill, search

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from apiconnector.auth import AuthMethod
    from apiconnector.client import Wire
    from apiconnector.models.connection import Connection

#: Characters of an answer that a test's result shows; of one with more bytes than the second, it shows none.
_SHOWN_BODY, _READ_BODY = 4_000, 1_000_000
#: What the columns of a connection are called in placeholders, where secrets may be used.
_DEFAULTS = ("default_headers", "default_params", "default_body")
_SECRET_NAMES = ("client_secret", "username", "password", "api_key")


@dataclass(frozen=True)
class TestResult:
    """What a test request brought; ``label`` and ``account_id`` are picked from the answer as the connection says.

    ``request`` (method and URL), ``headers`` and ``body`` hold no credential of the connection; the body is cut.
    """

    __test__ = False  # pytest would take it for a class of tests

    ok: bool
    status_code: int | None
    message: str
    label: str = ""
    account_id: str = ""
    request: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


class _Deferred(AuthBase):
    """Makes the method's instance at the first request: what is wrong with it surfaces there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._method: AuthMethod | None = None
        self._goes_to = _goes_to(connection)

    def require_unmoved(self) -> None:
        """Raise ``ConfigurationError`` where the connection has other hosts than the session that was opened of it.

        A secret is opened for the hosts that the connection names now, and the session sends where it did then.
        """
        if _goes_to(self._connection) != self._goes_to:
            raise ConfigurationError(
                f"“{self._connection}” has other hosts than when this session was opened. "
                "Nothing was sent; open another one."
            )

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        self.require_unmoved()
        if self._method is None:
            _require_usable(self._connection)
            self._method = self._connection.method(self._connection)
        return self._method(request)

    def renew(self, request: requests.PreparedRequest) -> bool:
        """Authenticate anew after a 401, if the method can."""
        self.require_unmoved()
        return self._method is not None and self._method.renew(request)


def _goes_to(connection: Connection) -> tuple[Any, list[Any]]:
    return connection.base_url, list(connection.allowed_hosts or ())


def _require_usable(connection: Connection) -> None:
    if connection.dialect:
        raise DialectError(f"“{connection}” has a dialect. Dialects are not available yet: empty it.")
    missing = [name for name in connection.method.required() if not getattr(connection, name)]
    if missing:
        names = ", ".join(connection.label_of(name) for name in missing)
        raise ConfigurationError(f"“{connection}” is not filled in: enter the {names}.")


def open_session(connection: Connection, *, wire: Wire | None = None) -> ApiSession:
    """A session for a connection; see ``Connection.session()``."""
    auth = _Deferred(connection)
    return ApiSession(
        destinations=Destinations(connection.base_url, connection.allowed_hosts),
        auth=auth,
        renew=auth.renew,
        configure=partial(_configure, connection, auth),
        redact=Redaction(connection),
        wire=wire,
    )


def _configure(connection: Connection, auth: _Deferred, session: ApiSession) -> None:
    """Set what may be wrong: it is read at the first request, where an error of it belongs."""
    auth.require_unmoved()
    session.timeout = connection.timeout_seconds
    connection.opened.update(_written_down(connection))
    if _has_defaults(connection):
        context = _context(connection)
        session.set_defaults(
            headers=fill(connection.default_headers, context),
            params=fill(connection.default_params, context),
            body=fill(connection.default_body, context),
        )


def _has_defaults(connection: Connection) -> bool:
    return bool(connection.default_headers or connection.default_params or connection.default_body)


def _context(connection: Connection) -> Names:
    """The names that placeholders in a connection's own defaults may use, secrets among them."""
    for name in ("variables", "default_headers", "default_params", "default_body"):
        if not isinstance(getattr(connection, name), dict):
            raise ConfigurationError(f"“{connection}”: the {connection.label_of(name)} must be a JSON object.")
    token = getattr(connection, "token", None)
    context = dict(connection.variables)
    if connection.secret_variables:
        context |= connection.reveal("secret_variables")
    if token is not None:
        context |= token.values
    return Names(connection, context, [name for name in ("client_id", *_SECRET_NAMES) if getattr(connection, name)])


class Redaction:
    """Takes a connection's credentials out of a text.

    Called, it takes out what was opened for sending, which is all that an address or an error of this session can
    hold. ``everything()`` also knows what an API may repeat from elsewhere: for what is kept.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known = 0
        self._redactor = Redactor(())

    def __call__(self, text: str) -> str:
        """Redact what was opened for sending."""
        opened = self._connection.opened
        if len(opened) != self._known:
            self._known = len(opened)
            self._redactor = Redactor(opened, basic=_pairs(self._connection, opened))
        return self._redactor(text)

    def everything(self) -> Redactor:
        """A redactor for every credential of the connection, sent or not, and for its token."""
        connection = self._connection
        secrets = [getattr(connection, name) for name in ("client_secret", "password", "api_key", "secret_variables")]
        if connection.username_is_secret:
            secrets.append(connection.username)
        token = Token.objects.filter(connection_id=connection.pk).first()
        secrets += [token.access_token, token.refresh_token] if token else []
        values = {text for secret in secrets for text in _texts(secret)} | connection.opened | _written_down(connection)
        return Redactor(values, basic=_pairs(connection, values))


def _written_down(connection: Connection) -> set[str]:
    """Credentials that stand in plain text in what every request gets: typed there instead of into a secret."""
    found = {text for name in _DEFAULTS for text in literal_secrets(getattr(connection, name))}
    for text in found:
        remember(text)
    return found


def _pairs(connection: Connection, values: Collection[str]) -> list[tuple[str, str]]:
    """The pairs that Basic sends with one of ``values``."""
    pairs = []
    for name, other in (("username", "password"), ("client_id", "client_secret")):
        first = next(iter(_texts(getattr(connection, name))), "")
        second = next(iter(_texts(getattr(connection, other))), "")
        if first in values or second in values:
            pairs.append((first, second))
    return pairs


def _texts(secret: Any) -> list[str]:
    """Every text inside a secret; none where it can't be read: then it can't have been sent either."""
    try:
        value = secret.reveal()
    except (SecretUnreadable, SecretSealed, ConfigurationError):
        return []
    return leaves(value)


def run_test(connection: Connection) -> TestResult:
    """Send a connection's test request; see ``Connection.test()``."""
    try:
        with connection.session() as api:
            answer = api.request(connection.test_method, connection.test_path)
    except (RequestRefused, ConfigurationError) as error:
        return TestResult(ok=False, status_code=None, message=str(error))
    except requests.RequestException as error:
        return TestResult(ok=False, status_code=None, message=_no_answer(error))
    message = f"The API answered {answer.status_code} {answer.reason or ''}".rstrip() + "."
    if answer.ok:
        result = _picked(connection, answer, message)
    else:
        message = f"{message} {_advice(answer.status_code)}".rstrip()
        result = TestResult(ok=False, status_code=answer.status_code, message=message)
    redact = connection.redactor()
    return replace(
        result,
        message=redact(result.message),
        request=redact(f"{answer.request.method} {answer.url}"),
        headers={
            name: REDACTED if name.lower() == "set-cookie" else redact(value) for name, value in answer.headers.items()
        },
        body=_beginning(answer, redact),
    )


def _beginning(answer: requests.Response, redact: Redactor) -> str:
    """The beginning of an answer as text."""
    size = f"{len(answer.content):,} bytes"
    if len(answer.content) > _READ_BODY:
        return f"(too large to be shown: {size})"
    try:
        text = answer.content.decode(answer.encoding or "utf-8", "replace")
    except LookupError:  # an encoding that Python does not know
        text = answer.content.decode("utf-8", "replace")
    if "\x00" in text:
        return f"(not a text: {size})"
    # Redacted before it is cut: half a credential would not be recognised.
    text = redact(text)
    return text if len(text) <= _SHOWN_BODY else f"{text[:_SHOWN_BODY]}… (cut: {size} in all)"


def _picked(connection: Connection, answer: requests.Response, message: str) -> TestResult:
    root = {
        "status": answer.status_code,
        "headers": {k.lower(): v for k, v in answer.headers.items()},
        "body": _body(answer),
    }
    label = account_id = ""
    try:
        if connection.label_template:
            template = compile_template(connection.label_template)
            label = _shown(connection, template.render_text({**connection.variables, **root}))
        if connection.account_id_path:
            found = search(connection.account_id_path, root)
            account_id = "" if found is None else _shown(connection, str(found))
    except ApiConnectorError as error:
        message = f"{message} But what was to be picked from the answer is not there: {error}"
    return TestResult(ok=True, status_code=answer.status_code, message=message, label=label, account_id=account_id)


def _shown(connection: Connection, text: str) -> str:
    """What an answer says, fit for a page and a column: no credential, one printable line."""
    return "".join(character for character in connection.redactor()(text) if character.isprintable())[:255]


def _body(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except (ValueError, RecursionError):
        return answer.text


def _no_answer(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "The API did not answer in time. Try again, or raise the connection's time-out."
    if isinstance(error, requests.exceptions.SSLError):
        return "No secure connection could be made: the certificate of the API was not accepted."
    return "The API could not be reached. Check the host of the base URL and the network of this server."


def _advice(status_code: int) -> str:
    return {
        401: "It refused the credential: check it, or authorize again.",
        403: "The credential is known but may not do this: check scope and permissions at the provider.",
        404: "Nothing is there: check base URL and test path.",
        429: "Too many requests: try again later.",
    }.get(status_code, "Try again later." if status_code >= 500 else "")
