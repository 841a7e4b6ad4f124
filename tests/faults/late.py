"""The process that renews a token is stopped for longer than its lease, and goes on after somebody else has taken over."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.faults.deaths import INTERRUPTED, asks_for_a_person, works_after_authorizing
from tests.faults.fault import TIMEOUT, fault

if TYPE_CHECKING:
    from tests.faults.provider import Plan
    from tests.faults.site import Process, Site


def stopped_before_the_save(site: Site) -> tuple[Process, Process]:
    """A process that has the provider's answer and was stopped before it could save it, and another one."""
    first, second = site.processes(0, 0)
    site.begin(second, timeout=TIMEOUT)
    first.ask("interrupt", "before the save", "SIGSTOP")
    first.tell("call")
    first.wait_until_stopped()
    assert site.provider.sent == ["refresh-1"]
    return first, second


@fault("Stopped before the save; another takes over after the lease, and the family is revoked", mostly_waits=True)
def stopped_and_revoked(site: Site) -> str:
    first, second = stopped_before_the_save(site)
    (outcome,) = second.ask("call")
    assert outcome.startswith("AuthorizationRequired: "), outcome
    assert INTERRUPTED.search(outcome), outcome
    first.send(signal.SIGCONT)
    (late,) = first.hear()
    # Whoever asks next is told that a person is needed, whatever the late one has stored: all of it is revoked.
    for process in (first, second):
        (outcome,) = process.ask("call")
        assert outcome == "401" or outcome.startswith("AuthorizationRequired: "), outcome
    (outcome,) = second.ask("call")
    assert outcome.startswith("AuthorizationRequired: "), outcome
    state = second.ask("state")
    assert state["status"] == "needs_reauthorization", state
    sent = len(site.provider.sent)
    assert sent <= 3, site.provider.sent
    second.ask("call", times=3)
    assert len(site.provider.sent) == sent
    works_after_authorizing(site, second)
    return f"the late one had “{late.partition(':')[0]}”; a person is asked for; token requests: {sent}"


@fault("The same at a provider that takes the refresh token twice", mostly_waits=True)
def stopped_and_overtaken(site: Site) -> str:
    first, second = stopped_before_the_save(site)
    site.provider.forgiven = {"refresh-1"}
    assert second.ask("call") == ["200"]
    state = second.ask("state")
    first.send(signal.SIGCONT)
    assert first.hear() == ["200"], "it goes on with what the other one has stored"
    assert second.ask("state") == state, "a late writer changes nothing"
    assert first.ask("call") == second.ask("call") == ["200"]
    assert site.provider.sent == ["refresh-1", "refresh-1"]
    return "the late answer is not stored, its caller goes on with the newer token; token requests: 2"


def goes_on_while_another_asks(site: Site) -> tuple[Process, Process, Plan]:
    """The one that was stopped has stored its answer; the provider holds the other one's request."""
    first, second = stopped_before_the_save(site)
    site.provider.revokes_family = False
    plan = site.provider.plan(holds="before")
    second.tell("call")
    plan.wait()
    first.send(signal.SIGCONT)
    assert first.hear() == ["200"]
    return first, second, plan


@fault("Stopped before the save, and it goes on while the other one is asking", mostly_waits=True)
def stopped_and_in_time(site: Site) -> str:
    first, second, plan = goes_on_while_another_asks(site)
    plan.proceed.set()
    assert second.hear() == ["200"], "a refusal is believed only after reading again"
    state = second.ask("state")
    assert (state["status"], state["generation"], state["failed"]) == ("authorized", 2, []), state
    assert (state["is_leased"], state["is_begun"], state["failures"]) == (False, False, 0), state
    assert first.ask("call") == second.ask("call") == ["200"]
    return "the late answer is stored, the other one's refusal is not believed, and both go on; token requests: 2"


@fault("The same, and the one that was asking is killed: the next refresh starts from nothing", mostly_waits=True)
def stopped_in_time_and_the_other_killed(site: Site) -> str:
    first, second, plan = goes_on_while_another_asks(site)
    second.send(signal.SIGKILL)
    plan.proceed.set()
    assert first.ask("call") == ["200"]
    first.ask("expire")
    assert first.ask("call") == ["200"], "the refresh token of this generation was never sent"
    assert site.provider.sent == ["refresh-1", "refresh-1", "refresh-2"]
    return "the late answer is stored, and the next refresh works; token requests: 3"


@fault("Stopped before the save, while a person authorizes again", mostly_waits=True)
def stopped_and_authorized_again(site: Site) -> str:
    first, second = stopped_before_the_save(site)
    assert second.ask("authorize") == 200
    state = second.ask("state")
    first.send(signal.SIGCONT)
    assert first.hear() == ["200"]
    assert second.ask("state") == state, "a late writer changes nothing"
    assert first.ask("call") == second.ask("call") == ["200"]
    assert site.provider.sent == ["refresh-1", ""]
    return "the late answer is not stored, its caller goes on with the new authorization"


@fault("The token endpoint answers after the lease's end", mostly_waits=True)
def answered_after_the_lease(site: Site) -> str:
    first, second = site.processes(0, 0)
    site.begin(second, timeout=TIMEOUT)
    plan = site.provider.plan(holds="after")
    first.tell("call")
    plan.wait()
    first.send(signal.SIGSTOP)
    first.wait_until_stopped()
    plan.proceed.set()
    happened = asks_for_a_person(site, second, ["refresh-1", "refresh-1"])
    state = second.ask("state")
    first.send(signal.SIGCONT)
    late = first.hear()
    assert second.ask("state") == state, "a late writer changes nothing"
    assert first.ask("call") == second.ask("call") == ["200"]
    return f"{happened}; the late one ({late[0].partition(':')[0]}) changes nothing of that"
