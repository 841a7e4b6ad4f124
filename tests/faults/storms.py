"""Many threads of several processes find the same token expired at the same moment."""

from __future__ import annotations

import time
from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

from tests.faults.fault import SERVERS, fault

if TYPE_CHECKING:
    from tests.faults.site import Site

THREADS, PROCESSES, ROUNDS = 8, 4, 20
#: What the token endpoint takes to answer, in seconds: long enough for everybody to find the token expired.
DELAY = 0.1


def storm(site: Site, *, is_inside: bool = False, is_refused: bool = False) -> str:
    processes = site.processes(*[0.0] * PROCESSES)
    site.provider.delay = DELAY
    outcomes: Counter[str] = Counter()
    sent, seconds, rounds = [], [], site.amount(ROUNDS)
    for _ in range(rounds):
        site.begin(processes[0], left=3600 if is_refused else -1)
        site.provider.refused = {"access-1"} if is_refused else set()
        began = time.monotonic()
        for process in processes:
            process.tell("threads", THREADS, is_inside=is_inside)
        for process in processes:
            outcomes.update(process.hear())
        seconds.append(time.monotonic() - began)
        sent.append(len(site.provider.requests))
        assert all(process.ask("settle") for process in processes)
        state = processes[0].ask("state")
        assert (state["generation"], state["refresh_token"]) == (2, "refresh-2"), state
    failed = outcomes.total() - outcomes["200"]
    assert failed == 0, outcomes
    assert sent == [1] * rounds, sent
    return (
        f"{rounds} rounds of {THREADS * PROCESSES} calls: {sum(sent)} token requests, {failed} failed calls, "
        f"{median(seconds):.2f} s a round ({min(seconds):.2f} to {max(seconds):.2f})"
    )


@fault(f"{THREADS} threads x {PROCESSES} processes find the token expired")
def storm_of_expiry(site: Site) -> str:
    return storm(site)


@fault("The same, where the API refuses a token whose life is not over")
def storm_of_refusals(site: Site) -> str:
    return storm(site, is_refused=True)


@fault("The same, with every caller inside of a transaction", on=SERVERS)
def storm_inside_transactions(site: Site) -> str:
    return storm(site, is_inside=True)
