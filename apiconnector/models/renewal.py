"""Renew a token under its lease: look, take the lease, look again, ask, store. Or adopt what somebody else stored."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from django.db import DatabaseError, IntegrityError, InterfaceError, connections
from django.db.models import F

from apiconnector.client import bounded
from apiconnector.exceptions import (
    Act,
    ApiConnectorError,
    AuthorizationRequired,
    ConfigurationError,
    TokenRequestFailed,
)
from apiconnector.models import apart, clock, health, revoking, site, token_requests, unsaved, validity
from apiconnector.models.clock import DatabaseNow
from apiconnector.models.event import ConnectionEvent
from apiconnector.models.lease import POLL, Lease, is_outdated
from apiconnector.models.token import Token

if TYPE_CHECKING:
    from collections.abc import Callable

    from apiconnector.models.connection import Connection
    from apiconnector.models.token_requests import Granted

#: A refresh token that was sent by workers which died is not sent again after this many of them.
MOST_INTERRUPTIONS: Final = 2
#: Of each so many tokens one is used until it is refused, where no life is stated: what was learned can be too short,
#: of a token that was ended early, or that of a provider who gives longer ones by now.
LEARNED_ANEW: Final = 20


class BusyError(Exception):
    """Somebody else renews the token, or has just failed to; nobody waits for it."""


@dataclass(frozen=True)
class Wanted:
    """What is wanted: another token than ``rejected``, with a generation above ``newer_than``.

    ``learned`` is how long the one that was rejected has lived, in seconds, where nobody had stated it. ``is_asked``:
    by a person, who need not wait out a pause. ``is_early``: ahead of the end, so that nobody has to wait.
    """

    rejected: str = ""
    newer_than: int = -1
    learned: float | None = None
    is_asked: bool = False
    is_early: bool = False


def look(connection: Connection) -> Token | None:
    """The token as it is in the database now; the connection learns of a problem, and the process of the time."""
    # Not from a replica, which may be late.
    rows = Token.objects.using(apart.database()).filter(connection_id=connection.pk)
    began = time.monotonic()
    token = rows.annotate(current_problem=F("connection__problem"), moment=DatabaseNow()).first()
    if token is None:
        return None
    # It may have been authorized again since this session began.
    connection.problem = cast("Any", token).current_problem
    clock.measured(cast("Any", token).moment, took=time.monotonic() - began)
    token.connection = connection
    return unsaved.newest(token)


def obtain(connection: Connection, wanted: Wanted | None = None) -> Token:
    """Another token: refreshed or fetched under the lease, or adopted from whoever has just stored one.

    Inside a caller's transaction it is stored apart from it, where the database lets a second one write.

    Raises ``AuthorizationRequired`` when a person has to act, ``TokenRequestFailed`` when the token endpoint gave none,
    ``ConfigurationError`` when the connection is not in a state to ask, and ``BusyError`` for what ``is_early``.
    """
    renewal = _Renewal(connection, wanted or Wanted())
    if not apart.in_transaction() or apart.must_stay():
        return renewal.run()
    steps: list[Callable[[], Token]] = [partial(apart.run, partial(renewal.run, look(connection))), renewal.run]
    if connections[apart.database()].vendor == "sqlite":
        # A second writer would break the caller's transaction, unless another one has done so already.
        steps = steps[1:] if apart.keeps_writers_out() else steps[::-1]
    for step in steps:
        with suppress(apart.UnreachableError):
            return step()
    raise TokenRequestFailed(f"Somebody else renews the token of “{connection}”: try again in another transaction.")


class _Renewal:
    """One caller's way to another token."""

    def __init__(self, connection: Connection, wanted: Wanted) -> None:
        self.connection, self.wanted = connection, wanted
        self.lease = Lease(2 * connection.timeout_seconds + 5)

    def run(self, known: Token | None = None) -> Token:
        """Renew or adopt; ``known`` is what the caller sees of it, from inside a transaction."""
        give_up_at = time.monotonic() + 2 * self.lease.seconds
        while True:
            token = look(self.connection)
            if token is None and known is not None:
                raise apart.UnreachableError
            token = token or self._first_row()
            if self._is_adopted(token):
                return token
            self._require_renewable(token)
            self._require_no_pause(token)
            if self.lease.take(token):
                renewed = self._renewed(token)
                if renewed is not None:
                    return renewed
                continue
            if self.wanted.is_early:
                raise BusyError
            if time.monotonic() > give_up_at:
                raise TokenRequestFailed(
                    f"Another process has been refreshing the token of “{self.connection}” for too long. "
                    "Try again later."
                )
            time.sleep(POLL * (0.5 + random.random()))  # noqa: S311 - spreads the pollers, keeps no secret

    def _is_adopted(self, token: Token) -> bool:
        now, wanted = clock.now(), self.wanted
        if token.generation <= wanted.newer_than or not validity.is_usable(self.connection, token, now):
            return False
        if validity.is_due(self.connection, token, now):
            return False
        return not wanted.rejected or validity.reveal(self.connection, token) != wanted.rejected

    def _first_row(self) -> Token:
        """The row a first client-credentials token is leased on."""
        connection = self.connection
        if connection.method.needs_person:
            raise AuthorizationRequired(
                f"“{connection}” is not authorized. Open it in the admin and press Authorize.",
                connection=connection,
            )
        try:
            with apart.brief():
                token, _ = Token.objects.get_or_create(connection=connection)
        except DatabaseError as error:
            # Apart: of a connection that the caller has just made, and nobody else can see.
            if apart.is_apart():
                raise apart.UnreachableError from None
            if isinstance(error, IntegrityError) and not type(connection).objects.filter(pk=connection.pk).exists():
                raise ConfigurationError(f"“{connection}” was deleted in the meantime.") from None
            raise
        return token

    def _require_renewable(self, token: Token) -> None:
        connection = self.connection
        is_known = connection.problem == health.NEEDS_REAUTHORIZATION
        if is_known or not validity.can_renew(connection, token):
            if not is_known:
                apart.afterwards(partial(health.look_again, connection))
            raise AuthorizationRequired(
                f"The authorization of “{connection}” has ended. Open it in the admin and press Re-authorize.",
                connection=connection,
            )
        if connection.method.needs_person and site.may_not_refresh(token):
            raise AuthorizationRequired(
                f"“{connection}”: {site.reason(token)} Open it in the admin and press Re-authorize, or confirm there "
                "that the token is used here from now on.",
                connection=connection,
            )

    def _require_no_pause(self, token: Token) -> None:
        if self.wanted.is_asked:
            return
        until, now = validity.paused_until(token, is_early=self.wanted.is_early), clock.now()
        if until is not None and until > now:
            if self.wanted.is_early:
                raise BusyError
            is_refused = self.connection.problem == health.MISCONFIGURED
            raise TokenRequestFailed(
                f"The token endpoint of “{self.connection}” is left alone until {until:%Y-%m-%d %H:%M:%S %Z}, since it "
                f"gave no token at {token.failed_at:%H:%M:%S}. {token.failure}",
                act=Act.ADMINISTRATOR if is_refused else Act.NOBODY,
                retry_after=(until - now).total_seconds(),
            )

    def _renewed(self, token: Token) -> Token | None:
        """Ask, and store the answer; None when what is in the row now has to be looked at again."""
        connection = self.connection
        release = partial(Token.objects.release_lease, token, owner=self.lease.owner)
        died = token.interruptions + bool(token.lease_owner)
        if connection.method.needs_person and died >= MOST_INTERRUPTIONS:
            apart.afterwards(partial(release, is_unanswered=True))
            self._give_up(token, "Its refresh token was sent twice by workers that died before the answer was stored.")
        try:
            with bounded(2 * connection.timeout_seconds):
                granted = self._ask(token)
        except TokenRequestFailed as error:
            failure = error
        except Exception as error:
            # What the connection lacks is found before anything is sent.
            is_unanswered = not isinstance(error, ApiConnectorError)
            apart.afterwards(partial(release, is_unanswered=is_unanswered))
            raise
        else:
            return self._stored(token, granted)
        words: Any = {"failure": str(failure), "retry_after": failure.retry_after}
        words["is_unanswered"] = failure.is_unanswered
        apart.afterwards(partial(release, **words), again=partial(Token.objects.note_failure, token, **words))
        if failure.act is Act.PERSON and is_outdated(token):
            return None  # believed only after reading again: the refused token was not the newest
        self._fail(token, failure)
        return None

    def _ask(self, token: Token) -> Granted:
        if self.connection.method.needs_person:
            return token_requests.refresh(self.connection, token)
        return token_requests.fetch(self.connection)

    def _stored(self, token: Token, granted: Granted) -> Token | None:
        connection = self.connection
        values = token.renewed_by(granted, scope=token.scope or connection.scope)
        values["refused_when_new"] = False
        if self.wanted.learned is not None:
            values["learned_life"] = min(self.wanted.learned, token.learned_life or self.wanted.learned)
        elif (token.generation + 1) % LEARNED_ANEW == 0:
            values["learned_life"] = None
        renewed = self._written(token, values)
        if renewed is not None:
            if granted.failure is not None:
                self._fail(renewed, granted.failure)
            apart.afterwards(partial(self._note_success, granted.problem))
        return renewed

    def _written(self, token: Token, values: dict[str, Any]) -> Token | None:
        """Store the columns of a renewed token; None when somebody else's newer token is there already."""
        keep = partial(unsaved.keep, token, values, using=apart.database())
        try:
            with apart.brief():
                is_stored = Token.objects.store(token, values)
        except (DatabaseError, InterfaceError):
            # Not lost: it is in this process, and written as soon as the database lets it.
            keep()
        else:
            if not is_stored:
                self._revoke_late(token, values)
                return None
            if apart.in_transaction() and not apart.must_stay():
                keep()
        return unsaved.renewed_as(token, values)

    def _revoke_late(self, token: Token, values: dict[str, Any]) -> None:
        """Have the new token revoked if its row is gone: what Disconnect revoked was the one before it."""
        connection = self.connection
        if not connection.method.needs_person or Token.objects.filter(pk=token.pk).exists():
            return
        try:
            done = revoking.revoke(connection, unsaved.renewed_as(token, values))
        except ConfigurationError:
            done = False
        if done is None or not type(connection).objects.filter(pk=connection.pk).exists():
            return
        said = "The provider revoked" if done else "The provider did not confirm that it revoked"
        said += " the token with which it answered a refresh afterwards."
        apart.afterwards(partial(ConnectionEvent.record, connection, ConnectionEvent.Kind.REVOKED, said))

    def _note_success(self, problem: str) -> None:
        health.works_again(self.connection)
        ConnectionEvent.record(self.connection, ConnectionEvent.Kind.REFRESHED, problem)

    def _fail(self, token: Token, failure: TokenRequestFailed) -> None:
        """Write down what a refused refresh means, and raise it."""
        if failure.act is Act.PERSON:
            self._give_up(token, "The provider refused the refresh token: a person has to authorize again.", failure)
        if failure.act is Act.ADMINISTRATOR:
            self._tell(token, health.MISCONFIGURED, str(failure))
        raise failure

    def _give_up(self, token: Token, reason: str, cause: Exception | None = None) -> None:
        """Ask for a person: nothing more is sent until one has authorized again."""
        connection = self.connection
        if token.refresh_started_at is not None:
            reason += (
                f" A refresh begun at {token.refresh_started_at:%Y-%m-%d %H:%M:%S %Z} was interrupted before its "
                "answer was stored; the provider may have replaced the token then."
            )
        self._tell(token, health.NEEDS_REAUTHORIZATION, reason)
        required = AuthorizationRequired(f"“{connection}”: {reason}", connection=connection)
        raise required from cause

    def _tell(self, token: Token, problem: str, reason: str) -> None:
        tell = partial(health.needs_attention, self.connection, problem, reason, generation=token.generation)
        apart.afterwards(tell, again=tell)
