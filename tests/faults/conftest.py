"""Faults are asserted in the modules that play them."""

import pytest

pytest.register_assert_rewrite(
    *(
        f"tests.faults.{name}"
        for name in "clocks deaths expiries late pauses restarts servers site storms testcase transactions".split()
    )
)
