"""What the tests share. In CI a skipped test is a failed run."""

from __future__ import annotations

import gc
import os
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection as database

from apiconnector import mailing
from apiconnector.feeds import takeup
from apiconnector.models import Connection, Feed, ahead, clock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from django.contrib.auth.models import User


#: They need a browser, or packages of others: ``python -m pytest tests/browser`` runs them.
collect_ignore = ["browser", "integrations", "servers"]


def pytest_configure() -> None:
    """Empty the tables by DELETE after each test that commits: TRUNCATE takes PostgreSQL a fifth of a second."""
    if database.vendor == "postgresql":
        operations: Any = type(database.ops)
        truncate = operations.sql_flush

        def sql_flush(self: Any, style: Any, tables: list[str], *, reset_sequences: bool = False, **how: Any) -> Any:
            if reset_sequences:
                return truncate(self, style, tables, reset_sequences=True, **how)
            return [f"DELETE FROM {self.quote_name(table)}" for table in tables]

        operations.sql_flush = sql_flush


def pytest_collection_finish() -> None:
    """What was imported and collected stays until the end: to go through it again and again took a sixth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped and os.environ.get("CI"):
        terminalreporter.section("skipped in CI: that is a failure", red=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and exitstatus == 0 and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None]:
    """What a test left to be written later is over before the next one: it would hold the lock of SQLite's file."""
    yield
    for thread in threading.enumerate():
        if thread.name == "apiconnector-unsaved":
            thread.join(5)


@pytest.fixture(autouse=True)
def quiet_background() -> Iterator[None]:
    """What a test began to renew in the background ends with it: the next one has another database, and another time."""
    clock._ahead = timedelta(0)
    yield
    assert ahead.wait(), "a token is still being renewed in the background"
    assert takeup.wait(), "runs are still being taken up in the background"
    assert mailing.wait(), "mails are still being written in the background"


@pytest.fixture
def make_connection(db: None) -> Callable[..., Connection]:
    """A saved connection; what is not said is plausible."""

    def make(**fields: Any) -> Connection:
        values = {"name": "CRM", "slug": "crm", "base_url": "https://api.example.com/v1", **fields}
        return Connection.objects.create(**values)

    return make


@pytest.fixture
def bearer(make_connection: Callable[..., Connection]) -> Connection:
    return make_connection(auth_method="bearer", api_key="canary-bearer-key")


@pytest.fixture
def make_feed(db: None) -> Callable[..., Feed]:
    def make(connection: Connection, **fields: Any) -> Feed:
        values = {
            "name": "Lead",
            "slug": "lead",
            "trigger": "contact",
            "path": "leads",
            "body_format": "json",
            "body": {"email": "{{ email }}"},
            **fields,
        }
        return Feed.objects.create(connection=connection, **values)

    return make


@pytest.fixture
def admin_user(django_user_model: type[User]) -> User:
    return django_user_model.objects.create_superuser("admin", "admin@example.org", "secret")
