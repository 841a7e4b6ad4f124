"""All faults, in the order of the table."""

from __future__ import annotations

from tests.faults import storms  # noqa: F401 - each module adds its own
from tests.faults.fault import FAULTS

__all__ = ["FAULTS"]
