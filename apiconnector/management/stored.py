"""The secrets as they are stored: where they are, which key opens each, and what to do about one that does not open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.db import router
from django.db.models import Q

from apiconnector import auth, conf
from apiconnector.crypto import PREFIX, unseal
from apiconnector.exceptions import SecretUnreadable
from apiconnector.fields import EncryptedField
from apiconnector.models import AuthorizationAttempt, Connection, Token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model, QuerySet

    from apiconnector.crypto import Secret

#: Rows read by one query: what is in memory at a time.
BATCH = 500
#: Whose secret it is: where the slug and the method of the connection are, seen from a row.
_OWNERS: dict[type[Model], tuple[str, str]] = {
    Connection: ("slug", "auth_method"),
    Token: ("connection__slug", "connection__auth_method"),
    AuthorizationAttempt: ("connection__slug", "connection__auth_method"),
}


@dataclass(frozen=True)
class Stored:
    """One stored secret: its column, its row, and of which connection it is, where it is of one."""

    field: EncryptedField
    pk: Any
    secret: Secret[Any]
    slug: str = ""
    method: str = ""

    @property
    def model(self) -> type[Model]:
        """The model of its row."""
        return self.field.model


@dataclass(frozen=True)
class Finding:
    """A secret that does not open, and what to do about it. It holds no part of what is stored."""

    model: str
    pk: Any
    column: str
    connection: str
    problem: str
    remedy: str

    def as_json(self) -> dict[str, Any]:
        """For ``--format json``; a key that is neither number nor text is written as text."""
        return {**vars(self), "pk": self.pk if isinstance(self.pk, int | str) else str(self.pk)}

    def __str__(self) -> str:
        where = f" ({self.connection})" if self.connection else ""
        return f"{self.model} {self.pk}{where}, {self.column}: {self.problem} {self.remedy}"


def encrypted_columns() -> Iterator[tuple[type[Model], list[EncryptedField]]]:
    """Every model of every app that has encrypted columns of its own, with these; a site's own models may have some."""
    for model in apps.get_models():
        if model._meta.managed and not model._meta.proxy:
            columns = [column for column in model._meta.local_concrete_fields if isinstance(column, EncryptedField)]
            if columns:
                yield model, columns


def rows_with_secrets(model: type[Model], columns: list[EncryptedField]) -> QuerySet[Any]:
    """The rows of a model that hold a secret, read where they are written: a replica may be late."""
    # Documented by Django, and sees what a default manager may leave out.
    manager = model._base_manager  # noqa: SLF001 - public in spite of its name
    filled = Q()
    for column in columns:
        filled |= ~Q(**{column.name: ""})
    return manager.using(router.db_for_write(model)).filter(filled)


def batches(model: type[Model], columns: list[EncryptedField], size: int = BATCH) -> Iterator[list[Stored]]:
    """The stored secrets of a model, some rows at a time by primary key; each batch is a query of its own."""
    owner = next((names for kind, names in _OWNERS.items() if issubclass(model, kind)), ())
    rows = rows_with_secrets(model, columns).order_by("pk")
    rows = rows.values_list("pk", *(column.attname for column in columns), *owner)
    last = None
    while found := list((rows if last is None else rows.filter(pk__gt=last))[:size]):
        yield [
            Stored(column, pk, secret, *rest[len(columns) :])
            for pk, *rest in found
            for column, secret in zip(columns, rest, strict=False)
            if secret.stored
        ]
        last = found[-1][0]


class Keys:
    """The keys as they were when the work began, to find out which of them opens a secret."""

    def __init__(self) -> None:
        self._ciphers = list(map(Fernet, conf.keys()))

    def __len__(self) -> int:
        return len(self._ciphers)

    def position(self, secret: Secret[Any]) -> int | None:
        """Which key opens a secret, counted from 0, the newest; None for no key."""
        token = secret.stored.removeprefix(PREFIX).encode()
        for position, cipher in enumerate(self._ciphers):
            try:
                cipher.decrypt(token)
            except InvalidToken:
                continue
            return position
        return None


def examine(stored: Stored, *, opens: bool) -> Finding | None:
    """Look into a secret completely; ``opens`` says whether any key does. None where nothing is wrong.

    The right key is not all: it has to be written for this column, to name hosts, and to be what the column is for.
    """
    if not opens:
        return _finding(stored)
    try:
        # Past the Secret, which would keep each of them in mind for redaction.
        envelope = unseal(stored.secret.stored, column=stored.secret.column)
    except SecretUnreadable:
        return _finding(stored, "It was written for another column or by a newer release, or is damaged.")
    # What is opened is compared here, and goes no further.
    if not isinstance(envelope.value, stored.field.empty):
        return _finding(stored, "It holds something else than this column is for.")
    if not all(isinstance(host, str) and ":" in host for host in envelope.hosts):
        return _finding(stored, "The hosts it may be sent to can't be read.")
    return None


def _finding(stored: Stored, problem: str = "") -> Finding:
    """What to say about a secret that does not open; without a ``problem`` it is that no key opens it."""
    again = _again(stored)
    if problem:
        remedy = again[0].upper() + again[1:]
    else:
        problem = "No key in APICONNECTOR_KEYS opens it."
        remedy = f"Put the key it was written with back at the end of the list, or {again}"
    return Finding(
        model=stored.model._meta.label,
        pk=stored.pk,
        column=stored.field.name,
        connection=stored.slug,
        problem=problem,
        remedy=remedy,
    )


def _again(stored: Stored) -> str:
    """How to do without what is stored."""
    name, slug, method = stored.field.verbose_name, stored.slug, auth.find(stored.method)
    if issubclass(stored.model, Token):
        if method is not None and not method.needs_person:
            return f"leave it: another {name} of “{slug}” is fetched when it is used."
        return f"authorize “{slug}” again."
    if issubclass(stored.model, AuthorizationAttempt):
        return f"begin to authorize “{slug}” again, if that was not finished: the attempt is removed after a day."
    if not issubclass(stored.model, Connection):
        return f"type the {name} again."
    if method is None or stored.field.name in {"secret_variables", *method.fields}:
        return f"type the {name} of “{slug}” again in the admin."
    # The form does not show it.
    empty = f'Connection.objects.filter(slug="{slug}").update({stored.field.name}="")'
    return f"remove the {name}, which “{slug}” does not use, in a shell: {empty}"
