"""Columns that hold secrets: encrypted when saved, decrypted when revealed and never on load."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

import django
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Case, Value
from django.db.models.functions import Cast
from django.db.models.query_utils import DeferredAttribute

from apiconnector.crypto import PREFIX, Secret, seal
from apiconnector.redaction import clean_frames, remember

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.backends.base.base import BaseDatabaseWrapper

    TextField = models.TextField[Any, Any]
else:
    TextField = models.TextField

#: What a form hands over to remove a stored secret; blank keeps it.
REMOVE = object()


class BindsSecrets(Protocol):
    """A model with encrypted columns: it says where its secrets may be sent."""

    def secret_hosts(self) -> frozenset[str]:
        """The hosts, as ``host:port``, that may receive what is stored now."""


class _EncryptedAttribute(DeferredAttribute):
    """Makes whatever is assigned a ``Secret``, so that reading always gives one."""

    field: EncryptedField

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = self.field.as_secret(value)


class EncryptedField(TextField):
    """The common part of both encrypted columns.

    Encrypted when saved, decrypted when revealed and never on load. ``QuerySet.update()`` with a plain value raises:
    it has no row to ask for the hosts. Nothing but "is it empty" can be looked up.

    An ``is_identifier`` is encrypted like the others, but no secret: forms show it, and logs may.
    """

    descriptor_class = _EncryptedAttribute
    if TYPE_CHECKING:  # for the plugin of django-stubs: what may be assigned, and what reading gives
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any
    #: Makes the value of an empty column.
    empty: ClassVar[type]

    def __init__(self, *args: Any, is_identifier: bool = False, **kwargs: Any) -> None:
        self.is_identifier = is_identifier
        kwargs.setdefault("blank", True)
        kwargs.setdefault("default", "")
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        """Leave out what ``__init__`` fills in, and name the package: migrations outlive the file a class is in."""
        name, _, args, kwargs = super().deconstruct()
        for key in ("blank", "default"):
            kwargs.pop(key, None)
        return name, f"apiconnector.fields.{type(self).__name__}", args, kwargs

    @property
    def column_label(self) -> str:
        """The name written into the envelope. It does not change when a table is renamed."""
        return f"{self.model._meta.label}.{self.name}"

    def plain(self, value: Any) -> Any:
        """Check a typed value; ``ValidationError`` when it is of the wrong kind."""
        raise NotImplementedError

    def as_secret(self, value: Any) -> Any:
        """What an attribute holds after ``value`` was assigned."""
        return value if isinstance(value, Secret) else self._typed(value)

    @clean_frames
    def _typed(self, value: Any) -> Secret[Any]:
        if not self.is_identifier:
            remember(value)
        if hasattr(value, "resolve_expression"):  # F(), Value(): the database would store plain text
            return cast("Secret[Any]", self._refuse())
        return Secret(self.empty() if value is None or value == "" else self.plain(value))

    def from_db_value(self, value: str | None, *_: Any) -> Secret[Any]:
        """Wrap the stored text."""
        if not value:
            return Secret(self.empty())
        return self._wrapped(value)

    def _wrapped(self, stored: str) -> Secret[Any]:
        return Secret.from_stored(stored, column=self.column_label, is_identifier=self.is_identifier)

    def to_python(self, value: Any) -> Any:
        """Accept a typed value, a ``Secret``, and the stored text of a fixture."""
        if isinstance(value, str) and value.startswith(PREFIX):
            return self._wrapped(value)
        return self.as_secret(value)

    def value_to_string(self, obj: models.Model) -> str:
        """Give a fixture the ciphertext; plain text has no place in one."""
        secret: Secret[Any] = self.value_from_object(obj)
        if secret and not secret.stored:
            raise ValueError(f"{self.column_label} holds a value that was not saved; save it before it is serialized.")
        return secret.stored

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 - Django's signature
        """Seal a value that was assigned since the last save, for the hosts of its row."""
        del add
        value = getattr(model_instance, self.attname)
        if not value or value.column == self.column_label:
            return value
        # One copied from another column stays bound to the hosts it was bound to.
        hosts = value.envelope().hosts if value.stored else cast("BindsSecrets", model_instance).secret_hosts()
        sealed = self.seal(value.reveal(), hosts)
        setattr(model_instance, self.attname, sealed)
        return sealed

    @clean_frames
    def seal(self, value: Any, hosts: Iterable[str]) -> Secret[Any]:
        """Encrypt a value for this column, for a query that has no row at hand."""
        if not value:
            return Secret(self.empty())
        if not self.is_identifier:
            remember(value)
        return self._wrapped(seal(value, column=self.column_label, hosts=hosts))

    def get_prep_value(self, value: Any) -> Any:
        """Refuse to look up or store plain text."""
        if isinstance(value, Secret):
            if value and not value.stored:
                self._refuse()
            return value.stored
        if value is None or value == "":
            return ""
        return self._refuse()

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """Let only those expressions through that hold ciphertext."""
        if hasattr(value, "as_sql"):
            return self._only_stored(value)
        return super().get_db_prep_save(value, connection)

    if django.VERSION < (6, 1):

        def get_placeholder(self, value: Any, *_: Any) -> str:
            """The same, where Django asks an expression in an UPDATE for nothing else."""
            if hasattr(value, "as_sql"):
                self._only_stored(value)
            return "%s"

    def _only_stored(self, expression: Any) -> Any:
        """Accept what ``bulk_update()`` makes: a CASE over values, each of them ciphertext or empty."""
        found = [expression]
        while found:
            part = found.pop()
            if isinstance(part, Cast):
                found += part.get_source_expressions()
            elif isinstance(part, Case):
                found += [case.result for case in part.cases] + [part.default]
            elif not isinstance(part, Value) or self.get_prep_value(part.value) is None:
                self._refuse()
        return expression

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Give the database the ciphertext."""
        del connection
        return value if prepared else self.get_prep_value(value)

    def _refuse(self) -> Any:
        raise TypeError(
            f"{self.column_label} is encrypted: it can't be looked up or updated in a query. "
            "Assign it to an object and save() that."
        )

    def get_lookup(self, lookup_name: str) -> Any:
        """Only emptiness can be asked for."""
        return super().get_lookup(lookup_name) if lookup_name in {"exact", "in"} else None

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        """Blank keeps what is stored."""
        if data is REMOVE:
            setattr(instance, self.attname, "")
        elif data not in (None, "", {}):
            setattr(instance, self.attname, data)


class EncryptedTextField(EncryptedField):
    """A ``str``, kept encrypted. Reading gives a ``Secret[str]``."""

    empty = str

    def plain(self, value: Any) -> str:
        """Accept text that can be sent in a request."""
        if not isinstance(value, str):
            raise ValidationError("Enter text.", code="invalid")
        return value


class EncryptedJSONField(EncryptedField):
    """A JSON object, kept encrypted. Reading gives a ``Secret[dict]``."""

    empty = dict

    def plain(self, value: Any) -> dict[str, Any]:
        """Accept an object; JSON text of one is parsed."""
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                value = None
        if not isinstance(value, dict):
            raise ValidationError('Enter a JSON object, such as {"name": "value"}.', code="invalid")
        return value
