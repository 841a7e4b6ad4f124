"""The life of a token: when it is fetched, refreshed, adopted and given up."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection as database
from django.utils import timezone

from apiconnector import signals
from apiconnector.exceptions import AuthorizationRequired, SecretSealed, TokenRequestFailed
from apiconnector.models import Connection, ConnectionEvent, Token
from apiconnector.shortcuts import connect
from tests import token_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.token_server import TokenServer


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with token_server.running() as server:
        yield server


def fields(server: TokenServer, method: str) -> dict[str, Any]:
    return {
        "name": "Provider", "slug": "provider", "base_url": f"{server.origin}/api", "auth_method": method,
        "client_id": "id", "client_secret": "canary-secret", "token_url": f"{server.origin}/token",
        "authorization_url": f"{server.origin}/authorize", "scope": "read",
    }  # fmt: skip  # in rows


@pytest.fixture
def credentials(server: TokenServer, db: None) -> Connection:
    return Connection.objects.create(**fields(server, "oauth2_client_credentials"))


@pytest.fixture
def authorized(server: TokenServer, db: None) -> Connection:
    """An authorization code connection whose access token has just expired."""
    return expired(server)


def expired(server: TokenServer) -> Connection:
    connection = Connection.objects.create(**fields(server, "oauth2_authorization_code"))
    server.generation = 1
    now = timezone.now()
    Token.objects.create(
        connection=connection, access_token="access-1", refresh_token="refresh-1", scope="read",
        issued_at=now - timedelta(hours=1), expires_at=now - timedelta(seconds=1), generation=1,
    )  # fmt: skip  # in rows
    return connection


@pytest.mark.django_db
class TestClientCredentials:
    def test_one_token_for_many_calls_and_sessions(self, credentials: Connection, server: TokenServer) -> None:
        for _ in range(3):
            with connect("provider") as api:
                assert api.get("x").status_code == 200
                assert api.get("x").status_code == 200
        assert server.requests == [
            {"grant_type": "client_credentials", "scope": "read", "client_id": "id", "client_secret": "canary-secret"}
        ]
        assert Connection.objects.get().status == "ready"

    def test_a_refused_token_is_replaced_once(self, credentials: Connection, server: TokenServer) -> None:
        with connect("provider") as api:
            api.get("x")
            server.generation += 1
            assert api.get("x").status_code == 200
        assert len(server.requests) == 2

    def test_a_second_401_is_the_answer(self, credentials: Connection, server: TokenServer) -> None:
        server.answers = [(200, {"access_token": "bad-1"}), (200, {"access_token": "bad-2"})]
        with connect("provider") as api:
            assert api.get("x").status_code == 401
        assert server.api_calls == ["Bearer bad-1", "Bearer bad-2"]

    def test_an_expired_token_is_fetched_anew(self, credentials: Connection, server: TokenServer) -> None:
        with connect("provider") as api:
            api.get("x")
        Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        with connect("provider") as api:
            assert api.get("x").status_code == 200
        assert len(server.requests) == 2

    def test_no_stated_life_means_until_refused(self, credentials: Connection, server: TokenServer) -> None:
        server.expires_in = None
        for _ in range(2):
            with connect("provider") as api:
                api.get("x")
        assert len(server.requests) == 1
        assert Token.objects.get().expires_at is None

    def test_a_refused_client_is_misconfigured_until_corrected(
        self, credentials: Connection, server: TokenServer
    ) -> None:
        heard: list[str] = []

        def hear(connection: Connection, **_: Any) -> None:
            heard.append(connection.slug)

        signals.connection_needs_attention.connect(hear)
        signals.connection_recovered.connect(hear)
        try:
            server.answers = [(401, {"error": "invalid_client", "error_description": "canary words"})] * 2
            for _ in range(2):
                with connect("provider") as api, pytest.raises(TokenRequestFailed) as failed:
                    api.get("x")
            assert not failed.value.retryable
            assert failed.value.error == "invalid_client"
            assert "canary" not in str(failed.value)
            connection = Connection.objects.get()
            assert connection.status == "misconfigured"
            assert len(heard) == 1
            with connect("provider") as api:
                assert api.get("x").status_code == 200
            assert Connection.objects.get().status == "ready"
            assert len(heard) == 2
        finally:
            signals.connection_needs_attention.disconnect(hear)
            signals.connection_recovered.disconnect(hear)

    def test_trouble_of_the_server_changes_nothing(self, credentials: Connection, server: TokenServer) -> None:
        for answer in [(503, b""), (429, b""), (500, b"<html>"), (400, b"<html>")]:
            server.answers = [answer]
            with connect("provider") as api, pytest.raises(TokenRequestFailed) as failed:
                api.get("x")
            assert failed.value.retryable
        assert Connection.objects.get().status == "ready"
        assert not Token.objects.exclude(lease_owner="").exists()

    def test_new_hosts_need_the_secret_again(self, credentials: Connection, server: TokenServer) -> None:
        with connect("provider") as api:
            api.get("x")
        credentials.allowed_hosts = ["evil.example"]
        credentials.save()
        with connect("provider") as api, pytest.raises(SecretSealed):
            api.get("x")
        credentials.client_secret = "canary-secret"
        credentials.client_id = "id"
        credentials.save()
        assert credentials.status == "ready"
        with connect("provider") as api:
            assert api.get("x").status_code == 200


@pytest.mark.django_db
class TestAuthorizationCode:
    def test_an_expired_token_is_refreshed_and_rotated(self, authorized: Connection, server: TokenServer) -> None:
        with connect("provider") as api:
            assert api.get("x").status_code == 200
        assert server.requests == [
            {
                "grant_type": "refresh_token",
                "refresh_token": "refresh-1",
                "client_id": "id",
                "client_secret": "canary-secret",
            }
        ]
        token = Token.objects.get()
        assert token.refresh_token.reveal() == "refresh-2"
        assert token.generation == 2
        assert (token.lease_owner, token.lease_until, token.refresh_started_at) == ("", None, None)
        assert ConnectionEvent.objects.get().kind == "refreshed"

    def test_an_old_refresh_token_stays_when_no_new_one_comes(
        self, authorized: Connection, server: TokenServer
    ) -> None:
        server.rotates = False
        with connect("provider") as api:
            api.get("x")
        assert Token.objects.get().refresh_token.reveal() == "refresh-1"

    def test_the_refresh_url_is_used(self, authorized: Connection, server: TokenServer) -> None:
        Connection.objects.update(refresh_url=f"{server.origin}/token", token_url=f"{server.origin}/nowhere")
        with connect("provider") as api:
            assert api.get("x").status_code == 200

    def test_a_dead_grant_is_told_once_and_asked_no_more(self, authorized: Connection, server: TokenServer) -> None:
        server.answers = [(400, {"error": "invalid_grant", "error_description": "revoked"})]
        for _ in range(3):
            with connect("provider") as api, pytest.raises(AuthorizationRequired) as required:
                api.get("x")
            assert required.value.connection == authorized
        assert len(server.requests) == 1
        assert server.api_calls == []
        assert Connection.objects.get().status == "needs_reauthorization"
        assert ConnectionEvent.objects.filter(kind="failed").count() == 1

    def test_an_interrupted_refresh_is_named(self, authorized: Connection, server: TokenServer) -> None:
        Token.objects.update(refresh_started_at=timezone.now())
        server.answers = [(400, {"error": "invalid_grant"})]
        with connect("provider") as api, pytest.raises(AuthorizationRequired, match="interrupted"):
            api.get("x")

    def test_a_failed_early_refresh_leaves_a_token_that_works(
        self, authorized: Connection, server: TokenServer
    ) -> None:
        Token.objects.update(expires_at=timezone.now() + timedelta(seconds=20))
        server.answers = [(503, b"")]
        with connect("provider") as api:
            assert api.get("x").status_code == 200
        assert len(server.requests) == 1

    def test_an_early_refresh_that_is_refused_leaves_a_token_that_works(
        self, authorized: Connection, server: TokenServer
    ) -> None:
        Token.objects.update(expires_at=timezone.now() + timedelta(seconds=20))
        server.answers = [(400, {"error": "invalid_grant"})]
        with connect("provider") as api:
            for _ in range(2):
                assert api.get("x").status_code == 200
        assert len(server.requests) == 1
        assert Connection.objects.get().status == "needs_reauthorization"

    def test_an_open_session_notices_that_it_was_authorized_again(
        self, authorized: Connection, server: TokenServer
    ) -> None:
        server.answers = [(400, {"error": "invalid_grant"})]
        with connect("provider") as api:
            with pytest.raises(AuthorizationRequired):
                api.get("x")
            Token.objects.update(expires_at=timezone.now() + timedelta(hours=1), generation=2)
            Connection.objects.update(problem="")
            assert api.get("x").status_code == 200

    def test_a_newer_token_of_another_process_is_adopted(self, authorized: Connection, server: TokenServer) -> None:
        Token.objects.update(expires_at=timezone.now() + timedelta(hours=1))
        with connect("provider") as api:
            api.get("x")
            server.generation = 7
            token = Token.objects.get()
            token.access_token, token.generation = "access-7", 7
            token.save()
            assert api.get("x").status_code == 200
        assert server.requests == []

    def test_without_a_refresh_token_a_401_is_the_answer(self, authorized: Connection, server: TokenServer) -> None:
        token = Token.objects.get()
        token.refresh_token, token.expires_at, server.generation = "", None, 9
        token.save()
        with connect("provider") as api:
            assert api.get("x").status_code == 401
        assert server.requests == []

    def test_not_authorized(self, server: TokenServer) -> None:
        Connection.objects.create(**fields(server, "oauth2_authorization_code"))
        with connect("provider") as api, pytest.raises(AuthorizationRequired, match="press Authorize"):
            api.get("x")

    def test_a_constant_number_of_queries(
        self, authorized: Connection, server: TokenServer, django_assert_num_queries: Any
    ) -> None:
        Token.objects.update(expires_at=timezone.now() + timedelta(hours=1))
        with django_assert_num_queries(1), connect("provider") as api:
            for _ in range(3):
                api.get("x")


class TestLease:
    pytestmark = pytest.mark.django_db(transaction=True)

    def test_threads(self, server: TokenServer) -> None:
        expired(server)
        server.delay = 0.2
        results: list[int] = []

        def use() -> None:
            try:
                with connect("provider") as api:
                    results.append(api.get("x").status_code)
            finally:
                database.close()

        threads = [threading.Thread(target=use) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [200] * 6
        assert len(server.requests) == 1

    def test_two_processes(self, server: TokenServer) -> None:
        expired(server)
        server.delay = 0.5
        name = str(database.settings_dict["NAME"])
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.refresher", name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parent.parent,
            )
            for _ in range(2)
        ]
        for process in processes:
            assert process.stdout
            assert process.stdin
            if process.stdout.readline() != "ready\n":
                raise AssertionError(process.communicate()[1])
        for process in processes:
            process.stdin.write("\n")  # type: ignore[union-attr]  # asserted above
            process.stdin.flush()  # type: ignore[union-attr]  # asserted above
        outputs = [process.communicate(timeout=60) for process in processes]
        assert [out.strip() for out, _ in outputs] == ["200", "200"], outputs
        assert len(server.requests) == 1

    def test_a_lease_is_one_callers_and_can_be_taken_over(self, make_connection: Callable[..., Connection]) -> None:
        token = Token.objects.create(connection=make_connection())
        assert Token.objects.acquire_lease(token, owner="a", seconds=30)
        assert not Token.objects.acquire_lease(token, owner="b", seconds=30)
        Token.objects.release_lease(token, owner="b")
        assert not Token.objects.acquire_lease(token, owner="b", seconds=30)
        Token.objects.release_lease(token, owner="a")
        assert Token.objects.acquire_lease(token, owner="b", seconds=-1)
        assert not Token.objects.acquire_lease(token, owner="c", seconds=30), "as it was read it was free"
        token.refresh_from_db()
        assert Token.objects.acquire_lease(token, owner="c", seconds=30)
        token.refresh_from_db()
        assert token.interruptions == 1, "the lease of b was never released"

    def test_a_late_writer_is_fenced_off(self, server: TokenServer) -> None:
        """The lease ended while the provider answered, and another process has stored a newer token."""
        expired(server)
        server.delay = 0.3

        def meanwhile() -> None:
            token = Token.objects.get()
            token.access_token, token.refresh_token = "access-2", "refresh-2"
            token.expires_at, token.generation = timezone.now() + timedelta(hours=1), 5
            token.lease_owner = ""
            token.save()
            database.close()

        timer = threading.Timer(0.1, meanwhile)
        timer.start()
        with connect("provider") as api:
            assert api.get("x").status_code == 200
        timer.join()
        assert Token.objects.get().generation == 5
