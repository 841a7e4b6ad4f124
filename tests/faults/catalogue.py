"""All faults, in the order of the table: each module adds its own."""

from __future__ import annotations

from importlib import import_module

from tests.faults.fault import FAULTS

__all__ = ["FAULTS"]

for name in (
    "storms",
    "deaths",
    "late",
    "restarts",
    "clocks",
    "pauses",
    "expiries",
    "transactions",
    "testcase",
    "feeds",
):
    import_module(f"tests.faults.{name}")
