"""Faults are asserted in the modules that play them."""

from pathlib import Path

import pytest

pytest.register_assert_rewrite(*(f"tests.faults.{path.stem}" for path in Path(__file__).parent.glob("[a-z]*.py")))
