"""The caller's transaction is rolled back after the provider has rotated the refresh token."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.faults.fault import SQLITE, fault

if TYPE_CHECKING:
    from tests.faults.site import Process, Site


ROUNDS = 40


def survives(site: Site, first: Process, second: Process) -> None:
    """That the rotated token is in the table and used by the next process, without another token request."""
    if site.vendor == SQLITE:
        # There a second writer would break the caller: it is written from memory after the rollback.
        assert first.ask("settle")
    state = second.ask("state")
    assert (state["generation"], state["refresh_token"]) == (2, "refresh-2"), state
    assert not state["is_leased"], state
    assert second.ask("call") == ["200"]
    assert first.ask("settle")
    assert second.ask("state")["failed"] == []
    assert site.provider.sent == ["refresh-1"]


@fault("A rollback of <code>atomic()</code>; the caller had written nothing, the connection or the token itself")
def rolled_back(site: Site) -> str:
    first, second = site.processes(0, 0)
    longest = 0.0
    for write in ("", "connection", "token"):
        site.begin(second)
        began = time.monotonic()
        assert first.ask("inside", write) == ["200"] * 3
        longest = max(longest, time.monotonic() - began)
        survives(site, first, second)
    return f"the rotated token survives, without a second token request; the longest took {longest:.1f} s"


@fault("A view that fails under <code>ATOMIC_REQUESTS</code>")
def view_fails(site: Site) -> str:
    first, second = site.processes(0, 0)
    site.begin(second)
    assert first.ask("request", fails=True) == 500
    survives(site, first, second)
    site.begin(second)
    assert first.ask("request", fails=False) == 200
    survives(site, first, second)
    return "the rotated token survives, without a second token request"


@fault("Three other processes wait for the token while the transaction is rolled back")
def rolled_back_while_others_wait(site: Site) -> str:
    first, *others = site.processes(0, 0, 0, 0)
    rounds = site.amount(ROUNDS)
    for number in range(rounds):
        site.begin(others[0])
        plan = site.provider.plan(holds="after")
        first.tell("inside")
        plan.wait()
        for process in others:
            process.tell("call", times=2)
        # They come upon locks of another age each time.
        time.sleep(0.3 + number % 4 / 4)
        plan.proceed.set()
        assert first.hear() == ["200"] * 3
        assert [process.hear() for process in others] == [["200"] * 2] * 3, site.provider.sent
        survives(site, first, others[0])
    return f"{rounds} rounds: they wait, and go on with the rotated token; token requests: {rounds}"
