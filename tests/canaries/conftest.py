from __future__ import annotations

from typing import Any

from tests.canaries.leaks import characters, searched


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How much was searched, by surface."""
    if not searched:
        return
    terminalreporter.section("canaries: what was searched")
    for surface in sorted(searched):
        terminalreporter.write_line(f"{surface:<24}{searched[surface]:>7} texts {characters[surface]:>12,} characters")
