"""The names that placeholders may use, with secrets that are opened when they are needed.

Fixed names win over what was kept with the token, that over variables, those over secret variables: a host is decided
by names that are no secrets, and must be the same one in every place.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from apiconnector.exceptions import ConfigurationError, DialectError
from apiconnector.redaction import SHORT, remember
from apiconnector.templating import FEED_ITEM_NAMES, FEED_NAMES, fill, names_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from apiconnector.models.addresses import Addressed
    from apiconnector.models.binding import BoundSecrets
    from apiconnector.templating import AllowedNames

#: What the columns of a connection are called in placeholders, where secrets may be used.
_VARIABLES: Final = "secret_variables"
SECRET_NAMES: Final = ("client_secret", "username", "password", "api_key")
_NOT_PUBLIC: Final = frozenset({*SECRET_NAMES, "client_id", "secret_variables", "access_token", "refresh_token"})


class Names(Mapping[str, Any]):
    """Names for placeholders, some of them secrets: one is opened when it is looked up.

    A secret that nothing names, and that the form does not even show, would else stop every request when it is sealed.
    ``secrets`` are columns; the members of ``secret_variables`` are names of their own. ``fixed`` names win over all
    others.
    """

    def __init__(
        self,
        connection: BoundSecrets,
        values: Mapping[str, Any],
        secrets: Collection[str],
        fixed: Mapping[str, Any] | None = None,
    ) -> None:
        self._connection, self._values, self._secrets = connection, values, secrets
        self._fixed = fixed or {}

    def __getitem__(self, name: str) -> Any:
        if name in self._fixed:
            return self._fixed[name]
        if name in self._secrets and name != _VARIABLES:
            return self._connection.reveal(name)
        return self._values[name] if name in self._values else self._secret_variables()[name]

    def _secret_variables(self) -> Mapping[str, Any]:
        found = self._connection.reveal(_VARIABLES) if _VARIABLES in self._secrets else {}
        return found if isinstance(found, dict) else {}

    def __iter__(self) -> Iterator[str]:
        return iter({**self._secret_variables(), **self._values, **dict.fromkeys(self._named()), **self._fixed})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _named(self) -> list[str]:
        return [name for name in self._secrets if name != _VARIABLES]


def public(connection: Addressed) -> dict[str, Any]:
    """The names of a connection that are no secrets: its variables, and what was kept with its token."""
    return _merged(_defaults(connection), connection.variables, connection.kept_values)


def _merged(*known: Any) -> dict[str, Any]:
    found = {name: value for some in known if isinstance(some, dict) for name, value in some.items()}
    return {name: value for name, value in found.items() if name not in _NOT_PUBLIC}


def _defaults(connection: Addressed) -> dict[str, Any]:
    try:
        declared = connection.read_dialect().variables
    except DialectError:
        return {}
    return {name: variable.default for name, variable in declared.items() if variable.default}


def for_sending(connection: BoundSecrets, fixed: Mapping[str, Any] | None = None) -> Names:
    """The names for what only the API and the provider see: secrets are among them. Raises what ``open()`` raises."""
    if not isinstance(connection.variables, dict):
        raise ConfigurationError(f"“{connection}”: the variables must be a JSON object.")
    secrets = _present(connection, ("client_id", *SECRET_NAMES, _VARIABLES))
    return Names(connection, public(connection), secrets, fixed)


def for_browser(connection: BoundSecrets, fixed: Mapping[str, Any] | None = None) -> Names:
    """The names for what a browser shows: of the secrets only the client ID, which is public."""
    return Names(connection, public(connection), _present(connection, ("client_id",)), fixed)


def _present(connection: BoundSecrets, names: Collection[str]) -> list[str]:
    return [name for name in names if getattr(connection, name)]


def filled(connection: BoundSecrets, template: Any, names: Names) -> Any:
    """Fill JSON that is sent, and keep what was made of secrets, such as their Base64, out of what is shown."""
    result = fill(template, names)
    if isinstance(template, dict) and "{{" in str(template):
        hidden = secret_names(connection) - ({"username"} if connection.password else set())
        for key, inner in template.items():
            if isinstance(inner, str) and key in result and not names_in(inner).isdisjoint(hidden):
                text = str(result[key])
                # A word before it, such as Basic, is no secret.
                for one in {text, text.rpartition(" ")[2]}:
                    remember(one)
                    if len(one) >= SHORT:
                        connection.opened.add(one)
    return result


def secret_names(connection: BoundSecrets) -> frozenset[str]:
    """The names that stand for secrets in the placeholders of a connection."""
    found = {*SECRET_NAMES, "access_token", "refresh_token", "code", "code_verifier"}
    with suppress(ConfigurationError):
        found |= {*connection.secret_variables.reveal()} if connection.secret_variables else set()
    return frozenset(found - public(connection).keys())


def for_feeds(connection: BoundSecrets, *, values: Collection[str] = (), has_item: bool = False) -> AllowedNames:
    """The names that the fields of a feed may use: none of the connection's secrets is among them.

    ``values`` are the names that feeds keep which it waits for; ``has_item``: it sends one request for each item.
    """
    allowed = FEED_ITEM_NAMES if has_item else FEED_NAMES
    allowed = allowed._replace(members={"values": frozenset(values)})
    # What a feed calls item is never the connection's, whatever it is called there.
    secrets = secret_names(connection) - {"code", "code_verifier"} - allowed.below
    return allowed.with_variables(public(connection), secrets)
