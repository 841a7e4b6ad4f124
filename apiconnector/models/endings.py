"""When a connection ends unless somebody acts, and how that is known: the one place that works it out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.utils import timezone
from django.utils.formats import date_format

from apiconnector import presets
from apiconnector.dialect import EMPTY
from apiconnector.exceptions import ConfigurationError
from apiconnector.models import site

if TYPE_CHECKING:
    from apiconnector.dialect import Dialect
    from apiconnector.models.connection import Connection
    from apiconnector.models.token import Token

#: People are told this long ahead, or in the last third of a life shorter than three times that.
AHEAD: Final = timedelta(days=14)
#: The end of a refresh token that a provider stated is believed without asking only so long after it.
_DOUBT: Final = timedelta(days=1)
#: The end of a shorter life is given with the time of day.
_SHORT: Final = timedelta(days=3)


@dataclass(frozen=True)
class Ending:
    """The end of a grant or of a client secret, as far as it is known."""

    at: datetime
    #: When people are told.
    warn_from: datetime
    #: From when it is certain without asking the provider; None: never.
    final_from: datetime | None
    #: What to know and to do before it, and after it; ``{day}`` stands for the day.
    words: tuple[str, str]
    #: The day it is called by.
    day: date
    has_time: bool = False

    @property
    def before(self) -> str:
        """What to know and to do before it."""
        return self._said(self.words[0])

    @property
    def after(self) -> str:
        """What to know and to do after it."""
        return self._said(self.words[1])

    def _said(self, words: str) -> str:
        # Written when somebody reads it, in their language: most are looked at and not near.
        day = local(self.day) if isinstance(self.day, datetime) else self.day
        return words.replace("{day}", date_format(day, "DATETIME_FORMAT" if self.has_time else "DATE_FORMAT"))

    def is_near(self, now: datetime) -> bool:
        """Whether people have to know; also when it is over."""
        return now >= self.warn_from

    def is_over(self, now: datetime) -> bool:
        """Whether it has come."""
        return now >= self.at

    def is_final(self, now: datetime) -> bool:
        """Whether nothing but a person helps any more, for certain."""
        return self.final_from is not None and now >= self.final_from

    def reason(self, now: datetime) -> str:
        """What to know and to do, in a sentence or two."""
        return self.after if self.is_over(now) else self.before


def of(connection: Connection) -> list[Ending]:
    """All that is known to end, the nearest first."""
    found = [ending for ending in (of_grant(connection), of_secret(connection)) if ending is not None]
    return sorted(found, key=lambda ending: ending.at)


def near(connection: Connection, now: datetime) -> str:
    """What people have to know of it by now; empty most of the time."""
    return " ".join(ending.reason(now) for ending in of(connection) if ending.is_near(now))


def of_grant(connection: Connection) -> Ending | None:
    """When what a person authorized ends unless it is used, refreshed or authorized again; None: not known.

    A token that only another site refreshes is that site's matter.
    """
    method, token = connection.method_or_none, token_of(connection)
    if method is None or not method.needs_person or token is None or not token.access_token:
        return None
    dialect = dialect_of(connection)
    if dialect.renews_itself:
        return _of_access_token(
            token,
            "“manage.py apiconnector refresh --due” renews the access token before; afterwards nothing can.",
            "The access token was not renewed before its end",
        )
    if not token.refresh_token:
        return _of_access_token(
            token,
            "The access token ends then, and the provider gave no refresh token.",
            "The access token has expired and the provider gave no refresh token",
        )
    return None if site.may_not_refresh(token) else _of_refresh_token(token, dialect.refresh_token_idle_days)


def of_secret(connection: Connection) -> Ending | None:
    """When the client secret ends; None where the date is not typed, or the method has no client secret."""
    day, method = connection.client_secret_expires_on, connection.method_or_none
    # One that was assigned and not read back may be text still.
    if not isinstance(day, date) or method is None or "client_secret" not in method.fields:
        return None
    if not connection.client_secret:
        return None
    preset = presets.find(connection.preset)
    where = f" from {preset.register_url}" if preset else ""
    at = datetime.combine(day + timedelta(days=1), time.min)
    at = timezone.make_aware(at) if settings.USE_TZ else at
    todo = f"enter a new one{where}, and the date it ends on."
    words = f"The client secret ends on {{day}}: {todo}", f"The client secret ended on {{day}}: {todo}"
    return Ending(at, at - AHEAD, None, words, day)


def refresh_token_ends(token: Token, idle_days: float | None) -> datetime | None:
    """When a refresh token ends unless it is used before: as stated, or after so many days without use."""
    ends = [token.refresh_expires_at] if token.refresh_expires_at else []
    if idle_days:
        ends.append(token.issued_at + timedelta(days=idle_days))
    return min(ends, default=None)


def is_spent(token: Token, now: datetime) -> bool:
    """Whether a token neither works any more nor can be refreshed, as far as the provider stated its ends."""
    ends = token.refresh_expires_at
    return token.is_expired(now) and (not token.refresh_token or (ends is not None and ends <= now))


def local(at: datetime) -> datetime:
    """A moment in the site's time zone; a site without ``USE_TZ`` has no other."""
    return timezone.localtime(at) if timezone.is_aware(at) else at


def token_of(connection: Connection) -> Token | None:
    """The token that is in memory with a connection, or in the database; None where there is none."""
    try:
        return connection.token
    except ObjectDoesNotExist:
        return None


def dialect_of(connection: Connection) -> Dialect:
    """The dialect; the plain one where it can't be read, which is said elsewhere."""
    try:
        return connection.read_dialect()
    except ConfigurationError:
        return EMPTY


def _of_access_token(token: Token, basis: str, after: str) -> Ending | None:
    at = token.expires_at
    if at is None:
        return None
    life = at - token.issued_at
    words = f"Re-authorize before {{day}}. {basis}", f"{after} ({{day}}). Press Re-authorize."
    return Ending(at, at - min(AHEAD, life / 3), at, words, at, life < _SHORT)


def _of_refresh_token(token: Token, idle_days: float | None) -> Ending | None:
    at = refresh_token_ends(token, idle_days)
    if at is None:
        return None
    if at == token.refresh_expires_at:
        # The first life since a person authorized: what is left of one that refreshing does not prolong is no life.
        life = max(at - token.issued_at, timedelta(seconds=token.refresh_life or 0))
        words = (
            "Re-authorize before {day}. The refresh token ends then, as the provider stated.",
            "The refresh token ended on {day}, as the provider had stated. Press Re-authorize.",
        )
    else:
        life = at - token.issued_at
        before = (
            f"Re-authorize before {{day}}, unless it is used until then: after {idle_days:g} days without a refresh "
            "the provider ends the authorization. “manage.py apiconnector refresh --due” keeps it alive."
        )
        after = (
            "The authorization ended on {day}, if the provider did what it documents: nothing was refreshed for "
            f"{idle_days:g} days. Press Test to find out, and Re-authorize if that fails."
        )
        words = before, after
    # The access token may outlive the refresh token. Of one without a stated end nobody knows.
    final = None
    if token.refresh_expires_at and token.expires_at:
        final = max(token.refresh_expires_at, token.expires_at) + _DOUBT
    return Ending(at, at - min(AHEAD, life / 3), final, words, at, life < _SHORT)
