"""A plain install delivers, too: a few due runs are taken up by what the site is asked for anyway."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client, override_settings
from django.utils import timezone

from apiconnector import tasks
from apiconnector.feeds import takeup
from apiconnector.models import Connection, Feed, FeedRun
from apiconnector.shortcuts import submit
from tests.feeds.api import Api, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.contrib.auth.models import User


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    takeup.wait()
    monkeypatch.setattr(takeup, "LATER", 0.01)
    yield
    takeup.wait()


@pytest.fixture
def feed(make_connection: Callable[..., Connection], make_feed: Callable[..., Feed], api: Api) -> Feed:
    return make_feed(make_connection(base_url=api.origin, auth_method="bearer", api_key="k"))


def left_over(feed: Feed, number: int = 1) -> None:
    """What was due before, and nobody has sent."""
    FeedRun.objects.bulk_create(
        FeedRun(feed=feed, connection=feed.connection, input={"email": "b"}, next_attempt_at=timezone.now())
        for _ in range(number)
    )


def settled() -> int:
    """How many have succeeded once what began has ended."""
    thread = takeup._running
    if thread is not None:
        thread.join(20)
    return FeedRun.objects.filter(status="succeeded").count()


@pytest.mark.django_db(transaction=True)
class TestTakeUp:
    def test_a_later_submit(self, feed: Feed) -> None:
        left_over(feed, 2)
        submit("contact", {"email": "a"})
        assert settled() == 3

    def test_a_request_in_the_admin(self, feed: Feed, admin_user: User, client: Client) -> None:
        client.force_login(admin_user)
        left_over(feed)
        assert client.get("/admin/apiconnector/feedrun/").status_code == 200
        assert settled() == 1

    def test_a_few_at_a_time_and_not_at_once_again(self, feed: Feed) -> None:
        left_over(feed, 20)
        takeup.begin()
        assert settled() == takeup.MOST
        takeup.begin()
        assert takeup._running is None
        assert settled() == takeup.MOST

    def test_nobody_waits_for_it_and_one_at_a_time(self, feed: Feed, api: Api) -> None:
        api.replies["/leads"] = Reply(delay=0.5)
        left_over(feed, 2)
        takeup.begin()
        takeup._next_at = 0.0
        first = takeup._running
        takeup.begin()
        assert takeup._running is first
        assert first is not None
        assert first.is_alive()  # nobody waited for it
        assert settled() == 2

    def test_none_is_begun_late(self, feed: Feed, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(takeup, "LONGEST", 0.2)
        api.replies["/leads"] = Reply(delay=0.3)
        left_over(feed, 3)
        takeup.begin()
        assert settled() == 1

    @override_settings(TASKS={"default": {"BACKEND": "django_tasks.backends.dummy.DummyBackend"}})
    def test_only_where_the_backend_sends_in_the_request(self, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tasks, "sends_at_once", lambda: False)
        takeup.begin()
        assert takeup._running is None

    def test_a_backend_that_can_not_be_used_is_no_error_of_a_page(
        self, feed: Feed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken() -> bool:
            raise RuntimeError("no such backend")

        monkeypatch.setattr(tasks, "sends_at_once", broken)
        takeup.begin()
        assert takeup._running is None
        assert "can't be used" in caplog.text

    def test_what_goes_wrong_is_logged(
        self, feed: Feed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(**_: Any) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("apiconnector.feeds.round.deliver", broken)
        takeup.begin()
        settled()
        assert "could not be taken up" in caplog.text
        takeup._next_at = 0.0
        takeup.begin()
        assert takeup._running is not None

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_child_of_a_fork_begins_its_own(self, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(takeup, "LATER", 1.0)
        takeup.begin()
        child = os.fork()
        if child == 0:
            os._exit(0 if takeup._running is None and takeup._lock.acquire(timeout=1) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert takeup._running is not None


@pytest.mark.django_db
def test_not_under_a_test_s_transaction(feed: Feed) -> None:
    left_over(feed)
    takeup.begin()
    assert takeup._running is None
    assert not [thread for thread in threading.enumerate() if thread.name == "apiconnector-takeup"]
