"""A token endpoint that is away, or asks to be left alone: runs wait, and lose no attempt by it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection as database
from django.utils import timezone

from apiconnector.admin.run_advice import next_step
from apiconnector.admin.shown import exchange_block
from apiconnector.feeds import deliver, schedule
from apiconnector.models import Connection, Feed, FeedRun, Token
from apiconnector.shortcuts import run_feed, submit
from tests.client.servers import Reply, api_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.client.servers import ApiServer, Received

pytestmark = pytest.mark.django_db
TOKEN = Reply(200, {"Content-Type": "application/json"}, b'{"access_token": "t", "expires_in": 3600}')


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with api_server() as server:
        yield server


@pytest.fixture
def feed(api: ApiServer, make_connection: Callable[..., Connection], make_feed: Callable[..., Feed]) -> Feed:
    connection = make_connection(
        base_url=api.url, auth_method="oauth2_client_credentials", client_id="i", client_secret="s",
        token_url=f"{api.url}/token",
    )  # fmt: skip  # in rows
    return make_feed(connection, max_attempts=1)


def token_endpoint(api: ApiServer, reply: Reply) -> None:
    def answer(request: Received) -> Reply:
        return reply if request.path == "/token" else Reply()

    api.answer = answer


def make_due() -> None:
    FeedRun.objects.update(next_attempt_at=timezone.now())
    Token.objects.update(failures=0, failed_at=None, retry_after_at=None)


@pytest.mark.parametrize(
    "refusal",
    [
        Reply(500), Reply(503), Reply(429), Reply(200, {"Content-Type": "text/html"}, b"<html>Maintenance</html>"), Reply(200),
    ],
    ids=["500", "503", "429", "page", "no token"],
)  # fmt: skip  # in rows
def test_no_attempt_is_used(feed: Feed, api: ApiServer, refusal: Reply) -> None:
    token_endpoint(api, refusal)
    (run,) = submit("contact", {"email": "a"})
    for _ in range(3):
        make_due()
        assert deliver() == {"pending": 1}
    run.refresh_from_db()
    assert (run.status, run.outcome, run.error, run.attempt_count) == ("pending", "not_sent", "not_ready", 0)
    assert len(run.attempts) == 1
    assert next_step(run)
    assert run.next_attempt_at is not None
    wait = run.next_attempt_at - timezone.now()
    assert timedelta(seconds=20) < wait <= timedelta(seconds=100)  # 429 asks for a minute at least
    token_endpoint(api, TOKEN)
    make_due()
    assert deliver() == {"succeeded": 1}
    assert [path for path in api.paths if path != "/token"] == ["/leads"]


@pytest.mark.parametrize(("asked", "least", "most"), [(900, 850, 1400), (10**9, 86_000, 130_000)])
def test_it_is_asked_again_when_it_says(feed: Feed, api: ApiServer, asked: int, least: int, most: int) -> None:
    token_endpoint(api, Reply(503, {"Retry-After": str(asked)}))
    (run,) = submit("contact", {"email": "a"})
    waits = []
    for _ in range(2):
        FeedRun.objects.update(next_attempt_at=timezone.now())
        assert deliver() == {"pending": 1}
        run.refresh_from_db()
        assert run.next_attempt_at is not None
        waits.append((run.next_attempt_at - timezone.now()).total_seconds())
    # The second time it was not even asked.
    assert api.paths == ["/token"]
    assert all(least < wait < most for wait in waits), waits


def test_after_days_it_gives_up(feed: Feed, api: ApiServer, mailoutbox: list[Any]) -> None:
    Feed.objects.update(notify="ada@example.org")
    token_endpoint(api, Reply(503))
    (run,) = submit("contact", {"email": "a"})
    assert deliver() == {"pending": 1}
    run.refresh_from_db()
    since = run.attempts[0]["at"]
    make_due()
    assert deliver() == {"pending": 1}
    run.refresh_from_db()
    assert [(entry["at"], entry["token"]) for entry in run.attempts] == [(since, "away")]
    assert "has given no token since then" in exchange_block(run.attempts[0])
    assert mailoutbox == []
    run.attempts[0]["at"] = (timezone.now() - schedule.LONGEST_WAIT_FOR_TOKEN).isoformat()
    run.save()
    make_due()
    assert deliver() == {"dead": 1}
    run.refresh_from_db()
    assert (run.outcome, run.error, run.attempt_count) == ("not_sent", "not_ready", 0)
    assert next_step(run)
    assert len(mailoutbox) == 1


def test_to_wait_for_a_person_is_no_wait_for_the_token_endpoint(feed: Feed, api: ApiServer) -> None:
    Connection.objects.update(auth_method="oauth2_authorization_code", authorization_url=f"{api.url}/a")
    (run,) = submit("contact", {"email": "a"})
    assert deliver() == {"pending": 1}
    run.refresh_from_db()
    run.attempts[0]["at"] = (timezone.now() - 2 * schedule.LONGEST_WAIT_FOR_TOKEN).isoformat()
    run.save()
    make_due()
    assert deliver() == {"pending": 1}
    # A person acts, and then the token endpoint is away for a moment.
    Connection.objects.update(auth_method="oauth2_client_credentials")
    token_endpoint(api, Reply(503))
    make_due()
    assert deliver() == {"pending": 1}


def test_a_run_of_the_caller_has_failed(feed: Feed, api: ApiServer) -> None:
    token_endpoint(api, Reply(503))
    run = run_feed("lead", {"email": "a"})
    assert (run.status, run.outcome, run.error) == ("failed", "not_sent", "not_ready")


@pytest.mark.parametrize("again_in", [0.0, 5.0, 45.0])
def test_runs_do_not_look_again_all_at_once(again_in: float) -> None:
    waits = {schedule.until_ready(again_in).total_seconds() for _ in range(50)}
    assert len(waits) > 40
    assert max(again_in, 30) <= min(waits) <= max(waits) <= 1.5 * max(again_in, 30)
    assert schedule.until_ready(None) == schedule.WAIT


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("status", [400, 401])
def test_a_credential_that_is_refused_is_no_end(
    feed: Feed, api: ApiServer, method: str, status: int, settings: Any
) -> None:
    """Neither where another status than 401 says that it has expired."""
    Connection.objects.update(dialect={"expired_when": "status == `400`"})
    Feed.objects.update(method=method, max_attempts=2, retry_delay=0)
    refusing = True

    def answer(request: Received) -> Reply:
        return TOKEN if request.path == "/token" else Reply(status if refusing else 200)

    api.answer = answer
    submit("contact", {"email": "a"})
    assert deliver() == {"pending": 1}
    refusing = False
    assert deliver() == {"succeeded": 1}


def test_an_attempt_that_got_a_new_token_may_have_been_acted_on_like_another(feed: Feed, api: ApiServer) -> None:
    Feed.objects.update(idempotency_header="Idempotency-Key", max_attempts=3)
    api.answer = lambda request: TOKEN if request.path == "/token" else Reply(500)
    Token.objects.create(connection=feed.connection, access_token="old", expires_at=timezone.now() - timedelta(days=1))
    (run,) = submit("contact", {"email": "a"})
    assert deliver() == {"pending": 1}
    run.refresh_from_db()
    assert run.attempts[0]["token"] == "refreshed"
    Feed.objects.update(idempotency_header="")
    make_due()
    assert deliver() == {"failed": 1}
    assert api.paths == ["/token", "/leads"]


@pytest.mark.parametrize("timeout", [1e308, 1e10, *([] if database.vendor == "mysql" else [float("inf")])])
def test_a_time_out_that_was_stored_past_the_form(feed: Feed, api: ApiServer, timeout: float) -> None:
    token_endpoint(api, TOKEN)
    Feed.objects.update(timeout=timeout)
    (run,) = submit("contact", {"email": "a"})
    deliver()
    run.refresh_from_db()
    assert run.is_ended


def test_a_connection_that_is_switched_on_sends_what_waits(feed: Feed, api: ApiServer) -> None:
    token_endpoint(api, TOKEN)
    connection = feed.connection
    Connection.objects.update(is_active=False)
    (run,) = submit("contact", {"email": "a"})
    assert deliver() == {"pending": 1}
    run.refresh_from_db()
    assert (run.error, run.attempt_count) == ("not_ready", 0)
    assert deliver() == {}
    connection.refresh_from_db()
    connection.name = "CRM of sales"
    connection.save()
    assert deliver() == {}, "it is still switched off"
    connection.is_active = True
    connection.save(update_fields=["name"])
    assert deliver() == {}, "that was not saved"
    connection.save()
    assert deliver() == {"succeeded": 1}
