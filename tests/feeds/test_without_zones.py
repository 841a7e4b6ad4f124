"""A site with ``USE_TZ = False``: its times have no zone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import responses
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from apiconnector.feeds import deliver
from apiconnector.feeds.replay import replay
from apiconnector.models import Connection, FeedRun
from apiconnector.shortcuts import submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from apiconnector.models import Feed

URL = "https://api.example.com/v1/leads"


@responses.activate
@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_a_run_is_sent_shown_replayed_and_pruned(
    bearer: Connection, make_feed: Callable[..., Feed], admin_client: Client, settings: Any, zone: str
) -> None:
    settings.TIME_ZONE, settings.USE_TZ = zone, False
    make_feed(bearer)
    responses.post(URL, status=429, headers={"Retry-After": "60"})
    (run,) = submit("contact", {"email": "a"})
    pages = [reverse("admin:apiconnector_feedrun_changelist"), f"/admin/apiconnector/feedrun/{run.pk}/change/"]

    def look() -> list[int]:
        return [admin_client.get(page).status_code for page in pages]

    assert deliver() == {"pending": 1}
    run.refresh_from_db()
    assert run.next_attempt_at is not None
    assert 59 < (run.next_attempt_at - timezone.now()).total_seconds() <= 60.1
    assert deliver() == {}
    assert look() == [200, 200]
    Connection.objects.update(busy_until=timezone.now())
    FeedRun.objects.update(next_attempt_at=timezone.now() - timedelta(days=1))
    call_command("check", databases=["default"])
    responses.replace("POST", URL, json={})
    assert deliver() == {"succeeded": 1}
    assert replay(FeedRun.objects.all(), by="ada", again=True) == {"replayed": 1}
    assert deliver() == {"succeeded": 1}
    assert look() == [200, 200]
    FeedRun.objects.update(
        created_at=timezone.now() - timedelta(days=40), finished_at=timezone.now() - timedelta(days=31)
    )
    call_command("apiconnector", "prune")
    assert not FeedRun.objects.exists()
