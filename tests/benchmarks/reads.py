"""How many SQL statements each thing takes: counted beside few rows and beside many, and the same in both."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.benchmarks.databases import throwaway
from tests.benchmarks.figures import Goal, Row, Table
from tests.benchmarks.processes import serving
from tests.benchmarks.sending import PARAMS, check
from tests.benchmarks.tasks import Progress, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from apiconnector.models import Connection, Feed
    from tests.benchmarks.processes import Server
    from tests.benchmarks.tasks import Task

#: Connections, each with a token, a feed, a run and an event. Lists show a hundred on a page.
FEW, MANY = 5, 100


def work(connection: Connection, feed: Feed) -> dict[str, Callable[[], object]]:
    """What is counted, by what a person calls it."""
    from django.core.management import call_command
    from django.db import transaction
    from django.urls import reverse

    from apiconnector.shortcuts import connect, run_feed, submit
    from tests.benchmarks import records

    kept = connect(records.SLUG)
    browser = records.staff()

    def per_call() -> None:
        with connect(records.SLUG) as api:
            check(api.get(records.PATH, params=PARAMS))

    def submitted() -> None:
        with transaction.atomic():
            submit(records.TRIGGER, PARAMS)
            transaction.set_rollback(True)

    def list_of(model: str) -> Callable[[], None]:
        return lambda: records.page(browser, reverse(f"admin:apiconnector_{model}_changelist"))

    def command(*arguments: str) -> Callable[[], object]:
        return lambda: call_command("apiconnector", *arguments, stdout=io.StringIO(), stderr=io.StringIO())

    return {
        "connect() and a request": per_call,
        "a further request of the same session": lambda: check(kept.get(records.PATH, params=PARAMS)),
        "run_feed()": lambda: run_feed(records.FEED, PARAMS).raise_for_status(),
        "submit() to one feed, in a transaction": submitted,
        "admin: connections": list_of("connection"),
        "admin: a connection": lambda: records.page(
            browser, reverse("admin:apiconnector_connection_change", args=[connection.pk])
        ),
        "admin: feeds": list_of("feed"),
        "admin: a feed": lambda: records.page(browser, reverse("admin:apiconnector_feed_change", args=[feed.pk])),
        "admin: run log": list_of("feedrun"),
        "admin: events": list_of("connectionevent"),
        "the command list": command("list"),
        "the command show": command("show", records.SLUG),
    }


def counted(server: Server, progress: Progress) -> dict[str, list[int]]:
    """The statements of each thing, beside few rows and beside many."""
    from tests.benchmarks import records

    tokens = server.reset()
    connection = records.connection(server, tokens, life=timedelta(hours=1))
    things = work(connection, records.feed(connection))
    found: dict[str, list[int]] = {name: [] for name in things}
    for numbers in (range(FEW), range(FEW, MANY)):
        records.crowd(lambda _: f"{server.origin}/api", tokens["access_token"], numbers)
        records.history(numbers)
        for number, (name, thing) in enumerate(things.items(), start=1):
            thing()  # what is looked up once in the life of a process
            found[name].append(records.statements(thing))
            progress(number, len(things), f"beside {numbers.stop} rows,")
    return found


def measure(task: Task) -> Table:
    with throwaway() as database, serving() as server:
        found = counted(server, Progress(task.label))
    return Table(
        f"SQL statements, {database}", "what", [f"beside {FEW} rows", f"beside {MANY} rows"],
        [
            Row(name, [str(few), str(many)], [Goal(many, few, "exactly")])
            for name, (few, many) in found.items()
        ],
        "BEGIN, COMMIT and savepoints are counted, too.",
    )  # fmt: skip  # in rows


if __name__ == "__main__":
    answer(measure)
