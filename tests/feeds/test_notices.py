"""Mails about a feed: one when its runs begin to fail, one when they succeed again, whoever finds out."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.db import DatabaseError, connections, transaction

from apiconnector import mailing
from apiconnector.exceptions import FeedFailed
from apiconnector.feeds import deliver, notices
from apiconnector.feeds.delivery import process
from apiconnector.models import Connection, Feed, FeedRun
from apiconnector.shortcuts import run_feed, submit
from apiconnector.testing import delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

URL = "https://api.example.com/v1/leads"
TO = "ada@example.org, grace@example.org"


@pytest.fixture
def feed(bearer: Connection, make_feed: Callable[..., Feed]) -> Feed:
    return make_feed(bearer, name="New\n leads", notify=TO, retry_delay=0)


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.mark.django_db
class TestTold:
    def test_once_when_it_fails_and_once_when_it_works(
        self, feed: Feed, api: responses.RequestsMock, mailoutbox: list[Any], settings: Any
    ) -> None:
        settings.APICONNECTOR_BASE_URL = "https://www.example.org"
        api.post(URL, status=400, body="canary-answer")
        first, *_ = [run_feed("lead", {"email": "canary-visitor"}) for _ in range(3)]
        (mail,) = mailoutbox
        assert mail.subject == "[Django] New leads fails"
        assert mail.to == ["ada@example.org", "grace@example.org"]
        assert "Feed: New leads (lead)\nConnection: CRM (crm)\n" in mail.body
        assert f"Run: {first.pk}\n" in mail.body
        assert "It has failed: The API answered 400." in mail.body
        assert f"https://www.example.org/admin/apiconnector/feedrun/{first.pk}/change/" in mail.body
        assert Feed.objects.get().failing_since is not None
        api.replace("POST", URL, json={})
        last, *_ = [run_feed("lead", {"email": "canary-visitor"}) for _ in range(3)]
        (_, mail) = mailoutbox
        assert mail.subject == "[Django] New leads works again"
        assert f"Run: {last.pk}\n" in mail.body
        assert Feed.objects.get().failing_since is None
        api.replace("POST", URL, status=400)
        run_feed("lead", {"email": "x"})
        assert [mail.subject.rsplit(" ", 1)[1] for mail in mailoutbox] == ["fails", "again", "fails"]
        assert "canary" not in "".join(str(mail.message()) for mail in mailoutbox)

    def test_what_fails_after_it_worked_while_nobody_was_named_is_told(
        self, feed: Feed, api: responses.RequestsMock, mailoutbox: list[Any]
    ) -> None:
        def fare(status: int, notify: str) -> None:
            Feed.objects.update(notify=notify)
            api.upsert("POST", URL, status=status)
            run_feed("lead", {"email": "a"})

        fare(400, TO)
        fare(200, "")
        assert Feed.objects.get().failing_since is None
        assert len(mailoutbox) == 1
        fare(400, TO)
        assert [mail.subject for mail in mailoutbox] == ["[Django] New leads fails"] * 2

    def test_what_was_submitted(self, feed: Feed, api: responses.RequestsMock, mailoutbox: list[Any]) -> None:
        """A retry is no failure; giving up is one."""
        Feed.objects.update(max_attempts=2)
        api.post(URL, status=429)
        submit("contact", {"email": "a"})
        deliver()
        assert mailoutbox == []
        deliver()
        assert FeedRun.objects.get().status == "dead"
        assert [mail.subject for mail in mailoutbox] == ["[Django] New leads fails"]

    def test_unknown(self, feed: Feed, api: responses.RequestsMock, mailoutbox: list[Any]) -> None:
        api.post(URL, body=requests.ReadTimeout())
        submit("contact", {"email": "a"})
        deliver()
        assert FeedRun.objects.get().outcome == "unknown"
        assert "It is not known whether the API acted on it: The API did not answer in time" in mailoutbox[0].body

    def test_a_run_that_was_cut_off(self, feed: Feed, mailoutbox: list[Any]) -> None:
        (run,) = submit("contact", {"email": "a"})
        FeedRun.objects.update(status="running", outcome="unknown")
        run.refresh_from_db()
        assert process(run) == "failed"
        assert "The worker was stopped while it sent this" in mailoutbox[0].body

    def test_a_skipped_run_says_nothing(self, feed: Feed, mailoutbox: list[Any]) -> None:
        from apiconnector.feeds.notices import tell_how_it_ended

        for failing_since in (None, feed.connection.created_at):
            feed.failing_since = failing_since
            tell_how_it_ended(FeedRun(feed=feed, connection=feed.connection, status="skipped"))
        assert mailoutbox == []

    def test_of_a_chain_the_one_that_broke_is_told(
        self, feed: Feed, api: responses.RequestsMock, mailoutbox: list[Any], make_feed: Callable[..., Feed]
    ) -> None:
        make_feed(feed.connection, name="Note", slug="note", after=feed, notify="eve@example.org")
        api.post(URL, status=400)
        submit("contact", {"email": "a"})
        deliver()
        assert [run.status for run in FeedRun.objects.all()] == ["failed", "failed"]
        assert [mail.to for mail in mailoutbox] == [["ada@example.org", "grace@example.org"]]

    def test_what_fails_when_it_is_submitted(self, feed: Feed, mailoutbox: list[Any]) -> None:
        Feed.objects.update(condition="length(nothing)")
        with delivered():
            submit("contact", {"email": "a"})
        assert [mail.subject for mail in mailoutbox] == ["[Django] New leads fails"]

    def test_a_site_without_the_admin(
        self, feed: Feed, api: responses.RequestsMock, mailoutbox: list[Any], settings: Any
    ) -> None:
        settings.ROOT_URLCONF = "apiconnector.urls"
        api.post(URL, status=400)
        run_feed("lead", {"email": "a"})
        assert "Where: in the admin of this site, under Feed runs." in mailoutbox[0].body


@pytest.mark.django_db
class TestCost:
    """Nobody named, or nothing new: nothing is asked of the database."""

    @pytest.mark.parametrize(
        ("notify", "failing", "status", "statements"),
        [("", False, 400, 2), ("", False, 200, 2), (TO, False, 200, 2), (TO, False, 400, 3), (TO, True, 200, 3)],
    )
    def test_statements(
        self, feed: Feed, api: responses.RequestsMock, django_assert_num_queries: Any, *, notify: str, failing: bool,
        status: int, statements: int,
    ) -> None:  # fmt: skip  # in rows
        Feed.objects.update(notify=notify, failing_since=feed.connection.created_at if failing else None)
        api.post(URL, status=status, json={})
        with django_assert_num_queries(statements):
            run_feed("lead", {"email": "a"})


@pytest.mark.django_db(transaction=True)
class TestForReal:
    def test_one_mail_among_many_workers(self, feed: Feed, mailoutbox: list[Any]) -> None:
        Feed.objects.update(body={"a": "{{ nothing }}"})
        for _ in range(6):
            submit("contact", {})
        FeedRun.objects.update(status="pending", next_attempt_at=feed.connection.created_at, finished_at=None)
        Feed.objects.update(failing_since=None)
        assert mailing.wait()
        mailoutbox.clear()

        def work() -> None:
            try:
                deliver()
            finally:
                connections.close_all()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {run.status for run in FeedRun.objects.all()} == {"failed"}
        assert mailing.wait()
        assert len(mailoutbox) == 1

    def test_it_is_written_outside_of_the_transaction_and_not_if_it_is_rolled_back(
        self, feed: Feed, api: responses.RequestsMock, mailoutbox: list[Any]
    ) -> None:
        api.post(URL, status=400)
        with transaction.atomic():
            run_feed("lead", {"email": "a"})
            transaction.set_rollback(True)
        assert mailing.wait()
        assert mailoutbox == []
        assert Feed.objects.get().failing_since is None
        with transaction.atomic():
            run_feed("lead", {"email": "a"})
            assert mailing.wait()
            assert mailoutbox == []
        assert mailing.wait()
        assert len(mailoutbox) == 1

    @pytest.mark.parametrize("broken", ["send_mail", "_row"])
    def test_what_goes_wrong_in_telling_breaks_nothing(
        self, feed: Feed, api: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture, broken: str,
    ) -> None:  # fmt: skip  # in rows
        def refuse(*_: Any, **__: Any) -> None:
            raise (OSError if broken == "send_mail" else DatabaseError)("canary-password")

        monkeypatch.setattr(f"apiconnector.feeds.notices.{broken}", refuse)
        api.post(URL, status=400)
        with caplog.at_level(logging.INFO), pytest.raises(FeedFailed):
            run_feed("lead", {"email": "a"}).raise_for_status()
        with caplog.at_level(logging.INFO):
            submit("contact", {"email": "a"})
        assert [run.status for run in FeedRun.objects.all()] == ["failed", "failed"]
        assert mailing.wait()
        (record, *_) = (record for record in caplog.records if "Nobody could be told" in record.getMessage())
        assert record.levelname == "WARNING"
        assert "canary" not in caplog.text

    def test_a_mail_server_that_hangs_holds_up_nobody(
        self, feed: Feed, api: responses.RequestsMock, mailoutbox: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hangs, original = threading.Event(), send_mail

        def slow(*args: Any) -> Any:
            assert hangs.wait(30)
            return original(*args)

        monkeypatch.setattr(notices, "send_mail", slow)
        api.post(URL, status=400)
        for _ in range(3):
            submit("contact", {"email": "a"})
        api.replace("POST", URL, json={})
        submit("contact", {"email": "a"})
        assert [run.status for run in FeedRun.objects.order_by("pk")] == ["failed", "failed", "failed", "succeeded"]
        assert mailoutbox == []
        hangs.set()
        assert mailing.wait()
        assert [mail.subject.rsplit(" ", 1)[1] for mail in mailoutbox] == ["fails", "again"]


@pytest.mark.parametrize("in_test_case", [True, False])
def test_what_could_not_be_told_is_told_by_the_next_run(
    in_test_case: bool,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request.getfixturevalue("db" if in_test_case else "transactional_db")
    feed, api, mailoutbox = (request.getfixturevalue(name) for name in ("feed", "api", "mailoutbox"))
    original, is_away = send_mail, True

    def send(*args: Any) -> Any:
        if is_away:
            raise ConnectionRefusedError("canary-password")
        return original(*args)

    monkeypatch.setattr(notices, "send_mail", send)

    def fare(status: int) -> str:
        api.upsert("POST", URL, status=status)
        run_feed("lead", {"email": "a"})
        assert mailing.wait()
        feed.refresh_from_db()
        return "failing" if feed.failing_since else "fine"

    assert [fare(400), fare(400)] == ["fine", "fine"]  # as long as nobody knows
    is_away = False
    assert [fare(400), fare(400)] == ["failing", "failing"]
    is_away = True
    assert [fare(200), fare(200)] == ["failing", "failing"]
    is_away = False
    assert [fare(200), fare(200)] == ["fine", "fine"]
    assert [mail.subject.rsplit(" ", 1)[1] for mail in mailoutbox] == ["fails", "again"]
    assert caplog.text.count("Nobody could be told how the feed “lead” fares (ConnectionRefusedError).") == 4
    assert "canary" not in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize(
    "notify", ["ada", "ada@example.org grace@example.org", "ada@example.org; x", "a@b.example\nBcc: x"]
)
def test_only_addresses_can_be_saved(feed: Feed, notify: str) -> None:
    feed.notify = notify
    with pytest.raises(ValidationError, match="is no mail address"):
        feed.full_clean()
    feed.notify = f" {TO} ,, ada@example.org,"
    feed.full_clean()
