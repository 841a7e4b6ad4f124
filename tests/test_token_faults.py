"""A token's life where something around it is odd: other time zones, full databases, refused second requests."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet
from django.db import OperationalError, connections, transaction
from django.db import connection as database
from django.utils import timezone

from apiconnector.authorize import disconnect
from apiconnector.exceptions import AuthorizationRequired, ConfigurationError, TokenRequestFailed
from apiconnector.models import Connection, Token, ahead, health, revoking, token_requests
from apiconnector.models.source import TokenSource
from apiconnector.models.token import TokenQuerySet
from tests import token_server
from tests.test_token_life import authorized, call, settled, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.token_server import TokenServer


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with token_server.running() as server:
        yield server


@pytest.mark.django_db
def test_the_sites_own_token_is_replaced_though_its_refresh_token_cant_be_opened(
    server: TokenServer, settings: Any
) -> None:
    """It was written with a newer key than what a person typed, and that key is gone again."""
    connection = authorized(server)
    connection.auth_method = "oauth2_password"
    connection.username, connection.password = "canary-user", "canary-password"
    connection.save()
    keys = settings.APICONNECTOR_KEYS
    settings.APICONNECTOR_KEYS = [Fernet.generate_key().decode(), *keys]
    assert call() == 200
    settings.APICONNECTOR_KEYS = keys
    assert call() == 200


@pytest.mark.django_db
def test_a_second_token_that_fails_does_not_rotate_the_first_again_and_again(server: TokenServer) -> None:
    authorized(
        server,
        dialect={
            "second_token": {
                "url": f"{server.origin}/nowhere", "method": "GET", "after_refresh": True,
                "token_response": {"access_token": "body.nothing"},
            }
        },
    )  # fmt: skip  # in rows
    for _ in range(8):
        with pytest.raises(TokenRequestFailed):
            call()
    assert len(server.requests) <= 3


@pytest.mark.django_db
class TestWithoutTimeZones:
    """USE_TZ = False: columns hold local time, on every database."""

    @pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
    def test_a_pause_is_as_long_as_it_should_be(self, server: TokenServer, settings: Any, zone: str) -> None:
        settings.TIME_ZONE, settings.USE_TZ = zone, False
        authorized(server)
        server.answers = [(500, b"")] * 3
        for _ in range(6):
            with pytest.raises(TokenRequestFailed):
                call()
        assert len(server.requests) == 3
        time.sleep(1.2)
        assert call() == 200

    @pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
    def test_a_lease_that_is_over_is_taken_over(self, server: TokenServer, settings: Any, zone: str) -> None:
        settings.TIME_ZONE, settings.USE_TZ = zone, False
        authorized(server, timeout=0.2)
        assert Token.objects.acquire_lease(Token.objects.get(), owner="died", seconds=0.1)
        time.sleep(0.2)
        assert call() == 200

    def test_an_end_that_is_stated_as_a_moment(self, server: TokenServer, settings: Any) -> None:
        settings.USE_TZ = False
        authorized(server)
        server.answers = [
            (200, {"access_token": "access-1", "refresh_token": "r", "expires_at": int(time.time()) + 3600})
        ]
        assert call() == 200
        expires_at = Token.objects.get().expires_at
        assert expires_at is not None
        assert abs(expires_at - timezone.now() - timedelta(hours=1)) < timedelta(minutes=1)


@pytest.mark.django_db(transaction=True)
def test_a_database_that_gives_no_second_connection(server: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool that is used up, or a server at its limit: the caller's own connection is there."""
    authorized(server)
    main = threading.current_thread()
    wrapper = type(connections["default"])
    connect_real = wrapper.connect

    def full(self: Any) -> None:
        if threading.current_thread() is not main:
            raise OperationalError("FATAL: sorry, too many clients already")
        connect_real(self)

    monkeypatch.setattr(wrapper, "connect", full)
    with transaction.atomic():
        assert call() == 200
    monkeypatch.undo()
    settled()
    assert stored() == (2, "refresh-2")


@pytest.mark.django_db(transaction=True)
def test_a_dead_grant_is_left_alone_though_each_view_is_rolled_back(server: TokenServer) -> None:
    """With ATOMIC_REQUESTS each error undoes what was written of it."""
    authorized(server)
    server.answers = [(400, {"error": "invalid_grant"})] * 9
    for _ in range(4):
        with pytest.raises(AuthorizationRequired), transaction.atomic():
            call()
        settled()
    assert len(server.requests) <= 2
    assert Connection.objects.get().status == "needs_reauthorization"


@pytest.mark.django_db
def test_a_refusal_is_not_believed_of_a_token_that_was_replaced_just_then(
    server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    authorized(server)
    server.answers = [(400, {"error": "invalid_grant"})]
    real = health.needs_attention

    def late(*args: Any, **kwargs: Any) -> None:
        # Between the look at the row and this, another process has stored a token.
        token = Token.objects.get()
        token.access_token, token.expires_at = "access-1", timezone.now() + timedelta(hours=1)
        token.generation += 1
        token.save()
        real(*args, **kwargs)

    monkeypatch.setattr(health, "needs_attention", late)
    try:
        call()
    except AuthorizationRequired:
        pass
    assert Connection.objects.get().status == "authorized"


@pytest.mark.django_db
def test_an_api_that_refuses_the_new_token_too_teaches_no_life(server: TokenServer) -> None:
    """It was not its age that ended the old one."""
    authorized(server)
    Token.objects.update(expires_at=None, issued_at=timezone.now() - timedelta(seconds=400))
    server.generation = 99
    server.answers = [(200, {"access_token": "other", "refresh_token": "refresh-1"})]
    assert call() == 401
    assert call() == 401
    assert Token.objects.get().learned_life is None


@pytest.mark.django_db(transaction=True)
def test_what_nobody_expected_rests_too(
    server: TokenServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    authorized(server, left=20)
    count = []

    def broken(*_: Any, **__: Any) -> None:
        count.append(1)
        raise ZeroDivisionError

    monkeypatch.setattr(token_requests, "refresh", broken)
    for _ in range(4):
        assert call() == 200
        assert ahead.wait()
    assert len(count) == 1
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


@pytest.mark.django_db(transaction=True)
def test_on_sqlite_without_wal_nobody_waits_in_a_transaction_for_who_waits_for_its_end(server: TokenServer) -> None:
    """Whoever has read something there keeps others from writing: the one who renews could not store the token."""
    if database.vendor != "sqlite":
        return
    authorized(server, timeout=3)
    server.delay = 1.0
    with subprocess.Popen(
        [sys.executable, "-m", "tests.refresher", str(database.settings_dict["NAME"])],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent,
    ) as process:  # fmt: skip  # in rows
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        until = time.monotonic() + 20
        while not Token.objects.exclude(lease_owner="").exists():
            assert time.monotonic() < until
        with pytest.raises(TokenRequestFailed, match="another transaction") as failed, transaction.atomic():
            call()
        assert failed.value.retryable
        assert process.communicate(timeout=60)[0] == "200\n"
    assert stored() == (2, "refresh-2")
    with transaction.atomic():
        assert call() == 200
    assert len(server.requests) == 1


def test_a_forked_child_has_locks_of_its_own() -> None:
    with ahead._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if ahead._lock.acquire(timeout=5) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.django_db(transaction=True)
def test_a_lease_is_given_back_when_the_database_is_there_again(
    server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would count as that of a worker that died, and the second one of those ends the authorization."""
    authorized(server)
    server.answers = [(503, b"")]
    release, away = TokenQuerySet.release_lease, [True, True]

    def failing(*args: Any, **kwargs: Any) -> None:
        if away:
            away.pop()
            raise OperationalError("the database is away")
        release(*args, **kwargs)

    monkeypatch.setattr(TokenQuerySet, "release_lease", failing)
    with pytest.raises(TokenRequestFailed):
        call()
    settled()
    token = Token.objects.get()
    assert (token.lease_owner, token.interruptions, token.failures) == ("", 0, 1)
    assert call() == 200


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_deleted_meanwhile(server: TokenServer) -> None:
    connection = authorized(server)
    Connection.objects.update(auth_method="oauth2_client_credentials")
    connection.refresh_from_db()
    with connection.session() as api:
        Connection.objects.all().delete()
        with pytest.raises(ConfigurationError, match="deleted"):
            api.get("x")


@pytest.mark.django_db(transaction=True)
class TestDisconnectedDuringARefresh:
    """Nothing goes on working that nobody holds."""

    @pytest.fixture
    def disconnecting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A person presses Disconnect just before the answer of a refresh is stored."""
        real = token_requests.refresh

        def refresh(connection: Connection, token: Token) -> Any:
            granted = real(connection, token)
            disconnect(Connection.objects.get())
            return granted

        monkeypatch.setattr(token_requests, "refresh", refresh)

    @pytest.mark.usefixtures("disconnecting")
    def test_the_new_token_is_revoked(self, server: TokenServer) -> None:
        connection = authorized(server, revocation_url=f"{server.origin}/revoke")
        with pytest.raises(AuthorizationRequired, match="not authorized"):
            call()
        assert [sent["token"] for sent in server.revocations] == ["refresh-1", "access-1", "refresh-2", "access-2"]
        said = list(connection.events.filter(kind="revoked").order_by("pk").values_list("message", flat=True))
        assert said == [
            "The provider revoked the token.",
            "The provider revoked the token with which it answered a refresh afterwards.",
        ]
        assert not Token.objects.exists()

    @pytest.mark.usefixtures("disconnecting")
    def test_one_that_can_not_be_revoked_is_said(self, server: TokenServer) -> None:
        connection = authorized(server, revocation_url=f"{server.origin}/nowhere")
        with pytest.raises(AuthorizationRequired, match="not authorized"):
            call()
        assert "did not confirm" in connection.events.filter(kind="revoked").order_by("-pk")[0].message

    @pytest.mark.usefixtures("disconnecting")
    def test_one_without_a_way_to_revoke_it_is_forgotten(self, server: TokenServer) -> None:
        connection = authorized(server)
        with pytest.raises(AuthorizationRequired, match="not authorized"):
            call()
        assert connection.events.filter(kind="revoked").count() == 1

    def test_of_a_connection_that_was_deleted(self, server: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
        authorized(server, revocation_url=f"{server.origin}/revoke")
        real = token_requests.refresh

        def refresh(connection: Connection, token: Token) -> Any:
            granted = real(connection, token)
            Connection.objects.all().delete()
            return granted

        monkeypatch.setattr(token_requests, "refresh", refresh)
        with pytest.raises(AuthorizationRequired):
            call()
        assert [sent["token"] for sent in server.revocations] == ["refresh-2", "access-2"]

    def test_one_that_is_stored_while_the_one_before_is_revoked(
        self, server: TokenServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection = authorized(server, left=3600, revocation_url=f"{server.origin}/revoke")
        real, late = revoking.revoke, [True]

        def revoke(connection: Connection, token: Token) -> bool | None:
            done = real(connection, token)
            if late:
                late.pop()
                server.is_revoked = False
                TokenSource(Connection.objects.get()).refresh()
            return done

        monkeypatch.setattr(revoking, "revoke", revoke)
        assert "The provider revoked the token." in disconnect(connection)
        assert [sent["token"] for sent in server.revocations] == ["refresh-1", "access-1", "refresh-2", "access-2"]
        assert not Token.objects.exists()
        assert connection.events.filter(kind="revoked").count() == 1
