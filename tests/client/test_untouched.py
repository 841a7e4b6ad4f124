"""Whoever watches, mocks or forbids what is sent is heard, also over a connection that is there."""

from __future__ import annotations

import functools
import http.client
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import urllib3.connection
import urllib3.connectionpool

from apiconnector.client.untouched import Originals

if TYPE_CHECKING:
    from tests.client.conftest import MakeSession
    from tests.client.servers import ApiServer

PLACES: list[tuple[type, str]] = [
    (requests.Session, "send"),
    (requests.adapters.HTTPAdapter, "send"),
    *((urllib3.connectionpool.HTTPConnectionPool, name) for name in ("urlopen", "_make_request")),
    *((urllib3.connection.HTTPConnection, name) for name in ("request", "putrequest", "send", "getresponse")),
    *((http.client.HTTPConnection, name) for name in ("putrequest", "endheaders", "send", "getresponse")),
    (http.client.HTTPResponse, "begin"),
    (socket.socket, "sendall"),
]
IDS = [f"{owner.__module__}.{owner.__name__}.{name}" for owner, name in PLACES]


@pytest.mark.parametrize(("owner", "name"), PLACES, ids=IDS)
def test_who_forbids_it_is_heard_over_an_open_connection(
    api: ApiServer, session: MakeSession, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    def forbid(*_: object, **__: object) -> None:
        raise RuntimeError("forbidden")

    opened = session()
    opened.get("first")
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, forbid)
        with pytest.raises(RuntimeError, match="forbidden"):
            opened.get("second")
    assert opened.get("third").status_code == 200
    assert [path.rpartition("/")[2] for path in api.paths][-1] == "third"


@pytest.mark.parametrize(("owner", "name"), PLACES[:10], ids=IDS[:10])
def test_who_watches_it_sees_every_request(
    api: ApiServer, session: MakeSession, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    seen, original = list[str](), getattr(owner, name)

    @functools.wraps(original)
    def watch(*args: Any, **kwargs: Any) -> Any:
        seen.append(name)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, watch)
    opened = session()
    for path in "abc":
        opened.get(path)
    assert len(seen) == 3
    assert len(api.paths) == 3


BEFORE = """
import functools, sys
from importlib import import_module

module, kind, name = sys.argv[1:4]
owner = getattr(import_module(module), kind)
original, seen = getattr(owner, name), []


@functools.wraps(original)
def watch(*args, **kwargs):
    seen.append(name)
    return original(*args, **kwargs)


setattr(owner, name, watch)

import django
from django.conf import settings

settings.configure(APICONNECTOR_TRUSTED_HOSTS=["127.0.0.1"])

from apiconnector.client.plain import PlainSession

with PlainSession() as session:
    for _ in range(3):
        session.get(sys.argv[4], timeout=10)
print(len(seen))
"""


@pytest.mark.parametrize("place", [0, 2, 4, 8], ids=lambda place: IDS[place])
def test_who_was_there_before_sees_every_request(api: ApiServer, place: int) -> None:
    """As who instruments a process does it, before anything of the site is imported."""
    owner, name = PLACES[place]
    command = [sys.executable, "-c", BEFORE, owner.__module__, owner.__name__, name, api.url]
    root = Path(__file__).parent.parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("3", "")


def test_what_is_another_ones_is_no_original(monkeypatch: pytest.MonkeyPatch) -> None:
    class Instrumented(requests.Session):
        pass

    class Other(requests.Session):
        def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
            return super().send(request, **kwargs)

    assert Originals((Instrumented, "send"), (socket.socket, "sendall")).are_in_place()
    assert not Originals((Other, "send")).are_in_place()
    monkeypatch.setattr(requests.Session, "send", functools.partial(requests.Session.send))
    assert not Originals((requests.Session, "send")).are_in_place()
