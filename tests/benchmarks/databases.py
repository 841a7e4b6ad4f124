"""Which databases are measured, and the throwaway one of a run."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
NAMES = {name.lower(): name for name in (SQLITE, POSTGRESQL)}


def postgresql_url() -> str:
    """The PostgreSQL server to measure on; empty: none is named."""
    for name in ("BENCHMARK_POSTGRES_URL", "DATABASE_URL"):
        url = os.environ.get(name, "")
        if url.partition(":")[0] in {"postgres", "postgresql", "psql", "pgsql"}:
            return url
    return ""


@contextmanager
def environment(name: str) -> Iterator[Mapping[str, str]]:
    """The environment of the processes that measure on this database, as ``settings.py`` reads it."""
    with tempfile.TemporaryDirectory(prefix="apiconnector-benchmark-") as folder:
        file = str(Path(folder) / "benchmark.sqlite3")
        yield {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
            "BENCHMARK_DATABASE_URL": f"sqlite:///{file}" if name == SQLITE else postgresql_url(),
            "BENCHMARK_DATABASE_NAME": file if name == SQLITE else f"apiconnector_benchmark_{os.getpid()}",
        }


def use_existing() -> None:
    """Set Django up on the database that another process made."""
    import django
    from django.conf import settings

    database: Any = settings.DATABASES["default"]
    database["NAME"] = database["TEST"]["NAME"]
    django.setup()


@contextmanager
def throwaway() -> Iterator[None]:
    """Set Django up, and make the database of this run; it is gone after the block."""
    import django
    from django.conf import settings

    django.setup()
    from django.db import connection

    old_name = str(settings.DATABASES["default"]["NAME"])
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(old_name, verbosity=0)
