"""Each example begins with the same rows."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import transaction

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def rolled_back() -> Iterator[None]:
    """Undo at the end of the block what was written in it."""
    with transaction.atomic():
        try:
            yield
        finally:
            transaction.set_rollback(True)
