"""Take the credentials of a connection out of what is shown and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from apiconnector.exceptions import ConfigurationError, SecretSealed, SecretUnreadable
from apiconnector.models.binding import DEFAULT_FIELDS, leaves
from apiconnector.models.token import Token
from apiconnector.redaction import Redactor, literal_secrets, remember

if TYPE_CHECKING:
    from collections.abc import Collection

    from apiconnector.crypto import Secret
    from apiconnector.models.connection import Connection

#: What Basic puts together.
_PAIRED: Final = ("username", "password", "client_id", "client_secret")
#: Redactors that the sessions of one row share: of what one opens, and of everything.
_MOST_SHARED: Final = 4


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
            self._redactor = self._shared(frozenset(opened), ())
        return self._redactor(text)

    def everything(self, *, is_fresh: bool = False) -> Redactor:
        """A redactor for every credential of the connection, sent or not, and for its token.

        The token is looked up, unless the connection ``is_fresh``: its object was read just now, with the token.
        """
        connection = self._connection
        secrets = [getattr(connection, name) for name in ("client_secret", "password", "api_key", "secret_variables")]
        if connection.username_is_secret:
            secrets.append(connection.username)
        token: Token | None = getattr(connection, "token", None)
        if not is_fresh:
            token = Token.objects.filter(connection_id=connection.pk).first()
        secrets += [one for row in (token, connection.on_trial) if row for one in (row.access_token, row.refresh_token)]
        sent = frozenset(connection.opened | written_down(connection))
        return self._shared(sent, secrets)

    def _shared(self, sent: frozenset[str], others: Collection[Secret[Any]]) -> Redactor:
        """A redactor for what was ``sent`` and for ``others``; the one that was made of the same before, if any."""
        connection, shared = self._connection, self._connection.shared
        secrets = [*others, *(getattr(connection, name) for name in _PAIRED)]
        made_of = sent, tuple(secret.stored for secret in secrets)
        # One that is not saved yet has nothing to tell it from another.
        if shared is not None and all(secret.stored or not secret for secret in secrets):
            if (redactor := shared.redactors.get(made_of)) is not None:
                return redactor
        else:
            shared = None
        found = [_texts(secret) for secret in others]
        values = sent.union(*found)
        redactor = Redactor(values, basic=_pairs(connection, values))
        # Nor is one kept that lacks what no key opens just now.
        if shared is not None and all(texts or not secret for texts, secret in zip(found, others, strict=True)):
            if len(shared.redactors) >= _MOST_SHARED:
                shared.redactors.clear()
            shared.redactors[made_of] = redactor
        return redactor


def written_down(connection: Connection) -> set[str]:
    """Credentials that stand in plain text in what every request gets: typed there instead of into a secret."""
    found = {text for name in DEFAULT_FIELDS for text in literal_secrets(getattr(connection, name))}
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
