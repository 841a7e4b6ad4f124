"""When a run is sent again, and how long an API that asked for it is left alone.

Runs that failed together are not sent again together: each delay is spread, as everybody advises who has watched a
crowd of clients come back in the same second (AWS, "Exponential Backoff And Jitter"). It is only ever made longer:
an administrator reads ``retry_delay`` as a promise, and by up to a half: a spread between nothing and the whole delay,
which empties a queue soonest, would let a run use up its attempts in half of the days that an outage may take.

What an API says of its limits counts for its connection, in all processes: the row says until when it is left alone, by
the database's clock, and runs of it are not due until then.
"""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import Q

from apiconnector.models import Connection
from apiconnector.models.clock import DatabaseNow
from apiconnector.oauth import lifetime

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from apiconnector.models import Feed

#: No run waits longer for its next attempt, unless the API asked for it.
MAX_DELAY: Final = timedelta(hours=12)
#: How soon a run looks again whether its connection is ready; authorizing wakes it at once.
WAIT: Final = timedelta(minutes=5)
#: How soon at least it looks again whether the token endpoint answers.
WAIT_FOR_TOKEN: Final = timedelta(seconds=30)
#: A run gives up where it has given none for so long: about as long as all attempts of a feed take.
LONGEST_WAIT_FOR_TOKEN: Final = timedelta(days=3)
#: How soon a run is tried again that could not be sent because the database did not answer.
WAIT_FOR_DATABASE: Final = timedelta(seconds=10)
#: A delay is made longer by up to this part of it.
SPREAD: Final = 0.5
#: The status codes of answers that refuse for now, and may say for how long.
REFUSING: Final = frozenset({403, 429, 503})
#: How headers on limits begin. The first is that of the IETF drafts (draft-ietf-httpapi-ratelimit-headers, up to 06).
_PREFIXES: Final = ("ratelimit-", "x-ratelimit-", "x-rate-limit-", "x-hubspot-ratelimit-")
#: A reset above this is a moment, in seconds since 1970; below it counts from now.
_MOMENT_FROM: Final = 1_000_000_000
#: Above this it is one in milliseconds.
_MILLISECONDS_FROM: Final = 100_000_000_000
#: "limit=100, remaining=0, reset=30" (draft 07), or ``"minute";r=0;t=30, "day";r=5`` (from draft 08 on).
_PARAMETER: Final = re.compile(r"(?:^|[;,\s])(r|t|remaining|reset)=(\d{1,15})(?=$|[;,\s])")


def delay(feed: Feed, attempts: int) -> timedelta:
    """How long to wait at least after so many attempts: the feed's delay, tripled each time, at most 12 hours."""
    return timedelta(seconds=min(feed.retry_delay * 3.0 ** min(attempts - 1, 30), MAX_DELAY.total_seconds()))


def spread(feed: Feed, attempts: int) -> timedelta:
    """The same, made longer by up to a half; where 12 hours are reached, 8 to 12, but never below the first."""
    longest = MAX_DELAY.total_seconds()
    least = delay(feed, attempts).total_seconds()
    most = min(least * (1 + SPREAD), longest)
    least = max(min(least, most / (1 + SPREAD)), min(feed.retry_delay, longest))
    # Random enough to part runs; nobody gains from guessing it.
    return timedelta(seconds=random.uniform(least, most))  # noqa: S311 - no secret


def until_ready(again_in: float | None) -> timedelta:
    """How long a run waits until it looks again whether its connection is ready.

    ``again_in`` is when the token endpoint wants to be asked again, in seconds; None: it waits for a person.
    """
    if again_in is None:
        return WAIT
    soonest = max(WAIT_FOR_TOKEN.total_seconds(), min(again_in, lifetime.MAX_WAIT))
    return timedelta(seconds=random.uniform(soonest, soonest * (1 + SPREAD)))  # noqa: S311 - as above


def asked_for(status_code: int, headers: Mapping[str, str]) -> float | None:
    """How long an API asks to be left alone, in seconds, a day at most; None where its answer doesn't say so.

    ``headers`` have their names in lower case. ``Retry-After`` counts on 429 and 503, and on the 403 with which GitHub
    and others refuse who was too fast. What is left of a limit counts on any answer, once it is nothing.
    """
    # Said of this very request; which requests a limit is of is less certain.
    wait = lifetime.retry_after(headers) if status_code in REFUSING else None
    if wait is None:
        wait = max(_exhausted(status_code, headers), default=0.0)
    return min(wait, lifetime.MAX_WAIT) if wait > 0 else None


def refuses_for_now(status_code: int, headers: Mapping[str, str]) -> bool:
    """Whether a 403 refuses who was too fast, and not who may not: the request was not acted on."""
    return status_code == 403 and asked_for(status_code, headers) is not None


def rest(connection: Connection, seconds: float) -> None:
    """Leave the API of a connection alone for so long, in all processes. A longer rest is never shortened."""
    until = DatabaseNow() + timedelta(seconds=seconds)
    rows = Connection.objects.filter(pk=connection.pk)
    rows.filter(Q(busy_until__isnull=True) | Q(busy_until__lt=until)).update(busy_until=until)


def end_rest(connection: Connection) -> bool:
    """Leave the API of a connection alone no longer; False where it was not."""
    rows = Connection.objects.filter(pk=connection.pk, busy_until__gt=DatabaseNow())
    return bool(rows.update(busy_until=None))


def _exhausted(status_code: int, headers: Mapping[str, str]) -> Iterable[float]:
    """How long until there is something left of each limit that is used up, by headers on limits."""
    yield from _structured(headers.get("ratelimit", ""))
    for prefix in _PREFIXES:
        left = headers.get(f"{prefix}remaining", "").strip()
        # An answer of 429 says itself that nothing is left.
        if _number(left) == 0 or (status_code == 429 and not left):
            yield from _reset(headers, prefix)


def _reset(headers: Mapping[str, str], prefix: str) -> Iterable[float]:
    value = headers.get(f"{prefix}reset", "").strip()
    number = _number(value)
    if number is None:
        at = lifetime.moment(value, datetime.now(UTC))
        if at is not None:
            yield (at - _clock(headers)).total_seconds()
    elif number < _MOMENT_FROM:
        yield number
    else:
        yield number / (1000 if number >= _MILLISECONDS_FROM else 1) - _clock(headers).timestamp()
    window = _number(headers.get(f"{prefix}interval-milliseconds", ""))
    if window is not None:  # HubSpot
        yield window / 1000


def _structured(value: str) -> Iterable[float]:
    """The resets of the used up limits in a ``RateLimit`` header."""
    # In draft 07 commas part the members of the one limit there is.
    for limit in [value] if "remaining=" in value else value.split(","):
        found = dict(_PARAMETER.findall(limit))
        left = found.get("r", found.get("remaining"))
        if left is not None and int(left) == 0:
            yield float(found.get("t") or found.get("reset") or 0)


def _clock(headers: Mapping[str, str]) -> datetime:
    """The time by the API's own clock, where its answer has it: moments are measured by that."""
    return lifetime.http_date(headers.get("date", "")) or datetime.now(UTC)


def _number(value: str) -> float | None:
    return float(value) if re.fullmatch(r"\d{1,15}(\.\d{1,9})?", value, re.ASCII) else None
