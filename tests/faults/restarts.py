"""The database goes away while the provider has the refresh token."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.faults import servers
from tests.faults.deaths import asks_for_a_person
from tests.faults.fault import SERVERS, SQLITE, TIMEOUT, fault
from tests.faults.site import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.provider import Plan
    from tests.faults.servers import Server
    from tests.faults.site import Process, Site

#: How long the database stays away, in seconds.
AWAY = 2.0


@contextmanager
def on_its_own_server(site: Site, **fields: Any) -> Iterator[tuple[Site, Server, Process, Process]]:
    """The connection and two processes on a server that may be crashed: other tests use the one of this run."""
    server = servers.of_this_run(site.vendor)
    name = server.url.rpartition("/")[2]
    with opened(site.vendor, name, {**os.environ, "DATABASE_URL": server.url}, site.share) as own:
        first, second = own.processes(0, 0)
        if not server.has_tables:
            second.ask("migrate")
            server.has_tables = True
        own.begin(second, **fields)
        yield own, server, first, second


def nothing_is_lost(site: Site, first: Process, second: Process) -> str:
    assert first.ask("settle")
    state = second.ask("state")
    assert (state["generation"], state["refresh_token"]) == (2, "refresh-2"), state
    assert (state["status"], state["is_leased"], state["failed"]) == ("authorized", False, []), state
    assert first.ask("call") == second.ask("call") == ["200"]
    assert site.provider.sent == ["refresh-1"]
    return "the call in hand worked, the new token is in the table, and others use it; token requests: 1"


def crashed_while_the_provider_answers(own: Site, server: Server, first: Process) -> Plan:
    """The provider has rotated the token and holds its answer; the database is gone."""
    plan = own.provider.plan(holds="after")
    first.tell("call")
    plan.wait()
    server.crash()
    return plan


@fault("The database crashes and is back before the answer comes", on=SERVERS)
def database_back_before_the_answer(site: Site) -> str:
    with on_its_own_server(site) as (own, server, first, second):
        plan = crashed_while_the_provider_answers(own, server, first)
        server.start()
        plan.proceed.set()
        assert first.hear() == ["200"]
        return nothing_is_lost(own, first, second)


@fault(f"The database is away when the answer comes, and back {AWAY:.0f} s later", on=SERVERS)
def database_away_when_the_answer_comes(site: Site) -> str:
    with on_its_own_server(site) as (own, server, first, second):
        plan = crashed_while_the_provider_answers(own, server, first)
        plan.proceed.set()
        assert first.hear() == ["200"], "the token is used from memory"
        time.sleep(AWAY)
        server.start()
        return nothing_is_lost(own, first, second)


@fault("The same, and the process that has the token ends meanwhile", on=SERVERS)
def database_away_and_the_process_ends(site: Site) -> str:
    with on_its_own_server(site) as (own, server, first, second):
        plan = crashed_while_the_provider_answers(own, server, first)
        plan.proceed.set()
        assert first.hear() == ["200"]
        first.leave()
        time.sleep(AWAY)
        server.start()
        assert first.child.wait(30) == 0, "it ends as soon as the token is stored"
        return nothing_is_lost(own, second, second)


@fault("The database crashes when the answer is there, and so does the process", on=SERVERS)
def database_and_process_crash(site: Site) -> str:
    with on_its_own_server(site, timeout=TIMEOUT) as (own, server, first, second):
        first.ask("interrupt", "before the save", "SIGSTOP")
        first.tell("call")
        first.wait_until_stopped()
        server.crash()
        first.send(signal.SIGKILL)
        server.start()
        return asks_for_a_person(own, second, ["refresh-1", "refresh-1"])


@fault("The database is locked when the answer comes, for longer than SQLite waits", on=(SQLITE,))
def database_locked_when_the_answer_comes(site: Site) -> str:
    first, second = site.processes(0, 0)
    site.begin(second)
    plan = site.provider.plan(holds="after")
    first.tell("call")
    plan.wait()
    second.tell("lock", 7)
    assert second.hear() == "locked"
    plan.proceed.set()
    assert first.hear() == ["200"], "the token is used from memory"
    assert second.hear() is None
    return nothing_is_lost(site, first, second)
