"""Renew in time what would end if nobody used it, and warn of what ends all the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import Q
from django.utils import timezone

from apiconnector.exceptions import ApiConnectorError, ConfigurationError
from apiconnector.models import apart, endings, health, site
from apiconnector.models.connection import Connection
from apiconnector.models.validity import can_refresh, is_due
from apiconnector.redaction import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from apiconnector.models.token import Token

logger = get_logger(__name__)

REFRESHED: Final = "refreshed"
FAILED: Final = "failed"
LEFT: Final = "left"
#: How many connections are read at once.
_BATCH = 200
#: After a failure a token is left alone for so long.
_REST = timedelta(minutes=1)
#: Of an authorization that ends without use, half of its days pass before it is refreshed; of a stated life two thirds.
_IDLE, _STATED = 1 / 2, 2 / 3


@dataclass(frozen=True)
class Outcome:
    """What became of one connection whose token was due: ``refreshed``, ``failed``, or ``left`` alone, and why.

    ``expires_at`` is the end of the new token; None where it is not stated.
    """

    slug: str
    outcome: str
    message: str = ""
    expires_at: datetime | None = None

    @property
    def ok(self) -> bool:
        """Whether nobody has to look into it."""
        return self.outcome != FAILED


def refresh_due(report: Callable[[Outcome, int, int], None] | None = None) -> list[Outcome]:
    """Refresh every token that has ended or is about to, or whose grant would end without use; warn of what ends.

    One that can't be refreshed does not stop the others; what is nearest to its end is first. Any number of processes
    may do this at the same time. ``report`` is called after each with what became of it, its number, and how many there
    are. Raises nothing for what providers do.
    """
    found: list[tuple[datetime, int]] = []
    for connection in _all():
        if _is_due(connection, timezone.now()):
            found.append((_end(connection.token), connection.pk))
        else:
            health.look_ahead(connection)
    outcomes: list[Outcome] = []
    for number, (_, pk) in enumerate(sorted(found), start=1):
        # Read again: the ones before may have taken long, and another process may have been here.
        rows = Connection.objects.using(apart.database()).select_related("token")
        row = rows.filter(pk=pk, is_active=True).first()
        if row is None or not _is_due(row, timezone.now()):
            continue
        outcomes.append(_refresh(row))
        if report is not None:
            report(outcomes[-1], number, len(found))
    return outcomes


def _all() -> Iterator[Connection]:
    """The active connections that may have something to end, a batch at a time."""
    rows = Connection.objects.select_related("token").filter(is_active=True).order_by("pk")
    rows = rows.filter(Q(token__isnull=False) | Q(client_secret_expires_on__isnull=False) | ~Q(secret_warned=""))
    batch = list(rows[:_BATCH])
    while batch:
        yield from batch
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:_BATCH])


def _is_due(connection: Connection, now: datetime) -> bool:
    method, token = connection.method_or_none, endings.token_of(connection)
    if method is None or not method.uses_token or token is None:
        return False
    if connection.problem == health.NEEDS_REAUTHORIZATION:
        return False
    try:
        if method.needs_person and not can_refresh(connection, token, now):
            return False
        return is_due(connection, token, now) or (method.needs_person and _would_idle_out(connection, token, now))
    except ConfigurationError:
        # Refreshing it says what is wrong.
        return token.expires_at is not None


def _would_idle_out(connection: Connection, token: Token, now: datetime) -> bool:
    """Whether a good part of the time has passed after which the refresh token ends without use.

    Refreshing one whose end that does not move is repeated after the same part of what is left, so ever less is lost,
    and it is asked a few times in all.
    """
    if not token.refresh_token:
        return False
    idle_days = connection.read_dialect().refresh_token_idle_days
    if idle_days and now >= token.issued_at + timedelta(days=idle_days) * _IDLE:
        return True
    ends = token.refresh_expires_at
    return ends is not None and now >= token.issued_at + (ends - token.issued_at) * _STATED


def _end(token: Token) -> datetime:
    ends = [at for at in (token.expires_at, token.refresh_expires_at) if at is not None]
    return min(ends, default=datetime.max.replace(tzinfo=token.issued_at.tzinfo))


def _refresh(connection: Connection) -> Outcome:
    slug, token = connection.slug, connection.token
    if site.is_other(token.site):
        return Outcome(slug, LEFT, f"The token was authorized for another site, {token.site}.")
    if resting := _rests(token, timezone.now()):
        return Outcome(slug, LEFT, resting)
    try:
        new = connection.token_source().refresh()
    except ApiConnectorError as error:
        message = str(error)
    except Exception as error:
        # Whatever it is, one connection must not hold up the others.
        logger.exception("“%s” could not be refreshed.", connection)
        message = f"It broke off with {type(error).__name__}; see the log."
    else:
        return Outcome(slug, REFRESHED, expires_at=new.expires_at)
    health.look_again(connection)
    return Outcome(slug, FAILED, message)


def _rests(token: Token, now: datetime) -> str:
    """Why a token is not renewed right now; empty where it may be."""
    if token.retry_after_at is not None and token.retry_after_at > now:
        until = f"{endings.local(token.retry_after_at):%Y-%m-%d %H:%M:%S %Z}".rstrip()
        return f"The provider asked to be left alone until {until}."
    if token.failed_at is not None and token.failed_at > now - _REST:
        return "Renewing it failed less than a minute ago."
    return ""
