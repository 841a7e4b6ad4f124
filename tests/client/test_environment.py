"""What the site's environment asks for is looked up once, and honoured as requests honours it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
import requests

from apiconnector.client import ApiSession, Destinations, environment
from apiconnector.client.plain import Anonymous

if TYPE_CHECKING:
    from tests.client.conftest import MakeSession
    from tests.client.servers import ApiServer

ENVIRONMENTS: list[dict[str, str]] = [
    {},
    {"HTTPS_PROXY": "http://p1:1", "http_proxy": "http://p2:2"},
    {"all_proxy": "http://p3:3", "NO_PROXY": "api.example.com"},
    {"HTTPS_PROXY": "http://p1:1", "no_proxy": "*"},
    {"https_proxy": "http://p1:1", "NO_PROXY": "other.example,api.example.com:8443"},
    {"REQUESTS_CA_BUNDLE": "/b1.pem"},
    {"CURL_CA_BUNDLE": "/b2.pem", "REQUESTS_CA_BUNDLE": ""},
    {"REQUEST_METHOD": "GET", "HTTP_PROXY": "http://evil:1"},
]
SESSIONS: list[dict[str, Any]] = [
    {},
    {"trust_env": False},
    {"verify": False},
    {"verify": "/own.pem", "cert": "/cert.pem"},
    {"proxies": {"https": "http://own:1", "no_proxy": "api.example.com"}, "stream": True},
    {"proxies": {"https": None}},
]
CALLS: list[dict[str, Any]] = [
    {},
    {"verify": False},
    {"verify": True, "cert": ("/a", "/b"), "stream": True},
    {"proxies": {"https": "http://given:1"}},
    {"proxies": {"no_proxy": "api.example.com"}},
    {"proxies": {"https": None}, "stream": False},
]
URLS = ["https://api.example.com/x", "https://api.example.com:8443/x?y=/z", "http://api.example.com/"]


def clear(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment._VARIABLES:
        monkeypatch.delenv(name, raising=False)


def open_session() -> ApiSession:
    return ApiSession(destinations=Destinations("https://api.example.com"), auth=Anonymous())


@pytest.mark.parametrize("variables", ENVIRONMENTS, ids=str)
def test_settings_are_those_that_requests_merges(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    clear(monkeypatch)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for attributes, call, url in itertools.product(SESSIONS, CALLS, URLS):
        merged = []
        for session in (requests.Session(), open_session()):
            for name, value in attributes.items():
                setattr(session, name, dict(value) if isinstance(value, dict) else value)
            arguments = {name: dict(value) if isinstance(value, dict) else value for name, value in call.items()}
            given: dict[str, Any] = {"proxies": {}, "stream": None, "verify": None, "cert": None, **arguments}
            merged.append(session.merge_environment_settings(url, **given))
            session.close()
        assert dict(merged[0]) == {**merged[1], "proxies": merged[1]["proxies"]}, (attributes, call, url)
        assert dict(merged[0]["proxies"]) == merged[1]["proxies"]


def test_it_is_looked_up_once(api: ApiServer, session: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    look = environment._environ_proxies

    def looking(url: str, **kwargs: Any) -> Any:
        looked.append(url)
        return look(url, **kwargs)

    monkeypatch.setattr(environment, "_environ_proxies", looking)
    monkeypatch.setattr("requests.sessions.get_environ_proxies", lambda *_, **__: pytest.fail("looked up again"))
    for _ in range(3):
        with session() as opened:
            opened.get("x")
            opened.post("y", json={})
    assert len(api.received) == 6
    assert len(looked) == 1


def test_a_change_is_noticed_by_the_next_session(monkeypatch: pytest.MonkeyPatch) -> None:
    clear(monkeypatch)

    def merged(session: ApiSession) -> tuple[Any, Any]:
        found = session.merge_environment_settings(URLS[0], {}, None, None, None)
        return found["proxies"].get("https"), found["verify"]

    with open_session() as early:
        assert merged(early) == (None, True)
        monkeypatch.setenv("HTTPS_PROXY", "http://p:1")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/b.pem")
        assert merged(early) == (None, True)
        assert merged(open_session()) == ("http://p:1", "/b.pem")
        monkeypatch.setenv("NO_PROXY", "example.com")
        assert merged(open_session()) == (None, "/b.pem")
        monkeypatch.delenv("NO_PROXY")
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        assert merged(open_session()) == ("http://p:1", True)


def test_where_the_system_knows_proxies_each_session_asks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS and Windows."""
    clear(monkeypatch)
    first = environment.current()
    assert environment.current() is first
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"https": "http://system:1"})
    assert environment.current() is not environment.current()
