"""An API that asked for a rest: the page of its connection says until when, and can end that."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import responses
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apiconnector.admin.shown import moment
from apiconnector.models import Connection, Feed, FeedRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def resting(bearer: Connection) -> Connection:
    Connection.objects.update(busy_until=timezone.now() + timedelta(hours=5))
    bearer.refresh_from_db()
    return bearer


def page(connection: Connection) -> str:
    return reverse("admin:apiconnector_connection_change", args=[connection.pk])


def end(connection: Connection) -> str:
    return reverse("admin:apiconnector_connection_end_rest", args=[connection.pk])


def test_the_page_says_until_when_and_ends_it(
    resting: Connection, make_feed: Callable[..., Feed], admin_client: Client
) -> None:
    feed = make_feed(resting)
    FeedRun.objects.create(feed=feed, connection=resting, next_attempt_at=timezone.now() - timedelta(seconds=1))
    assert not FeedRun.objects.due().exists()
    assert resting.busy_until is not None
    shown = admin_client.get(page(resting)).content.decode()
    assert f"Feeds wait until {moment(resting.busy_until)}" in shown
    assert "Send again now" in shown
    said = admin_client.post(end(resting), follow=True).content.decode()
    assert "Feeds send to it again" in said
    assert "Send again now" not in said
    assert FeedRun.objects.due().exists()
    assert LogEntry.objects.get().get_change_message() == "Ended the rest that the API had asked for."


@responses.activate
@pytest.mark.parametrize(("status_code", "sent"), [(429, 1), (503, 1), (500, 0), (None, 0)])
def test_what_the_api_refused_is_sent_and_no_other_wait_is_cut_short(
    resting: Connection, make_feed: Callable[..., Feed], admin_client: Client, status_code: int | None, sent: int
) -> None:
    later = timezone.now() + timedelta(hours=5)
    FeedRun.objects.create(
        feed=make_feed(resting), connection=resting, status_code=status_code, next_attempt_at=later, attempt_count=1,
        started_at=timezone.now(), input={"email": "ada@example.org"},
    )  # fmt: skip  # in rows
    responses.post("https://api.example.com/v1/leads", json={})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("apiconnector.feeds.outbox.transaction.on_commit", lambda send, **_: send())
        admin_client.post(end(resting))
    assert len(responses.calls) == sent
    assert FeedRun.objects.get().status == ("succeeded" if sent else "pending")


@pytest.mark.parametrize("until", [None, timedelta(hours=-1)])
def test_there_is_nothing_to_end_where_none_is(
    bearer: Connection, admin_client: Client, until: timedelta | None
) -> None:
    Connection.objects.update(busy_until=until and timezone.now() + until)
    assert "Send again now" not in admin_client.get(page(bearer)).content.decode()
    assert "nothing was changed" in admin_client.post(end(bearer), follow=True).content.decode()
    assert not LogEntry.objects.exists()


def test_it_is_a_post_of_somebody_who_may(
    resting: Connection, admin_client: Client, django_user_model: type[User]
) -> None:
    assert admin_client.get(end(resting)).status_code == 405
    clerk = django_user_model.objects.create_user("clerk", password="x", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_connection", "change_connection"]))
    client = Client()
    client.force_login(clerk)
    shown = client.get(page(resting)).content.decode()
    assert "Feeds wait until" in shown
    assert "Send again now" not in shown
    assert client.post(end(resting)).status_code == 403
    resting.refresh_from_db()
    assert resting.busy_until is not None
