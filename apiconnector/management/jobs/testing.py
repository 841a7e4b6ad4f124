"""``test``: send the test requests of several connections side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any

from django.db import connections as databases
from django.db import router

from apiconnector.management.lookup import find_connections, wrong_usage
from apiconnector.management.output import add_format, counted
from apiconnector.models import Connection, TestResult, health
from apiconnector.models.status import NEEDS_PERSON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apiconnector.management.output import Output

#: How many test requests are under way at once; each may hold a database connection.
_AT_ONCE = 8
#: Refusals that end without anybody's help.
_TEMPORARY = frozenset({408, 425, 429})


def add_parsers(jobs: Any) -> None:
    """Add the parsers of this group."""
    test = jobs.add_parser("test", help="Send the test request of connections, and say which need a person.")
    test.add_argument("slugs", nargs="*", metavar="slug")
    test.add_argument("--all", action="store_true", help="Test every active connection.")
    add_format(test)
    test.set_defaults(act=test_connections)


def test_connections(out: Output, options: dict[str, Any]) -> int:
    """Test connections and write down what came of it."""
    if options["all"] == bool(options["slugs"]):
        raise wrong_usage("Name the connections to test, or give --all.")
    if options["all"]:
        wanted = list(Connection.objects.select_related("token").filter(is_active=True).order_by("slug"))
    else:
        wanted = find_connections(options["slugs"])
    results: dict[str, TestResult] = {}
    for connection, result in _tested(wanted):
        results[connection.slug] = result
        # Written here and not in the threads: SQLite has one writer at a time.
        health.record_test(connection, result)
        if len(wanted) > 1:
            out.note(f"{len(results)} of {len(wanted)}: {connection.slug} {'ok' if result.ok else 'failed'}")
    # Read again: a test may have refreshed a token, or found that it can't be.
    states = {row.slug: str(row.status) for row in find_connections(results)}
    rows = [_row(slug, result, states[slug]) for slug, result in sorted(results.items())]
    if out.as_json:
        out.json(rows)
    else:
        _print(out, rows)
    return 0 if all(result.ok for result in results.values()) else 1


def _tested(wanted: list[Connection]) -> Iterator[tuple[Connection, TestResult]]:
    if len(wanted) < 2 or databases[router.db_for_write(Connection)].in_atomic_block:
        # Another thread would not see what this transaction wrote.
        for connection in wanted:
            yield connection, _result(connection)
        return
    with ThreadPoolExecutor(min(_AT_ONCE, len(wanted)), thread_name_prefix="apiconnector-test") as pool:
        try:
            under_way = {pool.submit(_in_thread, connection): connection for connection in wanted}
            for future in as_completed(under_way):
                yield under_way[future], future.result()
        except BaseException:
            # Interrupted: those that have not begun are not begun.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _in_thread(connection: Connection) -> TestResult:
    try:
        return _result(connection)
    finally:
        databases.close_all()


def _result(connection: Connection) -> TestResult:
    try:
        return connection.test()
    except Exception as error:  # noqa: BLE001 - a site's own method may raise anything; the others are tested all the same
        return TestResult(ok=False, status_code=None, message=f"The test broke off with {type(error).__name__}.")


def _row(slug: str, result: TestResult, status: str) -> dict[str, Any]:
    refused = (
        result.status_code is not None
        and 400 <= result.status_code < 500
        and result.status_code not in _TEMPORARY
    )  # fmt: skip  # in rows
    return {
        "slug": slug,
        "ok": result.ok,
        "status_code": result.status_code,
        "message": result.message,
        "label": result.label,
        "account_id": result.account_id,
        "status": status,
        "needs_person": not result.ok and (status in NEEDS_PERSON or refused),
    }


def _print(out: Output, rows: list[dict[str, Any]]) -> None:
    if not rows:
        out.line("There is no active connection to test.")
        return
    out.table(
        ("slug", "test", "status", "account", "message"),
        [
            (
                row["slug"],
                "ok" if row["ok"] else "failed",
                row["status"],
                row["label"] or row["account_id"],
                row["message"],
            )
            for row in rows
        ],
    )
    failed = sum(not row["ok"] for row in rows)
    out.line("")
    out.line(f"{counted(len(rows), 'connection')} tested: {len(rows) - failed} ok, {failed} failed.")
    if waiting := [row["slug"] for row in rows if row["needs_person"]]:
        out.line(f"Somebody has to act: {', '.join(waiting)}.")
