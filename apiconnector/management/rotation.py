"""Encrypt everything that is stored with the newest key, beside whoever goes on using it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from apiconnector.crypto import Secret, reencrypt
from apiconnector.exceptions import SecretUnreadable
from apiconnector.management.stored import batches, encrypted_columns, examine, rows_with_secrets

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from apiconnector.management.stored import Finding, Stored

#: How often a secret is read again that somebody else changes just before it is written.
_TRIES = 5


@dataclass
class Tally:
    """How many secrets came to what. ``newest`` were there with the newest key; ``busy`` were changed at each try."""

    rewritten: int = 0
    newest: int = 0
    busy: int = 0
    unreadable: int = 0


class Rotation:
    """One pass through all rows.

    Each secret is written by an UPDATE of its own, on the condition that its column still holds what was read: a save
    or a refreshed token that came in between stays. So it may be broken off anywhere, and run again for what is left.
    What a key opens is rewritten whatever is in it: the envelope stays byte for byte.
    """

    def __init__(
        self,
        *,
        batch: int,
        dry_run: bool,
        found: Callable[[Finding], None],
        progress: Callable[[str, int, int], None],
    ) -> None:
        self.tally = Tally()
        self._batch, self._dry_run = batch, dry_run
        self._found, self._progress = found, progress

    def run(self, stop: threading.Event) -> bool:
        """Go through all rows, or until ``stop`` is set, which is looked at before each; true when all were seen.

        ``found`` is told of each secret that does not open, ``progress`` after each batch the model, and how many of
        how many rows were seen.
        """
        for model, columns in encrypted_columns():
            rows, seen = rows_with_secrets(model, columns).count(), 0
            for batch in batches(model, columns, self._batch):
                for stored in batch:
                    if stop.is_set():
                        return False
                    self._rewrite(stored)
                seen += len({stored.pk for stored in batch})
                self._progress(model._meta.label, seen, max(rows, seen))
        return True

    def _rewrite(self, stored: Stored) -> None:
        now: Stored | None = stored
        for _ in range(_TRIES):
            if now is None:
                return  # deleted or emptied in the meantime
            try:
                text = reencrypt(now.secret.stored)
            except SecretUnreadable:
                self._examine(now, opens=False)
                return
            if text == now.secret.stored:
                self.tally.newest += 1
            elif self._dry_run or self._write(now, text):
                self.tally.rewritten += 1
            else:
                now = self._read_again(now)
                continue
            self._examine(now, opens=True)
            return
        self.tally.busy += 1

    def _examine(self, stored: Stored, *, opens: bool) -> None:
        finding = examine(stored, opens=opens)
        if finding is not None:
            self.tally.unreadable += 1
            self._found(finding)

    def _write(self, stored: Stored, text: str) -> bool:
        name = stored.field.attname
        rows = rows_with_secrets(stored.model, [stored.field]).filter(pk=stored.pk, **{name: stored.secret})
        return rows.update(**{name: Secret.from_stored(text, column=stored.secret.column)}) == 1

    def _read_again(self, stored: Stored) -> Stored | None:
        rows = rows_with_secrets(stored.model, [stored.field]).filter(pk=stored.pk)
        secret = rows.values_list(stored.field.attname, flat=True).first()
        return replace(stored, secret=secret) if secret else None
