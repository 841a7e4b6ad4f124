"""Whatever order renewals, deaths, late answers and people come in: one holder of the lease, and no token goes back.

The actors run the app's own code on real rows, and are stopped before they take the lease, while the provider has their
request, and before they store the answer. Time passes by moving the lease.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from django.db.models import F
from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from apiconnector.authorize import disconnect
from apiconnector.authorize.grant import NewToken
from apiconnector.authorize.store import store
from apiconnector.exceptions import AuthorizationRequired, TokenRequestFailed
from apiconnector.models import AuthorizationAttempt, Connection, Token, renewal, token_requests
from apiconnector.models.token import TokenQuerySet
from tests.properties import profiles
from tests.properties.lease import Actor, Killed, Provider, asking, numbers, this_actor

if TYPE_CHECKING:
    from collections.abc import Callable

SLUG = "provider"
#: As long as a lease takes here, in seconds: the real time that a run takes, which is added, decides nothing.
LEASE = 605.0
STEPS = 40
#: Renewals under way at the same time.
AT_ONCE = 4
#: What may happen, what is needed for the rest more often.
LATER = {"a while later": 100.0, "a good while later": 400.0, "a lease later": LEASE + 50}
EVENTS = [
    *["somebody looks"] * 6, *["goes on"] * 10, "lost on the way", "lost on the way back", "turned away", *["dies"] * 3,
    "dies after the provider acted", "authorized", "disconnected", *LATER, *["a lease later"] * 3,
]  # fmt: skip  # in rows
_states = count()


class LeaseMachine(RuleBasedStateMachine):
    """What may happen, and what must hold after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.provider = Provider()
        self.actors: list[Actor] = []
        self.now = 0.0
        #: The generation seen last of each row, and the token that was in it.
        self.seen: dict[int, tuple[int, tuple[int, int]]] = {}
        #: By row and generation: who had the lease last, and how many did not give it back in time.
        self.holder: dict[tuple[int, int], Actor] = {}
        self.lost: Counter[tuple[int, int]] = Counter()
        #: The family that a person authorized last, and whether that has been disconnected since.
        self.family, self.is_connected = 0, False
        Connection.objects.filter(slug=SLUG).delete()
        self.connection = Connection.objects.create(
            name="Provider", slug=SLUG, base_url="https://api.example.com", auth_method="oauth2_authorization_code",
            client_id="id", client_secret="secret", token_url="https://api.example.com/token", timeout=(LEASE - 5) / 2,
            authorization_url="https://api.example.com/authorize",
        )  # fmt: skip  # in rows

    def at(self, *steps: str) -> list[Actor]:
        return [actor for actor in self.actors if actor.step in steps]

    def token(self) -> Token | None:
        return Token.objects.filter(connection=self.connection).first()

    # What happens

    @initialize(revokes_family=st.booleans())
    def first_authorized(self, revokes_family: bool) -> None:
        self.provider.revokes_family = revokes_family
        self.a_person_authorizes()

    # One rule for all of it, since Hypothesis leaves out some of the rules in most examples.
    @rule(event=st.sampled_from(EVENTS), number=st.integers(min_value=0, max_value=11))
    def something_happens(self, event: str, number: int) -> None:
        waiting = [actor for actor in self.actors if actor.step != "end"]
        if event in LATER:
            self.time_passes(LATER[event])
        elif event == "authorized":
            self.a_person_authorizes()
        elif event == "disconnected":
            disconnect(Connection.objects.get(pk=self.connection.pk))
            self.is_connected = False
        elif event == "somebody looks" and self.is_connected and len(waiting) < AT_ONCE:
            self.somebody_looks()
        elif waiting and event.startswith("dies"):
            self.it_dies(waiting[number % len(waiting)], has_acted=event == "dies after the provider acted")
        elif waiting:
            self.it_goes_on(waiting[number % len(waiting)], event)

    def somebody_looks(self) -> None:
        actor = Actor(Connection.objects.get(pk=self.connection.pk))
        self.actors.append(actor)
        token = self.token()
        assert token is not None
        actor.begin(token.generation)
        self.noted(actor)

    def it_goes_on(self, actor: Actor, how: str) -> None:
        """It takes the lease, meets what comes of its request, or stores the answer."""
        if actor.step == "request":
            actor.proceed(self.what_comes_of(actor.sent, how))
        else:
            actor.proceed()
        self.noted(actor)

    def what_comes_of(self, sent: str, how: str) -> Callable[[], Any]:
        lost = how in {"lost on the way", "lost on the way back"}
        found = None if how in {"lost on the way", "turned away"} else self.provider.refresh(sent)

        def arrive() -> Any:
            if how == "turned away":
                raise TokenRequestFailed("429", status_code=429, retry_after=1)
            if lost:
                raise TokenRequestFailed("no answer", is_unanswered=True)
            return found

        return arrive

    def it_dies(self, actor: Actor, *, has_acted: bool) -> None:
        if has_acted and actor.step == "request":
            self.provider.refresh(actor.sent)
        if actor.row is not None and self.is_live(actor):
            self.lost[actor.row] += 1
        actor.kill()
        actor.row = None

    def time_passes(self, seconds: float) -> None:
        for actor in self.at("request", "save"):
            if actor.row is not None and self.is_live(actor) and actor.until < self.now + seconds:
                self.lost[actor.row] += 1
        self.now += seconds
        Token.objects.exclude(lease_until=None).update(lease_until=F("lease_until") - timedelta(seconds=seconds))

    def a_person_authorizes(self) -> None:
        answer = self.provider.authorize()
        self.family, self.is_connected = numbers(answer.refresh_token)[0], True
        connection = Connection.objects.get(pk=self.connection.pk)
        attempt = AuthorizationAttempt.objects.create(
            connection=connection, state=str(next(_states)), verifier="v", redirect_uri="", nonce=""
        )
        store(attempt, NewToken(answer, {}, connection.secret_hosts()))
        assert Connection.objects.get(pk=connection.pk).status == "authorized"

    # What must hold

    def is_live(self, actor: Actor) -> bool:
        return actor.until >= self.now

    def noted(self, actor: Actor) -> None:
        """Look at what an actor has just done."""
        if actor.step == "end":
            actor.join(60)
            outcome, row, actor.row = actor.outcome, actor.row, None
            if row is not None and self.holder[row] is actor and not self.is_live(actor):
                self.lost[row] -= 1  # late, and before anybody took the lease over
            assert isinstance(outcome, (Token, TokenRequestFailed, AuthorizationRequired, renewal.BusyError)), outcome
            if isinstance(outcome, AuthorizationRequired) and row is not None:
                token, problem = self.token(), Connection.objects.get(pk=self.connection.pk).problem
                is_newest = token is None or (token.pk, token.generation) == row
                assert is_newest or problem, "a refusal is believed only after reading again"
        elif actor.step == "request" and actor.row is None:
            token = self.token()
            assert token is not None
            assert token.lease_owner, "nothing is asked without the lease"
            assert token.refresh_started_at is not None, "nothing is asked without the journal"
            assert token.refresh_token.reveal() == actor.sent, "what is sent is the newest there is"
            actor.row, actor.until = (token.pk, token.generation), self.now + LEASE
            self.holder[actor.row] = actor
            assert self.lost[actor.row] <= 1, "it is sent at most once more after a worker died with it"

    @invariant()
    def one_holder(self) -> None:
        live = Counter(actor.row for actor in self.at("request", "save") if actor.row and self.is_live(actor))
        assert all(number == 1 for number in live.values()), live

    @invariant()
    def nothing_goes_back(self) -> None:
        token = self.token()
        assert (token is not None) == self.is_connected
        if token is None:
            return
        found = numbers(token.refresh_token.reveal())
        generation, before = self.seen.get(token.pk, (0, (0, 0)))
        assert token.generation >= generation
        assert found >= before, "an older token never takes the place of a newer one"
        assert found[0] == self.family, "an authorization is never overwritten by an older one's refresh"
        assert (token.generation == generation) == (found == before), "a new token is a new generation"
        assert numbers(token.access_token.reveal()) == found
        self.seen[token.pk] = (token.generation, found)

    @invariant()
    def a_refusal_is_the_newests(self) -> None:
        """Nobody is asked to authorize again because of a token that has been replaced."""
        token, connection = self.token(), Connection.objects.get(pk=self.connection.pk)
        if token is None or connection.problem != "needs_reauthorization":
            return
        family, number = numbers(token.refresh_token.reveal())
        is_dead = family in self.provider.revoked or number != self.provider.newest[family]
        assert is_dead or self.lost[token.pk, token.generation] > 1, connection.problem_reason

    def teardown(self) -> None:
        for actor in self.at("lease", "request", "save"):
            actor.kill()
            assert isinstance(actor.outcome, Killed)
        Connection.objects.filter(slug=SLUG).delete()


def stopping(step: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def stopped(*args: Any, **kwargs: Any) -> Any:
        actor = this_actor()
        if actor is not None:
            actor.stop_at(step)  # type: ignore[arg-type]  # one of the steps
        return real(*args, **kwargs)

    return stopped


@pytest.mark.django_db(transaction=True)
def test_whatever_happens_in_whatever_order(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(TokenQuerySet, "acquire_lease", stopping("lease", TokenQuerySet.acquire_lease))
    monkeypatch.setattr(TokenQuerySet, "store", stopping("save", TokenQuerySet.store))
    monkeypatch.setattr(token_requests, "refresh", asking)

    options = request.config.option
    began, seconds = time.monotonic(), (getattr(options, "property_seconds", None) or 0) / len(request.session.items)
    asked_for = getattr(options, "property_examples", None)

    class Machine(LeaseMachine):
        def teardown(self) -> None:
            super().teardown()
            request.config.stash[profiles.EXAMPLES][request.node.nodeid] += 1

    for number in count(getattr(options, "randomly_seed", 0)):
        seed(number)(Machine)
        examples = asked_for or profiles.QUICK // 3
        run_state_machine_as_test(Machine, settings=settings(max_examples=examples, stateful_step_count=STEPS))
        if time.monotonic() - began >= seconds:
            break
