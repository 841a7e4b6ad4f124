"""A token ends again and again, and nothing is lost."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.faults.fault import fault

if TYPE_CHECKING:
    from tests.faults.site import Site

TIMES = 1000


@fault("The token ends 1,000 times in a row, used by 2 threads x 2 processes each time")
def expiries(site: Site) -> str:
    processes = site.processes(0, 0)
    site.begin(processes[0])
    outcomes: Counter[str] = Counter()
    times = site.amount(TIMES)
    for number in range(times):
        processes[number % 2].ask("expire")
        for process in processes:
            process.tell("threads", 2)
        for process in processes:
            outcomes.update(process.hear())
    sent = site.provider.sent
    assert set(outcomes) == {"200"}, outcomes
    assert sent == [f"refresh-{number}" for number in range(1, times + 1)], "one after the other, none twice"
    state = processes[0].ask("state")
    assert state["refresh_token"] == f"refresh-{site.provider.newest}" == f"refresh-{times + 1}", state
    assert (state["generation"], state["status"], state["failed"]) == (times + 1, "authorized", []), state
    return f"{times} expiries: {len(sent)} token requests, {outcomes.total()} calls, 0 failed"
