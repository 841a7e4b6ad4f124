"""Open a connection's session."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from requests.auth import AuthBase

from apiconnector.auth import placement
from apiconnector.client import ApiSession, Destinations
from apiconnector.exceptions import ConfigurationError, DialectError
from apiconnector.models import expiry, hosts, names
from apiconnector.models.redacting import Redaction, written_down
from apiconnector.redaction import REDACTED
from apiconnector.templating import names_in

if TYPE_CHECKING:
    from requests import PreparedRequest

    from apiconnector.auth import AuthMethod
    from apiconnector.client import Wire
    from apiconnector.models.connection import Connection
    from apiconnector.models.hosts import Named
    from apiconnector.redaction import Redactor


class _Redactors(dict[Any, "Redactor"]):
    """Shown as a number: the keys hold what was opened."""

    def __repr__(self) -> str:
        return f"<{len(self)} redactors>"


class Shared:
    """What all sessions have in common that were opened of the same row, and would else each work out."""

    def __init__(self, connection: Connection) -> None:
        self.goes_to = _goes_to(connection)
        self.destinations: Destinations | None = None
        hosts_given = connection.allowed_hosts or []
        if isinstance(hosts_given, list | tuple) and not _has_placeholders(connection):
            self.destinations = Destinations(connection.base_url, tuple(hosts_given))
        #: By what they were made of.
        self.redactors = _Redactors()
        #: The method for which everything required is filled in.
        self.usable: type[AuthMethod] | None = None
        #: The hosts it names, with what they were read from.
        self.named: tuple[Any, Named] | None = None


def prepare(connection: Connection) -> None:
    """Work out what the copies of a connection will share."""
    connection.shared = Shared(connection)
    with suppress(DialectError):
        connection.read_dialect()


#: What the columns of a connection are called in placeholders, where secrets may be used.
_DEFAULTS = ("default_headers", "default_params", "default_body")


class _Deferred(AuthBase):
    """Makes the method's instance at the first request: what is wrong with it surfaces there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._method: AuthMethod | None = None
        self.goes_to = _goes_to(connection)

    def require_unmoved(self) -> None:
        """Raise ``ConfigurationError`` where the connection has other hosts than the session that was opened of it.

        A secret is opened for the hosts that the connection names now, and the session sends where it did then.
        """
        if _goes_to(self._connection) != self.goes_to:
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
        self.goes_to = _goes_to(connection)

    def renew(self, request: PreparedRequest) -> bool:
        """Authenticate anew after a 401, if the method can."""
        self.require_unmoved()
        if self._method is None or not self._method.renew(request):
            return False
        self._with_token(request, self._method)
        self.require_unmoved()
        return True

    def refused(self) -> None:
        """Tell the method that its new credential was refused as well."""
        if self._method is not None:
            self._method.refused()

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
    shared, method = connection.shared, connection.method
    if shared is not None and shared.usable is method:
        return
    connection.read_dialect()
    missing = [name for name in method.required() if not getattr(connection, name)]
    if missing:
        labels = ", ".join(connection.label_of(name) for name in missing)
        raise ConfigurationError(f"“{connection}” is not filled in: enter the {labels}.")
    if shared is not None:
        shared.usable = method


def open_session(connection: Connection, *, wire: Wire | None = None) -> ApiSession:
    """A session for a connection; see ``Connection.session()``."""
    auth = _Deferred(connection)
    return ApiSession(
        destinations=_destinations(connection, auth.goes_to),
        auth=auth,
        renew=auth.renew,
        refused=auth.refused,
        expired=expiry.rule_of(connection),
        configure=partial(_configure, connection, auth),
        redact=Redaction(connection),
        wire=wire,
    )


class _StandIn:
    """A connection whose credentials are hidden: what a method needs to show where it puts them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def reveal(self, name: str) -> str:
        """Any credential."""
        del name
        return REDACTED

    def token_source(self) -> _StandIn:
        """Where tokens come from: none is asked for."""
        return self

    def access_token(self) -> str:
        """Any token."""
        return REDACTED


class _Shown(AuthBase):
    """Authenticates with ``[redacted]``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        return self._connection.method(_StandIn(self._connection))(request)


def open_preview(connection: Connection) -> ApiSession:
    """A session that prepares what another one would send, with ``[redacted]`` for the credential.

    It asks for no token, and is not for sending.
    """
    return ApiSession(
        destinations=_destinations(connection, _goes_to(connection)),
        auth=_Shown(connection),
        configure=partial(_set_defaults, connection, {"access_token": REDACTED}),
        redact=Redaction(connection),
    )


def _configure(connection: Connection, auth: _Deferred, session: ApiSession) -> None:
    """Set what may be wrong: it is read at the first request, where an error of it belongs."""
    auth.require_unmoved()
    auth.learn_values()
    session.timeout = connection.timeout_seconds
    _set_defaults(connection, None, session)


def _set_defaults(connection: Connection, fixed: dict[str, str] | None, session: ApiSession) -> None:
    """Set what every request gets; without ``fixed`` values all but what names the token, which is added later."""
    if not _has_defaults(connection):
        return
    connection.opened.update(written_down(connection))
    for name in _DEFAULTS:
        if not isinstance(getattr(connection, name), dict):
            raise ConfigurationError(f"“{connection}”: the {connection.label_of(name)} must be a JSON object.")
    known = names.for_sending(connection, fixed)
    templates = [getattr(connection, name) for name in _DEFAULTS]
    headers, params, body = (
        names.filled(connection, template if fixed else _without_token(template), known) for template in templates
    )
    session.set_defaults(headers=headers, params=params, body=body)


def _without_token(defaults: dict[str, Any]) -> dict[str, Any]:
    return {name: template for name, template in defaults.items() if not _names_token(name, template)}


def _destinations(connection: Connection, goes_to: tuple[Any, ...]) -> Destinations:
    shared = connection.shared
    if shared is not None and shared.destinations is not None and shared.goes_to == goes_to:
        return shared.destinations
    if _has_placeholders(connection):
        return Destinations(partial(connection.address, "base_url"), connection.filled_allowed_hosts)
    return Destinations(connection.base_url, connection.filled_allowed_hosts)


def _has_defaults(connection: Connection) -> bool:
    return bool(connection.default_headers or connection.default_params or connection.default_body)
