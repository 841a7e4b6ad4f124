"""What databases do differently: the traps that have been met, each held shut on every one of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import responses
from django.db import IntegrityError, connection, transaction
from django.test import RequestFactory
from django.urls import set_script_prefix
from django.utils import timezone

from apiconnector.authorize import callback_uri
from apiconnector.exceptions import InvalidFeedData
from apiconnector.feeds import deliver
from apiconnector.models import AuthorizationAttempt, Connection, Feed, FeedRun, Token
from apiconnector.models.clock import DatabaseNow
from apiconnector.shortcuts import run_feed, submit, submit_many

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User

pytestmark = pytest.mark.django_db


def set_zone_of_the_server(zone: str) -> None:
    """Move the session's clock, where a database has one per session."""
    statement = {"mysql": f"SET time_zone = '{zone}'", "postgresql": f"SET TIME ZONE '{zone}'"}.get(connection.vendor)
    if statement:
        with connection.cursor() as cursor:
            cursor.execute(statement)


@pytest.mark.parametrize("zone", ["+05:00", "-11:00"])
def test_the_lease_does_not_follow_the_servers_zone(make_connection: Callable[..., Connection], zone: str) -> None:
    """MariaDB's CURRENT_TIMESTAMP does: a lease would seem over, or hold for hours."""
    token = Token.objects.create(connection=make_connection())
    set_zone_of_the_server(zone)
    try:
        assert Token.objects.acquire_lease(token, owner="a", seconds=60)
        now = Token.objects.annotate(now=DatabaseNow()).values_list("now", flat=True).get()
        # Nothing but the database's own clock is asked; that it is near ours says that it is UTC.
        assert abs(now - timezone.now()) < timedelta(minutes=30)
    finally:
        set_zone_of_the_server("+00:00")
    assert not Token.objects.acquire_lease(token, owner="b", seconds=60)


EXACT: Any = {
    "z": 1,
    "a": [1e22, 1.0, -0.0, 12345678901234567890, "ü", "\U0001f600", "nul \x00", ""],
    "m": {"b": None, "a": True},
}


def test_json_comes_back_as_it_was(make_connection: Callable[..., Connection], make_feed: Callable[..., Feed]) -> None:
    """jsonb loses the order of keys and 1e22, and refuses NUL."""
    feed = make_feed(make_connection(variables=EXACT), body=EXACT)
    feed.refresh_from_db()
    assert str(feed.body) == str(EXACT)
    assert str(Connection.objects.get().variables) == str(EXACT)


@responses.activate
def test_what_was_submitted_and_answered_comes_back_as_it_was(
    bearer: Connection, make_feed: Callable[..., Feed]
) -> None:
    make_feed(bearer, body={"all": "{{ data }}"})
    responses.post("https://api.example.com/v1/leads", body=b'{"half": "\\ud800", "nul": "\\u0000", "n": 1e22}')
    run = run_feed("lead", EXACT)
    kept = FeedRun.objects.get(pk=run.pk)
    assert str(kept.input) == str(EXACT)
    assert kept.data == {"half": "\ud800", "nul": "\x00", "n": 1e22}


@pytest.mark.parametrize(
    "data", [{"s": "\ud800"}, {"\udfff": 1}, {"n": float("nan")}], ids=["surrogate", "name", "nan"]
)
def test_what_a_database_would_refuse_is_refused_before_it(
    bearer: Connection, make_feed: Callable[..., Feed], data: Any
) -> None:
    """PostgreSQL would end the caller's transaction."""
    make_feed(bearer)
    with transaction.atomic():
        with pytest.raises(InvalidFeedData):
            submit("contact", data)
        assert Feed.objects.count() == 1


def test_an_update_that_changes_nothing_is_not_won_twice(
    make_connection: Callable[..., Connection], admin_user: User
) -> None:
    """MariaDB counts rows that matched, not rows that changed: each condition has to fail the second time."""
    attempt = AuthorizationAttempt.objects.create(
        connection=make_connection(), state="s", nonce="n", redirect_uri="x", user=admin_user
    )
    copy = AuthorizationAttempt.objects.get()
    assert attempt.consume()
    assert not copy.consume()
    token = Token.objects.create(connection=attempt.connection)
    assert Token.objects.acquire_lease(token, owner="same", seconds=60)
    assert not Token.objects.acquire_lease(token, owner="same", seconds=60)


def test_a_key_that_was_seen_leaves_the_callers_transaction_usable(
    bearer: Connection, make_feed: Callable[..., Feed]
) -> None:
    make_feed(bearer)
    with transaction.atomic():
        (first,) = submit("contact", {"email": "a"}, idempotency_key="k")
        (again,) = submit("contact", {"email": "a"}, idempotency_key="k")
        assert first.pk == again.pk
        assert FeedRun.objects.count() == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        FeedRun.objects.create(feed=first.feed, connection=bearer, idempotency_key="k")


def test_keys_that_differ_in_capitals_are_two(bearer: Connection, make_feed: Callable[..., Feed]) -> None:
    """MariaDB's collations take them for the same: what was submitted second would be lost."""
    make_feed(bearer)
    (first,) = submit("contact", {"email": "a"}, idempotency_key="evt_1aB")
    (second,) = submit("contact", {"email": "b"}, idempotency_key="evt_1Ab")
    many = submit_many("contact", [{"email": "c"}, {"email": "d"}], idempotency_keys=["evt_1ab", "evt_1AB"])
    assert len({run.pk for run in (first, second, *many)}) == 4
    assert [run.input["email"] for run in FeedRun.objects.order_by("pk")] == ["a", "b", "c", "d"]
    assert submit("contact", {}, idempotency_key="evt_1ab")[0].pk == many[0].pk


def test_triggers_that_differ_in_capitals_are_two(bearer: Connection, make_feed: Callable[..., Feed]) -> None:
    make_feed(bearer)
    make_feed(bearer, slug="other", trigger="Contact")
    assert [[run.feed.slug for run in submit(trigger, {})] for trigger in ("contact", "Contact", "contact ")] == [
        ["lead"],
        ["other"],
        [],
    ]


def test_microseconds_decide_who_has_a_run(bearer: Connection, make_feed: Callable[..., Feed]) -> None:
    make_feed(bearer)
    (run,) = submit("contact", {"email": "a"})
    run.refresh_from_db()
    moment = timezone.now().replace(microsecond=123456) + timedelta(minutes=1)
    assert FeedRun.objects.claim(run, abandoned_at=moment, outcome=FeedRun.Outcome.NOT_SENT)
    assert FeedRun.objects.filter(next_attempt_at=moment).exists()
    assert not FeedRun.objects.filter(next_attempt_at=moment + timedelta(microseconds=1)).exists()
    assert deliver() == {}


def test_under_a_script_name_the_callback_has_it_too() -> None:
    set_script_prefix("/sub/")
    try:
        assert callback_uri(RequestFactory().get("/", SCRIPT_NAME="/sub")) == "http://testserver/sub/oauth/callback"
    finally:
        set_script_prefix("/")


def test_behind_a_tls_proxy_the_setting_says_https(settings: Any) -> None:
    request = RequestFactory().get("/")
    assert callback_uri(request) == "http://testserver/oauth/callback"
    settings.APICONNECTOR_BASE_URL = "https://www.example.org"
    assert callback_uri(request) == "https://www.example.org/oauth/callback"


def test_a_key_of_other_letters_is_another_key(bearer: Connection, make_feed: Callable[..., Feed]) -> None:
    """MariaDB compares text without regard to case: what came second would not be kept."""
    make_feed(bearer)
    keys = ["order-a", "order-A", "ORDER-A"]
    numbers = [submit("contact", {"email": key}, idempotency_key=key)[0].pk for key in keys]
    assert dict(FeedRun.objects.values_list("idempotency_key", "pk")) == dict(zip(keys, numbers, strict=True))
    # Also by the statement that adds many, and each is found again.
    more = [f"{key}-1" for key in keys]
    submit_many("contact", [{"email": key} for key in more], idempotency_keys=more)
    assert FeedRun.objects.count() == 6
    assert [submit("contact", {}, idempotency_key=key)[0].pk for key in keys] == numbers
    with pytest.raises(IntegrityError), transaction.atomic():
        FeedRun.objects.create(feed=Feed.objects.get(), connection=bearer, idempotency_key="order-A")
    assert not FeedRun.objects.filter(idempotency_key="straße \U0001f600").exists()


@pytest.mark.parametrize("key", [" a", "a ", " "])
def test_a_key_with_a_space_at_its_end_is_refused(key: str) -> None:
    """A header loses it, and MariaDB does not see it: two keys would be one."""
    with pytest.raises(InvalidFeedData, match="without a space at its ends"):
        submit("contact", {"email": "a"}, idempotency_key=key)
