"""Whether a token works, whether it is time to renew it, and whether that can be done."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from apiconnector.exceptions import SecretSealed, SecretUnreadable
from apiconnector.models import clock

if TYPE_CHECKING:
    from datetime import datetime

    from apiconnector.models.connection import Connection
    from apiconnector.models.token import Token

#: The pause after a failed attempt ahead of the end, in seconds. It doubles with each further one.
PAUSE_EARLY: Final = 5.0
#: The same where the token has ended: the first attempts may be repeated at once.
PAUSE: Final = 1.0
FREE_ATTEMPTS: Final = 2
LONGEST_PAUSE: Final = 60.0


def can_refresh(connection: Connection, token: Token, now: datetime) -> bool:
    """Whether a token that a person authorized can be refreshed: with a refresh token, or itself while it works."""
    if connection.read_dialect().renews_itself:
        return bool(token.access_token) and not token.is_expired(now)
    return bool(token.refresh_token)


def can_renew(connection: Connection, token: Token) -> bool:
    """Whether another token can be had without a person."""
    return not connection.method.needs_person or can_refresh(connection, token, clock.now())


def is_due(connection: Connection, token: Token, now: datetime) -> bool:
    """Whether a token should be renewed ahead of its end."""
    moment = due_at(connection, token)
    return moment is not None and now >= moment


def due_at(connection: Connection, token: Token) -> datetime | None:
    """When a token should be renewed ahead of its end; None for one whose end nobody knows."""
    if token.expires_at is None and token.learned_life is None:
        return None
    return token.due_at(renews_itself=connection.read_dialect().renews_itself)


def is_usable(connection: Connection, token: Token, now: datetime) -> bool:
    """Whether a token is believed to work."""
    if not token.access_token or token.is_expired(now):
        return False
    if connection.method.needs_person:
        return True
    # The site's own token is replaced without anybody's help when it can't be opened or sent any more.
    try:
        reveal(connection, token)
    except (SecretUnreadable, SecretSealed):
        return False
    return True


def reveal(connection: Connection, token: Token) -> str:
    """The access token in plain text. Raises what ``Connection.open()`` raises."""
    return str(connection.open(token.access_token, "access token"))


def paused_until(token: Token, *, is_early: bool) -> datetime | None:
    """Until when the token endpoint is left alone after failed attempts; None where nothing has failed."""
    if token.failed_at is None:
        return None
    if is_early:
        pause = PAUSE_EARLY * 2 ** min(token.failures - 1, 10)
    else:
        pause = PAUSE * 2 ** min(token.failures - FREE_ATTEMPTS - 1, 10) if token.failures > FREE_ATTEMPTS else 0.0
    until = token.failed_at + timedelta(seconds=min(pause, LONGEST_PAUSE))
    return max(until, token.retry_after_at) if token.retry_after_at is not None else until
