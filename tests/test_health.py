"""What state a connection is in, who is told of it, and that it is told once."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from apiconnector import signals
from apiconnector.authorize import disconnect
from apiconnector.exceptions import AuthorizationRequired, TokenRequestFailed
from apiconnector.models import Connection, ConnectionEvent, Feed, FeedRun, Token, health
from apiconnector.models.testing import TestResult
from apiconnector.shortcuts import connect
from tests import token_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.token_server import TokenServer

MISCONFIGURED, NEEDS_REAUTHORIZATION = health.MISCONFIGURED, health.NEEDS_REAUTHORIZATION
REFUSED_CLIENT = (401, {"error": "invalid_client"})
REFUSED_GRANT = (400, {"error": "invalid_grant"})


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with token_server.running() as server:
        server.generation = 1
        yield server


@pytest.fixture
def heard() -> Iterator[list[str]]:
    found: list[str] = []

    def attention(connection: Connection, reason: str, **_: Any) -> None:
        found.append(f"attention: {reason}")

    def recovered(connection: Connection, **_: Any) -> None:
        found.append("recovered")

    signals.connection_needs_attention.connect(attention)
    signals.connection_recovered.connect(recovered)
    yield found
    signals.connection_needs_attention.disconnect(attention)
    signals.connection_recovered.disconnect(recovered)


def make(server: TokenServer | None = None, **fields: Any) -> Connection:
    """An authorized connection whose access token has just ended."""
    origin = server.origin if server else "https://api.example.com"
    connection = Connection.objects.create(
        **{
            "name": "Provider", "slug": "provider", "base_url": f"{origin}/api", "client_id": "id",
            "auth_method": "oauth2_authorization_code", "client_secret": "canary-secret",
            "token_url": f"{origin}/token", "authorization_url": f"{origin}/authorize", **fields,
        }
    )  # fmt: skip  # in rows
    now = timezone.now()
    Token.objects.create(
        connection=connection, access_token="access-1", refresh_token="refresh-1", generation=1,
        issued_at=now - timedelta(hours=1), expires_at=now - timedelta(seconds=1),
    )  # fmt: skip  # in rows
    return Connection.objects.select_related("token").get(pk=connection.pk)


def ask() -> int | str:
    """One request of a site: its status, or the error."""
    try:
        with connect("provider") as api:
            return api.get("x").status_code
    except (AuthorizationRequired, TokenRequestFailed) as error:
        return type(error).__name__


def kinds() -> list[str]:
    return [event.kind for event in ConnectionEvent.objects.order_by("id")]


@pytest.mark.django_db
class TestIncidents:
    def test_one_problem_is_one_incident(self, server: TokenServer, heard: list[str]) -> None:
        make(server)
        server.answers = [REFUSED_CLIENT] * 3
        assert [ask() for _ in range(3)] == ["TokenRequestFailed"] * 3
        assert len(heard) == 1
        Token.objects.update(failed_at=None)  # no pause
        assert ask() == 200
        assert heard[1:] == ["recovered"]
        assert kinds() == ["failed", "recovered", "refreshed"]
        assert Connection.objects.get().problem_at is None

    def test_what_is_edited_in_vain_does_not_end_it(self, server: TokenServer, heard: list[str]) -> None:
        """Somebody types one wrong secret after the other: they are told once, and once more when it works."""
        make(server)
        server.answers = [REFUSED_CLIENT] * 3
        for number in range(3):
            assert ask() == "TokenRequestFailed"
            connection = Connection.objects.get()
            assert connection.status == "misconfigured"
            connection.client_secret = f"canary-{number}"
            connection.save()
            assert connection.status == Connection.objects.get().status == "authorized"
        assert ask() == 200
        assert [line.split(":")[0] for line in heard] == ["attention", "recovered"]
        assert kinds() == ["failed", "edited", "failed", "edited", "failed", "edited", "recovered", "refreshed"]

    def test_another_problem_is_told_if_somebody_else_has_to_act(self, heard: list[str]) -> None:
        connection = make()
        for problem in (MISCONFIGURED, MISCONFIGURED, NEEDS_REAUTHORIZATION, NEEDS_REAUTHORIZATION):
            health.needs_attention(connection, problem, problem)
        health.works_again(connection)
        assert heard == [f"attention: {MISCONFIGURED}", f"attention: {NEEDS_REAUTHORIZATION}", "recovered"]

    def test_a_disconnected_one_recovers_when_it_is_authorized_again(self, heard: list[str]) -> None:
        connection = make()
        health.needs_attention(connection, NEEDS_REAUTHORIZATION, "It is dead.")
        disconnect(connection)
        connection = Connection.objects.get()
        assert (connection.status, heard) == ("not_authorized", ["attention: It is dead."])
        Token.objects.create(connection=connection, access_token="new")
        health.works_again(connection)
        assert heard[1:] == ["recovered"]

    def test_a_good_test_ends_what_was_corrected(self, heard: list[str]) -> None:
        connection = make()
        good = TestResult(ok=True, status_code=200, message="Fine.")
        health.needs_attention(connection, MISCONFIGURED, "no")
        health.record_test(connection, good)
        # The old access token may have been good enough for that.
        assert (Connection.objects.get().problem, heard) == (MISCONFIGURED, ["attention: no"])
        health.put_aside(connection)
        for _ in range(2):
            health.record_test(connection, good)
        assert heard == ["attention: no", "recovered"]
        assert kinds() == ["failed", "tested", "tested", "recovered", "tested"]

    def test_what_waited_is_tried_when_the_problem_was_edited(
        self, make_feed: Callable[..., Feed], heard: list[str]
    ) -> None:
        connection = make()
        later = timezone.now() + timedelta(hours=1)
        feed = make_feed(connection)
        for error in ("not_ready", "timeout"):
            FeedRun.objects.create(feed=feed, connection=connection, error=error, next_attempt_at=later)
        health.needs_attention(connection, MISCONFIGURED, "no")
        connection.token_url = "https://api.example.com/other"
        connection.save()
        assert FeedRun.objects.get(error="not_ready").next_attempt_at < timezone.now()  # type: ignore[operator]  # set
        assert FeedRun.objects.get(error="timeout").next_attempt_at == later

    def test_a_token_that_can_not_be_renewed_says_so_when_it_is_used(
        self, server: TokenServer, heard: list[str]
    ) -> None:
        make(server)
        Token.objects.update(refresh_token="")
        assert [ask(), ask()] == ["AuthorizationRequired"] * 2
        assert len(heard) == 1
        assert "gave no refresh token" in heard[0]
        assert Connection.objects.get().problem == NEEDS_REAUTHORIZATION
        assert server.requests == []

    def test_a_warning_and_a_problem_are_one_recovery(self, server: TokenServer, heard: list[str]) -> None:
        connection = make(server, grant_warned=health.SOON)
        health.needs_attention(connection, NEEDS_REAUTHORIZATION, "It is dead.")
        health.works_again(connection)
        assert heard == ["attention: It is dead.", "recovered"]
        assert kinds() == ["failed", "recovered"]


@contextmanager
def rolled_back() -> Iterator[None]:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        yield
        raise ZeroDivisionError


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_what_is_rolled_back_is_not_told(self, heard: list[str]) -> None:
        connection = make()
        with rolled_back():
            health.needs_attention(connection, MISCONFIGURED, "no")
            assert heard == []
        assert (heard, kinds(), Connection.objects.get().problem) == ([], [], "")
        # It is not lost either: whoever meets it next tells it.
        with transaction.atomic():
            health.needs_attention(connection, MISCONFIGURED, "no")
            assert heard == []
        assert heard == ["attention: no"]
        with rolled_back():
            health.works_again(connection)
        assert heard[1:] == []
        with transaction.atomic():
            health.works_again(connection)
        assert heard[1:] == ["recovered"]

    def test_a_refused_grant_inside_of_a_transaction(self, server: TokenServer, heard: list[str]) -> None:
        make(server)
        server.answers = [REFUSED_GRANT]
        with rolled_back():
            assert ask() == "AuthorizationRequired"
        # Written apart from the transaction, or not at all.
        assert len(heard) == (Connection.objects.get().problem != "")
        server.answers = [REFUSED_GRANT]
        with transaction.atomic():
            assert ask() == "AuthorizationRequired"
        assert len(heard) == 1
        assert Connection.objects.get().problem == NEEDS_REAUTHORIZATION
        assert kinds() == ["failed"]

    def test_receivers_run_in_the_callers_thread(self, server: TokenServer) -> None:
        """Else one that touches what the caller has locked would wait for the caller, who waits for it."""
        import threading

        make(server)
        server.answers = [REFUSED_GRANT]
        found: list[str] = []

        def attention(**_: Any) -> None:
            found.append(threading.current_thread().name)
            Connection.objects.filter(slug="provider").update(name="Seen")

        signals.connection_needs_attention.connect(attention)
        try:
            with transaction.atomic():
                # What this writes is locked until the block ends.
                ConnectionEvent.record(Connection.objects.get(), ConnectionEvent.Kind.TESTED)
                assert ask() == "AuthorizationRequired"
        finally:
            signals.connection_needs_attention.disconnect(attention)
        assert found == [threading.current_thread().name]
        assert Connection.objects.get().name == "Seen"


@pytest.fixture
def workers() -> Iterator[list[subprocess.Popen[str]]]:
    """Four processes with four threads each."""
    name = str(database.settings_dict["NAME"])
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.health_worker", name, "4"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=Path(__file__).parent.parent,
        )
        for _ in range(4)
    ]  # fmt: skip  # in rows
    try:
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise AssertionError(process.communicate()[1])
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def all_at_once(workers: list[subprocess.Popen[str]], what: str) -> list[str]:
    """What the signals told in all processes together, when every thread of theirs did the same at once."""
    for worker in workers:
        worker.stdin.write(f"{what}\n")  # type: ignore[union-attr]  # it is a pipe
        worker.stdin.flush()  # type: ignore[union-attr]  # likewise
    lines = [worker.stdout.readline().strip() for worker in workers]  # type: ignore[union-attr]  # likewise
    return [part for line in lines for part in line.split("; ") if part]


@pytest.mark.django_db(transaction=True)
def test_each_incident_is_told_once_by_sixteen_threads_in_four_processes(
    workers: list[subprocess.Popen[str]],
) -> None:
    make(client_secret_expires_on=timezone.localdate() + timedelta(days=90))
    Token.objects.update(expires_at=timezone.now() + timedelta(days=100))
    for _ in range(5):
        ConnectionEvent.objects.all().delete()
        for problem in (MISCONFIGURED, NEEDS_REAUTHORIZATION):
            assert all_at_once(workers, problem) == [f"attention: {problem}"]
            assert all_at_once(workers, problem) == []
        assert all_at_once(workers, "works") == ["recovered"]
        assert all_at_once(workers, "works") == []
        assert kinds() == ["failed", "failed", "recovered"]
        # And what ends before long, found by as many "refresh --due".
        Token.objects.update(refresh_life=365 * 86_400, refresh_expires_at=timezone.now() + timedelta(days=9))
        Connection.objects.update(client_secret_expires_on=timezone.localdate())
        told = all_at_once(workers, "due")
        assert [line.split()[1] for line in sorted(told)] == ["Re-authorize", "The"]
        assert all_at_once(workers, "due") == []
        Token.objects.update(refresh_expires_at=None)
        Connection.objects.update(client_secret_expires_on=None)
        assert all_at_once(workers, "due") == ["recovered", "recovered"]
        assert all_at_once(workers, "due") == []
        assert kinds()[3:] == ["warned", "warned", "recovered", "recovered"]
