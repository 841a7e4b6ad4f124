"""Anybody can call the callback as often as they like, and an admin can press a button ten thousand times."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.db import connections
from django.test import Client
from django.utils import timezone

from apiconnector.authorize import begin
from apiconnector.models import AuthorizationAttempt, Connection, ConnectionEvent
from apiconnector.models.attempt import OPEN_AT_MOST
from tests.security.dance import CALLBACK, CODE, land, press, state_of, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User

    from tests.token_server import TokenServer

pytestmark = pytest.mark.django_db
REDIRECT_URI = "http://testserver/oauth/callback"

#: Requests of strangers, each with the queries it may cost.
STRANGE: dict[str, tuple[str, int]] = {
    "unknown state": (f"state={'A' * 40}&code={CODE}", 1),
    "an error": (f"state={'A' * 40}&error=access_denied", 1),
    "no state": (f"code={CODE}", 0),
    "nothing": ("", 0),
    "twice": ("state=a&state=b&code=c", 0),
    "long": ("state=" + "a" * 70_000, 0),
    "odd bytes": ("state=%00%ff%ed%a0%80&code=%00", 1),
}


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("browser", ["empty", "signed in", "forged"])
def test_strangers_cost_a_constant_number_of_queries_and_write_nothing(
    site: Client, connection: Connection, caplog: pytest.LogCaptureFixture, django_assert_num_queries: Any,
    *, browser: str, name: str,
) -> None:  # fmt: skip  # in rows
    caplog.set_level(logging.DEBUG)
    client = site if browser == "signed in" else Client()
    if browser == "forged":
        client.cookies.load({"sessionid": "x" * 32, "apiconnector_0123456789abcdef": "x" * 43, "csrftoken": "y" * 32})
    query, queries = STRANGE[name]
    sessions = Session.objects.count()
    with django_assert_num_queries(queries):
        page = client.get(f"{CALLBACK}?{query}")
    assert page.status_code == 400
    assert not page.cookies
    assert Session.objects.count() == sessions
    assert not AuthorizationAttempt.objects.exists()
    assert not ConnectionEvent.objects.exists()
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []
    assert "no-store" in page["Cache-Control"]


def test_a_stranger_with_a_good_state_costs_no_more(
    site: Client, connection: Connection, django_assert_num_queries: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    state = state_of(press(site, connection))
    with django_assert_num_queries(1):
        assert land(Client(), state=state, code=CODE).status_code == 403
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


class Keeper(MemoryFileUploadHandler):
    """What the site keeps files with."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        raise AssertionError("a file of a stranger arrived")


def test_what_is_posted_is_not_kept(client: Client, settings: Any) -> None:
    """A file is not read; what came before it is looked at."""
    settings.FILE_UPLOAD_HANDLERS = [f"{__name__}.Keeper"]
    file = SimpleUploadedFile("file", b"x" * 200_000)
    answer = client.post(CALLBACK, {"state": "a", "file": file})
    assert answer.status_code == 303
    assert answer["Location"] == f"{CALLBACK}?state=a"
    with pytest.raises(AssertionError, match="a file of a stranger"):
        client.post("/accounts/login/", {"file": file})


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"code=" + b"x" * 100_000, "application/x-www-form-urlencoded"),
        (b"code=" + b"x" * 3_000_000, "application/x-www-form-urlencoded"),
        (b"&".join(b"code=x" for _ in range(2_000)), "application/x-www-form-urlencoded"),
        (b"code=x", "application/x-www-form-urlencoded; charset=utf-16"),
        (b"--x\r\n", "multipart/form-data; boundary="),
    ],
    ids=["longer than an address", "longer than Django reads", "many fields", "charset", "no boundary"],
)
def test_forms_no_provider_sends_are_a_page(client: Client, body: bytes, content_type: str) -> None:
    page = client.post(CALLBACK, body, content_type=content_type)
    assert page.status_code == 400
    assert "no answer of a provider" in text(page)


class TestOpenAttempts:
    def begin_many(self, connection: Connection, user: Any, number: int) -> None:
        for _ in range(number):
            begin(connection, redirect_uri=REDIRECT_URI, user=user)

    def test_pressing_again_and_again_leaves_the_newest(
        self, site: Client, connection: Connection, admin_user: User
    ) -> None:
        self.begin_many(connection, admin_user, 3 * OPEN_AT_MOST)
        newest = press(site, connection)
        assert AuthorizationAttempt.objects.count() == OPEN_AT_MOST
        assert land(site, state=state_of(newest), code=CODE).status_code == 200
        self.begin_many(connection, admin_user, 1)
        assert AuthorizationAttempt.objects.filter(used_at=None).count() == OPEN_AT_MOST

    def test_a_table_that_was_flooded_before_shrinks(self, connection: Connection, admin_user: User) -> None:
        AuthorizationAttempt.objects.bulk_create(
            AuthorizationAttempt(connection=connection, user=admin_user, state=f"{n}", nonce="x", redirect_uri="x")
            for n in range(1_200)
        )
        self.begin_many(connection, admin_user, 3)
        assert AuthorizationAttempt.objects.count() == OPEN_AT_MOST

    def test_those_of_others_and_answered_ones_stay(
        self, site: Client, connection: Connection, attacker: TokenServer, admin_user: User,
        *, connect_to: Callable[..., Connection], django_user_model: type[User],
    ) -> None:  # fmt: skip  # in rows
        answered = press(site, connection)
        land(site, state=state_of(answered), code=CODE)
        somebody = django_user_model.objects.create_superuser("somebody")
        other = connect_to(attacker, "other")
        self.begin_many(connection, somebody, 1)
        self.begin_many(connection, None, 1)
        self.begin_many(other, admin_user, 1)
        self.begin_many(connection, admin_user, OPEN_AT_MOST + 1)
        assert AuthorizationAttempt.objects.count() == OPEN_AT_MOST + 4
        # A reload still shows how it ended.
        assert "is authorized" in text(land(site, state=state_of(answered), code=CODE))

    def test_of_nobody_as_well(self, connection: Connection) -> None:
        """The command knows no user."""
        self.begin_many(connection, None, OPEN_AT_MOST + 5)
        assert AuthorizationAttempt.objects.count() == OPEN_AT_MOST

    @pytest.mark.django_db(transaction=True)
    def test_a_burst_at_the_same_time(self, connection: Connection, admin_user: User) -> None:
        failed: list[Exception] = []

        def burst() -> None:
            try:
                self.begin_many(connection, admin_user, 25)
            except Exception as error:
                failed.append(error)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=burst) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert AuthorizationAttempt.objects.count() <= OPEN_AT_MOST

    def test_a_press_costs_a_constant_number_of_queries(
        self, connection: Connection, admin_user: User, django_assert_max_num_queries: Any
    ) -> None:
        self.begin_many(connection, admin_user, 2 * OPEN_AT_MOST)
        with django_assert_max_num_queries(5):
            self.begin_many(connection, admin_user, 1)

    def test_old_ones_go_when_a_new_one_begins(self, site: Client, connection: Connection) -> None:
        land(site, state=state_of(press(site, connection)), code=CODE)
        AuthorizationAttempt.objects.update(created_at=timezone.now() - timedelta(days=2))
        press(site, connection)
        assert AuthorizationAttempt.objects.count() == 1


def test_a_failed_answer_writes_one_event_however_often_it_comes(site: Client, connection: Connection) -> None:
    state = state_of(press(site, connection))
    for _ in range(20):
        land(site, state=state, error="access_denied")
        land(Client(), state=state, error="access_denied")
    assert ConnectionEvent.objects.count() == 1
    assert AuthorizationAttempt.objects.count() == 1
