"""Gives a session its access token, and knows when it has to be another one."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from apiconnector.exceptions import AuthorizationRequired, ConfigurationError, TokenRequestFailed
from apiconnector.models import ahead, apart, clock, health, renewal, unsaved, validity
from apiconnector.models.renewal import Wanted
from apiconnector.models.token import Token
from apiconnector.models.validation import connection_problems

if TYPE_CHECKING:
    from datetime import datetime

    from apiconnector.models.connection import Connection

#: A session looks at the token row again after this many seconds.
LOOK_AGAIN_AFTER = 5.0
#: Where a new token was refused at once, another one is asked for after this many seconds only.
FRESH = 60.0
#: A token that is refused earlier than this, in seconds, was ended by somebody and not by its age.
SHORTEST_LIFE = 300.0


class TokenSource:
    """Gives one session its access token. Knows when to ask the token endpoint, and that nobody else does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        token: Token | None = getattr(connection, "token", None)
        self._token = token and unsaved.newest(token)
        self._looked_at = time.monotonic()
        #: The token that was opened last, with its text.
        self._opened: tuple[Token | None, str] = (None, "")
        #: Until when nothing is to be done about it.
        self._carefree_until: datetime | None = None

    def access_token(self) -> str:
        """A token that is believed to work.

        Raises ``AuthorizationRequired`` when a person has to act, ``TokenRequestFailed`` when the token endpoint gave
        none, ``ConfigurationError`` when a secret can't be read.
        """
        if time.monotonic() - self._looked_at > LOOK_AGAIN_AFTER:
            self._look()
        token, now = self._token, clock.now()
        if token is not None and token is self._opened[0] and self._is_carefree(token, now):
            return self._opened[1]
        if token is None or not validity.is_usable(self._connection, token, now):
            token = self._obtain(Wanted())
        elif validity.is_due(self._connection, token, now):
            token = self._renewed_early(token, now)
        return self._reveal(token)

    def _is_carefree(self, token: Token, now: datetime) -> bool:
        """Whether nothing is to be done about the token that was opened. That of the site itself is opened anew."""
        until = self._carefree_until
        return until is not None and now < until and not token.is_expired(now) and self._connection.method.needs_person

    def renew(self, rejected: str) -> str | None:
        """Another token than the one the API just refused; None where there is none to be had without a person."""
        token, now = self._look(), clock.now()
        if token is None:
            return None if self._connection.method.needs_person else self._reveal(self._obtain(Wanted()))
        if token.access_token and self._reveal(token) != rejected:
            if not token.is_expired(now):
                return self._reveal(token)
            return self._reveal(self._obtain(Wanted()))
        age = (now - token.issued_at).total_seconds()
        if not validity.can_renew(self._connection, token):
            return None
        if token.refused_when_new and age < FRESH:
            return None
        learned = age if token.expires_at is None and age >= SHORTEST_LIFE else None
        return self._reveal(self._obtain(Wanted(rejected, learned=learned)))

    def refused(self, token: str) -> None:
        """Take note that a new token was refused as well: not its age is the reason, nor was that of the one before."""
        newest = self._token
        if newest is None or self._reveal(newest) != token:
            return
        newest.refused_when_new, newest.learned_life = True, None
        rows = Token.objects.filter(pk=newest.pk, generation=newest.generation)
        apart.afterwards(partial(rows.update, refused_when_new=True, learned_life=None))

    def refresh(self) -> Token:
        """Another token now, also where the one there still works; one that another process stores meanwhile counts.

        Raises ``AuthorizationRequired`` when a person has to act, ``TokenRequestFailed`` when the token endpoint gave
        none, ``ConfigurationError`` when the connection is not in a state to ask.
        """
        connection = self._connection
        if not connection.is_active:
            raise ConfigurationError(f"“{connection}” is switched off.")
        if connection.method_or_none is not None and not connection.method.uses_token:
            raise ConfigurationError(f"“{connection}” keeps no token: there is nothing to refresh.")
        if problems := connection_problems(connection):
            named = "; ".join(f"{connection.label_of(name)}: {text}" for name, text in problems.items())
            raise ConfigurationError(f"“{connection}” is not filled in. {named}")
        token = self._look()
        if (
            token is not None
            and validity.is_usable(connection, token, clock.now())
            and not validity.can_renew(connection, token)
        ):
            raise AuthorizationRequired(
                f"The provider gave “{connection}” no refresh token: only authorizing again gives another token. "
                "The one there is used until it ends.",
                connection=connection,
            )
        return self._obtain(Wanted(newer_than=token.generation if token is not None else 0, is_asked=True))

    def _look(self) -> Token | None:
        self._token, self._looked_at = renewal.look(self._connection), time.monotonic()
        return self._token

    def _obtain(self, wanted: Wanted) -> Token:
        self._token = renewal.obtain(self._connection, wanted)
        self._looked_at = time.monotonic()
        return self._token

    def _renewed_early(self, token: Token, now: datetime) -> Token:
        """See to it that a token which still works is renewed before its end; the one to use meanwhile."""
        connection = self._connection
        if ahead.ended_since(connection.pk, self._looked_at):
            token = self._look() or token
            if not validity.is_due(connection, token, now):
                return token
        until = validity.paused_until(token, is_early=True)
        if (until is not None and until > now) or not validity.can_renew(connection, token):
            return token
        if connection.problem == health.NEEDS_REAUTHORIZATION:
            return token
        if not apart.must_stay():
            ahead.begin(connection)
            return token
        try:
            return self._obtain(Wanted(is_early=True))
        except (ConfigurationError, TokenRequestFailed, AuthorizationRequired, renewal.BusyError):
            # It was early: the old one still works until its end.
            self._look()
            if not validity.is_usable(connection, token, clock.now()):
                raise
            return token

    def _reveal(self, token: Token) -> str:
        if self._opened[0] is not token:
            self._opened = (token, validity.reveal(self._connection, token))
            self._carefree_until = validity.due_at(self._connection, token)
        return self._opened[1]


class TrialSource(TokenSource):
    """Gives the token that is on trial: it is neither looked up nor refreshed."""

    def access_token(self) -> str:
        """The token on trial."""
        token = self._connection.on_trial
        assert token is not None  # it is made for one
        return self._reveal(token)

    def renew(self, rejected: str) -> str | None:
        """None: a token that is refused right away is no good."""
        del rejected
        return None
