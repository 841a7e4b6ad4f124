"""A site that reads from a replica, which lags behind: runs and their files are read where they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import responses
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from apiconnector import signals
from apiconnector.feeds import deliver
from apiconnector.feeds.delivery import send_due
from apiconnector.feeds.files import remove_orphans
from apiconnector.feeds.replay import replay
from apiconnector.models import Connection, FeedFile, FeedRun
from apiconnector.shortcuts import submit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from apiconnector.models import Feed

URL = "https://api.example.com/v1"

pytestmark = pytest.mark.django_db


class ToReplica:
    """Reads of runs and files go to a database that has none of them: it is not even there."""

    is_on = False

    def db_for_read(self, model: Any, **_: Any) -> str | None:
        return "replica" if self.is_on and model in {FeedRun, FeedFile, FeedFile.runs.through} else None


@pytest.fixture
def replica(settings: Any) -> Iterator[ToReplica]:
    router = ToReplica()
    settings.DATABASE_ROUTERS = [router]
    yield router
    router.is_on = False


@pytest.fixture
def contact(bearer: Connection, make_feed: Callable[..., Feed]) -> Feed:
    return make_feed(bearer, path="contacts", response_values={"id": "body.id"})


@pytest.fixture
def note(contact: Feed, make_feed: Callable[..., Feed]) -> Feed:
    return make_feed(
        contact.connection, slug="note", name="Note", after=contact, path="notes/{{ values.id }}",
        body_format="multipart", body={"file": "{{ file }}"},
    )  # fmt: skip  # in rows


def keep() -> list[int]:
    return [run.pk for run in submit("contact", {"email": "a", "file": SimpleUploadedFile("cv.pdf", b"cv")})]


def statuses() -> list[str]:
    return list(FeedRun.objects.order_by("pk").values_list("status", flat=True))


@responses.activate
@pytest.mark.parametrize("send", [deliver, send_due])
def test_values_and_files_are_there_at_once(note: Feed, replica: ToReplica, send: Callable[..., Any]) -> None:
    responses.post(f"{URL}/contacts", json={"id": 41})
    responses.post(f"{URL}/notes/41", json={})
    ids = keep()
    replica.is_on = True
    assert (send() if send is deliver else send(ids)) == {"succeeded": 2}
    remove_orphans(timezone.now())
    replica.is_on = False
    assert statuses() == ["succeeded", "succeeded"]
    assert not FeedFile.objects.exists()


@responses.activate
def test_so_is_what_became_of_those_that_waited(note: Feed, replica: ToReplica) -> None:
    heard: list[str] = []

    def hear(run: FeedRun, **_: Any) -> None:
        heard.append(run.status)

    responses.post(f"{URL}/contacts", status=400)
    first, _ = keep()
    signals.feed_run_finished.connect(hear)
    try:
        replica.is_on = True
        assert deliver() == {"failed": 1}
    finally:
        signals.feed_run_finished.disconnect(hear)
    assert heard == ["failed", "failed"]
    replica.is_on = False
    runs = FeedRun.objects.filter(pk=first)
    replica.is_on = True
    assert replay(runs, by="ada") == {"replayed": 1, "followers": 1}


@responses.activate
def test_and_what_waits_for_a_connection(contact: Feed, replica: ToReplica) -> None:
    Connection.objects.update(api_key="")
    Connection.objects.update(auth_method="oauth2_client_credentials")
    keep()
    replica.is_on = True
    assert deliver() == {"pending": 1}
    signals.connection_recovered.send(Connection, connection=contact.connection)
    replica.is_on = False
    (run,) = FeedRun.objects.all()
    assert run.next_attempt_at is not None
    assert abs((run.next_attempt_at - timezone.now()).total_seconds()) < 5
