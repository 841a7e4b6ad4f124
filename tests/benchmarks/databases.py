"""Which databases are measured, and the throwaway one of a run."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SQLITE, POSTGRESQL, MARIADB = "SQLite", "PostgreSQL", "MariaDB"
NAMES = {name.lower(): name for name in (SQLITE, POSTGRESQL, MARIADB)}
#: The variable that names a server, and how the URL of one begins.
_SERVERS = {
    POSTGRESQL: ("BENCHMARK_POSTGRES_URL", {"postgres", "postgresql", "psql", "pgsql"}),
    MARIADB: ("BENCHMARK_MARIADB_URL", {"mysql", "mariadb"}),
}


def server_url(name: str) -> str:
    """The server of this database to measure on; empty: none is named."""
    variable, schemes = _SERVERS[name]
    urls = (os.environ.get(key, "") for key in (variable, "DATABASE_URL"))
    return next((url for url in urls if url.partition(":")[0] in schemes), "")


def is_there(name: str) -> bool:
    return name == SQLITE or bool(server_url(name))


def why_left_out(name: str) -> str:
    return (
        f"{name} was left out: name a server in {_SERVERS[name][0]} or DATABASE_URL. A database of its own is made "
        "there, and dropped afterwards."
    )


@contextmanager
def environment(name: str) -> Iterator[Mapping[str, str]]:
    """The environment of the processes that measure on this database, as ``settings.py`` reads it."""
    with tempfile.TemporaryDirectory(prefix="apiconnector-benchmark-") as folder:
        file = str(Path(folder) / "benchmark.sqlite3")
        yield {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
            "BENCHMARK_DATABASE_URL": f"sqlite:///{file}" if name == SQLITE else server_url(name),
            "BENCHMARK_DATABASE_NAME": file if name == SQLITE else f"apiconnector_benchmark_{os.getpid()}",
        }


def beside(environment: Mapping[str, str], part: str) -> Mapping[str, str]:
    """The same environment with another database in it."""
    return {**environment, "BENCHMARK_DATABASE_NAME": f"{environment['BENCHMARK_DATABASE_NAME']}_{part}"}


def use_existing() -> None:
    """Set Django up on the database that another process made."""
    import django
    from django.conf import settings

    database: Any = settings.DATABASES["default"]
    database["NAME"] = database["TEST"]["NAME"]
    django.setup()


@contextmanager
def throwaway() -> Iterator[str]:
    """Set Django up, and make the database of this run, which is gone after the block. Gives its name and version."""
    import django
    from django.conf import settings

    django.setup()
    from django.db import connection

    old_name = str(settings.DATABASES["default"]["NAME"])
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        version = ".".join(map(str, connection.get_database_version()))
        name = MARIADB if getattr(connection, "mysql_is_mariadb", False) else connection.display_name
        yield f"{name} {version}"
    finally:
        connection.creation.destroy_test_db(old_name, verbosity=0)
