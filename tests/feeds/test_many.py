"""Many runs by few statements: several feeds, several items, several submissions."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.db.models.signals import post_save
from django.test.utils import CaptureQueriesContext

from apiconnector.exceptions import InvalidFeedData
from apiconnector.feeds import conditions, deliver, delivery
from apiconnector.models import Feed, FeedRun, adding, run
from apiconnector.shortcuts import submit, submit_many
from tests.client.servers import api_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from apiconnector.models import Connection


@pytest.fixture
def feed(bearer: Connection, make_feed: Callable[..., Feed]) -> Feed:
    return make_feed(bearer)


def statements(act: Callable[[], object]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        act()
    return [query["sql"] for query in captured.captured_queries]


def inserts(act: Callable[[], object]) -> int:
    return sum(sql.startswith("INSERT") for sql in statements(act))


@pytest.mark.django_db
class TestSubmit:
    def test_the_number_of_feeds_costs_no_statement(self, feed: Feed, make_feed: Callable[..., Feed]) -> None:
        one = len(statements(lambda: submit("contact", {"email": "a"})))
        for number in range(12):
            make_feed(feed.connection, slug=f"feed-{number}")
        assert len(statements(lambda: submit("contact", {"email": "a"}))) == one == 2
        assert FeedRun.objects.count() == 14

    def test_the_number_of_items_costs_none(self, feed: Feed) -> None:
        Feed.objects.update(for_each="rows")
        assert len(statements(lambda: submit("contact", {"rows": [1]}))) == 2
        assert len(statements(lambda: submit("contact", {"rows": list(range(30))}))) == 2

    def test_one_more_statement_for_those_that_wait(self, feed: Feed, make_feed: Callable[..., Feed]) -> None:
        for number in range(5):
            make_feed(feed.connection, slug=f"feed-{number}", after=feed)
        assert len(statements(lambda: submit("contact", {"email": "a"}))) == 3

    def test_with_a_key(self, feed: Feed, make_feed: Callable[..., Feed]) -> None:
        for number in range(5):
            make_feed(feed.connection, slug=f"feed-{number}")
        # The feeds, the runs that are there, and an INSERT in a savepoint.
        assert len(statements(lambda: submit("contact", {"email": "a"}, idempotency_key="k"))) == 5
        assert len(statements(lambda: submit("contact", {"email": "a"}, idempotency_key="k"))) == 2
        assert FeedRun.objects.count() == 6

    def test_rows_are_as_they_were_made(self, feed: Feed, make_feed: Callable[..., Feed]) -> None:
        make_feed(feed.connection, slug="second")
        runs = submit("contact", {"email": "ü", "n": 1e22})
        for kept in runs:
            read = FeedRun.objects.get(pk=kept.pk)
            columns = [field.attname for field in FeedRun._meta.concrete_fields]
            assert {name: getattr(kept, name) for name in columns} == {name: getattr(read, name) for name in columns}
            assert not kept._state.adding

    def test_receivers_of_django_hear_of_each(self, feed: Feed, make_feed: Callable[..., Feed]) -> None:
        make_feed(feed.connection, slug="second", after=feed)
        heard: list[int] = []

        def hear(instance: FeedRun, **_: Any) -> None:
            heard.append(instance.pk)

        post_save.connect(hear, sender=FeedRun)
        try:
            runs = submit("contact", {"email": "a"})
        finally:
            post_save.disconnect(hear, sender=FeedRun)
        assert heard == [each.pk for each in runs]
        assert runs[1].waits_for == runs[0]

    def test_a_database_that_gives_no_keys(
        self, feed: Feed, make_feed: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """MySQL, and MariaDB before 10.5: one statement each."""
        make_feed(feed.connection, slug="second")
        monkeypatch.setattr(type(connection.features), "can_return_rows_from_bulk_insert", False)
        assert all(each.pk for each in submit("contact", {"email": "a"}))
        assert inserts(lambda: submit("contact", {"email": "a"})) == 2

    def test_text_is_added_in_parts(self, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
        """A database takes no more than so much at once."""
        monkeypatch.setattr(run, "MOST_TEXT", 100)
        Feed.objects.update(for_each="rows")
        assert inserts(lambda: submit("contact", {"rows": ["x" * 45] * 6})) == 6
        monkeypatch.setattr(run, "MOST_TEXT", 240)
        assert inserts(lambda: submit("contact", {"rows": ["x" * 45] * 6})) == 3


@pytest.mark.django_db
class TestSubmitMany:
    def test_in_order(self, feed: Feed, make_feed: Callable[..., Feed]) -> None:
        make_feed(feed.connection, slug="second")
        runs = submit_many("contact", ({"email": str(number)} for number in range(20)))
        assert [each.input["email"] for each in runs] == [str(number) for number in range(20) for _ in range(2)]
        assert {each.feed.slug for each in runs} == {"lead", "second"}

    def test_few_statements(self, feed: Feed) -> None:
        data = [{"email": str(number)} for number in range(1000)]
        few = connection.features.max_query_params or 500 * 30
        most = 1000 // min(few // len(FeedRun._meta.concrete_fields), 500) + 1
        assert inserts(lambda: submit_many("contact", data)) <= most
        assert FeedRun.objects.count() == 1000

    def test_rules_and_order_hold_for_each(self, feed: Feed, make_feed: Callable[..., Feed]) -> None:
        Feed.objects.update(condition="email")
        make_feed(feed.connection, slug="second", after=feed)
        runs = submit_many("contact", [{"email": "a"}, {"email": ""}])
        assert [(each.feed.slug, each.status) for each in runs] == [
            ("lead", "pending"), ("second", "pending"), ("lead", "skipped"), ("second", "skipped"),
        ]  # fmt: skip  # in rows
        assert runs[1].waits_for == runs[0]
        assert runs[3].waits_for == runs[2]

    def test_what_can_not_be_kept_is_named_before_any_sql(self, feed: Feed, django_assert_num_queries: Any) -> None:
        with (
            django_assert_num_queries(0),
            pytest.raises(InvalidFeedData, match=r"^data\[1\]: email: object can't be kept"),
        ):
            submit_many("contact", [{"email": "a"}, {"email": object()}])
        with django_assert_num_queries(0), pytest.raises(InvalidFeedData, match=r"^data\[0\]: idempotency_key must be"):
            submit_many("contact", [{"email": "a"}], idempotency_keys=["\n"])
        with django_assert_num_queries(0), pytest.raises(InvalidFeedData, match="1 submissions and 2 idempotency keys"):
            submit_many("contact", [{"email": "a"}], idempotency_keys=["a", "b"])
        with django_assert_num_queries(0):
            assert submit_many("contact", []) == []
        assert not FeedRun.objects.exists()

    def test_keys(self, feed: Feed) -> None:
        (old,) = submit("contact", {"email": "0"}, idempotency_key="b")
        data = [{"email": str(number)} for number in range(4)]
        runs = submit_many("contact", data, idempotency_keys=["a", "b", "a", None])
        assert [each.input["email"] for each in runs] == ["0", "0", "0", "3"]
        assert runs[1].pk == old.pk
        assert runs[2].pk == runs[0].pk
        assert FeedRun.objects.count() == 3

    def test_too_many_items_are_named_before_anything_is_written(
        self, feed: Feed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Feed.objects.update(for_each="rows")
        monkeypatch.setattr(conditions, "MAX_ITEMS", 2)
        with pytest.raises(InvalidFeedData, match=r"^data\[1\]: Feed “lead” makes one request for each item"):
            submit_many("contact", [{"rows": [1]}, {"rows": [1, 2, 3]}])
        assert not FeedRun.objects.exists()

    def test_nobody_listens(self) -> None:
        assert submit_many("nobody", [{}]) == []

    def test_what_rolls_back_leaves_nothing(self, feed: Feed) -> None:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            submit_many("contact", [{"email": "a"}] * 3)
            raise ZeroDivisionError
        assert not FeedRun.objects.exists()

    def test_workers_share_them(
        self, feed: Feed, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
    ) -> None:
        from apiconnector import tasks

        enqueued: list[int] = []
        monkeypatch.setattr(tasks, "sends_at_once", lambda: False)
        monkeypatch.setattr(type(tasks.send_runs), "enqueue", lambda _, ids: enqueued.append(len(ids)))
        with django_capture_on_commit_callbacks(execute=True):
            submit_many("contact", [{"email": "a"}] * 250)
        assert enqueued == [delivery.RUNS_PER_TASK, delivery.RUNS_PER_TASK, 50]


@pytest.mark.django_db(transaction=True)
def test_sent_at_once_and_read_again_by_one_query(
    make_connection: Callable[..., Connection], make_feed: Callable[..., Feed]
) -> None:
    with api_server() as server:
        make_feed(make_connection(base_url=server.url, auth_method="bearer", api_key="k"))
        captured = statements(
            lambda: [each.status for each in submit_many("contact", [{"email": str(n)} for n in range(5)])]
        )
        assert len(server.received) == 5
    assert set(FeedRun.objects.values_list("status", flat=True)) == {"succeeded"}
    # Those of the thread that sends are on a connection of its own.
    assert len(captured) <= 5
    assert deliver() == {}


@pytest.mark.django_db(transaction=True)
def test_two_who_submit_with_the_same_key_at_once(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are told of the same run, whoever was first."""
    from apiconnector.feeds import keeping, outbox

    monkeypatch.setattr(outbox, "hand_over", lambda _: None)
    barrier = threading.Barrier(2)
    real = keeping.existing
    found: list[int] = []
    errors: list[Exception] = []

    def slow(*arguments: Any) -> Any:
        known = real(*arguments)
        barrier.wait(timeout=10)
        return known

    monkeypatch.setattr(keeping, "existing", slow)

    def visit() -> None:
        try:
            found.extend(each.pk for each in submit("contact", {"email": "a"}, idempotency_key="same"))
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=visit) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert found == [FeedRun.objects.get().pk] * 2


@pytest.mark.django_db
def test_an_error_of_the_database_is_not_hidden(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise IntegrityError("another constraint")

    monkeypatch.setattr(adding, "add", broken)
    monkeypatch.setattr(run.RunQuerySet, "add_all", broken)
    with pytest.raises(IntegrityError, match="another"), transaction.atomic():
        submit("contact", {"email": "a"}, idempotency_key="k")
    assert not FeedRun.objects.exists()
