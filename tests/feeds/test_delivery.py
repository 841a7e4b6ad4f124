"""One run: what holds it back, what an API's wish to be left alone does, and what a database does that goes away."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import responses
from django.db import OperationalError
from django.utils import timezone

from apiconnector.feeds import abandoned, attempt, away, deliver, delivery, outbox, watch
from apiconnector.feeds.delivery import process, send_due
from apiconnector.models import Connection, Feed, FeedRun
from apiconnector.shortcuts import run_feed, submit
from tests.feeds.api import Api, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://api.example.com/v1/leads"


@pytest.fixture
def feed(bearer: Connection, make_feed: Callable[..., Feed]) -> Feed:
    return make_feed(bearer)


@pytest.fixture
def local(make_connection: Callable[..., Connection], make_feed: Callable[..., Feed], api: Api) -> Feed:
    """A feed of the API on this machine, where the first byte is noticed."""
    return make_feed(make_connection(base_url=api.origin, auth_method="bearer", api_key="k"))


def keep(number: int = 1) -> list[FeedRun]:
    return [run for _ in range(number) for run in submit("contact", {"email": "a"})]


@pytest.mark.django_db
class TestRest:
    @responses.activate
    @pytest.mark.parametrize(
        ("status", "headers"),
        [(429, {"Retry-After": "60"}), (503, {"Retry-After": "60"}), (200, {"RateLimit-Remaining": "0", "RateLimit-Reset": "60"})],
    )  # fmt: skip  # in rows
    def test_the_others_of_the_connection_wait_without_an_attempt_and_without_a_write(
        self, feed: Feed, make_feed: Callable[..., Feed], status: int, headers: dict[str, str], django_assert_num_queries: Any
    ) -> None:  # fmt: skip  # in rows
        make_feed(feed.connection, slug="second", path="second")
        responses.post(URL, status=status, headers=headers)
        responses.post("https://api.example.com/v1/second", json={})
        first, *others = keep(3)
        assert deliver().total() == 1
        assert len(responses.calls) == 1
        with django_assert_num_queries(3):  # one for each of two statuses, and who waits for what has ended
            assert deliver() == {}
        for run in others:
            run.refresh_from_db()
            assert (run.status, run.attempt_count, run.started_at) == ("pending", 0, None)
        first.refresh_from_db()
        if status != 200:
            assert first.next_attempt_at is not None
            assert 55 < (first.next_attempt_at - timezone.now()).total_seconds() <= 60.1
        Connection.objects.update(busy_until=timezone.now())
        responses.replace("POST", URL, json={})
        assert deliver() == {"succeeded": 5}

    @responses.activate
    def test_other_connections_go_on(
        self, feed: Feed, make_connection: Callable[..., Connection], make_feed: Callable[..., Feed]
    ) -> None:
        other = make_connection(slug="other", base_url="https://other.example.com", auth_method="bearer", api_key="k")
        make_feed(other, slug="other")
        responses.post(URL, status=429, headers={"Retry-After": "60"})
        responses.post("https://other.example.com/leads", json={})
        keep(2)
        assert deliver() == {"pending": 1, "succeeded": 2}

    @responses.activate
    def test_a_delay_of_its_own_that_is_longer_stays(self, feed: Feed) -> None:
        Feed.objects.update(retry_delay=600)
        responses.post(URL, status=429, headers={"Retry-After": "5"})
        (run,) = keep()
        deliver()
        run.refresh_from_db()
        assert run.next_attempt_at is not None
        assert (run.next_attempt_at - timezone.now()).total_seconds() > 590

    @responses.activate
    def test_a_rest_that_began_after_the_run_was_found(self, feed: Feed) -> None:
        (run,) = keep()
        (found,) = FeedRun.objects.due()
        Connection.objects.update(busy_until=timezone.now() + timedelta(minutes=1))
        assert process(found) == ""
        run.refresh_from_db()
        assert (run.status, run.started_at) == ("pending", None)


@pytest.mark.django_db
class TestPause:
    @pytest.mark.parametrize("pause", [{"is_paused": True}, {"is_active": False}])
    @responses.activate
    def test_what_was_kept_stays_as_it_is_until_it_is_over(self, feed: Feed, pause: dict[str, bool]) -> None:
        responses.post(URL, json={})
        (run,) = keep()
        before = FeedRun.objects.values().get()
        Feed.objects.update(**pause)
        assert deliver() == {}
        assert send_due([run.pk]) == {}
        assert FeedRun.objects.values().get() == before
        Feed.objects.update(is_paused=False, is_active=True)
        assert deliver() == {"succeeded": 1}

    def test_a_paused_feed_keeps_what_is_submitted(self, feed: Feed) -> None:
        Feed.objects.update(is_paused=True)
        (run,) = keep()
        assert run.status == "pending"

    def test_a_pause_that_began_after_the_run_was_found(self, feed: Feed) -> None:
        (run,) = keep()
        (found,) = FeedRun.objects.due()
        Feed.objects.update(is_paused=True)
        assert process(found) == ""
        run.refresh_from_db()
        assert run.started_at is None

    @responses.activate
    def test_run_feed_sends_nevertheless(self, feed: Feed) -> None:
        Feed.objects.update(is_paused=True)
        responses.post(URL, json={})
        assert run_feed("lead", {"email": "a"}).ok

    @responses.activate
    @pytest.mark.parametrize("pause", [{"is_paused": True}, {"is_active": False}])
    def test_the_end_of_a_pause_sends_what_was_kept(
        self, feed: Feed, pause: dict[str, bool], django_capture_on_commit_callbacks: Any
    ) -> None:
        responses.post(URL, json={})
        (run,) = keep()
        Feed.objects.update(**pause)
        feed.refresh_from_db()
        feed.is_paused, feed.is_active = False, True
        with django_capture_on_commit_callbacks(execute=True):
            feed.save()
            assert not responses.calls
        run.refresh_from_db()
        assert run.ok

    def test_other_saves_look_for_nothing(self, feed: Feed, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(1):
            feed.save(update_fields=["failing_since"])
        feed.is_paused = True
        with django_assert_num_queries(1):
            feed.save()


@pytest.mark.django_db
class TestAnotherConnection:
    """What waits goes with its feed."""

    @pytest.fixture
    def other(self, make_connection: Callable[..., Connection]) -> Connection:
        return make_connection(slug="other", base_url="https://other.example.com", auth_method="none")

    @responses.activate
    def test_a_rest_of_the_one_before_holds_nothing_back(
        self, feed: Feed, other: Connection, django_capture_on_commit_callbacks: Any
    ) -> None:
        responses.post("https://other.example.com/leads", json={})
        Connection.objects.filter(pk=feed.connection_id).update(busy_until=timezone.now() + timedelta(hours=1))
        (run,) = keep()
        feed.connection = other
        with django_capture_on_commit_callbacks(execute=True):
            feed.save()
        run.refresh_from_db()
        assert (run.status, run.connection) == ("succeeded", other)

    @responses.activate
    def test_the_record_says_where_it_was_sent(self, feed: Feed, other: Connection) -> None:
        responses.post("https://other.example.com/leads", json={})
        (run,) = keep()
        Feed.objects.update(connection=other)
        assert deliver() == {"succeeded": 1}
        run.refresh_from_db()
        assert run.connection == other

    def test_what_has_ended_stays_where_it_was(self, feed: Feed, other: Connection) -> None:
        (run,) = keep()
        FeedRun.objects.update(status="failed", next_attempt_at=None)
        feed.connection = other
        feed.save(update_fields=["connection"])
        run.refresh_from_db()
        assert run.connection.slug == "crm"


@pytest.mark.django_db
class TestDatabaseAway:
    @pytest.fixture(autouse=True)
    def outside(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As outside of a transaction, where it is tried again."""
        monkeypatch.setattr(away, "_FIRST_PAUSE", 0.001)

    def test_the_first_byte_can_not_be_noted(self, local: Feed, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        (run,) = keep()
        real = attempt.send

        def send(feed: Feed, run: FeedRun, before_first_byte: Any) -> Any:
            def away() -> None:
                raise OperationalError("canary")

            return real(feed, run, before_first_byte=away)

        monkeypatch.setattr(attempt, "send", send)
        assert deliver() == {"pending": 1}
        run.refresh_from_db()
        assert (run.status, run.outcome, run.attempt_count, run.error, run.attempts) == (
            "pending",
            "not_sent",
            0,
            "",
            [],
        )
        assert api.calls == []
        monkeypatch.setattr(attempt, "send", real)
        FeedRun.objects.update(next_attempt_at=timezone.now())
        assert deliver() == {"succeeded": 1}

    def test_what_fails_between_note_and_first_byte_sent_nothing(
        self, local: Feed, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A thread that can't be started, for one. The row says “unknown” by then, and it is not."""
        (run,) = keep()

        def begin(*_: Any) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch:
            patch.setattr(watch, "begin", begin)
            assert deliver() == {"pending": 1}
        run.refresh_from_db()
        assert (run.outcome, run.error, api.calls) == ("not_sent", "internal", [])
        FeedRun.objects.update(next_attempt_at=timezone.now())
        assert deliver() == {"succeeded": 1}

    def test_the_answer_can_not_be_written_down_in_a_transaction(
        self, local: Feed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: Any) -> bool:
            raise OperationalError("canary")

        keep()
        monkeypatch.setattr(delivery, "_save", away)
        with pytest.raises(OperationalError):
            deliver()


@pytest.mark.django_db(transaction=True)
class TestDatabaseBack:
    def test_the_answer_is_written_when_it_is_back(
        self, local: Feed, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, tries = delivery._save, []

        def away(*arguments: Any) -> Any:
            tries.append(1)
            if len(tries) < 3:
                raise OperationalError("canary")
            return real(*arguments)

        Feed.objects.update(is_paused=True)
        keep()
        Feed.objects.update(is_paused=False)
        monkeypatch.setattr(delivery, "_save", away)
        assert deliver() == {"succeeded": 1}
        assert len(api.calls) == 1

    def test_what_was_written_and_not_confirmed_is_recognized(
        self, local: Feed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, tries = delivery._save, []

        def unconfirmed(*arguments: Any) -> Any:
            kept = real(*arguments)
            tries.append(1)
            if len(tries) == 1:
                raise OperationalError("the server closed the connection")
            return kept

        Feed.objects.update(is_paused=True)
        keep()
        Feed.objects.update(is_paused=False)
        monkeypatch.setattr(delivery, "_save", unconfirmed)
        assert deliver() == {"succeeded": 1}


@pytest.mark.django_db
class TestClocks:
    """A machine whose clock is wrong: the database's decides. On SQLite it is the test's own that is right."""

    @pytest.fixture
    def ahead(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
        real = timezone.now

        def set_to(seconds: float) -> None:
            monkeypatch.setattr(timezone, "now", lambda: real() + timedelta(seconds=seconds))

        return set_to

    def test_a_fast_clock_takes_nothing_before_its_time(self, feed: Feed, ahead: Callable[[float], None]) -> None:
        keep()
        FeedRun.objects.update(next_attempt_at=timezone.now() + timedelta(minutes=1))
        ahead(3600)
        assert deliver() == {}

    def test_what_a_fast_clock_wakes_is_due(self, feed: Feed, ahead: Callable[[float], None]) -> None:
        keep()
        FeedRun.objects.update(error="not_ready", next_attempt_at=timezone.now() + timedelta(minutes=5))
        ahead(3600)
        outbox.wake(feed.connection)
        assert FeedRun.objects.due().count() == 1

    @responses.activate
    @pytest.mark.parametrize("seconds", [3600, -3600])
    def test_delays_and_claims_go_by_the_database(
        self, feed: Feed, ahead: Callable[[float], None], seconds: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keep()
        now = timezone.now()
        ahead(seconds)
        held: list[timedelta] = []

        def answer(_: Any) -> tuple[int, dict[str, str], str]:
            held.extend(at - now for at in FeedRun.objects.values_list("next_attempt_at", flat=True) if at)
            return 429, {}, "{}"

        responses.add_callback(responses.POST, URL, answer)
        assert deliver() == {"pending": 1}
        assert timedelta(seconds=60) < held[0] < timedelta(minutes=10)
        (run,) = FeedRun.objects.all()
        assert run.next_attempt_at is not None
        assert timedelta(seconds=9) < run.next_attempt_at - now < timedelta(seconds=60)

    @responses.activate
    def test_what_a_fast_clock_kept_is_sent_when_handed_over(self, feed: Feed, ahead: Callable[[float], None]) -> None:
        responses.post(URL, json={})
        ahead(3600)
        (run,) = keep()
        ahead(0)
        assert send_due([run.pk]) == {"succeeded": 1}


@pytest.mark.django_db
class TestSendDue:
    @responses.activate
    def test_in_the_order_given_and_each_once(self, feed: Feed) -> None:
        sent: list[Any] = []

        def answer(request: Any) -> tuple[int, dict[str, str], str]:
            sent.append(request.body)
            return 200, {}, "{}"

        responses.add_callback(responses.POST, URL, answer)
        runs = [run for number in range(4) for run in submit("contact", {"email": str(number)})]
        ids = [run.pk for run in (runs[2], runs[0], runs[2], runs[3])]
        assert send_due([*ids, 0, 10**9]) == {"succeeded": 3}
        assert send_due(ids) == {}
        assert sent == [b'{"email": "2"}', b'{"email": "0"}', b'{"email": "3"}']

    def test_one_whose_time_has_not_come_stays(self, feed: Feed) -> None:
        (run,) = keep()
        FeedRun.objects.update(next_attempt_at=timezone.now() + timedelta(minutes=1), started_at=timezone.now())
        assert send_due([run.pk]) == {}
        FeedRun.objects.update(next_attempt_at=None, started_at=None)  # it waits for another
        assert send_due([run.pk]) == {}

    def test_the_number_of_queries_does_not_grow(self, feed: Feed, django_assert_num_queries: Any) -> None:
        with responses.RequestsMock() as mock:
            mock.post(URL, json={})
            ids = [run.pk for run in keep(3)]
            # Two to find them; each is read with its feed, claimed and written (the first byte of a mocked request is not
            # noticed).
            with django_assert_num_queries(2 + 3 * 4):
                assert send_due(ids) == {"succeeded": 3}

    @responses.activate
    def test_so_many_that_waited_that_one_statement_takes_them_not(
        self, feed: Feed, make_feed: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Some SQLites take 32,766 parameters."""
        monkeypatch.setattr(delivery, "_BATCH", 3)
        make_feed(feed.connection, slug="each", name="each", after=feed, for_each="rows", path="each")
        runs = submit("contact", {"email": "a", "rows": [1, 2, 3, 4, 5, 6, 7]})
        responses.post(URL, json={})
        responses.post("https://api.example.com/v1/each", json={})
        most: list[int] = []
        real = delivery._in_order

        def in_order(ids: Any) -> Any:
            most.append(len(ids))
            return real(ids)

        monkeypatch.setattr(delivery, "_in_order", in_order)
        assert send_due([runs[0].pk]) == {"succeeded": 8}
        assert max(most) == 3


@pytest.mark.django_db(transaction=True)
def test_what_can_not_be_read_again_is_kept_nevertheless(
    feed: Feed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error would be shown to the visitor, who would submit it once more."""

    def away(*_: Any) -> Any:
        raise OperationalError("canary")

    monkeypatch.setattr(type(FeedRun.objects.all()), "in_bulk", away)
    with responses.RequestsMock() as mock:
        mock.post(URL, json={})
        (run,) = submit("contact", {"email": "a"})
    assert run.status == "pending"
    assert FeedRun.objects.get().ok
    assert "could not be read again" in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_drips_is_broken_off(local: Feed, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.replies["/leads"] = Reply(drips=0.05)
    monkeypatch.setattr(abandoned, "longest", lambda _: 0.3)
    Feed.objects.update(is_paused=True)
    keep()
    Feed.objects.update(is_paused=False)
    began = time.monotonic()
    assert deliver() == {"failed": 1}
    assert time.monotonic() - began < 4
    run = FeedRun.objects.get()
    assert (run.outcome, run.error) == ("unknown", "connection")
    assert watch._watched == {}
