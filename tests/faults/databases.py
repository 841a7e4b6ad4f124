"""The database of a run of the command, and servers that a fault may stop and start."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def throwaway() -> Iterator[tuple[str, str]]:
    """Set Django up and make a test database: its vendor and its name. It is gone after the block."""
    import django
    from django.conf import settings

    django.setup()
    from django.db import connection

    old_name = str(settings.DATABASES["default"]["NAME"])
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True)
    connection.close()
    try:
        yield connection.vendor, name
    finally:
        connection.creation.destroy_test_db(old_name, verbosity=0)
