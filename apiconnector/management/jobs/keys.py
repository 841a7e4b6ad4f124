"""``keys``: make a key, say which keys open what is stored, encrypt it with the newest, and prove that it opens."""

from __future__ import annotations

import argparse
import threading
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError

from apiconnector import conf, crypto
from apiconnector.exceptions import SecretUnreadable
from apiconnector.management.interrupt import stopping
from apiconnector.management.output import add_format, counted
from apiconnector.management.rotation import Rotation
from apiconnector.management.stored import BATCH, Keys, batches, encrypted_columns, examine, rows_with_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model

    from apiconnector.crypto import Secret
    from apiconnector.fields import EncryptedField
    from apiconnector.management.output import Output
    from apiconnector.management.stored import Finding, Stored


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


class _Pace:
    """Says how far a pass is and how long it goes on: after the first batch, after the last, and once a second."""

    def __init__(self, out: Output) -> None:
        self._out, self._model = out, ""
        self._began = self._before = self._said = monotonic()

    def __call__(self, model: str, seen: int, rows: int) -> None:
        now, is_first = monotonic(), model != self._model
        if is_first:
            self._model, self._began = model, self._before
        self._before = now
        if not is_first and seen < rows and now - self._said < 1:
            return
        self._said = now
        text = f"{model}: {seen} of {counted(rows, 'row')}"
        if seen < rows and now > self._began:
            speed = seen / (now - self._began)
            text += f", {speed:.0f} a second, about {(rows - seen) / speed:.0f} s left"
        self._out.note(text)


def add_parsers(jobs: Any) -> None:
    """Add the parsers of this group."""
    keys = jobs.add_parser("keys", help="Keys that secrets are encrypted with.")
    keys_jobs = keys.add_subparsers(dest="keys_job", required=True, metavar="job")
    generate = keys_jobs.add_parser("generate", help="Print a new key for APICONNECTOR_KEYS.")
    generate.set_defaults(act=generate_key)
    status = keys_jobs.add_parser("status", help="Count the stored secrets by the key that opens them.")
    add_format(status)
    status.set_defaults(act=key_status)
    rotate = keys_jobs.add_parser("rotate", help="Encrypt with the newest key what is encrypted with another.")
    rotate.add_argument("--dry-run", action="store_true", help="Write nothing; say what there is to do.")
    rotate.add_argument("--batch", type=_rows, default=BATCH, help=f"Rows read at a time ({BATCH}).")
    add_format(rotate)
    rotate.set_defaults(act=rotate_keys)
    verify = keys_jobs.add_parser("verify", help="Open every stored secret, and name those that do not open.")
    add_format(verify)
    verify.set_defaults(act=verify_secrets)


def _rows(text: str) -> int:
    rows = int(text)
    if rows < 1:
        raise argparse.ArgumentTypeError("a whole number of at least 1 is needed")
    return rows


def generate_key(out: Output, options: dict[str, Any]) -> int:
    """Print a new key and nothing else."""
    del options
    out.line(crypto.generate_key())
    return 0


def key_status(out: Output, options: dict[str, Any]) -> int:
    """Print how many secrets each key opens, by column."""
    del options
    keys = Keys()
    counts: dict[EncryptedField, Count] = {}
    for model, columns in encrypted_columns():
        counts |= {column: Count(f"{model._meta.label}.{column.name}", [0] * len(keys)) for column in columns}
        for stored in _each(out, model, columns):
            position = keys.position(stored.secret)
            counts[stored.field].add(position if _belongs(stored.secret) else None)
    if out.as_json:
        out.json(
            [
                {"column": count.column, "total": count.total, "keys": count.keys, "unreadable": count.unreadable}
                for count in counts.values()
            ]
        )
    else:
        _print_counts(out, [count for count in counts.values() if count.total], len(keys))
    return 1 if any(count.unreadable for count in counts.values()) else 0


def _each(out: Output, model: type[Model], columns: list[EncryptedField]) -> Iterator[Stored]:
    """The stored secrets of a model; says now and then how far it is."""
    pace = _Pace(out)
    rows, seen = rows_with_secrets(model, columns).count(), 0
    for batch in batches(model, columns):
        yield from batch
        seen += len({stored.pk for stored in batch})
        # A few rows are read before anybody wonders.
        if rows > BATCH:
            pace(model._meta.label, seen, max(rows, seen))


def _belongs(secret: Secret[Any]) -> bool:
    """Whether a secret opens for its column; one that was copied from another does not."""
    try:
        crypto.unseal(secret.stored, column=secret.column)
    except SecretUnreadable:
        return False
    return True


def _print_counts(out: Output, counts: list[Count], keys: int) -> None:
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
        out.line(
            f"{counted(older, 'secret')} can be read only with an older key: keep it in APICONNECTOR_KEYS until "
            "“apiconnector keys rotate” has been run."
        )
    if unreadable:
        out.line(
            f"{counted(unreadable, 'secret')} can't be read: put the key they were written with back at the end of "
            "APICONNECTOR_KEYS, or type them again; “apiconnector keys verify” names each."
        )
    if not older and not unreadable:
        out.line("The newest key opens everything.")


def rotate_keys(out: Output, options: dict[str, Any]) -> int:
    """Encrypt with the newest key what only another one opens, and name what none opens."""
    conf.keys()  # without a usable one nothing is begun
    dry_run = options["dry_run"]
    findings: list[dict[str, Any]] = []

    def found(finding: Finding) -> None:
        if out.as_json:
            findings.append(finding.as_json())
        else:
            out.line(str(finding))

    rotation = Rotation(batch=options["batch"], dry_run=dry_run, found=found, progress=_Pace(out))
    tally, stop, failure = rotation.tally, threading.Event(), ""
    with stopping(stop):
        try:
            if not rotation.run(stop):
                failure = "Stopped."
        except DatabaseError as error:
            failure = f"The database broke it off ({type(error).__name__})."
    if out.as_json:
        counts = {name: value for name, value in vars(tally).items() if name != "unreadable"}
        out.json({"dry_run": dry_run, "finished": not failure, **counts, "unreadable": findings})
    else:
        out.line(
            f"{'Would encrypt' if dry_run else 'Encrypted'} {counted(tally.rewritten, 'secret')} with the newest key; "
            f"{tally.newest} had it already, {tally.unreadable} can't be read."
        )
    if tally.busy:
        out.fail(f"{counted(tally.busy, 'secret')} changed each time it was to be written: run it again for the rest.")
    if failure:
        out.fail(failure if dry_run else f"{failure} What is encrypted stays so: run it again for the rest.")
    return 1 if tally.unreadable or tally.busy or failure else 0


def verify_secrets(out: Output, options: dict[str, Any]) -> int:
    """Open every secret completely, name those that do not open, and say whether older keys are still needed."""
    del options
    keys = Keys()
    total = older = unreadable = 0
    findings: list[dict[str, Any]] = []
    for model, columns in encrypted_columns():
        for stored in _each(out, model, columns):
            position = keys.position(stored.secret)
            total += 1
            older += bool(position)
            if (finding := examine(stored, opens=position is not None)) is None:
                continue
            unreadable += 1
            if out.as_json:
                findings.append(finding.as_json())
            else:
                out.line(str(finding))
    if out.as_json:
        can_go = not older and not unreadable
        out.json({"total": total, "older": older, "older_keys_can_go": can_go, "unreadable": findings})
    else:
        out.line(f"{counted(total, 'secret')}: {total - unreadable} open, {unreadable} do not.")
        out.line(_on_older_keys(older, unreadable, len(keys)))
    return 1 if unreadable else 0


def _on_older_keys(older: int, unreadable: int, keys: int) -> str:
    if older:
        return (
            f"{counted(older, 'secret')} can be read only with an older key: keep it in APICONNECTOR_KEYS until "
            "“apiconnector keys rotate” has been run."
        )
    if unreadable:
        return "Leave all keys in APICONNECTOR_KEYS until this is put right."
    others = "." if keys == 1 else ": the older keys can be taken out of APICONNECTOR_KEYS."
    return f"The newest key alone opens everything{others}"
