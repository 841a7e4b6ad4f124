"""A connection's addresses: filled with its names, and the hosts they lead to."""

from __future__ import annotations

from copy import copy, deepcopy
from typing import TYPE_CHECKING, Any, Self, cast

from django.db import models

from apiconnector.exceptions import ConfigurationError, DialectError, TemplateError
from apiconnector.models import hosts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apiconnector.dialect import DeclaredRequest, Dialect
    from apiconnector.models.binding import BoundSecrets
    from apiconnector.models.names import Names
    from apiconnector.models.session import Shared
    from apiconnector.models.token import Token
    from apiconnector.oauth import TokenAnswer


class Addressed(models.Model):
    """The part of a connection that knows where it may send to."""

    #: A dialect as it was read last, with what it was read from.
    _dialect_read: tuple[Any, Dialect] | None = None
    #: What its sessions share with those of other objects of the same row.
    shared: Shared | None = None
    #: A token that is not stored, used in place of the stored one until it is known to be good.
    on_trial: Token | None = None

    if TYPE_CHECKING:
        base_url: Any
        default_headers: Any
        default_params: Any
        default_body: Any
        authorization_url: Any
        token_url: Any
        refresh_url: Any
        revocation_url: Any
        allowed_hosts: Any
        variables: Any
        dialect: Any

    class Meta:
        abstract = True

    @classmethod
    def label_of(cls, name: str) -> str:
        """What a column is called in the form."""
        field = cls._meta.get_field(name)
        assert isinstance(field, models.Field)
        return str(field.verbose_name)

    def secret_hosts(self) -> frozenset[str]:
        """The hosts that this connection's secrets may go to, as ``apiconnector.models.hosts`` writes them."""
        return self.named_hosts().hosts

    def named_hosts(self) -> hosts.Named:
        """The same, with the columns that name each.

        Placeholders are filled from the variables and from what was kept with the token, and from no secret: whatever
        fills them to send a request has to do the same up to the path. An address that waits for a value which comes
        with a token names no host yet: nothing can be sent there.
        """
        shared, read_from = self.shared, None
        if shared is not None and not self.dialect:
            read_from = (*(getattr(self, name) for name in hosts.ADDRESS_FIELDS), hosts.texts(self.allowed_hosts))
            if shared.named is not None and shared.named[0] == read_from:
                return shared.named[1]
        addresses = tuple((name, hosts.text(getattr(self, name))) for name in hosts.ADDRESS_FIELDS)
        if self.dialect:
            addresses += tuple(("dialect", address) for address in self._dialect_addresses())
        allowed = hosts.texts(self.allowed_hosts)
        if any("{{" in text for text in allowed) or any("{{" in text for _, text in addresses):
            from apiconnector.models import names

            known = names.public(self)
            missing = self._kept_names() - known.keys()
            addresses = tuple(
                (name, hosts.filled(text, known, is_address=True, missing=missing)) for name, text in addresses
            )
            allowed = tuple(
                filter(None, (hosts.filled(text, known, is_address=False, missing=missing) for text in allowed))
            )
            read_from = None  # and from what the placeholders stand for
        named = hosts.named(addresses, allowed)
        if shared is not None and read_from is not None:
            shared.named = read_from, named
        return named

    @property
    def waits_for_values(self) -> bool:
        """Whether what every request needs names a value that comes with a token, and is not there yet."""
        from apiconnector.models import names
        from apiconnector.templating import names_in

        missing = self._kept_names()
        missing = missing and missing - names.public(self).keys()
        if not missing:
            return False
        try:
            named = names_in([self.base_url, self.default_headers, self.default_params, self.default_body])
        except TemplateError:
            return False  # said where it is used
        return any(name.partition(".")[0] in missing for name in named)

    def _kept_names(self) -> frozenset[str]:
        try:
            return self.read_dialect().kept_names()
        except DialectError:
            return frozenset()

    def _dialect_addresses(self) -> list[str]:
        try:
            requests = self.read_dialect().declared_requests().values()
        except DialectError:
            return [hosts.UNREADABLE_DIALECT]
        return [request.url for request in requests if not request.is_relative]

    def read_dialect(self) -> Dialect:
        """How the provider differs from RFC 6749; raises ``DialectError``."""
        from apiconnector.dialect import EMPTY, read

        if not self.dialect:
            return EMPTY
        if self._dialect_read is None or self._dialect_read[0] != self.dialect:
            self._dialect_read = (deepcopy(self.dialect), read(self.dialect))
        return self._dialect_read[1]

    @property
    def kept_values(self) -> Mapping[str, Any]:
        """What was kept with the token, or with the one that is on trial."""
        token = self.on_trial or getattr(self, "token", None)
        return token.values if token is not None and isinstance(token.values, dict) else {}

    def try_out(self, values: Mapping[str, Any], answer: TokenAnswer | None = None) -> Self:
        """A copy of this connection that uses a token which is not stored, with the values kept beside it.

        Raises ``ConfigurationError`` where a value leads to a host that nobody entered: no secret goes there.
        """
        from apiconnector.dialect import KeptValueError

        trial = copy(self)
        trial._state.fields_cache.pop("token", None)
        model: Any = type(self)._meta.get_field("token").related_model
        trial.on_trial = model(values=dict(values))
        trial._require_fillable(values)  # noqa: SLF001 - its own class
        # Typed for and named now: a host that was taken out since is not the provider's to bring back.
        told = trial.secret_hosts()
        new = hosts.new_among(told, self.typed_hosts()) | hosts.new_among(told, self.secret_hosts())
        if new:
            where = trial._in_words(new, trial.named_hosts())  # noqa: SLF001 - its own class
            raise KeptValueError(
                f"A value of the provider's answer leads to {where}, which is none of the connection's hosts. Nothing "
                "was sent there. If it is the provider's, add it to the allowed hosts (“.example.com” stands for all "
                "hosts below it), type the secrets again, and authorize."
            )
        if answer is not None:
            sealed = model.values_from(answer, scope="", hosts=trial.secret_hosts())
            trial.on_trial.access_token, trial.on_trial.refresh_token = sealed["access_token"], sealed["refresh_token"]
        return trial

    def _require_fillable(self, values: Mapping[str, Any]) -> None:
        """Raise ``KeptValueError`` for a value that no address can be made with."""
        from apiconnector.dialect import KeptValueError
        from apiconnector.models import names
        from apiconnector.templating import compile_template, fill_url

        known = names.public(self)
        for column in hosts.ADDRESS_FIELDS:
            url = hosts.text(getattr(self, column))
            used = compile_template(url).names if "{{" in url else frozenset()
            if used.isdisjoint(values):
                continue
            try:
                # What the other names stand for is not what is looked at here.
                fill_url(url, {**{name.partition(".")[0]: "x" for name in used}, **known})
            except TemplateError as error:
                reason = str(error)
            else:
                continue
            raise KeptValueError(
                f"A value of the provider's answer does not fit into the {self.label_of(column)}. {reason} Nothing was "
                "kept. Correct the value's path and pattern in the dialect, or the address."
            )

    def typed_hosts(self) -> frozenset[str]:
        """The hosts that the credentials in use were typed for; those that are named now, where nothing was typed."""
        for name in ("client_secret", "client_id", "password", "api_key", "username"):
            secret = getattr(self, name)
            if secret and secret.stored:
                return frozenset(secret.envelope().hosts)
        return self.secret_hosts()

    def hosts_in_words(self) -> str:
        """All the hosts that this connection's secrets may go to, each with the columns that name it."""
        named = self.named_hosts()
        return self._in_words(named.hosts, named)

    def _in_words(self, new: frozenset[str], named: hosts.Named) -> str:
        labels = {host: [self.label_of(column) for column in named.columns[host]] for host in new}
        return hosts.in_words(new, labels)

    # Filled

    def address(self, column: str, known: Names | None = None) -> str:
        """The address in a column, with its placeholders filled.

        Raises ``ConfigurationError`` for one that can't be filled, or leads to another host than ``named_hosts()``.
        """
        url: str = getattr(self, column)
        if "{{" not in url:
            return url
        return self._checked(column, url, known)

    def _checked(self, column: str, url: str, known: Names | None) -> str:
        from apiconnector.models import names
        from apiconnector.templating import fill_url

        label = self.label_of(column)
        try:
            filled = fill_url(url, names.for_sending(cast("BoundSecrets", self)) if known is None else known)
        except TemplateError as error:
            reason = str(error)
        else:
            if hosts.of_address(filled) in self.named_hosts().hosts:
                return filled
            reason = "A secret can't be part of a host."
        raise ConfigurationError(f"“{self}”, {label}: {reason}")

    def filled_allowed_hosts(self) -> list[Any]:
        """The allowed hosts, with their placeholders filled; what can't be filled is no host.

        Raises ``ConfigurationError`` where they are no list.
        """
        if self.allowed_hosts and not isinstance(self.allowed_hosts, list | tuple):
            raise ConfigurationError(f"“{self}”: the {self.label_of('allowed_hosts')} must be a JSON list.")
        entries = list(self.allowed_hosts or ())
        if not any(isinstance(entry, str) and "{{" in entry for entry in entries):
            return entries
        from apiconnector.models import names

        known = names.public(self)
        return [hosts.filled(hosts.text(entry), known, is_address=False) for entry in entries]

    def declared_address(self, request: DeclaredRequest, known: Names) -> str:
        """Where a request of the dialect goes. Raises what ``address()`` raises, and ``DestinationRefused``."""
        from apiconnector.client import Destinations
        from apiconnector.templating import fill_path

        if not request.is_relative:
            return self._checked("dialect", request.url, known)
        try:
            path = fill_path(request.url, known)
        except TemplateError as error:
            reason = str(error)
        else:
            return Destinations(self.address("base_url", known)).join(path)
        raise ConfigurationError(f"“{self}”, {self.label_of('dialect')}: {reason}")
