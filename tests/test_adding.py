"""A run that is made and saved in a hurry is the one Django would have made."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.db.models.signals import post_init, post_save, pre_init
from django.utils import timezone

from apiconnector.models import Connection, Feed, FeedRun, adding

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db
#: What is another one for each run.
OWN = {"id", "idempotency_key", "created_at"}


@pytest.fixture
def feed(make_connection: Callable[..., Connection], make_feed: Callable[..., Feed]) -> Feed:
    return make_feed(make_connection())


def columns(run: FeedRun) -> dict[str, Any]:
    return {field.attname: getattr(run, field.attname) for field in FeedRun._meta.concrete_fields}


def test_a_draft_is_what_django_makes(feed: Feed) -> None:
    now = timezone.now()
    quick = adding.draft(feed, {"email": "a"}, now)
    slow = FeedRun(feed=feed, connection=feed.connection, input={"email": "a"}, started_at=now)
    assert set(vars(quick)) == set(vars(slow))
    assert {k: v for k, v in columns(quick).items() if k not in OWN} == {
        k: v for k, v in columns(slow).items() if k not in OWN
    }
    assert vars(quick)["id"] is None
    assert (quick._state.db, quick._state.adding) == (slow._state.db, slow._state.adding)
    assert quick.feed is feed
    assert quick.connection is feed.connection
    assert quick.idempotency_key != slow.idempotency_key
    assert isinstance(quick.created_at, datetime)


def test_drafts_share_nothing_that_can_be_changed(feed: Feed) -> None:
    one, other = (adding.draft(feed, {}, timezone.now()) for _ in range(2))
    one.attempts.append({"error": "x"})
    one.values["a"] = 1
    assert (other.attempts, other.values) == ([], {})
    assert one.idempotency_key != other.idempotency_key


@pytest.mark.parametrize("signal", [pre_init, post_init], ids=["pre_init", "post_init"])
def test_who_listens_to_the_making_of_runs_hears_of_a_draft(feed: Feed, signal: Any) -> None:
    heard = []

    def hear(sender: Any, **_: Any) -> None:
        heard.append(sender)

    signal.connect(hear, sender=FeedRun)
    try:
        adding.draft(feed, {}, timezone.now())
    finally:
        signal.disconnect(hear, sender=FeedRun)
    assert heard == [FeedRun]


@pytest.mark.parametrize("is_heard", [False, True], ids=["in a hurry", "as Django does"])
def test_what_is_read_back_is_what_was_saved(feed: Feed, is_heard: bool) -> None:
    def hear(**_: Any) -> None:
        pass

    now = timezone.now()
    run = adding.draft(feed, {"name": "Zoë", "n": [1, None, 1.5, True], "empty": {}}, now)
    run.finished_at, run.status = now, FeedRun.Status.SUCCEEDED
    run.data, run.values = "half a pair \ud800", {"a": {}}
    run.attempts = [{"error": "", "response": None}]
    run.error_message = "100 % {} %s"
    if is_heard:
        post_save.connect(hear, sender=FeedRun)
    try:
        adding.add(run)
    finally:
        post_save.disconnect(hear, sender=FeedRun)
    assert not run._state.adding
    assert columns(FeedRun.objects.get(pk=run.pk)) == columns(run)


def test_a_moment_without_a_zone_is_warned_of_as_django_does(feed: Feed) -> None:
    run = adding.draft(feed, {}, datetime(2026, 5, 6, 7, 8))  # noqa: DTZ001 - on purpose
    with pytest.warns(RuntimeWarning, match="naive datetime"):
        adding.add(run)
