"""Machines whose clocks are ten minutes apart share a token whose life is shorter than that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.fault import fault

if TYPE_CHECKING:
    from tests.faults.site import Site

LIFE = 4.0
APART = 600.0
LIVES = 10


@fault("Clocks of two machines 10 minutes apart, and 20 from a third")
def clocks_apart(site: Site) -> str:
    processes = site.processes(0, APART, -APART)
    site.provider.expires_in = LIFE
    site.begin(processes[0], left=LIFE)
    seconds = site.amount(LIVES) * LIFE
    for process in processes:
        process.tell("call_until", seconds, 0.05)
    calls = 0
    for process in processes:
        outcomes = process.hear()
        assert set(outcomes) == {"200"}, outcomes
        calls += outcomes["200"]
    for process in processes:
        assert process.ask("settle")
    # Renewed ahead of the end, in the last sixth of its life.
    lives, sent = seconds / (LIFE * 5 / 6), len(site.provider.requests)
    assert sent <= lives + 2, sent
    assert len(set(site.provider.sent)) == sent, "none is sent twice"
    state = processes[0].ask("state")
    assert state["refresh_token"] == f"refresh-{site.provider.newest}", state
    assert state["failed"] == [], state
    return f"{calls} calls in {seconds:.0f} s, none failed; tokens that live {LIFE:.0f} s: {sent} token requests"
