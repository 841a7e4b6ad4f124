"""A token that is renewed ahead of its end, beside a transaction, after failures and from memory."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.db import OperationalError, transaction
from django.db import connection as database
from django.utils import timezone

from apiconnector.exceptions import AuthorizationRequired, TokenRequestFailed
from apiconnector.models import Connection, ConnectionEvent, Token, ahead, clock, source, unsaved
from apiconnector.models.token import TokenQuerySet
from apiconnector.models.token_requests import Granted
from apiconnector.oauth import TokenAnswer
from apiconnector.shortcuts import connect
from tests import token_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.token_server import TokenServer


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with token_server.running() as server:
        yield server


def authorized(server: TokenServer, *, left: float = -1.0, **fields: Any) -> Connection:
    """A connection that a person has authorized; its token has ``left`` seconds."""
    connection = Connection.objects.create(
        name="Provider", slug="provider", base_url=f"{server.origin}/api", auth_method="oauth2_authorization_code",
        client_id="id", client_secret="canary-secret", token_url=f"{server.origin}/token", scope="read",
        authorization_url=f"{server.origin}/authorize", **fields,
    )  # fmt: skip  # in rows
    server.generation = 1
    now = timezone.now()
    Token.objects.create(
        connection=connection, access_token="access-1", refresh_token="refresh-1", scope="read", generation=1,
        issued_at=now - timedelta(hours=1), expires_at=now + timedelta(seconds=left),
    )  # fmt: skip  # in rows
    return connection


def call() -> int:
    with connect("provider") as api:
        return api.get("x").status_code


def settled() -> None:
    """Wait until nothing is kept in memory only."""
    for thread in threading.enumerate():
        if thread.name == "apiconnector-unsaved":
            thread.join(20)
            assert not thread.is_alive()


def stored() -> tuple[int, str]:
    token = Token.objects.get()
    return token.generation, token.refresh_token.reveal()


@pytest.mark.django_db(transaction=True)
class TestAhead:
    def test_nobody_waits_for_it(self, server: TokenServer) -> None:
        authorized(server, left=20)
        server.delay = 1.0
        statuses, longest = [], 0.0
        with connect("provider") as api:
            for _ in range(10):
                began = time.monotonic()
                statuses.append(api.get("x").status_code)
                longest = max(longest, time.monotonic() - began)
            assert server.requests == [], "the token endpoint has not answered yet"
            assert ahead.wait()
            assert api.get("x").status_code == 200
        assert statuses == [200] * 10
        assert longest < server.delay
        assert len(server.requests) == 1
        assert server.api_calls == ["Bearer access-1"] * 10 + ["Bearer access-2"]
        assert stored() == (2, "refresh-2")

    def test_one_thread_however_many_ask(self, server: TokenServer) -> None:
        authorized(server, left=20)
        server.delay = 0.5
        results: list[int] = []

        def use() -> None:
            try:
                results.extend(call() for _ in range(5))
            finally:
                database.close()

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ahead.wait()
        assert results == [200] * 40
        assert len(server.requests) == 1

    def test_a_failure_leaves_what_works_and_a_pause(self, server: TokenServer) -> None:
        authorized(server, left=20)
        server.answers = [(503, b"")] * 9
        for _ in range(6):
            assert call() == 200
            assert ahead.wait()
        assert len(server.requests) == 1
        token = Token.objects.get()
        assert token.failures == 1
        assert "503" in token.failure
        Token.objects.update(failed_at=timezone.now() - timedelta(seconds=6))
        assert call() == 200
        assert ahead.wait()
        assert len(server.requests) == 2, "the first pause is five seconds at most"
        Token.objects.update(failed_at=timezone.now() - timedelta(seconds=6))
        assert call() == 200
        assert ahead.wait()
        assert len(server.requests) == 2, "the second is longer"
        assert Connection.objects.get().status == "authorized"

    def test_a_caller_whose_token_has_ended_meanwhile_waits_for_the_thread(self, server: TokenServer) -> None:
        authorized(server, left=0.5)
        server.delay = 1.0
        with connect("provider") as api:
            assert api.get("x").status_code == 200
            time.sleep(0.6)
            assert api.get("x").status_code == 200
        assert len(server.requests) == 1

    def test_inside_a_transaction_that_is_rolled_back(self, server: TokenServer) -> None:
        authorized(server, left=20)
        with transaction.atomic():
            assert call() == 200
            assert ahead.wait()
            transaction.set_rollback(True)
        if database.vendor == "sqlite":
            # Not in WAL mode: nobody writes while somebody reads in a transaction.
            time.sleep(0.3)
            assert call() == 200
            assert ahead.wait()
        assert stored() == (2, "refresh-2")
        assert len(server.requests) == 1


@pytest.mark.django_db
def test_a_token_that_ends_in_place_is_not_handed_out_again(server: TokenServer) -> None:
    connection = authorized(server, left=3600)
    source = connection.token_source()
    assert (source.access_token(), source.access_token()) == ("access-1", "access-1")
    connection.token.expires_at = timezone.now() - timedelta(seconds=1)
    connection.token.save()
    assert source.access_token() == "access-2"


@pytest.mark.django_db
def test_in_a_test_case_it_is_renewed_on_the_spot(server: TokenServer) -> None:
    authorized(server, left=20)
    assert call() == 200
    assert server.api_calls == ["Bearer access-2"]


@pytest.mark.django_db(transaction=True)
class TestRolledBack:
    """The provider has rotated the refresh token; that the caller rolls back does not undo it."""

    def test_the_token_survives(self, server: TokenServer) -> None:
        authorized(server)
        with transaction.atomic():
            assert call() == 200
            transaction.set_rollback(True)
        assert call() == 200, "also before it is stored again"
        settled()
        assert stored() == (2, "refresh-2")
        assert len(server.requests) == 1

    def test_a_savepoint(self, server: TokenServer) -> None:
        authorized(server)
        with transaction.atomic():
            with transaction.atomic():
                assert call() == 200
                transaction.set_rollback(True)
            assert call() == 200
        settled()
        assert call() == 200
        assert stored() == (2, "refresh-2")
        assert len(server.requests) == 1

    @pytest.mark.parametrize("commits", [True, False])
    @pytest.mark.parametrize("written", [Connection, Token])
    def test_the_caller_has_written_the_row_itself(
        self, server: TokenServer, written: type[Connection | Token], commits: bool
    ) -> None:
        connection = authorized(server)
        began = time.monotonic()
        with transaction.atomic():
            if written is Connection:
                Connection.objects.update(name="Renamed")
            else:
                Token.objects.update(account_label="Renamed")
            assert call() == 200
            transaction.set_rollback(not commits)
        assert time.monotonic() - began < 2 * connection.timeout_seconds
        settled()
        assert stored() == (2, "refresh-2")
        assert call() == 200
        assert len(server.requests) == 1
        assert ConnectionEvent.objects.filter(kind="failed").count() == 0

    def test_the_caller_has_just_made_the_connection(self, server: TokenServer) -> None:
        with transaction.atomic():
            authorized(server)
            assert call() == 200
        settled()
        assert stored() == (2, "refresh-2")
        assert call() == 200
        assert len(server.requests) == 1

    def test_another_transaction_holds_the_row_for_a_while(self, server: TokenServer) -> None:
        authorized(server)
        has_it, results = threading.Event(), []

        def use() -> None:
            has_it.wait(10)
            try:
                results.append(call())
            finally:
                database.close()

        thread = threading.Thread(target=use)
        thread.start()
        with transaction.atomic():
            Token.objects.update(account_label="Renamed")
            has_it.set()
            thread.join(2.5)
            assert results == [], "it waits, in short steps"
        thread.join(20)
        assert results == [200]
        assert stored() == (2, "refresh-2")

    def test_a_first_token_of_the_sites_own_account(self, server: TokenServer) -> None:
        authorized(server)
        Token.objects.all().delete()
        Connection.objects.update(auth_method="oauth2_client_credentials")
        with transaction.atomic():
            assert call() == 200
            assert call() == 200
            transaction.set_rollback(True)
        assert call() == 200
        settled()
        assert len(server.requests) <= 2

    def test_a_dead_grant_is_noted_all_the_same(self, server: TokenServer) -> None:
        authorized(server)
        server.answers = [(400, {"error": "invalid_grant"})]
        with transaction.atomic():
            with pytest.raises(AuthorizationRequired):
                call()
            transaction.set_rollback(True)
        settled()
        assert Connection.objects.get().status == "needs_reauthorization"
        with pytest.raises(AuthorizationRequired):
            call()
        assert len(server.requests) == 1


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_when_the_answer_comes(server: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    authorized(server)
    store, away = TokenQuerySet.store, [True, True, True]

    def failing(*args: Any, **kwargs: Any) -> bool:
        if away:
            away.pop()
            raise OperationalError("the database is away")
        return store(*args, **kwargs)

    monkeypatch.setattr(TokenQuerySet, "store", failing)
    assert call() == 200, "the token is used from memory"
    assert call() == 200
    settled()
    assert stored() == (2, "refresh-2")
    assert len(server.requests) == 1
    assert not unsaved._kept


@pytest.mark.django_db(transaction=True)
def test_a_token_kept_in_memory_is_not_written_into_the_row_of_another_with_its_number(server: TokenServer) -> None:
    """Tests of a site begin with the same numbers again and again."""
    authorized(server)
    token = Token.objects.get()
    kept = unsaved._Kept(
        "default", token.pk, token.generation, token.issued_at - timedelta(seconds=1), {"refresh_token": "another's"}
    )
    unsaved._store(kept)
    assert stored() == (1, "refresh-1")


def test_where_no_database_is_allowed_any_more_it_gives_up(caplog: pytest.LogCaptureFixture) -> None:
    """As in a site's tests with pytest: one has ended, and none that uses the database has begun."""
    done: list[bool] = []
    unsaved.insist(Token.objects.count, using="default", finally_do=lambda: done.append(True))
    settled()
    assert done == [True]
    assert [record.levelname for record in caplog.records if record.name == "apiconnector.models.unsaved"] == ["ERROR"]


@pytest.mark.django_db
class TestPauses:
    def test_the_endpoint_is_left_alone_after_a_few_failures(self, server: TokenServer) -> None:
        authorized(server)
        server.answers = [(500, b"")] * 3
        for _ in range(8):
            with pytest.raises(TokenRequestFailed) as failed:
                call()
            assert failed.value.retryable
        assert len(server.requests) == 3
        assert "left alone until" in str(failed.value)
        assert "500" in str(failed.value)
        assert Connection.objects.get().status == "authorized"
        Token.objects.update(failed_at=timezone.now() - timedelta(seconds=1.1))
        assert call() == 200
        token = Token.objects.get()
        assert (token.failures, token.failed_at, token.failure) == (0, None, "")

    def test_a_client_that_is_refused_is_the_administrators_matter_in_a_pause_too(self, server: TokenServer) -> None:
        authorized(server)
        server.answers = [(401, {"error": "invalid_client"})] * 9
        for _ in range(5):
            with pytest.raises(TokenRequestFailed) as failed:
                call()
            assert not failed.value.retryable
        assert len(server.requests) == 3
        connection = Connection.objects.get()
        assert connection.status == "misconfigured"
        server.answers = []
        connection.client_secret = "canary-corrected"
        connection.save()
        assert call() == 200, "what was corrected is tried at once"

    @pytest.mark.parametrize("form", ["seconds", "date"])
    @pytest.mark.parametrize("status", [429, 503])
    def test_retry_after(self, server: TokenServer, status: int, form: str) -> None:
        authorized(server)
        until = datetime.now(UTC) + timedelta(seconds=100)
        server.answers = [
            (status, b"", {"Retry-After": "100" if form == "seconds" else format_datetime(until, usegmt=True)})
        ]
        for _ in range(3):
            with pytest.raises(TokenRequestFailed):
                call()
        assert len(server.requests) == 1
        until = Token.objects.get().retry_after_at or timezone.now()
        assert 90 < (until - timezone.now()).total_seconds() < 105
        Token.objects.update(retry_after_at=timezone.now())
        assert call() == 200

    def test_a_token_that_works_is_used_meanwhile(self, server: TokenServer) -> None:
        authorized(server, left=20)
        server.answers = [(429, b"", {"Retry-After": "3600"})]
        assert [call() for _ in range(5)] == [200] * 5
        assert len(server.requests) == 1

    def test_a_person_need_not_wait(self, server: TokenServer) -> None:
        connection = authorized(server)
        server.answers = [(500, b"")] * 3
        for _ in range(3):
            with pytest.raises(TokenRequestFailed):
                call()
        assert connection.token_source().refresh().generation == 2

    def test_a_wait_beyond_a_day_is_not_believed(self, server: TokenServer) -> None:
        authorized(server)
        server.answers = [(429, b"", {"Retry-After": "99999999999999999999"})]
        with pytest.raises(TokenRequestFailed):
            call()
        until = Token.objects.get().retry_after_at
        assert until is not None
        assert until - timezone.now() <= timedelta(days=1, seconds=1)


@pytest.mark.django_db
class TestRefused:
    def test_a_life_that_nobody_states_is_learned(self, server: TokenServer) -> None:
        authorized(server)
        Token.objects.update(expires_at=None)
        server.expires_in = None
        server.generation = 7
        token = Token.objects.get()
        token.refresh_token = "refresh-7"
        token.save()
        assert call() == 200
        token = Token.objects.get()
        assert token.learned_life == pytest.approx(3600, abs=30)
        assert token.expires_at is None, "what is learned is no promise: it is used until it is refused"
        Token.objects.update(issued_at=timezone.now() - timedelta(seconds=3585))
        assert call() == 200
        assert len(server.requests) == 2, "renewed ahead of the end that was learned"
        assert Token.objects.get().learned_life == pytest.approx(3600, abs=30)

    def test_what_was_learned_is_learned_anew_after_a_while(self, server: TokenServer) -> None:
        """One that was learned too short would be renewed ahead of that end for ever."""
        authorized(server)
        Token.objects.update(expires_at=None, learned_life=60)
        server.expires_in = None
        kept = []
        for _ in range(25):
            Token.objects.update(issued_at=timezone.now() - timedelta(seconds=50))
            assert call() == 200
            kept.append(Token.objects.get().learned_life)
        assert len(server.requests) == kept.count(60) + 1 == 19
        assert set(kept[18:]) == {None}, "the twentieth token is used until it is refused"
        Token.objects.update(issued_at=timezone.now() - timedelta(seconds=900))
        server.generation = 77
        server.answers = [(200, {"access_token": "access-77", "refresh_token": "refresh-77"})]
        assert call() == 200
        assert Token.objects.get().learned_life == pytest.approx(900, abs=30)

    def test_nothing_is_learned_of_one_that_was_ended_early(self, server: TokenServer) -> None:
        authorized(server)
        Token.objects.update(expires_at=None, issued_at=timezone.now() - timedelta(seconds=5))
        server.answers = [(200, {"access_token": "access-1", "refresh_token": "refresh-1"})]
        server.generation = 1
        token = Token.objects.get()
        token.access_token = "other"
        token.save()
        assert call() == 200
        assert Token.objects.get().learned_life is None

    def test_an_api_that_refuses_everything_costs_one_refresh(self, server: TokenServer) -> None:
        authorized(server, left=3600)
        server.answers = [
            (200, {"access_token": f"never-{n}", "refresh_token": f"r-{n}", "expires_in": 3600}) for n in range(9)
        ]
        server.generation = 99
        assert [call() for _ in range(6)] == [401] * 6
        assert len(server.requests) == 1
        Token.objects.update(issued_at=timezone.now() - timedelta(seconds=61))
        assert call() == 401
        assert len(server.requests) == 2

    def test_the_known_end_of_a_refresh_token_that_stays_is_kept(self, server: TokenServer) -> None:
        authorized(server)
        end = timezone.now() + timedelta(days=30)
        Token.objects.update(refresh_expires_at=end)
        server.rotates = False
        assert call() == 200
        kept = Token.objects.get().refresh_expires_at
        assert kept is not None
        assert abs(kept - end) < timedelta(seconds=1)


@pytest.mark.django_db
class TestJournal:
    def test_no_answer_is_kept_in_it(self, server: TokenServer) -> None:
        authorized(server, timeout=0.3)
        server.delay = 1.0
        with pytest.raises(TokenRequestFailed):
            call()
        token = Token.objects.get()
        assert token.lease_owner == ""
        assert token.refresh_started_at is not None
        server.delay = 0.0
        time.sleep(1.0)  # the provider has rotated; nobody heard of it
        with pytest.raises(AuthorizationRequired, match=r"A refresh begun at 20\d\d-.* was interrupted"):
            call()
        connection = Connection.objects.get()
        assert connection.status == "needs_reauthorization"
        assert "was interrupted" in ConnectionEvent.objects.get(kind="failed").message
        count = len(server.requests)
        with pytest.raises(AuthorizationRequired):
            call()
        assert len(server.requests) == count

    def test_what_was_never_sent_is_not(self, server: TokenServer) -> None:
        authorized(server)
        Connection.objects.update(token_url="http://127.0.0.1:9/token")
        connection = Connection.objects.get()
        connection.client_id, connection.client_secret = "id", "canary-secret"
        connection.save()
        token = Token.objects.get()
        token.access_token, token.refresh_token = "access-1", "refresh-1"
        token.save()
        with pytest.raises(TokenRequestFailed):
            call()
        assert Token.objects.get().refresh_started_at is None

    @pytest.mark.parametrize(
        ("answer", "is_kept"),
        [
            ((502, b""), True),
            ((200, b'{"access_tok'), True),
            ((429, b""), False),
            ((400, {"error": "invalid_scope"}), False),
        ],
    )
    def test_an_answer_that_leaves_it_open_is(
        self, server: TokenServer, answer: tuple[Any, ...], is_kept: bool
    ) -> None:
        authorized(server)
        server.answers = [answer]
        with pytest.raises(TokenRequestFailed):
            call()
        assert (Token.objects.get().refresh_started_at is not None) is is_kept

    def test_a_refused_client_later_does_not_empty_it(self, server: TokenServer) -> None:
        authorized(server)
        Token.objects.update(refresh_started_at=timezone.now() - timedelta(minutes=1))
        server.answers = [(401, {"error": "invalid_client"})]
        with pytest.raises(TokenRequestFailed):
            call()
        assert Token.objects.get().refresh_started_at is not None

    def test_a_worker_that_died_is_followed_by_one_more(self, server: TokenServer) -> None:
        authorized(server)
        self.dies()
        assert call() == 200, "the provider had not seen the first one"
        assert Token.objects.get().interruptions == 0

    def test_two_that_died_are_enough(self, server: TokenServer) -> None:
        authorized(server)
        self.dies()
        self.dies()
        for _ in range(2):
            with pytest.raises(AuthorizationRequired):
                call()
        assert server.requests == []
        connection = Connection.objects.get()
        assert connection.status == "needs_reauthorization"
        assert "died" in connection.status_reason
        assert "begun at" in connection.status_reason

    def dies(self) -> None:
        assert Token.objects.acquire_lease(Token.objects.get(), owner="a worker that dies", seconds=-1)

    def test_of_the_sites_own_token_any_number_may_die(self, server: TokenServer) -> None:
        authorized(server)
        Connection.objects.update(auth_method="oauth2_client_credentials")
        for _ in range(4):
            self.dies()
        assert call() == 200


@pytest.mark.django_db
class TestClocks:
    @pytest.mark.parametrize("minutes", [-10, 10])
    def test_a_machine_whose_clock_is_wrong_goes_by_the_databases(
        self, server: TokenServer, minutes: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        authorized(server, left=240)
        real = timezone.now
        monkeypatch.setattr(clock, "_ahead", timedelta(0))  # and set back afterwards
        monkeypatch.setattr(source, "LOOK_AGAIN_AFTER", -1)

        def wrong() -> datetime:
            return real() + timedelta(minutes=minutes)

        with mock.patch("django.utils.timezone.now", wrong):
            assert [call() for _ in range(3)] == [200] * 3
            assert server.requests == [], "by its own clock it had ended, or has just begun"
            Token.objects.update(expires_at=real() - timedelta(seconds=1))
            assert call() == 200
            assert call() == 200
        token = Token.objects.get()
        assert token.expires_at is not None
        assert (token.expires_at - real()).total_seconds() == pytest.approx(3600, abs=30)
        assert call() == 200
        assert len(server.requests) == 1


@pytest.mark.django_db(transaction=True)
def test_an_answer_after_the_leases_end_is_stored_unless_another_token_is_there(server: TokenServer) -> None:
    """Whoever took the lease over meanwhile finds a new generation, whose refresh token was never sent."""
    connection = authorized(server)
    token = Token.objects.get()
    assert Token.objects.acquire_lease(token, owner="slow", seconds=-1)
    again = Token.objects.get()
    assert Token.objects.acquire_lease(again, owner="second", seconds=30)
    answer = TokenAnswer("access-2", "refresh-2", "", None, None, None, {})
    values = token.renewed_by(Granted(answer, {}), scope="read")
    assert Token.objects.store(token, values)
    row = Token.objects.get()
    assert (row.generation, row.lease_owner, row.refresh_started_at) == (2, "", None)
    assert not Token.objects.store(again, values), "it looks again, and adopts"
    assert connection.slug == "provider"


@pytest.mark.django_db(transaction=True)
def test_a_process_that_ends_waits_for_what_is_being_renewed(server: TokenServer) -> None:
    """A command sends one request and ends, while the provider has not answered yet: a rotated token would be lost."""
    authorized(server, left=20)
    server.delay = 1.0
    process = subprocess.run(
        [sys.executable, "-m", "tests.refresher", str(database.settings_dict["NAME"])],
        input="\n", capture_output=True, text=True, check=True, timeout=60, cwd=Path(__file__).parent.parent,
    )  # fmt: skip  # in rows
    assert process.stdout == "ready\n200\n"
    assert process.stderr == ""
    assert stored() == (2, "refresh-2")
