"""When a run is sent again, and what APIs say of their limits."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from apiconnector.feeds import schedule
from apiconnector.feeds.verdict import End, of_answer
from apiconnector.models import Connection, Feed
from apiconnector.models.clock import DatabaseNow

HOUR = 3600.0
#: Measured by the API's own clock, which is wrong.
DATE = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
SENT = {"date": format_datetime(DATE, usegmt=True)}
EPOCH = int(DATE.timestamp())


@pytest.mark.parametrize(
    ("retry_delay", "attempts", "least", "most"),
    [
        (10, 1, 10, 15),
        (10, 2, 30, 45),
        (10, 3, 90, 135),
        (10, 8, 21_870, 32_805),
        (10, 9, 8 * HOUR, 12 * HOUR),
        (10, 10_000, 8 * HOUR, 12 * HOUR),
        (9 * HOUR, 1, 9 * HOUR, 12 * HOUR),
        (9 * HOUR, 5, 9 * HOUR, 12 * HOUR),
        (20 * HOUR, 1, 12 * HOUR, 12 * HOUR),
        (0, 5, 0, 0),
    ],
)
def test_delays_are_spread(retry_delay: float, attempts: int, least: float, most: float) -> None:
    feed = Feed(retry_delay=retry_delay)
    delays = [schedule.spread(feed, attempts).total_seconds() for _ in range(500)]
    assert least <= min(delays) <= max(delays) <= most
    # All of the range is used.
    assert max(delays) - min(delays) >= 0.9 * (most - least)


def test_a_feed_with_the_usual_settings_is_tried_for_about_three_days() -> None:
    feed = Feed()
    days = sum((schedule.spread(feed, attempts) for attempts in range(1, feed.max_attempts)), timedelta()).days
    assert days in {2, 3}


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"retry-after": "120"}, 120),
        (503, {"retry-after": "120"}, 120),
        (429, {"retry-after": "2.0"}, 2),  # Shopify
        (429, {"retry-after": "30"}, 30),  # Slack
        (503, {"retry-after": format_datetime(DATE + timedelta(minutes=5), usegmt=True), **SENT}, 300),
        (429, {"retry-after": "999999999"}, 24 * HOUR),
        (429, {"retry-after": "9" * 400}, 24 * HOUR),
        (429, {"retry-after": "0"}, None),
        (429, {"retry-after": "soon"}, None),
        (429, {"retry-after": "-5"}, None),
        (429, {}, None),
        (503, {}, None),
        (500, {"retry-after": "120"}, None),
        (200, {"retry-after": "120"}, None),
        # GitHub: 403 or 429, and seconds since 1970
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(EPOCH + 60), **SENT}, 60),
        (200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(EPOCH + 60), **SENT}, 60),
        (200, {"x-ratelimit-remaining": "1", "x-ratelimit-reset": str(EPOCH + 60), **SENT}, None),
        (200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(EPOCH - 60), **SENT}, None),
        (429, {"x-ratelimit-reset": str(EPOCH + 60), **SENT}, 60),
        (429, {"x-ratelimit-remaining": "5", "x-ratelimit-reset": str(EPOCH + 60), **SENT}, None),
        (403, {"retry-after": "60"}, 60),
        (403, {"retry-after": "7", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "900"}, 7),
        # Others
        (200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str((EPOCH + 60) * 1000), **SENT}, 60),
        (200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "45"}, 45),
        (200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2030-01-01T12:01:00Z", **SENT}, 60),
        (200, {"x-ratelimit-remaining": "0"}, None),
        (200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "never"}, None),
        (200, {"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(EPOCH + 60), **SENT}, 60),  # Okta
        (200, {"x-hubspot-ratelimit-remaining": "0", "x-hubspot-ratelimit-interval-milliseconds": "10000"}, 10),
        (200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(EPOCH + 10**8), **SENT}, 24 * HOUR),
        # draft-ietf-httpapi-ratelimit-headers: up to 06, 07, and from 08 on
        (200, {"ratelimit-limit": "100", "ratelimit-remaining": "0", "ratelimit-reset": "30"}, 30),
        (200, {"ratelimit": "limit=100, remaining=0, reset=30"}, 30),
        (200, {"ratelimit": "limit=100, remaining=10, reset=30"}, None),
        (200, {"ratelimit": '"minute";r=0;t=30'}, 30),
        (200, {"ratelimit": '"minute";r=5;t=30, "day";r=0;t=900'}, 900),
        (200, {"ratelimit": '"minute";r=5;t=30'}, None),
        (200, {"ratelimit": '"minute";r=0'}, None),
        (200, {"ratelimit": '"r=0;t=99";r=1;t=5, nonsense'}, None),
        (200, {"ratelimit": "\ud800;;;,,,=" * 50}, None),
    ],
    ids=str,
)
def test_what_an_api_asks_for(status: int, headers: dict[str, str], seconds: float | None) -> None:
    assert schedule.asked_for(status, headers) == (None if seconds is None else pytest.approx(seconds, abs=1.5))


@pytest.mark.parametrize(
    ("headers", "end"),
    [({}, End.FAILED), ({"Retry-After": "60"}, End.RETRY), ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"}, End.RETRY)],
)  # fmt: skip  # in rows
def test_a_403_for_who_was_too_fast_is_tried_again(headers: dict[str, str], end: End) -> None:
    assert of_answer("POST", 403, headers, has_key=False, is_expired=False).end is end


@pytest.mark.django_db
class TestRest:
    def left(self) -> float:
        until, moment = Connection.objects.values_list("busy_until", DatabaseNow()).get()
        assert until is not None
        return float((until - moment).total_seconds())

    def test_it_is_made_longer_and_never_shorter(self, bearer: Connection) -> None:
        schedule.rest(bearer, 60)
        assert 58 < self.left() <= 60.01
        schedule.rest(bearer, 20)
        assert self.left() > 55
        schedule.rest(bearer, 100)
        assert self.left() > 95

    def test_one_that_is_over_does_not_count(self, bearer: Connection) -> None:
        schedule.rest(bearer, 0.001)
        time.sleep(0.01)
        schedule.rest(bearer, 5)
        assert 4 < self.left() <= 5.01

    def test_saving_the_connection_leaves_it(self, bearer: Connection) -> None:
        schedule.rest(bearer, 60)
        bearer.name = "Renamed"
        bearer.save()
        assert self.left() > 55
