"""Keys, envelopes and the ``Secret`` type: how a credential is kept at rest and handed around in memory.

What is stored is ``fernet:`` and a Fernet token. Inside the token is an *envelope*: its version, the column it was
written for, the hosts it may be sent to, and the value. A ciphertext that somebody copies to another column does not
open, and one copied to another row stays bound to its hosts.
"""

from __future__ import annotations

import json
from copy import deepcopy
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, Never, TypeVar, cast

from apiconnector import conf
from apiconnector.exceptions import SecretUnreadable
from apiconnector.redaction import clean_frames, remember

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.fernet import MultiFernet

PREFIX = "fernet:"
MASK = "********"
_VERSION = 1

T = TypeVar("T")


@lru_cache(maxsize=4)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    from cryptography.fernet import Fernet, MultiFernet

    return MultiFernet([Fernet(key) for key in keys])


def generate_key() -> str:
    """Return a new key for ``APICONNECTOR_KEYS``."""
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()


class Envelope:
    """What a stored secret holds: its value, and the hosts (``host:port``) the value may be sent to."""

    __slots__ = ("hosts", "value")

    def __init__(self, value: Any, hosts: frozenset[str]) -> None:
        self.value, self.hosts = value, hosts


@clean_frames
def seal(value: Any, *, column: str, hosts: Iterable[str]) -> str:
    """Encrypt a JSON value for one column and a set of hosts; the text to be stored.

    Raises ``ConfigurationError`` when there is no key: nothing is ever stored in plain text.
    """
    cipher = _cipher(conf.keys())
    envelope = {"v": _VERSION, "c": column, "h": sorted(hosts), "s": value}
    return PREFIX + cipher.encrypt(json.dumps(envelope).encode()).decode()


@clean_frames
def unseal(stored: str, *, column: str) -> Envelope:
    """Open what ``seal`` made.

    Raises ``SecretUnreadable`` when no key opens it, or when it was written for another column, and
    ``ConfigurationError`` when there is no key at all.
    """
    from cryptography.fernet import InvalidToken

    try:
        envelope = _opened(conf.keys(), stored, column)
    except (InvalidToken, ValueError, KeyError, TypeError):
        pass
    else:
        # Nobody shall change what the next one gets.
        return envelope if isinstance(envelope.value, str) else Envelope(deepcopy(envelope.value), envelope.hosts)
    # Raised outside the except clause: neither the ciphertext nor a half-opened envelope is chained to it.
    raise SecretUnreadable(
        f"No key in APICONNECTOR_KEYS opens {column}. Put the key it was written with at the end of the list (another "
        "release may be writing with a newer one already), or type the secret again."
    )


@lru_cache(maxsize=512)  # kept as long as redaction keeps the values themselves, which it has to know
def _opened(keys: tuple[str, ...], stored: str, column: str) -> Envelope:
    opened = json.loads(_cipher(keys).decrypt(stored.removeprefix(PREFIX).encode()))
    if opened["v"] != _VERSION or opened["c"] != column:
        raise ValueError("another column")
    return Envelope(opened["s"], frozenset(opened["h"]))


def reencrypt(stored: str) -> str:
    """The same envelope, byte for byte, encrypted with the newest key; ``stored`` itself where that opens it already.

    The time inside the Fernet token stays, too. Raises ``SecretUnreadable`` when no key opens it, and
    ``ConfigurationError`` when there is no key at all.
    """
    from cryptography.fernet import InvalidToken

    token = stored.removeprefix(PREFIX).encode()
    try:
        _cipher(conf.keys()[:1]).decrypt(token)
    except InvalidToken:
        pass
    else:
        return stored
    try:
        return PREFIX + _cipher(conf.keys()).rotate(token).decode()
    except InvalidToken:
        pass
    raise SecretUnreadable("No key in APICONNECTOR_KEYS opens this.")


class Secret(Generic[T]):
    """A credential that shows itself only to ``reveal()``.

    ``Secret(value)`` holds a value just typed; one that was loaded holds the ciphertext and decrypts when revealed.
    ``repr``, ``str`` and format give a mask, truth says whether there is a value. It can't be pickled while it
    holds plain text, and is never equal to a string. What was revealed is kept out of logs and reports from then on,
    unless it is an identifier, such as a client ID.
    """

    __slots__ = ("_column", "_is_identifier", "_plain", "_stored")

    def __init__(self, value: T | Secret[T]) -> None:
        self._plain: T | None
        self._stored: str
        self._column: str
        self._is_identifier = False
        if isinstance(value, Secret):
            self._plain, self._stored, self._column = value._plain, value._stored, value._column  # noqa: SLF001 - its own
            self._is_identifier = value._is_identifier  # noqa: SLF001 - its own
        else:
            self._plain, self._stored, self._column = value, "", ""

    @classmethod
    def from_stored(cls, stored: str, *, column: str, is_identifier: bool = False) -> Secret[T]:
        """Wrap a stored text; nothing is decrypted."""
        secret = cls(cast("T", None))
        secret._stored, secret._column, secret._is_identifier = stored, column, is_identifier
        return secret

    @property
    def stored(self) -> str:
        """The ciphertext; empty for a value that was not saved yet."""
        return self._stored

    @property
    def column(self) -> str:
        """The column the ciphertext was written for; empty for a value that was not saved yet."""
        return self._column

    @property
    def is_identifier(self) -> bool:
        """Whether the value is no secret by itself, such as a client ID: it may be shown."""
        return self._is_identifier

    def reveal(self) -> T:
        """Return the value itself.

        Raises ``SecretUnreadable`` when no key opens it and ``ConfigurationError`` when there is no key.
        """
        return cast("T", self.envelope().value)

    def envelope(self) -> Envelope:
        """Return the value with the hosts it is bound to; none for a value that was not saved yet.

        Raises what ``reveal()`` raises.
        """
        if self._stored:
            opened = unseal(self._stored, column=self._column)
            if not self._is_identifier:
                remember(opened.value)
            return opened
        return Envelope(self._plain, frozenset())

    def __bool__(self) -> bool:
        return bool(self._stored or self._plain)

    def __repr__(self) -> str:
        return f"<Secret {MASK if self else 'empty'}>"

    def __str__(self) -> str:
        return MASK if self else ""

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        if self._stored or other._stored:
            return self._stored == other._stored and self._column == other._column
        return self._plain == other._plain

    __hash__ = None  # type: ignore[assignment]  # a hash of plain text could be compared with guesses

    def __copy__(self) -> Secret[T]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret[T]:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if self._plain and not self._stored:
            self._refuse_pickling()
        return (_restore, (self._stored, self._column, self._is_identifier, None if self._stored else self._plain))

    def _refuse_pickling(self) -> Never:
        raise TypeError("A Secret that was not saved yet can't be pickled: it would leave as plain text.")


def _restore(stored: str, column: str, is_identifier: bool, empty: Any) -> Secret[Any]:  # noqa: FBT001 - called by pickle
    return Secret.from_stored(stored, column=column, is_identifier=is_identifier) if stored else Secret(empty)
