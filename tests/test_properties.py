"""The command that looks for counterexamples for longer."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BROKEN = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
from apiconnector.redaction import redactor
redactor.replaced = lambda text, forms: text
from tests.properties.__main__ import main
sys.argv = ["python -m tests.properties", "--examples", "3", "redaction"]
sys.exit(main())
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, check=False)


def test_it_says_how_many_examples_ran() -> None:
    done = run("-m", "tests.properties", "--examples", "2", "--seed", "5", "redaction")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "randomly-seed=5" in done.stdout
    counts = re.findall(r"^tests/properties/test_redaction\.py::\w+ +(\d+) +[\d.]+$", done.stdout, re.MULTILINE)
    assert len(counts) > 3
    assert all(int(count) for count in counts)
    assert f"{len(counts)} properties, {sum(map(int, counts))} examples" in done.stdout


def test_a_property_that_does_not_hold_is_exit_1_with_the_smallest_example() -> None:
    done = run("-c", BROKEN)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Failing test case: test_a_secret_is_gone_however_it_is_written(" in done.stdout
    assert "reproduce_failure" in done.stdout


@pytest.mark.parametrize("arguments", [["nonsense"], ["--examples", "0"], ["--examples", "1", "--seconds", "1"]])
def test_wrong_usage(arguments: list[str]) -> None:
    assert run("-m", "tests.properties", *arguments).returncode == 2


def test_the_docs_list_the_files() -> None:
    page = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
    files = {path.name for path in (ROOT / "tests" / "properties").glob("test_*.py")}
    assert set(re.findall(r"^\| `(test_\w+\.py)` \|", page, re.MULTILINE)) == files
