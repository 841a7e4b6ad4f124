"""The caller's transaction is rolled back after the provider has rotated the refresh token."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.faults.fault import SQLITE, fault

if TYPE_CHECKING:
    from tests.faults.site import Process, Site


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


@fault("Another process waits for the token while the transaction is rolled back")
def rolled_back_while_another_waits(site: Site) -> str:
    first, second = site.processes(0, 0)
    site.begin(second)
    plan = site.provider.plan(holds="after")
    first.tell("inside")
    plan.wait()
    second.tell("call")
    time.sleep(0.5)
    plan.proceed.set()
    assert first.hear() == ["200"] * 3
    assert second.hear() == ["200"]
    survives(site, first, second)
    return "it waits, and goes on with the rotated token; token requests: 1"
