"""The benchmarks run, count rightly, and are described as they are. How fast anything is, is not asserted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import report, sending
from tests.benchmarks.databases import postgresql_url
from tests.benchmarks.server import Provider

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "performance.md"


def benchmarks(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *arguments], capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, **environment}, check=False,
    )  # fmt: skip


def rows(text: str) -> list[list[str]]:
    """The cells of every table in a text, without its header and the line below that."""
    tables = re.findall(r"^\|.*\n\| ?-.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for table in tables for line in table.splitlines()]


def test_sending_prints_a_ratio_for_each_way() -> None:
    done = benchmarks("sending", "--short", "--database", "sqlite", "--no-peers")
    assert done.returncode == 0, done.stderr
    assert "Sending, SQLite" in done.stdout
    found = {row[0]: row[1:] for row in rows(done.stdout)}
    assert {sending.SESSION, sending.CONNECT, sending.FEED} <= set(found)
    for ratio, spread, _ in found.values():
        low, high = spread.split("-")
        assert 0 < float(low) <= float(ratio) <= float(high)


def test_a_storm_makes_one_token_request_and_no_failure() -> None:
    done = benchmarks("storm", "--short", "--threads", "2", "--processes", "2", "--no-peers")
    assert done.returncode == 0, done.stderr
    databases = 2 if postgresql_url() else 1
    assert done.stdout.count("2 threads in each of 2 processes") == databases
    assert [row[:3] for row in rows(done.stdout)] == [["1", "1", "0 of 4"], ["2", "1", "0 of 4"]] * databases


def test_what_is_left_out_is_said() -> None:
    done = benchmarks(
        "storm", "--short", "--threads", "1", "--processes", "1", "--no-peers", DATABASE_URL="", BENCHMARK_POSTGRES_URL=""
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "PostgreSQL was left out: name a server" in done.stdout


@pytest.mark.parametrize("arguments", [["nonsense"], ["--rounds", "1"], ["--database", "x"]])
def test_wrong_usage(arguments: list[str]) -> None:
    assert benchmarks(*arguments).returncode == 2


def test_the_server_rotates() -> None:
    provider = Provider()
    status, tokens = provider.refresh({"refresh_token": ["refresh-1-1"]})
    assert (status, tokens["refresh_token"]) == (200, "refresh-1-2")
    assert not provider.accepts(b"Authorization: Bearer access-1-1\r\n")
    assert provider.accepts(b"Authorization: Bearer access-1-2\r\n")
    assert provider.token_requests == 1


def test_the_server_revokes_the_family_on_reuse() -> None:
    provider = Provider()
    provider.refresh({"refresh_token": ["refresh-1-1"]})
    assert provider.refresh({"refresh_token": ["refresh-1-1"]})[0] == 400
    assert not provider.accepts(b"Authorization: Bearer access-1-2\r\n")
    assert provider.refresh({"refresh_token": ["refresh-1-2"]})[0] == 400
    tokens = provider.reset(delay=0)
    assert provider.refresh({"refresh_token": [tokens["refresh_token"]]})[0] == 200


def test_the_page_names_every_option() -> None:
    page, usage = PAGE.read_text(encoding="utf-8"), benchmarks("--help").stdout
    options = set(re.findall(r"--[a-z-]+", usage)) - {"--help"}
    assert {option for option in options if f"`{option}" in page} == options


def test_the_page_shows_every_way_and_its_goal() -> None:
    found = [(row[0], row[3]) for row in rows(PAGE.read_text(encoding="utf-8")) if row[0] in report.GOALS]
    assert sorted(found) == sorted(
        (way, f"{goal:.2f}") for way, goals in report.GOALS.items() for goal in goals.values()
    )
