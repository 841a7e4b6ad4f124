"""The life of a token: look, lease, look again, refresh, store."""

from __future__ import annotations

import random
import secrets
import time
from typing import TYPE_CHECKING, Any, cast

from django.db.models import F
from django.utils import timezone

from apiconnector.exceptions import (
    Act,
    AuthorizationRequired,
    ConfigurationError,
    SecretSealed,
    SecretUnreadable,
    TokenRequestFailed,
)
from apiconnector.models import health, site, token_requests
from apiconnector.models.event import ConnectionEvent
from apiconnector.models.token import Token
from apiconnector.models.validation import connection_problems

if TYPE_CHECKING:
    from datetime import datetime

    from apiconnector.models.connection import Connection
    from apiconnector.models.token_requests import Granted

#: A session looks at the token row again after this many seconds.
LOOK_AGAIN_AFTER = 5.0
#: After renewing ahead of the end failed, requests go on with the token that works for this many seconds.
COOL_DOWN = 5.0
_MOST_FAILURES = 1_000
#: How often a caller looks whether the one who holds the lease is done, in seconds.
POLL = 0.05


def can_refresh(connection: Connection, token: Token, now: datetime) -> bool:
    """Whether a token that a person authorized can be refreshed: with a refresh token, or itself while it works."""
    if connection.read_dialect().renews_itself:
        return bool(token.access_token) and not token.is_expired(now)
    return bool(token.refresh_token)


def is_due(connection: Connection, token: Token, now: datetime) -> bool:
    """Whether a token should be renewed ahead of its end."""
    if token.expires_at is None:
        return False
    return token.is_due(now, renews_itself=connection.read_dialect().renews_itself)


#: When renewing a token ahead of its end failed last in this process, by its ciphertext, which no other one has.
_failures: dict[str, float] = {}


def _failed_early(token: Token) -> None:
    if len(_failures) >= _MOST_FAILURES:
        _failures.clear()
    _failures[token.access_token.stored] = time.monotonic()


def _cools_down(token: Token) -> bool:
    failed_at = _failures.get(token.access_token.stored)
    return failed_at is not None and time.monotonic() - failed_at < COOL_DOWN


class TokenSource:
    """Gives one session its access token. Knows when to ask the token endpoint, and that nobody else does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._token: Token | None = getattr(connection, "token", None)
        self._looked_at = time.monotonic()

    def access_token(self) -> str:
        """A token that is believed to work.

        Raises ``AuthorizationRequired`` when a person has to act, ``TokenRequestFailed`` when the token endpoint gave
        none, ``ConfigurationError`` when a secret can't be read.
        """
        if time.monotonic() - self._looked_at > LOOK_AGAIN_AFTER:
            self._look()
        token, now = self._token, timezone.now()
        if token is None or not self._usable(token, now):
            token = self._obtain()
        elif self._is_due(token, now) and self._can_renew(token) and not _cools_down(token):
            try:
                token = self._obtain()
            except (ConfigurationError, TokenRequestFailed, AuthorizationRequired):
                # It was early: the old one still works until its end.
                if not self._usable(token, timezone.now()):
                    raise
                _failed_early(token)
        return self._reveal(token)

    def renew(self, rejected: str) -> str | None:
        """Another token than the one the API just refused; None where there is none to be had without a person."""
        token = self._look()
        if token is None and self._connection.method.needs_person:
            return None
        if token is not None and token.access_token and self._reveal(token) != rejected:
            if not token.is_expired(timezone.now()):
                return self._reveal(token)
        elif token is not None and not self._can_renew(token):
            return None
        return self._reveal(self._obtain(rejected=rejected))

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
        if token is not None and self._usable(token, timezone.now()) and not self._can_renew(token):
            raise AuthorizationRequired(
                f"The provider gave “{connection}” no refresh token: only authorizing again gives another token. "
                "The one there is used until it ends.",
                connection=connection,
            )
        return self._obtain(newer_than=token.generation if token is not None else 0)

    def _look(self) -> Token | None:
        rows = Token.objects.annotate(current_problem=F("connection__problem"))
        token = rows.filter(connection_id=self._connection.pk).first()
        if token is not None:
            token.connection = self._connection
            # It may have been authorized again since this session began.
            self._connection.problem = cast("Any", token).current_problem
        self._token, self._looked_at = token, time.monotonic()
        return token

    def _usable(self, token: Token, now: datetime) -> bool:
        if not token.access_token or token.is_expired(now):
            return False
        if self._connection.method.needs_person:
            return True
        # The site's own token is replaced without anybody's help when it can't be opened or sent any more.
        try:
            self._reveal(token)
        except (SecretUnreadable, SecretSealed):
            return False
        return True

    def _can_renew(self, token: Token) -> bool:
        if not self._connection.method.needs_person:
            return True
        return can_refresh(self._connection, token, timezone.now())

    def _is_due(self, token: Token, now: datetime) -> bool:
        return is_due(self._connection, token, now)

    def _reveal(self, token: Token) -> str:
        return str(self._connection.open(token.access_token, "access token"))

    def _obtain(self, *, rejected: str = "", newer_than: int = -1) -> Token:
        """Refresh or fetch under the lease, or adopt what another process stored meanwhile.

        What the API ``rejected`` is not adopted, nor a generation that is not ``newer_than`` the one told.
        """
        connection = self._connection
        lease_seconds = 2 * connection.timeout_seconds + 5
        owner = secrets.token_hex(16)
        give_up_at = time.monotonic() + 2 * lease_seconds
        while True:
            token = self._look() or self._first_row()
            now = timezone.now()
            adopted = self._usable(token, now) and not self._is_due(token, now) and token.generation > newer_than
            if adopted and not (rejected and self._reveal(token) == rejected):
                return token
            self._require_renewable(token)
            # The lease is taken on the generation just looked at: whoever stored another one makes this miss.
            if Token.objects.acquire_lease(token, owner=owner, seconds=lease_seconds):
                try:
                    stored = self._refresh(token, owner)
                finally:
                    Token.objects.release_lease(token, owner=owner)
                if stored:
                    self._look()
                    return self._token or token
                continue
            if time.monotonic() > give_up_at:
                raise TokenRequestFailed(
                    f"Another process has been refreshing the token of “{connection}” for too long. Try again later."
                )
            time.sleep(POLL * (0.5 + random.random()))  # noqa: S311 - spreads the pollers, keeps no secret

    def _first_row(self) -> Token:
        """The row a first client-credentials token is leased on."""
        connection = self._connection
        if connection.method.needs_person:
            raise AuthorizationRequired(
                f"“{connection}” is not authorized. Open it in the admin and press Authorize.",
                connection=connection,
            )
        token, _ = Token.objects.get_or_create(connection=connection)
        return token

    def _require_renewable(self, token: Token) -> None:
        connection = self._connection
        if connection.problem == health.NEEDS_REAUTHORIZATION or not self._can_renew(token):
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

    def _refresh(self, token: Token, owner: str) -> bool:
        """Send one request and store its answer; false when somebody else's newer token is there already."""
        connection = self._connection
        try:
            granted = self._request(token)
        except TokenRequestFailed as error:
            failure = error
        else:
            if not Token.objects.store(token, granted, owner=owner, scope=token.scope or connection.scope):
                return False
            if granted.failure is not None:
                self._fail(token, granted.failure)
            health.works_again(connection)
            ConnectionEvent.record(connection, ConnectionEvent.Kind.REFRESHED, granted.problem)
            return True
        if (
            failure.act is Act.PERSON
            and Token.objects.exclude(generation=token.generation).filter(pk=token.pk).exists()
        ):
            return False  # believed only after reading again: the refused token was not the newest
        self._fail(token, failure)
        return False

    def _request(self, token: Token) -> Granted:
        connection = self._connection
        if connection.method.needs_person:
            return token_requests.refresh(connection, token)
        return token_requests.fetch(connection)

    def _fail(self, token: Token, failure: TokenRequestFailed) -> None:
        """Write down what a refused refresh means, and raise it."""
        connection = self._connection
        if failure.act is Act.PERSON:
            reason = "The provider refused the refresh token: a person has to authorize again."
            if token.refresh_started_at is not None:
                reason += (
                    f" A refresh begun at {token.refresh_started_at:%Y-%m-%d %H:%M:%S %Z} was interrupted before its "
                    "answer was stored; the provider may have replaced the token then."
                )
            health.needs_attention(connection, health.NEEDS_REAUTHORIZATION, reason)
            required = AuthorizationRequired(f"“{connection}”: {reason}", connection=connection)
            raise required from failure
        if failure.act is Act.ADMINISTRATOR:
            health.needs_attention(connection, health.MISCONFIGURED, str(failure))
        raise failure


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
