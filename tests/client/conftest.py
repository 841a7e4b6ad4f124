from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from requests.auth import AuthBase

from apiconnector.client import ApiSession, Destinations, shared_adapter
from tests.client.servers import ApiServer, api_server

if TYPE_CHECKING:
    from requests import PreparedRequest

    from apiconnector.client.adapter import PooledAdapter


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def _fresh_pool() -> Iterator[None]:
    pool = cast("PooledAdapter", shared_adapter())
    pool.start_afresh()
    yield
    pool.start_afresh()


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with api_server() as server:
        yield server


@pytest.fixture
def other() -> Iterator[ApiServer]:
    """A second server: another port, another origin."""
    with api_server() as server:
        yield server


class Bearer(AuthBase):
    """Sends a token in the header; counts how often it was asked."""

    def __init__(self, token: str = "token-1") -> None:
        self.token = token
        self.asked = 0

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        self.asked += 1
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class InQuery(AuthBase):
    """Sends a key in the query."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.prepare_url(request.url, {"api_key": self._key})
        return request


MakeSession = Callable[..., ApiSession]


@pytest.fixture
def session(api: ApiServer) -> MakeSession:
    """Make a session for the server; keywords as for ``ApiSession``, and ``base`` and ``allowed_hosts``."""

    def make(base: str | None = None, allowed_hosts: tuple[str, ...] = (), **kwargs: Any) -> ApiSession:
        return ApiSession(
            **{
                "destinations": Destinations(base or f"{api.url}/v1", allowed_hosts),
                "auth": Bearer(),
                "timeout": 5.0,
                **kwargs,
            }
        )

    return make
