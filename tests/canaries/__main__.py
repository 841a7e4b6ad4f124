"""``python -m tests.canaries``: every failure with every auth method. The test suite tries a sample of them.

``CANARIES_PART`` is such as 1/4 for every fourth of them, beginning with the first; parts can run beside each other.
"""

from __future__ import annotations

import os
import sys

import pytest

if __name__ == "__main__":
    os.environ["CANARIES"] = "whole"
    sys.exit(pytest.main(["-q", "tests/canaries", *sys.argv[1:]]))
