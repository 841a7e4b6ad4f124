"""``keys``: make a key, and say which keys open what is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps

from apiconnector import conf, crypto
from apiconnector.exceptions import SecretUnreadable
from apiconnector.fields import EncryptedField
from apiconnector.management.output import add_format, counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model

    from apiconnector.crypto import Secret
    from apiconnector.management.output import Output


@dataclass
class Count:
    """How many secrets of one column each key opens, newest key first, and how many none opens."""

    column: str
    keys: list[int]
    unreadable: int = 0
    total: int = field(init=False, default=0)

    def add(self, position: int | None) -> None:
        """Count one secret."""
        self.total += 1
        if position is None:
            self.unreadable += 1
        else:
            self.keys[position] += 1


def add_parsers(jobs: Any) -> None:
    """Add the parsers of this group."""
    keys = jobs.add_parser("keys", help="Keys that secrets are encrypted with.")
    keys_jobs = keys.add_subparsers(dest="keys_job", required=True, metavar="job")
    generate = keys_jobs.add_parser("generate", help="Print a new key for APICONNECTOR_KEYS.")
    generate.set_defaults(act=generate_key)
    status = keys_jobs.add_parser("status", help="Count the stored secrets by the key that opens them.")
    add_format(status)
    status.set_defaults(act=key_status)


def generate_key(out: Output, options: dict[str, Any]) -> int:
    """Print a new key and nothing else."""
    del options
    out.line(crypto.generate_key())
    return 0


def key_status(out: Output, options: dict[str, Any]) -> int:
    """Print how many secrets each key opens, by column."""
    del options
    keys = conf.keys()
    ciphers = [Fernet(key) for key in keys]
    counts = []
    for model, name in encrypted_columns():
        count = Count(f"{model._meta.label}.{name}", [0] * len(ciphers))
        for secret in _stored(model, name):
            count.add(_position(secret, ciphers))
            if count.total % 10_000 == 0:
                out.note(f"{count.column}: {count.total} read so far")
        counts.append(count)
    unreadable = sum(count.unreadable for count in counts)
    if out.as_json:
        out.json(
            [
                {"column": count.column, "total": count.total, "keys": count.keys, "unreadable": count.unreadable}
                for count in counts
            ]
        )
    else:
        _print(out, [count for count in counts if count.total], len(ciphers))
    return 1 if unreadable else 0


def _print(out: Output, counts: list[Count], keys: int) -> None:
    if not counts:
        out.line("No secrets are stored.")
        return
    positions = ["key 1 (newest)", *(f"key {position}" for position in range(2, keys + 1))]
    out.table(
        ("column", "stored", *positions, "unreadable"),
        [(count.column, count.total, *count.keys, count.unreadable) for count in counts],
    )
    out.line("")
    older = sum(sum(count.keys[1:]) for count in counts)
    unreadable = sum(count.unreadable for count in counts)
    if older:
        out.line(f"{counted(older, 'secret')} can be read only with an older key: keep it in APICONNECTOR_KEYS.")
    if unreadable:
        out.line(
            f"{counted(unreadable, 'secret')} can't be read: put the key they were written with back at the end of "
            "APICONNECTOR_KEYS, or type them again."
        )
    if not older and not unreadable:
        out.line("The newest key opens everything.")


def encrypted_columns() -> Iterator[tuple[type[Model], str]]:
    """Every encrypted column of every app, found by its field class; a site's own models may have some."""
    for model in apps.get_models():
        if model._meta.managed and not model._meta.proxy:
            for column in model._meta.local_concrete_fields:
                if isinstance(column, EncryptedField):
                    yield model, column.name


def _stored(model: type[Model], name: str) -> Iterator[Secret[Any]]:
    # Documented by Django, and sees what a default manager may leave out.
    manager = model._base_manager  # noqa: SLF001 - public in spite of its name
    rows = manager.exclude(**{name: ""}).values_list(name, flat=True)
    return (secret for secret in rows.iterator(chunk_size=2_000) if secret.stored)


def _position(secret: Secret[Any], ciphers: list[Fernet]) -> int | None:
    """Which key opens a secret; None for no key, and for a ciphertext that belongs to another column."""
    token = secret.stored.removeprefix(crypto.PREFIX).encode()
    for position, cipher in enumerate(ciphers):
        try:
            cipher.decrypt(token)
        except InvalidToken:
            continue
        return position if _belongs(secret) else None
    return None


def _belongs(secret: Secret[Any]) -> bool:
    try:
        secret.envelope()
    except SecretUnreadable:
        return False
    return True
