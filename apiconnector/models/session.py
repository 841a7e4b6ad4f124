"""Open a connection's session."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from requests.auth import AuthBase

from apiconnector.auth import placement
from apiconnector.client import ApiSession, Destinations
from apiconnector.exceptions import ConfigurationError, SecretSealed, SecretUnreadable
from apiconnector.models import expiry, hosts, names
from apiconnector.models.binding import leaves
from apiconnector.models.token import Token
from apiconnector.redaction import Redactor, literal_secrets, remember
from apiconnector.templating import names_in

if TYPE_CHECKING:
    from collections.abc import Collection

    from requests import PreparedRequest

    from apiconnector.auth import AuthMethod
    from apiconnector.client import Wire
    from apiconnector.models.connection import Connection

#: What the columns of a connection are called in placeholders, where secrets may be used.
_DEFAULTS = ("default_headers", "default_params", "default_body")


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

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        self.require_unmoved()
        if self._method is None:
            _require_usable(self._connection)
            self._method = self._connection.method(self._connection)
        authenticated = self._with_token(self._method(request), self._method)
        # Once more: the token may be another one than before, of an account at another host.
        self.require_unmoved()
        return authenticated

    def learn_values(self) -> None:
        """Fetch the site's own token where its answer tells what every request needs, such as the base URL."""
        connection = self._connection
        method = connection.method_or_none
        if method is None or not method.uses_token or method.needs_person or not connection.waits_for_values:
            return
        _require_usable(connection)
        connection.token_source().access_token()
        self._goes_to = _goes_to(connection)

    def renew(self, request: PreparedRequest) -> bool:
        """Authenticate anew after a 401, if the method can."""
        self.require_unmoved()
        if self._method is None or not self._method.renew(request):
            return False
        self._with_token(request, self._method)
        self.require_unmoved()
        return True

    def _with_token(self, request: PreparedRequest, method: AuthMethod) -> PreparedRequest:
        """Add the defaults that name the access token, which is not the same one for the whole session."""
        connection = self._connection
        if not _has_defaults(connection):
            return request
        for column, place in _PLACES.items():
            defaults = {name: text for name, text in getattr(connection, column).items() if _names_token(name, text)}
            if defaults and not (column == "default_body" and request.body is None):
                known = names.for_sending(connection, {"access_token": method.sent_token})
                for name, value in names.filled(connection, defaults, known).items():
                    place(request, name, str(value))
        return request


_PLACES = {
    "default_headers": placement.in_header,
    "default_params": placement.in_query,
    "default_body": placement.in_body,
}


def _names_token(name: str, template: Any) -> bool:
    return "access_token" in str(template) and "access_token" in names_in({name: template})


def _goes_to(connection: Connection) -> tuple[Any, ...]:
    goes_to = connection.base_url, hosts.texts(connection.allowed_hosts)
    return (*goes_to, names.public(connection)) if _has_placeholders(connection) else goes_to


def _has_placeholders(connection: Connection) -> bool:
    """Whether placeholders decide where a connection sends to."""
    allowed = connection.allowed_hosts
    return "{{" in str(connection.base_url) or (bool(allowed) and "{{" in str(allowed))


def _require_usable(connection: Connection) -> None:
    connection.read_dialect()
    missing = [name for name in connection.method.required() if not getattr(connection, name)]
    if missing:
        labels = ", ".join(connection.label_of(name) for name in missing)
        raise ConfigurationError(f"“{connection}” is not filled in: enter the {labels}.")


def open_session(connection: Connection, *, wire: Wire | None = None) -> ApiSession:
    """A session for a connection; see ``Connection.session()``."""
    auth = _Deferred(connection)
    return ApiSession(
        destinations=_destinations(connection),
        auth=auth,
        renew=auth.renew,
        expired=expiry.rule_of(connection),
        configure=partial(_configure, connection, auth),
        redact=Redaction(connection),
        wire=wire,
    )


def _configure(connection: Connection, auth: _Deferred, session: ApiSession) -> None:
    """Set what may be wrong: it is read at the first request, where an error of it belongs."""
    auth.require_unmoved()
    auth.learn_values()
    session.timeout = connection.timeout_seconds
    connection.opened.update(_written_down(connection))
    if not _has_defaults(connection):
        return
    for name in _DEFAULTS:
        if not isinstance(getattr(connection, name), dict):
            raise ConfigurationError(f"“{connection}”: the {connection.label_of(name)} must be a JSON object.")
    known = names.for_sending(connection)
    headers, params, body = (
        names.filled(connection, _without_token(getattr(connection, name)), known) for name in _DEFAULTS
    )
    session.set_defaults(headers=headers, params=params, body=body)


def _without_token(defaults: dict[str, Any]) -> dict[str, Any]:
    return {name: template for name, template in defaults.items() if not _names_token(name, template)}


def _destinations(connection: Connection) -> Destinations:
    if _has_placeholders(connection):
        return Destinations(partial(connection.address, "base_url"), connection.filled_allowed_hosts)
    return Destinations(connection.base_url, connection.filled_allowed_hosts)


def _has_defaults(connection: Connection) -> bool:
    return bool(connection.default_headers or connection.default_params or connection.default_body)


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
        secrets += [one for row in (token, connection.on_trial) if row for one in (row.access_token, row.refresh_token)]
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
