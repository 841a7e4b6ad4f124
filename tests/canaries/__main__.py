"""``python -m tests.canaries``: every failure with every auth method. The test suite tries a sample of them.

``CANARIES_HALF`` is 1 or 2 for every other one of them, so that two can run beside each other.
"""

from __future__ import annotations

import os
import sys

import pytest

if __name__ == "__main__":
    os.environ["CANARIES"] = "whole"
    sys.exit(pytest.main(["-q", "tests/canaries", *sys.argv[1:]]))
