"""The process that renews a token is killed, at every step."""

from __future__ import annotations

import re
import signal
import time
from typing import TYPE_CHECKING, Any

from tests.faults.fault import LEASE, TIMEOUT, fault

if TYPE_CHECKING:
    from tests.faults.site import Process, Site

INTERRUPTED = re.compile(r"A refresh begun at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC was interrupted")


def killed(site: Site, process: Process, point: str, *, acts: bool = True) -> None:
    """Let ``process`` use the connection and die at ``point`` of the renewal."""
    if point == "during the request":
        plan = site.provider.plan(holds="before", acts=acts)
        process.tell("call")
        plan.wait()
        process.send(signal.SIGKILL)
        process.wait_until_dead()
        plan.proceed.set()
        return
    process.ask("interrupt", point, "SIGKILL")
    process.tell("call")
    process.wait_until_dead()


def recovers(site: Site, process: Process, sent: list[str]) -> str:
    """That another process has a token that works, at the latest when the lease is over."""
    began = time.monotonic()
    assert process.ask("call") == ["200"], process.ask("state")
    seconds = time.monotonic() - began
    assert seconds < LEASE + 2 * TIMEOUT + 1, seconds
    assert site.provider.sent == sent
    state = process.ask("state")
    assert (state["status"], state["failed"], state["is_leased"], state["is_begun"]) == ("authorized", [], False, False)
    assert state["refresh_token"] == f"refresh-{site.provider.newest}"
    assert process.ask("call") == ["200"]
    assert site.provider.sent == sent
    return f"the next call worked after {seconds:.1f} s; token requests: {len(sent)}"


def asks_for_a_person(site: Site, process: Process, sent: list[str]) -> str:
    """That error, state and event say in plain words what happened, and that nothing more is sent until a person acts."""
    began = time.monotonic()
    (outcome,) = process.ask("call")
    seconds = time.monotonic() - began
    assert outcome.startswith("AuthorizationRequired: "), outcome
    assert INTERRUPTED.search(outcome), outcome
    assert site.provider.sent == sent
    for _ in range(2):
        (again,) = process.ask("call")
        assert again.startswith("AuthorizationRequired: "), again
    state = process.ask("state")
    assert state["status"] == "needs_reauthorization", state
    assert INTERRUPTED.search(state["reason"]), state
    assert len(state["failed"]) == 1, state
    assert INTERRUPTED.search(state["failed"][0]), state
    assert site.provider.sent == sent, "nothing more is sent"
    works_after_authorizing(site, process)
    return (
        f"after {seconds:.1f} s a person is asked for (“{INTERRUPTED.findall(outcome)[0]} …”), and nothing more is sent; "
        f"token requests: {len(sent)}; works once authorized again"
    )


def works_after_authorizing(site: Site, process: Process) -> None:
    assert process.ask("authorize") == 200
    state: dict[str, Any] = process.ask("state")
    assert state["status"] == "authorized", state
    assert process.ask("call") == ["200"]


def one_death(site: Site, point: str, *, acts: bool = True) -> tuple[Process, list[str]]:
    first, second = site.processes(0, 0)
    site.begin(second, timeout=TIMEOUT)
    killed(site, first, point, acts=acts)
    return second, site.provider.sent


@fault("Killed before the token request (the lease is taken)", mostly_waits=True)
def killed_before_the_request(site: Site) -> str:
    second, sent = one_death(site, "before the request")
    assert sent == []
    return recovers(site, second, ["refresh-1"])


@fault("Killed during the token request, which the provider never acts on", mostly_waits=True)
def killed_during_the_request(site: Site) -> str:
    second, sent = one_death(site, "during the request", acts=False)
    assert sent == ["refresh-1"]
    return recovers(site, second, ["refresh-1", "refresh-1"])


@fault("Killed during the token request, and the provider rotates", mostly_waits=True)
def killed_while_the_provider_rotates(site: Site) -> str:
    second, sent = one_death(site, "during the request")
    assert sent == ["refresh-1"]
    return asks_for_a_person(site, second, ["refresh-1", "refresh-1"])


@fault("Killed after the answer, before the save", mostly_waits=True)
def killed_before_the_save(site: Site) -> str:
    second, sent = one_death(site, "before the save")
    assert sent == ["refresh-1"]
    return asks_for_a_person(site, second, ["refresh-1", "refresh-1"])


@fault("Killed just after the save", mostly_waits=True)
def killed_after_the_save(site: Site) -> str:
    second, _ = one_death(site, "after the save")
    return recovers(site, second, ["refresh-1"])


@fault("Killed ahead of the end, while the old token works", mostly_waits=True)
def killed_ahead_of_the_end(site: Site) -> str:
    first, second = site.processes(0, 0)
    # Due, and longer than the lease: nobody has to wait for anything.
    site.begin(second, timeout=TIMEOUT, left=LEASE + 8)
    plan = site.provider.plan(holds="before", acts=False)
    assert first.ask("call") == ["200"]
    plan.wait()
    first.send(signal.SIGKILL)
    plan.proceed.set()
    outcomes = second.ask("call_until", LEASE + 2, 0.1)
    assert set(outcomes) == {"200"}, outcomes
    assert second.ask("settle")
    assert site.provider.sent == ["refresh-1", "refresh-1"]
    state = second.ask("state")
    assert (state["generation"], state["status"], state["failed"]) == (2, "authorized", []), state
    return f"{outcomes['200']} calls went on with the old token, none failed; token requests: 2"


@fault("Killed twice: the process that takes over dies, too", mostly_waits=True)
def killed_twice(site: Site) -> str:
    first, second, third = site.processes(0, 0, 0)
    site.begin(third, timeout=TIMEOUT)
    killed(site, first, "during the request", acts=False)
    killed(site, second, "during the request", acts=False)
    assert site.provider.sent == ["refresh-1", "refresh-1"]
    return asks_for_a_person(site, third, ["refresh-1", "refresh-1"])


@fault("The connection breaks off before the provider acts", mostly_waits=True)
def broken_off_before(site: Site) -> str:
    return broken_off(site, acts=False)


@fault("The connection breaks off after the provider has rotated", mostly_waits=True)
def broken_off_after(site: Site) -> str:
    return broken_off(site, acts=True)


def broken_off(site: Site, *, acts: bool) -> str:
    first, second = site.processes(0, 0)
    site.begin(second, timeout=TIMEOUT)
    site.provider.plan(acts=acts, answers=False)
    (outcome,) = first.ask("call")
    assert outcome.startswith("TokenRequestFailed: "), outcome
    state = second.ask("state")
    assert (state["status"], state["is_leased"], state["is_begun"]) == ("authorized", False, True), state
    sent = ["refresh-1", "refresh-1"]
    return asks_for_a_person(site, second, sent) if acts else recovers(site, second, sent)
