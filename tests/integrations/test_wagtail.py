"""docs/wagtail.md, run as it stands there: an editor's form page, and a visitor who fills it in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from wagtail.contrib.forms.models import FormSubmission
from wagtail.models import Locale, Page, Site

from apiconnector.models import Feed, FeedRun
from tests.integrations.conftest import blocks
from tests.integrations.contact.models import ContactPage  # type: ignore[attr-defined]  # made of the page's code

if TYPE_CHECKING:
    from django.test import Client

    from apiconnector.testing import FakeApi

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # Wagtail 8.0 sends its mails so on Django 6.1, too.
    pytest.mark.filterwarnings(r"ignore:get_connection\(\) is deprecated"),
]
ENTERED = {"your_name": "Ada", "your_e_mail": "ada@example.org", "topics": ["tea", "engines"], "day": "2026-05-04"}
SENT = {**ENTERED, "page": "Contact us"}


@pytest.fixture(autouse=True)
def templates(settings: Any) -> None:
    (form,) = blocks("wagtail.md", "html")
    pages = {"contact/contact_page.html": form, "contact/contact_page_landing.html": "Thank you"}
    loaders = [("django.template.loaders.locmem.Loader", pages), "django.template.loaders.app_directories.Loader"]
    (engine,) = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "APP_DIRS": False, "OPTIONS": {**engine["OPTIONS"], "loaders": loaders}}]


@pytest.fixture
def page(crm: FakeApi) -> Any:
    """What an editor makes; the flushed database has not even a root."""
    Locale.objects.get_or_create(language_code="en")
    Page.objects.all().delete()
    root = Page.add_root(title="Root", slug="root")
    made = ContactPage(title="Contact us", slug="contact", trigger="contact-form", to_address="editor@example.org")
    root.add_child(instance=made)
    for label, kind, choices in (
        ("Your name", "singleline", ""),
        ("Your e-mail", "email", ""),
        ("Topics", "checkboxes", "tea\nengines\nother"),
        ("Day", "date", ""),
    ):
        made.form_fields.create(label=label, field_type=kind, choices=choices, required=True)
    made.save()
    Site.objects.all().delete()
    Site.objects.create(hostname="testserver", root_page=made, is_default_site=True)
    return made


def test_what_a_visitor_enters_is_sent(page: Any, crm: FakeApi, client: Client, mailoutbox: list[Any]) -> None:
    shown = client.get("/").content.decode()
    assert '<form action="/" method="post">' in shown
    assert all(f'name="{name}"' in shown for name in ENTERED)
    response = client.post("/", ENTERED)
    assert response.content == b"Thank you"
    run = FeedRun.objects.get()
    assert (run.status, run.input) == ("succeeded", SENT)
    assert json.loads(crm.requests[0].body or b"") == {"all": SENT}
    kept = FormSubmission.objects.get().get_data()
    assert kept["your_e_mail"] == "ada@example.org"
    assert len(mailoutbox) == 1


def test_a_form_that_is_not_valid(page: Any, crm: FakeApi, client: Client) -> None:
    assert b"Thank you" not in client.post("/", {**ENTERED, "your_e_mail": "no address"}).content
    assert (FeedRun.objects.count(), FormSubmission.objects.count(), crm.requests) == (0, 0, [])


def test_an_api_that_is_down_is_nothing_to_the_visitor(page: Any, crm: FakeApi, client: Client) -> None:
    crm.add("POST", "leads", status=503)
    assert client.post("/", ENTERED).content == b"Thank you"
    assert FeedRun.objects.get().status == "pending"
    assert FormSubmission.objects.count() == 1


@pytest.mark.parametrize("trigger", ["", "nothing-listens"])
def test_without_a_trigger_or_a_feed(page: Any, crm: FakeApi, client: Client, trigger: str) -> None:
    ContactPage.objects.update(trigger=trigger)
    assert client.post("/", ENTERED).content == b"Thank you"
    assert (FeedRun.objects.count(), FormSubmission.objects.count(), crm.requests) == (0, 1, [])


def test_what_can_not_be_kept_is_logged(
    page: Any, crm: FakeApi, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ContactPage, "get_feed_data", lambda own, form: {**form.cleaned_data, "page": own})
    assert client.post("/", ENTERED).content == b"Thank you"
    assert "Nothing of the page “Contact us” was submitted: page: ContactPage can't be kept" in caplog.text
    assert FormSubmission.objects.count() == 1


def test_both_are_kept_or_neither(page: Any, crm: FakeApi, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the mail can't be sent."""

    def refuse(*_: Any) -> None:
        raise OSError("no mail server")

    client.raise_request_exception = False
    monkeypatch.setattr(ContactPage, "send_mail", refuse)
    assert client.post("/", ENTERED).status_code == 500
    assert (FeedRun.objects.count(), FormSubmission.objects.count(), crm.requests) == (0, 0, [])
    monkeypatch.undo()
    assert Feed.objects.exists()


def test_the_editor_sees_the_trigger(page: Any, admin_client: Client, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.integrations.admin_urls"
    shown = admin_client.get(f"/cms/pages/{page.pk}/edit/").content.decode()
    assert 'name="trigger"' in shown
    assert "The feeds that listen to it get what is entered." in shown
