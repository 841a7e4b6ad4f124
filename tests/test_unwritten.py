"""Whether anything was written to an SQLite database: what a thread remembers of it holds only as long as nothing was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection as database
from django.db import transaction
from django.db.utils import ConnectionHandler
from django.test.utils import CaptureQueriesContext

from apiconnector.models import Connection, Feed, FeedRun, adding, finding, unwritten
from tests.test_finding import found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from django.db.backends.base.base import BaseDatabaseWrapper


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "site.sqlite3"


@pytest.fixture
def one(db: None, file: Path) -> Iterator[BaseDatabaseWrapper]:
    """A connection of Django's to a database with a table, with something remembered of it."""
    handler = ConnectionHandler({"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}})
    connection: BaseDatabaseWrapper = handler["default"]
    connection.inc_thread_sharing()  # pytest-django closes its own only
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("CREATE TABLE kept (id integer PRIMARY KEY, name text)")
        cursor.execute("CREATE TABLE other (id integer PRIMARY KEY)")
    remember(connection)
    yield connection
    connection.close()


def remember(connection: BaseDatabaseWrapper) -> None:
    known = unwritten.since(connection)
    assert known is not None
    known["name"] = "read"


def is_remembered(connection: BaseDatabaseWrapper) -> bool:
    return bool(unwritten.since(connection))


def execute(connection: BaseDatabaseWrapper, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


WRITES = {
    "insert": "INSERT INTO kept (name) VALUES ('a')",
    "update": "UPDATE kept SET name = 'b'",
    "replace": "REPLACE INTO kept (id, name) VALUES (1, 'c')",
    "delete": "DELETE FROM kept WHERE id = 1",
    "delete all": "DELETE FROM kept",
}


def test_it_is_remembered_as_long_as_nothing_is_written(one: BaseDatabaseWrapper) -> None:
    for _ in range(3):
        execute(one, "SELECT * FROM kept")
        assert is_remembered(one)


@pytest.mark.parametrize("statement", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("by_another", [False, True], ids=["by itself", "by another process"])
def test_a_write_ends_it(one: BaseDatabaseWrapper, file: Path, statement: str, by_another: bool) -> None:
    execute(one, "INSERT INTO kept (id, name) VALUES (1, 'first')")
    remember(one)
    if by_another:
        with closing(sqlite3.connect(file)) as another, another:
            another.execute(statement)
    else:
        execute(one, statement)
    assert not is_remembered(one)


def test_another_process_that_takes_its_write_back_changes_nothing(one: BaseDatabaseWrapper, file: Path) -> None:
    with closing(sqlite3.connect(file)) as another:
        another.execute(WRITES["insert"])
        assert is_remembered(one)
        another.rollback()
    assert is_remembered(one)


def test_nothing_is_remembered_in_a_transaction_nor_of_one_that_was_taken_back(one: BaseDatabaseWrapper) -> None:
    execute(one, "BEGIN")
    assert unwritten.since(one) is None
    execute(one, WRITES["insert"])
    assert unwritten.since(one) is None
    execute(one, "ROLLBACK")
    assert not is_remembered(one)  # it says only that something was written


def test_nor_of_a_connection_that_was_closed(one: BaseDatabaseWrapper) -> None:
    one.close()
    assert unwritten.since(one) is None
    one.ensure_connection()
    assert not is_remembered(one)
    remember(one)
    one.connection.close()  # behind Django's back
    assert unwritten.since(one) is None
    one.connection = None


def test_so_many_are_remembered_and_no_more(one: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unwritten, "MOST", 3)
    for number in range(10):
        known: Any = unwritten.since(one)
        known[number] = number
        assert len(known) <= 3
        assert number in known


class TestOneOfOurOwn:
    """A row that a caller writes and that changes nothing of what is remembered."""

    def test_it_may_be_written(self, one: BaseDatabaseWrapper) -> None:
        for _ in range(3):
            before = unwritten.changes(one)
            execute(one, "INSERT INTO other DEFAULT VALUES")
            unwritten.wrote_one(one, before)
            assert is_remembered(one)

    def test_others_write_meanwhile(self, one: BaseDatabaseWrapper, file: Path) -> None:
        before = unwritten.changes(one)
        execute(one, "INSERT INTO other DEFAULT VALUES")
        with closing(sqlite3.connect(file)) as another, another:
            another.execute(WRITES["insert"])
        unwritten.wrote_one(one, before)
        assert not is_remembered(one)

    def test_a_trigger_writes_as_well(self, one: BaseDatabaseWrapper) -> None:
        execute(one, "CREATE TRIGGER more AFTER INSERT ON other BEGIN INSERT INTO kept (name) VALUES ('t'); END")
        remember(one)
        before = unwritten.changes(one)
        execute(one, "INSERT INTO other DEFAULT VALUES")
        unwritten.wrote_one(one, before)
        assert not is_remembered(one)

    def test_more_was_written_before(self, one: BaseDatabaseWrapper) -> None:
        execute(one, WRITES["insert"])
        before = unwritten.changes(one)
        execute(one, "INSERT INTO other DEFAULT VALUES")
        unwritten.wrote_one(one, before)
        assert not is_remembered(one)

    def test_in_a_transaction(self, one: BaseDatabaseWrapper) -> None:
        execute(one, "BEGIN")
        before = unwritten.changes(one)
        execute(one, "INSERT INTO other DEFAULT VALUES")
        unwritten.wrote_one(one, before)
        execute(one, "COMMIT")
        assert not is_remembered(one)


@pytest.mark.django_db(transaction=True)
class TestFinding:
    """On whatever database: what is found is as it is now."""

    @pytest.fixture
    def feed(self, make_connection: Callable[..., Connection], make_feed: Callable[..., Feed]) -> Feed:
        return make_feed(make_connection())

    def test_it_is_found_again_and_costs_at_most_one_query(self, feed: Feed) -> None:
        for finds in (finding.find_connection, finding.find_feed):
            slug = "crm" if finds is finding.find_connection else "lead"
            finds(slug)
            finds(slug)
            with CaptureQueriesContext(database) as queries:
                assert finds(slug) is not None
            assert len(queries) == (0 if database.vendor == "sqlite" else 1)

    def test_after_a_run_was_added_nothing_is_read_again(self, feed: Feed) -> None:
        finding.find_feed("lead")
        finding.find_feed("lead")
        adding.add(FeedRun(feed=feed, connection=feed.connection))
        with CaptureQueriesContext(database) as queries:
            assert finding.find_feed("lead") is not None
        assert len(queries) == (0 if database.vendor == "sqlite" else 1)

    def test_what_another_connection_commits_is_seen_at_once(self, feed: Feed) -> None:
        other = database.copy()
        try:
            for number in range(3):
                assert found().base_url != f"https://{number}.example"
                with other.cursor() as cursor:
                    cursor.execute("UPDATE apiconnector_connection SET base_url = %s", [f"https://{number}.example"])
                assert found().base_url == f"https://{number}.example"
        finally:
            other.close()

    def test_what_a_transaction_wrote_is_seen_in_it_and_not_after_a_rollback(self, feed: Feed) -> None:
        before = found().base_url
        for _ in range(2):
            with transaction.atomic():
                assert found().base_url == before
                Connection.objects.update(base_url="https://elsewhere.example")
                assert found().base_url == "https://elsewhere.example"
                transaction.set_rollback(True)
            assert found().base_url == before

    def test_one_that_is_deleted_is_not_found(self, feed: Feed) -> None:
        assert found().pk
        Feed.objects.all().delete()
        Connection.objects.all().delete()
        assert finding.find_connection("crm") is None
        assert finding.find_feed("lead") is None
