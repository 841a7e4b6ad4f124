"""The token endpoint asks to be left alone until a date."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

from tests.faults.fault import fault

if TYPE_CHECKING:
    from tests.faults.site import Site

#: How far the date is ahead, in seconds: longer than the app's own first pauses.
AHEAD = 8


def a_date() -> datetime:
    # A date in a header has whole seconds.
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=AHEAD)


@fault("429 with a date, while the old token works", mostly_waits=True)
def left_alone_while_it_works(site: Site) -> str:
    processes = site.processes(0, 0, 0)
    site.begin(processes[0], left=25)
    until = a_date()
    site.provider.plan(status=429, headers={"Retry-After": format_datetime(until, usegmt=True)})
    for process in processes:
        process.tell("call_until", AHEAD + 3, 0.05)
    calls = 0
    for process in processes:
        outcomes = process.hear()
        assert set(outcomes) == {"200"}, outcomes
        calls += outcomes["200"]
    assert all(process.ask("settle") for process in processes)
    return f"{calls} calls of 3 processes, none failed; {asked_again(site, until)}"


@fault("429 with a date, when the token has ended", mostly_waits=True)
def left_alone_when_it_has_ended(site: Site) -> str:
    processes = site.processes(0, 0, 0)
    site.begin(processes[0])
    until = a_date()
    site.provider.plan(status=429, headers={"Retry-After": format_datetime(until, usegmt=True)})
    for process in processes:
        process.tell("call_until", AHEAD + 3, 0.05)
    for process in processes:
        outcomes = process.hear()
        assert outcomes["200"] > 0, outcomes
        others = [outcome for outcome in outcomes if outcome != "200"]
        assert all(outcome.startswith("TokenRequestFailed: ") for outcome in others), others
    state = processes[0].ask("state")
    assert (state["status"], state["failed"], state["failures"]) == ("authorized", [], 0), state
    return f"calls of 3 processes fail at once until then and work afterwards; {asked_again(site, until)}"


def asked_again(site: Site, until: datetime) -> str:
    assert site.provider.sent == ["refresh-1", "refresh-1"], site.provider.sent
    after = site.provider.requests[1][0] - until.timestamp()
    # By the database's clock, which may be a moment from this one's.
    assert after > -0.5, after
    assert time.time() > until.timestamp()
    return f"asked again {after:.1f} s after the date; token requests: 2"
