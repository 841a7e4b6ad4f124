"""Every fault that a database can have, with a tenth of the rounds of ``python -m tests.faults``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from tests.faults.catalogue import FAULTS
from tests.faults.site import ROOT, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.site import Site

SHARE = 0.1


@pytest.fixture
def site(transactional_db: None) -> Iterator[Site]:
    connection.close()
    with opened(connection.vendor, str(connection.settings_dict["NAME"]), dict(os.environ), SHARE) as site:
        yield site


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if connection.vendor in fault.databases])
def test_nothing_is_lost(site: Site, name: str) -> None:
    assert FAULTS[name].play(site)


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
