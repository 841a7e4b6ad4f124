"""Addresses and choices of rows that no list of the admin ever made: its page again, and why, never an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.urls import reverse
from django.utils.http import urlencode

from apiconnector.models import Connection, ConnectionEvent, Feed, FeedRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

# Django warns of dates without a zone, and takes them for the site's.
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:DateTimeField .* received a naive")]

ODD = ("", "0", "9" * 30, "x", "\x00", "\ud800", "1,2", "NaN", "9999-12-31")
PARAMETERS = {
    "connection": ("auth_method__exact", "is_active__exact"),
    "feed": ("connection__id__exact", "method__exact", "is_active", "connection"),
    "feedrun": (
        *("status__exact", "feed__id__exact", "connection__id__exact", "status__in", "feed__in", "feed__isnull"),
        *("created_at__gte", "created_at__year", "created_at__date", "created_at__range", "created_at__week_day"),
    ),
    "connectionevent": ("kind__exact", "at__lt", "at__year", "connection__id__exact"),
}
EVERYWHERE = ("q", "p", "o", "id__in", "nothing")
LISTS = sorted((name, parameter) for name, own in PARAMETERS.items() for parameter in (*own, *EVERYWHERE))


@pytest.fixture
def rows(bearer: Connection, make_feed: Callable[..., Feed]) -> FeedRun:
    feed = make_feed(bearer)
    ConnectionEvent.record(bearer, ConnectionEvent.Kind.TESTED, "")
    return FeedRun.objects.create(feed=feed, connection=bearer, status=FeedRun.Status.FAILED)


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize(("name", "parameter"), LISTS)
def test_an_address_by_hand(admin_client: Client, name: str, parameter: str) -> None:
    address = reverse(f"admin:apiconnector_{name}_changelist")
    for value in ODD:
        query = urlencode({parameter: value.encode("utf-8", "surrogatepass")})
        response = admin_client.get(f"{address}?{query}")
        assert response.status_code in {200, 302, 400}, query


ACTIONS = {"connection": "delete_selected", "feed": "delete_selected", "feedrun": "replay_chosen"}


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_a_choice_by_hand(admin_client: Client, rows: FeedRun, name: str) -> None:
    address = reverse(f"admin:apiconnector_{name}_changelist")
    for value in ODD:
        for more in ({}, {"index": "0"}, {"index": "x", "confirmed": "1"}):
            chosen: dict[str, str | bytes] = {
                "action": ACTIONS[name],
                ACTION_CHECKBOX_NAME: value.encode("utf-8", "surrogatepass"),
                **more,
            }
            response = admin_client.post(address, urlencode(chosen), "application/x-www-form-urlencoded")
            assert response.status_code in {200, 302, 400}, chosen
    rows.refresh_from_db()
    assert rows.status == FeedRun.Status.FAILED
