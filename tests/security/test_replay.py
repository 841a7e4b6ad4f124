"""The same answer twice: RFC 9700 sections 4.2.4 and 4.3.1, OAuth 2.1 section 7.5.2."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests
from django.test import Client

from apiconnector.models import AuthorizationAttempt, Connection, ConnectionEvent, Token
from tests.security.dance import CALLBACK, CODE, land, press, state_of, text

if TYPE_CHECKING:
    from tests.token_server import TokenServer

pytestmark = pytest.mark.django_db


def header(site: Client) -> dict[str, str]:
    """The cookies of a test client, as a browser sends them."""
    return {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in site.cookies.items())}


def test_a_code_is_exchanged_once(site: Client, connection: Connection, server: TokenServer) -> None:
    state = state_of(press(site, connection))
    pages = [land(site, state=state, code=CODE) for _ in range(3)]
    assert [page.status_code for page in pages] == [200, 200, 200]
    assert len(server.requests) == 1
    assert Token.objects.get().generation == 1
    assert ConnectionEvent.objects.count() == 1


def test_at_the_same_time_too(site: Client, connection: Connection, server: TokenServer, live_server: Any) -> None:
    """Over real HTTP, from eight threads: one of them exchanges, the others are told to wait or how it ended."""
    state = state_of(press(site, connection))
    server.delay = 0.5
    barrier, pages = threading.Barrier(8), []

    def come() -> None:
        barrier.wait()
        query = {"state": state, "code": CODE}
        pages.append(requests.get(live_server.url + CALLBACK, query, headers=header(site), timeout=20))

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 1
    assert {page.status_code for page in pages} <= {200, 400}
    assert [page.status_code for page in pages].count(200) >= 1
    assert all("is authorized" in page.text or "being worked on" in page.text for page in pages)
    assert Token.objects.get().generation == 1
    assert ConnectionEvent.objects.filter(kind="authorized").count() == 1


@pytest.mark.parametrize("answer", [(400, {"error": "invalid_grant"}), (503, {}), (200, {"odd": 1})])
def test_a_failure_spends_the_state_as_well(
    site: Client, connection: Connection, server: TokenServer, answer: tuple[int, Any]
) -> None:
    state = state_of(press(site, connection))
    server.answers = [answer]
    first, again = (land(site, state=state, code=CODE) for _ in range(2))
    assert (first.status_code, again.status_code) == (400, 400)
    assert text(first) == text(again)
    assert len(server.requests) == 1
    assert not Token.objects.exists()


@pytest.mark.parametrize("first", [{"code": CODE}, {"error": "access_denied"}, {}])
def test_a_used_state_takes_no_other_code(
    site: Client, connection: Connection, server: TokenServer, first: dict[str, str]
) -> None:
    state = state_of(press(site, connection))
    land(site, state=state, **first)
    before = (list(server.requests), Token.objects.count())
    land(site, state=state, code="another-code")
    land(site, state=state, error="access_denied")
    assert (list(server.requests), Token.objects.count()) == before
    assert AuthorizationAttempt.objects.get().outcome == ("authorized" if first.get("code") else
                                                          "denied" if first else "failed")  # fmt: skip  # in rows
    assert ConnectionEvent.objects.count() == 1


def test_other_methods_and_browsers_do_not_get_further(
    site: Client, connection: Connection, server: TokenServer
) -> None:
    state = state_of(press(site, connection))
    land(site, state=state, code=CODE)
    query = f"{CALLBACK}?state={state}&code={CODE}"
    assert site.head(query).status_code == 405
    posted = site.post(CALLBACK, {"state": state, "code": CODE})
    assert site.get(posted["Location"]).status_code == 200
    assert Client().get(query).status_code == 403
    assert len(server.requests) == 1


def test_nobody_else_learns_how_it_ended(site: Client, connection: Connection) -> None:
    state = state_of(press(site, connection))
    land(site, state=state, error="odd", error_description="words of the provider")
    assert "words of the provider" in text(land(site, state=state))
    assert "words of the provider" not in text(land(Client(), state=state))


def test_an_attempt_that_was_removed_meanwhile_is_a_page(
    site: Client, connection: Connection, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By pruning, or with its connection, just as the answer comes in."""
    state = state_of(press(site, connection))
    consume = AuthorizationAttempt.consume

    def removed_first(attempt: AuthorizationAttempt) -> bool:
        AuthorizationAttempt.objects.all().delete()
        return consume(attempt)

    monkeypatch.setattr(AuthorizationAttempt, "consume", removed_first)
    page = land(site, state=state, code=CODE)
    assert page.status_code == 400
    assert "removed in the meantime" in text(page)
    assert server.requests == []
