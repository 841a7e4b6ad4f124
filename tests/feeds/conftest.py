"""What tests of feeds share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.feeds.api import Api
from tests.token_server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(Api()) as server:
        yield server
