"""The message for the visitor of a form, where what was entered could not be sent at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from django import forms
from django.contrib.messages import get_messages
from django.db import connection as database
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.generic import FormView

from apiconnector.forms import FeedFormMixin, FeedRequest, submits_to
from apiconnector.models import Feed, FeedRun
from apiconnector.testing import FakeApi, fake_connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

pytestmark = pytest.mark.urls(__name__)
SORRY = "We got your message; it will take a little longer than usual."


class ContactForm(forms.Form):
    email = forms.EmailField()


class Contact(FeedFormMixin, FormView):  # type: ignore[type-arg]  # FormView[ContactForm] fails at run time
    form_class = ContactForm
    success_url = "/thanks"
    trigger = "contact"


@submits_to("contact")
def contact(request: FeedRequest) -> HttpResponse:
    request.submit_feed(request.POST.dict())
    return HttpResponse()


@submits_to("contact")
def contact_atomic(request: FeedRequest) -> HttpResponse:
    with transaction.atomic():
        request.submit_feed(request.POST.dict())
    return HttpResponse()


@submits_to("contact")
def contact_rolled_back(request: FeedRequest) -> HttpResponse:
    with transaction.atomic():
        request.submit_feed(request.POST.dict())
        transaction.set_rollback(True)
    return HttpResponse()


def shown(request: HttpRequest) -> HttpResponse:
    return HttpResponse("|".join(f"{message.level_tag}: {message}" for message in get_messages(request)))


urlpatterns = [
    path("class", Contact.as_view()),
    path("function", contact),
    path("atomic", contact_atomic),
    path("rolled-back", contact_rolled_back),
    path("shown", shown),
]


@pytest.fixture
def crm(transactional_db: None) -> Iterator[FakeApi]:
    with fake_connection("crm") as api:
        yield api


@pytest.fixture
def feed(crm: FakeApi) -> Feed:
    return Feed.objects.create(
        slug="lead", connection=crm.connection, trigger="contact", path="leads", visitor_message=SORRY
    )


def what_is_shown(client: Client, address: str) -> str:
    client.post(address, {"email": "ada@example.org"})
    return client.get("/shown").content.decode()


@pytest.mark.parametrize("atomic_requests", [True, False])
@pytest.mark.parametrize("address", ["/class", "/function", "/atomic"])
def test_a_refused_submission_is_told(
    feed: Feed, crm: FakeApi, client: Client, monkeypatch: pytest.MonkeyPatch, *, atomic_requests: bool, address: str
) -> None:
    monkeypatch.setitem(database.settings_dict, "ATOMIC_REQUESTS", atomic_requests)
    assert what_is_shown(client, address) == ""
    crm.add("POST", "leads", status=400)
    assert what_is_shown(client, address) == f"warning: {SORRY}"
    assert what_is_shown(client, "/rolled-back") == ""
    assert [run.status for run in FeedRun.objects.order_by("pk")] == ["succeeded", "failed"]


@pytest.mark.parametrize(
    ("answer", "status"), [({"body": requests.ConnectTimeout()}, "pending"), ({"status": 429}, "pending")]
)
def test_one_that_is_tried_again_later_is_told(
    feed: Feed, crm: FakeApi, client: Client, answer: Any, status: str
) -> None:
    crm.add("POST", "leads", **answer)
    assert what_is_shown(client, "/class") == f"warning: {SORRY}"
    assert FeedRun.objects.get().status == status


def test_a_slow_api_is_told(feed: Feed, crm: FakeApi, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """After three seconds the visitor goes on; the request is still under way."""
    monkeypatch.setattr(
        "apiconnector.feeds.outbox.hand_over",
        lambda ids: FeedRun.objects.filter(pk__in=ids).update(status="running", outcome="unknown"),
    )
    assert what_is_shown(client, "/class") == f"warning: {SORRY}"


def test_a_worker_that_has_not_begun_is_no_failure(feed: Feed, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apiconnector.feeds.outbox.hand_over", print)
    assert what_is_shown(client, "/class") == ""


def test_each_feed_has_its_own(feed: Feed, crm: FakeApi, client: Client) -> None:
    for slug, message in {"a": "A is late.", "b": "A is late.", "none": "", "fine": "Fine is late."}.items():
        Feed.objects.create(
            name=slug, slug=slug, connection=crm.connection, trigger="contact", path=slug, visitor_message=message
        )
    crm.add("POST", "fine", json={})  # the others are answered 404
    assert what_is_shown(client, "/class") == f"warning: {SORRY}|warning: A is late."


def test_without_messages_nothing_is_asked(
    crm: FakeApi, client: Client, django_assert_num_queries: Any, rf: Any, settings: Any
) -> None:
    feed = Feed.objects.create(slug="lead", connection=crm.connection, trigger="contact", path="leads")
    crm.add("POST", "leads", status=400)
    with transaction.atomic():
        from apiconnector.forms.visitors import tell_visitor

        (run,) = FeedRun.objects.bulk_create([FeedRun(feed=feed, connection=crm.connection, status="failed")])
        with django_assert_num_queries(0):
            tell_visitor(rf.get("/"), [run])


def test_a_site_without_the_middleware(feed: Feed, crm: FakeApi, client: Client, settings: Any) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "messages" not in name]
    crm.add("POST", "leads", status=400)
    assert client.post("/class", {"email": "ada@example.org"}).status_code == 302
    assert FeedRun.objects.get().status == "failed"
