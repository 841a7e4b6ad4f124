"""The benchmarks run, count rightly, judge rightly, and are described as they are. How fast anything is, is not asserted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import databases, figures, report, sending
from tests.benchmarks.credentials import LIFE, requests_a_life
from tests.benchmarks.databases import SQLITE
from tests.benchmarks.figures import Goal, Row, Table
from tests.benchmarks.server import Provider
from tests.benchmarks.tasks import Task

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "performance.md"
ALONE = {"DATABASE_URL": "", "BENCHMARK_POSTGRES_URL": "", "BENCHMARK_MARIADB_URL": ""}


def benchmarks(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *arguments], capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, **environment}, check=False, timeout=300,
    )  # fmt: skip  # in rows


def rows(text: str) -> list[list[str]]:
    """The cells of every table in a text, without its header and the line below that."""
    tables = re.findall(r"^\|.*\n\| ?-.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for table in tables for line in table.splitlines()]


def test_sending_prints_a_ratio_for_each_way() -> None:
    done = benchmarks("sending", "--rounds", "2", "--calls", "3", "--database", "sqlite", "--no-peers")
    assert done.returncode == 0, done.stderr
    assert "Sending, SQLite" in done.stdout
    found = {row[0]: row[1:] for row in rows(done.stdout)}
    assert set(sending.GOALS) <= set(found)
    for ratio, spread, *_ in found.values():
        low, high = spread.split("-")
        assert 0 < float(low) <= float(ratio) <= float(high)


def test_a_storm_makes_one_token_request_and_no_failure(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Before.\n<!-- benchmark: storm -->\nformer\n<!-- end -->\nAfter.\n", encoding="utf-8")
    given = ("storm", "--short", "--threads", "2", "--processes", "2", "--no-peers", "--write", str(page))
    done = benchmarks(*given)
    assert done.returncode == 0, done.stderr
    where = sum(map(databases.is_there, command.BENCHMARKS["storm"]))
    assert done.stdout.count("2 threads in each of 2 processes") == where
    assert [row[:4] for row in rows(done.stdout)] == [["apiconnector", "5", "1", "0 of 4"]] * where
    assert {row[-1] for row in rows(done.stdout)} == {"yes"}
    written = page.read_text(encoding="utf-8")
    assert rows(written) == rows(done.stdout)
    assert (written[:8], written[-8:]) == ("Before.\n", "\nAfter.\n")
    assert "former" not in written


def test_statements_do_not_grow() -> None:
    done = benchmarks("reads", "--short", **ALONE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PostgreSQL was left out: name a server in BENCHMARK_POSTGRES_URL" in done.stdout
    assert len(rows(done.stdout)) > 10


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["--rounds", "1"], ["--threads", "0"], ["--database", "x"], ["--write", "nowhere.md"]]
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.arguments(arguments)
    assert ended.value.code == 2
    assert arguments[-1].removeprefix("--") in capsys.readouterr().err or arguments[0] in {"--rounds", "--threads"}


@pytest.mark.parametrize(
    ("goal", "holds", "is_tolerated"),
    [
        (Goal(0.85, 0.85), True, True),
        (Goal(0.97, 0.85), False, True),
        (Goal(0.98, 0.85), False, False),
        (Goal(1.1, 1.1, "least"), True, True),
        (Goal(0.96, 1.1, "least"), False, True),
        (Goal(0.95, 1.1, "least"), False, False),
        (Goal(1, 1, "exactly"), True, True),
        (Goal(2, 1, "exactly"), False, False),
    ],
)
def test_goals(goal: Goal, *, holds: bool, is_tolerated: bool) -> None:
    assert goal.holds() is holds
    row = Row("one", [], [goal])
    assert row.is_missed() is not is_tolerated
    assert row.is_missed_for_good() is (goal.kind == "exactly" and not holds)


class Measured:
    """Stands for the processes that measure: hands back one table after the other."""

    def __init__(self, *goals: list[Goal]) -> None:
        self.tables = [Table("Title", "what", [], [Row(str(n), [], [goal]) for n, goal in enumerate(g)]) for g in goals]
        self.tasks: list[Task] = []

    def __call__(self, module: str, task: dict[str, object], environment: object) -> dict[str, object]:
        self.tasks.append(Task(**task))  # type: ignore[arg-type]  # what asdict() made of one
        return self.tables.pop(0).dump()


GOOD, BAD, WRONG = Goal(1, 1), Goal(2, 1), Goal(2, 1, "exactly")


@pytest.mark.parametrize(
    ("found", "missed"),
    [
        pytest.param([[GOOD, GOOD]], [], id="all is well"),
        pytest.param([[BAD, GOOD], [GOOD, GOOD]], [], id="well at the second try"),
        pytest.param([[BAD, GOOD], [GOOD, BAD]], [], id="never the same one"),
        pytest.param([[BAD, GOOD], [BAD, BAD], [BAD, GOOD]], ["0"], id="missed each time"),
        pytest.param([[BAD, WRONG]], ["1"], id="a count is not tried again"),
    ],
)
def test_what_misses_its_goal_is_measured_again(
    monkeypatch: pytest.MonkeyPatch, found: list[list[Goal]], missed: list[str]
) -> None:
    measured = Measured(*found)
    monkeypatch.setattr(command, "measured", measured)
    options = command.arguments(["sending", "--short", "--rounds", "4"])
    _, misses, notes = command.tried("sending", SQLITE, options, ["httpx"])
    assert misses == missed
    assert measured.tables == []
    assert [task.rounds_or(short=1, full=1) for task in measured.tasks] == [4, 8, 8][: len(found)]
    assert [task.peers for task in measured.tasks] == [["httpx"], [], []][: len(found)]
    assert bool(notes) == (len(found) > 1)


@pytest.mark.parametrize(("arguments", "status"), [(["--short"], 1), ([], None)])
def test_a_missed_goal_ends_the_short_form_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int | None
) -> None:
    monkeypatch.setattr(command, "measured", Measured([WRONG]))
    monkeypatch.setattr(sys, "argv", ["benchmarks", "footprint", "--no-peers", *arguments])
    if status is None:
        command.main()
    else:
        with pytest.raises(SystemExit) as ended:
            command.main()
        assert ended.value.code == status
    out = capsys.readouterr().out
    assert ("- Title: 0" in out) is (status == 1)
    assert rows(out) == [["0", "= 1", "no"]]


def test_a_table_survives_the_way_between_processes() -> None:
    table = Table("Title", "what", ["ratio", "middle half"], [figures.of_ratios("one", [1.0, 2.0, 3.0], 2.5)], "Note.")
    assert Table.load(table.dump()) == table
    assert rows(report.written(table) + "\n") == [["one", "2.00", "1.50-2.50", "≤ 2.50", "yes"]]


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for sending"):
        report.replaced("<!-- benchmark: storm -->\n<!-- end -->", {"sending": "table"})


def test_token_requests_in_a_life() -> None:
    assert requests_a_life([0, LIFE, 2 * LIFE]) == 1
    assert requests_a_life([0, LIFE / 2, LIFE]) == 2
    with pytest.raises(RuntimeError, match="did not last"):
        requests_a_life([0])


def test_the_server_rotates() -> None:
    provider = Provider()
    status, tokens = provider.refresh({"refresh_token": ["refresh-1-1"]})
    assert (status, tokens["refresh_token"]) == (200, "refresh-1-2")
    assert not provider.accepts(b"GET\r\nAuthorization: Bearer access-1-1\r\n")
    assert provider.accepts(b"GET\r\nAuthorization: Bearer access-1-2\r\n")
    assert len(provider.asked_at) == 1


def test_the_server_revokes_the_family_on_reuse() -> None:
    provider = Provider()
    provider.refresh({"refresh_token": ["refresh-1-1"]})
    assert provider.refresh({"refresh_token": ["refresh-1-1"]})[0] == 400
    assert not provider.accepts(b"GET\r\nAuthorization: Bearer access-1-2\r\n")
    assert provider.refresh({"refresh_token": ["refresh-1-2"]})[0] == 400
    tokens = provider.reset()
    assert provider.refresh({"refresh_token": [tokens["refresh_token"]]})[0] == 200


def test_the_server_ends_the_tokens_of_a_client() -> None:
    provider = Provider()
    provider.reset(life=3600)
    first, second = provider.issue()["access_token"], provider.issue()["access_token"]
    assert all(provider.accepts(f"GET\r\nAuthorization: Bearer {token}\r\n".encode()) for token in (first, second))
    provider.reset(life=0)
    ended = provider.issue()["access_token"]
    assert not any(provider.accepts(f"GET\r\nAuthorization: Bearer {token}\r\n".encode()) for token in (first, ended))


def test_the_page_names_every_option_and_benchmark() -> None:
    page, usage = PAGE.read_text(encoding="utf-8"), benchmarks("--help").stdout
    options = set(re.findall(r"--[a-z-]+", usage)) - {"--help"}
    assert {option for option in options if f"`{option}" in page} == options
    assert re.findall(r"<!-- benchmark: (\w+) -->", page) == [*command.BENCHMARKS]


def test_the_page_shows_every_way_and_its_goal() -> None:
    section = PAGE.read_text(encoding="utf-8").split("<!-- benchmark: sending -->")[1].partition("<!-- end -->")[0]
    found = [(row[0], row[3]) for row in rows(section) if row[0] in sending.GOALS]
    assert sorted(found) == sorted(
        (way, f"≤ {goal:.2f}") for way, goals in sending.GOALS.items() for goal in goals.values()
    )
