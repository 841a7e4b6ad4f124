"""Whoever does what in whatever order: one lease at a time, no older token over a newer one, nothing sent too often.

Two workers renew the token of one connection, step by step, as ``apiconnector.models.renewal`` does: on real rows, with
the real queries. In between they die, are late, and a person authorizes again or disconnects. The provider rotates.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from hypothesis.strategies import integers, sampled_from

from apiconnector.authorize.grant import NewToken
from apiconnector.authorize.store import store as store_authorization
from apiconnector.models import AuthorizationAttempt, Connection, Token
from apiconnector.models.renewal import MOST_INTERRUPTIONS
from apiconnector.models.token_requests import Granted
from apiconnector.oauth import TokenAnswer
from tests.properties import profiles

WORKERS = 2
workers = integers(0, WORKERS - 1)


@dataclass
class Worker:
    """What one worker knows at a moment."""

    owner: str
    seen: Token | None = None
    has_lease: bool = False
    answer: TokenAnswer | None = field(default=None, repr=False)
    is_refused: bool = False

    def forget(self) -> None:
        self.seen, self.has_lease, self.answer, self.is_refused = None, False, None, False


class Provider:
    """Gives numbered refresh tokens, each good for once; the newest of the newest authorization works."""

    def __init__(self) -> None:
        self.number = 0
        self.newest = 0
        self.sent: Counter[int] = Counter()

    def tokens(self) -> TokenAnswer:
        self.number += 1
        self.newest = self.number
        return TokenAnswer(f"access-{self.number}", f"refresh-{self.number}", "", None, None, None, {})

    def refresh(self, number: int) -> TokenAnswer | None:
        self.sent[number] += 1
        return self.tokens() if number == self.newest else None


def number_of(token: Token) -> int:
    return int(token.refresh_token.reveal().removeprefix("refresh-"))


class Lease(RuleBasedStateMachine):
    """The steps, and what holds after each."""

    def __init__(self) -> None:
        super().__init__()
        Connection.objects.all().delete()
        self.connection = Connection.objects.create(
            name="Provider", slug="provider", base_url="https://api.example.com", client_id="id", client_secret="s",
            auth_method="oauth2_authorization_code", authorization_url="https://api.example.com/authorize",
            token_url="https://api.example.com/token",
        )  # fmt: skip
        self.provider = Provider()
        self.workers = [Worker(f"worker {number}") for number in range(WORKERS)]
        #: Whose lease has not ended by the clock, if anybody's.
        self.holder: Worker | None = None
        #: The row and generation that was refused, if the newest one was.
        self.dead: tuple[int, int] | None = None
        self.generations: dict[int, int] = {}
        #: The newest number that was in the row, and the first one of the authorization that is valid.
        self.highest = 0
        self.authorize()

    def row(self) -> Token | None:
        return Token.objects.select_related("connection").first()

    # A person

    @rule()
    def authorize(self) -> None:
        answer = self.provider.tokens()
        connection = Connection.objects.get()
        attempt = AuthorizationAttempt.objects.create(
            connection=connection,
            state=f"state-{self.provider.number}",
            nonce="n",
            redirect_uri="https://site/callback",
        )
        store_authorization(attempt, NewToken(answer, {}, connection.secret_hosts()))
        self.holder = None
        row = self.row()
        assert row is not None
        assert number_of(row) == self.provider.number
        assert row.lease_owner == ""

    @precondition(lambda self: self.row() is not None)
    @rule()
    def disconnect(self) -> None:
        Token.objects.all().delete()
        self.holder = None

    # A worker

    @rule(worker=workers)
    def look(self, worker: int) -> None:
        self.workers[worker].seen = self.row()
        self.workers[worker].has_lease = False

    @rule(worker=workers)
    def take_the_lease(self, worker: int) -> None:
        mine = self.workers[worker]
        if mine.seen is None or mine.has_lease:
            return
        row = self.row()
        is_free = row is not None and self.holder is None
        is_as_seen = row is not None and (row.pk, row.generation, row.lease_owner, row.failures) == (
            mine.seen.pk, mine.seen.generation, mine.seen.lease_owner, mine.seen.failures,
        )  # fmt: skip
        mine.has_lease = Token.objects.acquire_lease(mine.seen, owner=mine.owner, seconds=60)
        assert mine.has_lease == (is_free and is_as_seen)
        if mine.has_lease:
            self.holder = mine

    @rule(worker=workers)
    def ask(self, worker: int) -> None:
        mine = self.workers[worker]
        if not mine.has_lease or mine.seen is None or mine.answer is not None or mine.is_refused:
            return
        if mine.seen.interruptions + bool(mine.seen.lease_owner) >= MOST_INTERRUPTIONS:
            # A person has to act; the token of this generation is not sent any more.
            Token.objects.release_lease(mine.seen, owner=mine.owner, is_unanswered=True)
            self.released(mine)
            mine.forget()
            return
        if self.dead == (mine.seen.pk, mine.seen.generation):
            return  # the connection needs a person
        number = number_of(mine.seen)
        mine.answer = self.provider.refresh(number)
        mine.is_refused = mine.answer is None

    @rule(worker=workers)
    def begin(self, worker: int) -> None:
        """The same without anything between: most of what goes wrong has several such in a row."""
        if self.workers[worker].answer is None and not self.workers[worker].is_refused:
            self.look(worker)
            self.take_the_lease(worker)
            self.ask(worker)

    @rule(worker=workers)
    def hear(self, worker: int) -> None:
        """The answer arrives, in time or late."""
        mine = self.workers[worker]
        if mine.seen is None or (mine.answer is None and not mine.is_refused):
            return
        before = self.row()
        is_current = before is not None and (before.pk, before.generation) == (mine.seen.pk, mine.seen.generation)
        if mine.answer is not None:
            values = mine.seen.renewed_by(Granted(mine.answer, {}), scope="")
            assert Token.objects.store(mine.seen, values, owner=mine.owner) == is_current
            after = self.row()
            if is_current and before is not None and after is not None:
                assert number_of(after) == int(mine.answer.refresh_token.removeprefix("refresh-"))
                assert after.failures == 0
                is_mine = before.lease_owner == mine.owner
                assert after.lease_owner == ("" if is_mine else before.lease_owner), "nobody else's lease is touched"
            elif before is not None and after is not None:
                assert number_of(after) == number_of(before)
        else:
            Token.objects.release_lease(mine.seen, owner=mine.owner, failure="refused")
            if is_current:
                self.dead = (mine.seen.pk, mine.seen.generation)
        self.released(mine)
        mine.forget()

    @rule(worker=workers, is_unanswered=sampled_from([True, False]))
    def fail(self, worker: int, is_unanswered: bool) -> None:
        """The provider is away: nothing reached it, or nobody knows."""
        mine = self.workers[worker]
        if not mine.has_lease or mine.seen is None or mine.answer is not None or mine.is_refused:
            return
        journal = mine.seen.refresh_started_at
        Token.objects.release_lease(mine.seen, owner=mine.owner, failure="away", is_unanswered=is_unanswered)
        row = self.row()
        if self.holder is mine and row is not None:
            assert row.lease_owner == ""
            assert (row.refresh_started_at is not None) == (is_unanswered or journal is not None)
        self.released(mine)
        mine.forget()

    @rule(worker=workers, is_long_ago=sampled_from([True, False]))
    def die(self, worker: int, is_long_ago: bool) -> None:
        """Its lease stays in the row."""
        self.workers[worker].forget()
        if is_long_ago and self.holder is not None:
            self.time_passes()

    @precondition(lambda self: self.holder is not None)
    @rule()
    def time_passes(self) -> None:
        """The lease ends; whoever has it may be alive, and late."""
        Token.objects.filter(lease_until__isnull=False).update(lease_until=timezone.now() - timedelta(minutes=5))
        self.holder = None

    def released(self, mine: Worker) -> None:
        mine.has_lease = False
        if self.holder is mine:
            self.holder = None

    # What holds

    @invariant()
    def the_generation_only_grows(self) -> None:
        row = self.row()
        if row is not None:
            assert row.generation >= self.generations.get(row.pk, 0)
            self.generations[row.pk] = row.generation

    @invariant()
    def no_older_token_takes_the_place_of_a_newer_one(self) -> None:
        row = self.row()
        if row is not None:
            assert number_of(row) >= self.highest
            self.highest = number_of(row)

    @invariant()
    def the_row_names_whoever_has_the_lease(self) -> None:
        row = self.row()
        if row is not None and self.holder is not None:
            assert row.lease_owner == self.holder.owner
            assert row.lease_until is not None
            assert row.refresh_started_at is not None, "the journal is written with the lease"

    @invariant()
    def no_refresh_token_is_sent_more_often_than_twice(self) -> None:
        assert all(times <= MOST_INTERRUPTIONS for times in self.provider.sent.values()), self.provider.sent


@pytest.mark.django_db
def test_lease_and_generations() -> None:
    run_state_machine_as_test(Lease, settings=settings(profiles.share(0.5), stateful_step_count=40))
