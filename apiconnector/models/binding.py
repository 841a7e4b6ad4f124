"""A connection's secrets, and the hosts each of them is bound to."""

from __future__ import annotations

from contextlib import suppress
from copy import copy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.utils.functional import cached_property

from apiconnector import auth
from apiconnector.crypto import Secret
from apiconnector.exceptions import ConfigurationError, SecretSealed, TemplateError
from apiconnector.fields import EncryptedField, EncryptedJSONField, EncryptedTextField
from apiconnector.models import hosts
from apiconnector.models.addresses import Addressed
from apiconnector.redaction import SHORT, remember

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from apiconnector.models.seal import Seal
    from apiconnector.models.token import Token

SECRET_FIELDS = ("client_id", "client_secret", "username", "password", "api_key", "secret_variables")
#: What is sent with every request, filled with placeholders that may name secrets.
DEFAULT_FIELDS = ("default_headers", "default_params", "default_body")
_TOKEN_FIELDS = ("access_token", "refresh_token")


class Opened(set[str]):
    """Texts that were opened; shown as a number, since trackers show what is in an object."""

    def __repr__(self) -> str:
        return f"<{len(self)} opened>"


class BoundSecrets(Addressed):
    """The credentials of a connection. Each is sealed for the hosts its row named when it was typed."""

    client_id = EncryptedTextField(
        "client ID", is_identifier=True, help_text="From the app you registered at the provider."
    )
    client_secret = EncryptedTextField()
    username = EncryptedTextField("user name", is_identifier=True)
    password = EncryptedTextField()
    api_key = EncryptedTextField("API key or token")
    secret_variables = EncryptedJSONField(help_text="JSON object: names for use in placeholders, kept encrypted.")
    #: The ciphertext of each secret as it was loaded or saved.
    _in_row: Mapping[str, str] = MappingProxyType({})
    is_sealed = models.BooleanField(default=False, editable=False)

    if TYPE_CHECKING:
        auth_method: Any
        token: Token

    class Meta:
        abstract = True

    @property
    def method_or_none(self) -> type[auth.AuthMethod] | None:
        """The class of the auth method; None where the app that registers it is gone."""
        return auth.find(self.auth_method)

    def open(self, secret: Secret[Any], what: str) -> Any:
        """Decrypt a secret of this connection for sending it.

        Raises ``SecretSealed`` when it was typed for other hosts, ``SecretUnreadable`` when no key opens it.
        """
        named = self.named_hosts()
        envelope = secret.envelope()
        new = hosts.new_among(named.hosts, envelope.hosts) if secret.stored else frozenset()
        if new:
            del envelope  # pages on errors show the locals of a frame
            raise SecretSealed(
                f"The {what} of “{self}” was typed before {self._in_words(new, named)} was entered as a host. "
                "Type it again, or authorize again, to send it there."
            )
        if not secret.is_identifier:
            self.opened.update(leaves(envelope.value))
        return envelope.value

    @cached_property
    def opened(self) -> Opened:
        """The texts opened through this object so far: what redaction by value looks for."""
        return Opened()

    def __getstate__(self) -> dict[str, Any]:
        """Pickle without what was opened, and without what can be read again."""
        state: dict[str, Any] = super().__getstate__()
        for name in ("opened", "_dialect_read", "shared"):
            state.pop(name, None)
        return state

    def reveal(self, name: str) -> Any:
        """Decrypt the credential in column ``name``; raises what ``open()`` raises."""
        value = self.open(getattr(self, name), self.label_of(name))
        if name == "username" and self.username_is_secret:
            remember(value)
            self.opened.update(leaves(value))
        return value

    @property
    def username_is_secret(self) -> bool:
        """Whether the user name stands alone: then it is a key that an API takes in its place."""
        return not self.password

    def sealed_by(self) -> Seal | None:
        """What is new to a secret that would be sent; None where nothing is. Secrets that no key opens do not count."""
        named = self.named_hosts()
        new = {name: _new_to(secret, named.hosts) for name, secret in self._secrets_in_use()}
        if not any(new.values()):
            return None
        from apiconnector.models.seal import Seal

        return Seal(
            hosts=self._in_words(frozenset().union(*new.values()), named),
            columns={name: self.label_of(name) for name in SECRET_FIELDS if new.get(name)},
            holds_token=any(new.get(name) for name in _TOKEN_FIELDS),
        )

    def _secrets_in_use(self) -> Iterator[tuple[str, Secret[Any]]]:
        """The secrets of the method, and those the defaults name. Others are not sent, and the form hides them."""
        from apiconnector.templating import names_in

        method = self.method_or_none
        used = {"secret_variables", *(method.fields if method else ())}
        with suppress(TemplateError):
            templates = [getattr(self, name) for name in (*DEFAULT_FIELDS, *hosts.ADDRESS_FIELDS, "dialect")]
            used |= {name.partition(".")[0] for name in names_in([one for one in templates if one])}
        for name in SECRET_FIELDS:
            if name in used:
                yield name, getattr(self, name)
        if method is not None and method.needs_person:
            with suppress(ObjectDoesNotExist):
                for name in _TOKEN_FIELDS:
                    yield name, getattr(self.token, name)

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember what was loaded: what nobody changed is not written again."""
        row = super().from_db(*args, **kwargs)
        row.note_secrets()
        return row

    def note_secrets(self) -> None:
        """Remember which secrets are in the row now."""
        self._in_row = {name: self.__dict__[name].stored for name in SECRET_FIELDS if name in self.__dict__}

    def untouched_secrets(self) -> set[str]:
        """The columns of secrets that nobody assigned to since this object was loaded or saved.

        Saving them would put back what another process, or the rotation of keys, has replaced meanwhile.
        """
        now = {name: self.__dict__[name] for name in self._in_row}
        return {name for name, secret in now.items() if secret.stored == self._in_row[name] and not _is_typed(secret)}

    def bind_typed(self, stored: BoundSecrets, written: set[str]) -> None:
        """Seal what was typed, before only the columns ``written`` are saved over the ``stored`` row.

        For the hosts that this object names and that row will: neither a host that is not saved with it, nor one that
        somebody else has saved meanwhile, is one it was typed for.
        """
        after = copy(stored)
        for name in written.intersection(hosts.HOST_FIELDS):
            setattr(after, name, getattr(self, name))
        both = self.secret_hosts() & after.secret_hosts()
        for field in self._meta.concrete_fields:
            if isinstance(field, EncryptedField) and field.name in written:
                secret = getattr(self, field.attname)
                if _is_typed(secret):
                    setattr(self, field.attname, field.seal(secret.reveal(), both))

    def same_as(self, other: BoundSecrets, names: set[str]) -> bool:
        """Whether these columns hold the same values; a secret typed again with the same text is the same."""
        return all(_equal(getattr(self, name), getattr(other, name)) for name in names)


def _is_typed(secret: Secret[Any]) -> bool:
    return bool(secret) and not secret.stored


def leaves(value: Any) -> list[str]:
    """Every text inside a secret that was opened, and every number as it is sent."""
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, int | float) and not isinstance(value, bool):
        # A short one is rather a choice than a credential, and would take all such numbers out of what is kept.
        return [text] if len(text := str(value)) >= SHORT else []
    if isinstance(value, dict):
        return [text for item in value.values() for text in leaves(item)]
    if isinstance(value, list):
        return [text for item in value for text in leaves(item)]
    return []


def _equal(one: Any, other: Any) -> bool:
    if one == other or not isinstance(one, Secret):
        return bool(one == other)
    try:
        return bool(one.reveal() == other.reveal())
    except ConfigurationError:
        return False


def _new_to(secret: Secret[Any], named: frozenset[str]) -> frozenset[str]:
    if not secret.stored:
        return frozenset()
    try:
        return hosts.new_among(named, secret.envelope().hosts)
    except ConfigurationError:
        return frozenset()  # unreadable is a status of its own
