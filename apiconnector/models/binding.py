"""A connection's secrets, and the hosts each of them is bound to."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.utils.functional import cached_property

from apiconnector import auth
from apiconnector.crypto import Secret
from apiconnector.exceptions import ConfigurationError, SecretSealed
from apiconnector.fields import EncryptedJSONField, EncryptedTextField

if TYPE_CHECKING:
    from apiconnector.models.token import Token

SECRET_FIELDS = ("client_id", "client_secret", "username", "password", "api_key", "secret_variables")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Opened(set[str]):
    """Texts that were opened; shown as a number, since trackers show what is in an object."""

    def __repr__(self) -> str:
        return f"<{len(self)} opened>"


class BoundSecrets(models.Model):
    """The credentials of a connection. Each is sealed for the hosts its row named when it was typed."""

    client_id = EncryptedTextField(
        "client ID", is_identifier=True, help_text="From the app you registered at the provider."
    )
    client_secret = EncryptedTextField()
    username = EncryptedTextField("user name", is_identifier=True)
    password = EncryptedTextField()
    api_key = EncryptedTextField("API key or token")
    secret_variables = EncryptedJSONField(help_text="JSON object: names for use in placeholders, kept encrypted.")
    is_sealed = models.BooleanField(default=False, editable=False)

    if TYPE_CHECKING:
        auth_method: Any
        base_url: Any
        authorization_url: Any
        token_url: Any
        refresh_url: Any
        revocation_url: Any
        allowed_hosts: Any
        token: Token

    class Meta:
        abstract = True

    @classmethod
    def label_of(cls, name: str) -> str:
        """What a column is called in the form."""
        field = cls._meta.get_field(name)
        assert isinstance(field, models.Field)
        return str(field.verbose_name)

    @property
    def method_or_none(self) -> type[auth.AuthMethod] | None:
        """The class of the auth method; None where the app that registers it is gone."""
        return auth.find(self.auth_method)

    def secret_hosts(self) -> frozenset[str]:
        """The hosts, as ``host:port``, that this connection's secrets may go to."""
        urls = (self.base_url, self.authorization_url, self.token_url, self.refresh_url, self.revocation_url)
        return _hosts(
            urls,
            tuple(host for host in self.allowed_hosts if isinstance(host, str))
            if isinstance(self.allowed_hosts, list)
            else (),
        )

    def open(self, secret: Secret[Any], what: str) -> Any:
        """Decrypt a secret of this connection for sending it.

        Raises ``SecretSealed`` when it was typed for other hosts, ``SecretUnreadable`` when no key opens it.
        """
        envelope = secret.envelope()
        if secret.stored and (new := _uncovered(self.secret_hosts(), envelope.hosts)):
            new_hosts = ", ".join(sorted(new))
            raise SecretSealed(
                f"The {what} of “{self}” was typed before {new_hosts} was entered as a host. "
                "Type it again, or authorize again, to send it there."
            )
        self.opened.update(leaves(envelope.value))
        return envelope.value

    @cached_property
    def opened(self) -> Opened:
        """The texts opened through this object so far: what redaction by value looks for."""
        return Opened()

    def __getstate__(self) -> dict[str, Any]:
        """Pickle without what was opened."""
        state: dict[str, Any] = super().__getstate__()
        state.pop("opened", None)
        return state

    def reveal(self, name: str) -> Any:
        """Decrypt the credential in column ``name``; raises what ``open()`` raises."""
        return self.open(getattr(self, name), self.label_of(name))

    def has_sealed_secret(self) -> bool:
        """Whether a secret the method uses was typed for fewer hosts than the row names now."""
        hosts = self.secret_hosts()
        method = self.method_or_none
        used = {"secret_variables", *(method.fields if method else ())}
        # A secret that the method does not use is not sent, and the form does not show it.
        stored = [getattr(self, name) for name in SECRET_FIELDS if name in used]
        if method is not None and method.needs_person:
            with suppress(ObjectDoesNotExist):
                stored += [self.token.access_token, self.token.refresh_token]
        for secret in stored:
            if not secret.stored:
                continue
            try:
                if _uncovered(hosts, secret.envelope().hosts):
                    return True
            except ConfigurationError:
                continue  # unreadable is a status of its own
        return False

    def same_as(self, other: BoundSecrets, names: set[str]) -> bool:
        """Whether these columns hold the same values; a secret typed again with the same text is the same."""
        return all(_equal(getattr(self, name), getattr(other, name)) for name in names)


def leaves(value: Any) -> list[str]:
    """Every text inside a secret that was opened."""
    if isinstance(value, str):
        return [value] if value else []
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


@lru_cache(maxsize=1024)
def _hosts(urls: tuple[str, ...], allowed: tuple[Any, ...]) -> frozenset[str]:
    found = set()
    for url in urls:
        try:
            parts = urlsplit(url)
            port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
        except ValueError:
            continue
        if parts.hostname and port:
            found.add(f"{parts.hostname.lower()}:{port}")
    for entry in allowed:
        if isinstance(entry, str) and entry:
            found.add(entry.lower() if ":" in entry else f"{entry.lower()}:443")
    return frozenset(found)


def _uncovered(hosts: frozenset[str], bound: frozenset[str]) -> set[str]:
    """The hosts a secret was not typed for. One that matches an allowed suffix it was typed for is not new."""
    suffixes = [host for host in bound if host.startswith(".")]
    return {host for host in hosts - bound if not any(host.endswith(suffix) for suffix in suffixes)}
