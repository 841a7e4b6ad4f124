"""A feed whose API keeps what it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.feeds.mapping.recorder import Recorder, recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from apiconnector.models import Connection, Feed


@pytest.fixture
def api() -> Iterator[Recorder]:
    with recording() as server:
        yield server


@pytest.fixture
def make_api_feed(
    api: Recorder, make_connection: Callable[..., Connection], make_feed: Callable[..., Feed]
) -> Callable[..., Feed]:
    """A feed to the recorder; fields of the connection are given by name, too."""

    def make(connection: dict[str, Any] | None = None, **fields: Any) -> Feed:
        values = {
            "base_url": f"{api.origin}/v1",
            "auth_method": "bearer",
            "api_key": "canary-key",
            **(connection or {}),
        }
        feed = make_feed(make_connection(**values), **fields)
        feed.full_clean()
        return feed

    return make
