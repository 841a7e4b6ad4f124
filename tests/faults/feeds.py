"""Runs are submitted and sent by processes that are killed, to an API that fails, from a database that goes away."""

from __future__ import annotations

import random
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.faults.fault import SQLITE, fault
from tests.faults.feed_api import PATIENCE, FeedApi
from tests.faults.restarts import on_its_own_server
from tests.token_server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.servers import Server
    from tests.faults.site import Process, Site

SUBMISSIONS, SUBMITTERS, DELIVERERS, KILLS = 1000, 3, 3, 30
#: How long SQLite is locked, in seconds: longer than it waits.
LOCKED = 6
#: Nothing is left after so many seconds without faults.
LONGEST = 60.0
WORKER = "tests.faults.feed_worker"


@contextmanager
def place(site: Site) -> Iterator[tuple[Site, Server | None]]:
    """The site on a database server that may be crashed, or on SQLite."""
    if site.vendor == SQLITE:
        yield site, None
        return
    with on_its_own_server(site) as (own, server, _, _):
        yield own, server


class Deliverers:
    """Processes that deliver; one after the other is killed, and another takes its place."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.running = self.begin(DELIVERERS)
        self.killed = 0

    def begin(self, number: int) -> list[Process]:
        found = self.site.processes(*[0.0] * number, module=WORKER)
        for process in found:
            process.tell("deliver")
        return found

    def kill_one(self) -> None:
        process = self.running.pop(random.randrange(len(self.running)))
        process.send(signal.SIGKILL)
        process.wait_until_dead()
        self.killed += 1
        self.running += self.begin(1)

    def end(self) -> None:
        for process in self.running:
            process.send(signal.SIGTERM)
        for process in self.running:
            try:
                assert process.hear() is None, "it ends after the runs at hand"
            except EOFError:
                # One that has only just begun does not listen yet.
                assert process.child.wait() == -signal.SIGTERM


@fault("2,000 runs are submitted, while workers are killed, the API fails and the database goes away")
def feeds_lose_nothing(site: Site) -> str:
    with place(site) as (own, server), serving(FeedApi()) as api:
        (desk,) = own.processes(0, module=WORKER)
        desk.ask("make_feeds", api.origin, PATIENCE)
        deliverers = Deliverers(own)
        submitters = own.processes(*[0.0] * SUBMITTERS, module=WORKER)
        each = own.amount(SUBMISSIONS) // SUBMITTERS + 1
        for number, process in enumerate(submitters):
            process.tell("submit", 1 + number * each, each)
        kills = own.amount(KILLS)
        for number in range(kills):
            time.sleep(random.uniform(0.2, 0.8))
            deliverers.kill_one()
            if number == 1:
                go_away(own, server)
        told = [process.hear() for process in submitters]
        api.is_troubled = False
        until = time.monotonic() + LONGEST
        while left := desk.ask("hurry"):
            assert time.monotonic() < until, f"{left} runs are left"
            time.sleep(0.3)
        deliverers.end()
        return judged(desk.ask("ends"), told, api, deliverers.killed)


def go_away(site: Site, server: Server | None) -> None:
    if server is None:
        (other,) = site.processes(0)
        other.tell("lock", LOCKED)
        assert other.hear() == "locked"
        assert other.hear() is None
        return
    server.crash()
    time.sleep(1)
    server.start()


def judged(found: dict[str, dict], told: list[dict[str, list[int]]], api: FeedApi, killed: int) -> str:  # type: ignore[type-arg]  # JSON
    committed = {number for one in told for number in one["committed"]}
    in_doubt = {number for one in told for number in one["in doubt"]}
    rolled_back = {number for one in told for number in one["rolled back"]}
    texts = []
    for name, here in found.items():
        numbers, applied = here["numbers"], api.applied[f"/{name}"]
        assert len(numbers) == len(set(numbers)), "each is kept once"
        assert committed <= set(numbers) <= committed | in_doubt
        assert not rolled_back & set(numbers)
        assert set(applied) <= set(numbers), "nothing was sent that was rolled back"
        assert not [number for number, times in applied.items() if times > 1], "nothing was applied twice"
        assert set(here.get("succeeded, sent", [])) <= set(applied)
        texts.append(f"{name}: " + ", ".join(f"{count} {end}" for end, count in sorted(here["ends"].items())))
    assert set(found["keyed"]["ends"]) == {"succeeded, sent"}, found["keyed"]["ends"]
    assert set(api.applied["/keyed"]) == set(found["keyed"]["numbers"])
    ends = set(found["plain"]["ends"])
    assert ends <= {"succeeded, sent", "failed, sent", "failed, unknown", "dead, sent", "dead, not_sent"}, ends
    runs = sum(len(here["numbers"]) for here in found.values())
    met = ", ".join(f"{count} x {fault}" for fault, count in sorted(api.met.items()))
    return (
        f"{len(committed)} submissions committed, {len(in_doubt)} in doubt, {len(rolled_back)} rolled back; {runs} runs. "
        f"{'. '.join(texts)}. Applied twice: 0; sent though rolled back: 0. {killed} workers killed; requests: {met}"
    )
