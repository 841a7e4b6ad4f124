"""All faults, in the order of the table."""

# ruff: noqa: F401 - each module adds its own
from __future__ import annotations

from tests.faults import storms, deaths, late, restarts, clocks, pauses, expiries, transactions, testcase  # isort: skip
from tests.faults.fault import FAULTS

__all__ = ["FAULTS"]
