"""Every fault that a database can have, with a tenth of the rounds of ``python -m tests.faults``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from tests.faults.catalogue import FAULTS
from tests.faults.fault import SQLITE
from tests.faults.site import ROOT, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHARE = 0.1
AT_ONCE = 6


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, django_db_setup: None) -> Iterator[dict[str, Future[str]]]:
    """The faults that were asked for, played: those that mostly wait beside each other, the rest one by one."""
    vendor, database = connection.vendor, str(connection.settings_dict["NAME"])

    def play(name: str) -> str:
        with tempfile.TemporaryDirectory(prefix="apiconnector-faults-") as folder:
            # SQLite has one lock for all that a file holds, which others would be in the way of.
            own = shutil.copy(database, folder) if vendor == SQLITE else database
            with opened(vendor, own, dict(os.environ), SHARE) as site:
                return FAULTS[name].play(site)

    tests = [item for item in request.session.items if isinstance(item, pytest.Function)]
    chosen = [str(test.callspec.params["name"]) for test in tests if "played" in test.fixturenames]
    with ThreadPoolExecutor(AT_ONCE) as beside, ThreadPoolExecutor(1) as alone:
        futures = {name: beside.submit(play, name) for name in chosen if FAULTS[name].mostly_waits}
        wait(futures.values())
        futures |= {name: alone.submit(play, name) for name in chosen if name not in futures}
        # Each of the tests below empties the tables at its end, which they share on a server.
        wait(futures.values())
        yield futures


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if connection.vendor in fault.databases])
@pytest.mark.django_db(transaction=True)  # which empties the tables afterwards
def test_nothing_is_lost(played: dict[str, Future[str]], name: str) -> None:
    assert played[name].result()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.faults", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, env=environment)


def test_the_command_prints_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTS_SQLITE", str(tmp_path / "faults.sqlite3"))
    done = run("sites")
    assert done.returncode == 0, done.stderr
    head, line, row = done.stdout.splitlines()
    assert head == "| fault | what happened on SQLite | seconds |"
    assert line == "|---|---|---:|"
    assert row.startswith(f"| {FAULTS['sites_own_tests'].title} | 9 tests pass | ")


def test_wrong_usage() -> None:
    done = run("nonsense")
    assert done.returncode == 2
    assert "choose from storm_of_expiry, " in done.stderr
