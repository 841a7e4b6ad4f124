"""docs/rest-framework.md, run as it stands there."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import path

from apiconnector.models import Feed, FeedRun
from tests.integrations.conftest import blocks
from tests.integrations.contact import models

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

    from apiconnector.testing import FakeApi

urlpatterns: list[Any] = []
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]
ADA = {"email": "ada@example.org", "text": "Hello"}


@pytest.fixture(autouse=True)
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    monkeypatch.setitem(sys.modules, "contact.models", models)
    names: dict[str, Any] = {"__name__": "contact.views"}
    for block in blocks("rest-framework.md"):
        exec(block, names)  # noqa: S102 - our own page
    urlpatterns[:] = [
        path("message", names["MessageView"].as_view()),
        path("once", names["OnceView"].as_view()),
        path("function", names["message"]),
    ]
    yield names
    urlpatterns.clear()


def post(client: Client, address: str, data: Any = None, **headers: str) -> Any:
    return client.post(address, json.dumps(data or ADA), "application/json", headers=headers)


@pytest.mark.parametrize("address", ["/message", "/once", "/function"])
def test_what_is_created_is_sent(crm: FakeApi, client: Client, address: str) -> None:
    response = post(client, address)
    assert response.status_code == 201, response.content
    message = models.Message.objects.get()
    sent = {"id": message.pk, **ADA, "sent_on": message.sent_on.isoformat()}
    assert response.json() == sent
    run = FeedRun.objects.get()
    assert (run.status, run.input) == ("succeeded", sent)
    assert json.loads(crm.requests[0].body or b"") == {"all": sent}


@pytest.mark.parametrize("address", ["/message", "/once", "/function"])
def test_a_request_that_is_refused_sends_nothing(crm: FakeApi, client: Client, address: str) -> None:
    assert post(client, address, {"email": "no address", "text": "x"}).status_code == 400
    assert (FeedRun.objects.count(), models.Message.objects.count(), crm.requests) == (0, 0, [])


@pytest.mark.parametrize("address", ["/message", "/once", "/function"])
def test_an_api_that_is_down_is_nothing_to_the_client(crm: FakeApi, client: Client, address: str) -> None:
    Feed.objects.update(visitor_message="A browser would be told.")
    crm.add("POST", "leads", status=503)
    assert post(client, address).status_code == 201
    assert FeedRun.objects.get().status == "pending"


def test_a_key_of_the_client(crm: FakeApi, client: Client) -> None:
    for _ in range(2):
        assert post(client, "/once", **{"Idempotency-Key": "one"}).status_code == 201
    assert [request.headers["Idempotency-Key"] for request in crm.requests] == ["one"]
    response = post(client, "/once", **{"Idempotency-Key": "x" * 256})
    assert response.status_code == 400
    assert "idempotency_key" in response.json()["detail"]
    assert models.Message.objects.count() == 2


def test_what_can_not_be_kept_is_logged(
    crm: FakeApi,
    client: Client,
    page: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(page["MessageView"], "get_feed_data", lambda _, serializer: {"row": serializer.instance})
    assert post(client, "/message").status_code == 201
    assert "Nothing was submitted to “contact-form”: row: Message can't be kept" in caplog.text
    assert models.Message.objects.count() == 1


def test_what_is_rolled_back_is_not_sent(
    crm: FakeApi, client: Client, page: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("something else went wrong")

    client.raise_request_exception = False
    monkeypatch.setitem(page, "submit", fail)
    assert post(client, "/message").status_code == 500
    assert (FeedRun.objects.count(), models.Message.objects.count(), crm.requests) == (0, 0, [])
