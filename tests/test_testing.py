"""What sites' own tests use: a connection whose API is faked, and delivery inside a test's transaction."""

from __future__ import annotations

import subprocess
import sys
import unittest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses
from django.core.exceptions import ValidationError
from django.db import transaction
from django.shortcuts import redirect
from django.urls import path

from apiconnector import auth
from apiconnector.exceptions import AuthorizationRequired, DestinationRefused
from apiconnector.models import Connection, Feed, FeedRun
from apiconnector.shortcuts import connect, run_feed, submit
from apiconnector.testing import FakeApi, delivered, fake_connection
from tests.test_forms import doc_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest, HttpResponse

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.urls(__name__)


def contact(request: HttpRequest) -> HttpResponse:
    """The view that docs/testing.md tests."""
    submit("contact-form", request.POST.dict())
    return redirect("/thanks/")


urlpatterns = [path("contact/", contact)]

# The tests that docs/testing.md shows are tests of this module, collected and run like the others.
_page: dict[str, Any] = {"__name__": __name__}
for _block in doc_blocks("testing.md"):
    exec(_block, _page)  # noqa: S102 - our own page
ContactTests = _page["ContactTests"]
crm = _page["crm"]
test_contacts_are_read = _page["test_contacts_are_read"]
test_a_lead_waits_while_the_crm_can_not_be_reached = _page["test_a_lead_waits_while_the_crm_can_not_be_reached"]


@pytest.fixture
def api(db: None) -> Iterator[FakeApi]:
    with fake_connection("api") as fake:
        yield fake


@pytest.fixture
def feed(api: FakeApi) -> Feed:
    return Feed.objects.create(name="F", slug="f", connection=api.connection, trigger="t", method="GET", path="x")


def test_every_test_of_the_docs_is_one() -> None:
    assert {name for name in _page if name.startswith("test_") or name.endswith("Tests")} <= set(globals())


@pytest.mark.django_db
class TestFakeConnection:
    @pytest.mark.parametrize("method", [method.name for method in auth.methods()])
    def test_every_method_is_usable_in_one_line(self, method: str) -> None:
        with fake_connection("crm", auth_method=method) as api, connect("crm") as session:
            assert session.get("x").json() == {}
        assert api.connection.status in {"ready", "authorized"}
        (request,) = api.requests
        assert request.url == "https://crm.example/x"
        sent = {name: value for name, value in request.headers.items() if name in {"Authorization", "X-API-Key"}}
        assert (
            sent
            == {
                "none": {},
                "basic": {"Authorization": "Basic ZmFrZS11c2VybmFtZTpmYWtlLXBhc3N3b3Jk"},
                "bearer": {"Authorization": "Bearer fake-api-key"},
                "api_key": {"X-API-Key": "fake-api-key"},
                "oauth2_client_credentials": {"Authorization": "Bearer fake-access-token"},
                "oauth2_authorization_code": {"Authorization": "Bearer fake-access-token"},
                "oauth2_password": {"Authorization": "Bearer fake-access-token"},
                "login": {"Authorization": "Bearer fake-access-token"},
            }[method]
        )

    def test_fields_are_those_of_the_connection(self) -> None:
        with fake_connection(
            "crm", base_url="https://api.crm.example/v2", api_key="mine", default_headers={"X-Version": "3"}
        ) as api:
            assert api.connection.test().ok
        assert api.requests[0].url == "https://api.crm.example/v2"
        assert api.requests[0].headers["Authorization"] == "Bearer mine"
        assert api.requests[0].headers["X-Version"] == "3"
        with pytest.raises(TypeError, match="colour"), fake_connection("other", colour="red"):
            pass

    def test_what_the_admin_would_refuse_is_refused(self, api: FakeApi) -> None:
        with pytest.raises(ValidationError, match="slug"), fake_connection("api"):
            pass
        with pytest.raises(ValidationError, match="base_url"), fake_connection("other", base_url="ftp://x.example"):
            pass

    def test_answers(self, api: FakeApi) -> None:
        api.add("get", "items/ä b", json=[1], headers={"X-Total": "1"})
        api.add("GET", "text", "ünï")
        api.add("GET", "bytes", b"\xff\x00", status=299)
        with connect("api") as session:
            answer = session.get("items/ä b", params={"page": 2})
            assert (answer.status_code, answer.reason, answer.json()) == (200, "OK", [1])
            assert answer.headers["x-total"] == "1"
            assert answer.headers["Content-Type"] == "application/json"
            assert session.get("text").text == "ünï"
            answer = session.get("bytes")
            assert (answer.status_code, answer.content) == (299, b"\xff\x00")
        assert [request.url for request in api.requests] == [
            "https://api.example/items/%C3%A4%20b?page=2",
            "https://api.example/text",
            "https://api.example/bytes",
        ]

    def test_answers_are_given_in_order_and_the_last_one_stays(self, api: FakeApi) -> None:
        for status in (500, 404, 200):
            api.add("GET", "x", status=status)
        with connect("api") as session:
            assert [session.get("x").status_code for _ in range(5)] == [500, 404, 200, 200, 200]

    def test_what_was_not_added_is_said(self, api: FakeApi) -> None:
        api.add("POST", "leads", json={})
        with connect("api") as session:
            answer = session.get("lead")
        assert answer.status_code == 404
        assert answer.json()["error"] == (
            "No answer was added for GET https://api.example/lead, but for POST https://api.example/leads."
        )

    def test_an_error(self, api: FakeApi) -> None:
        api.add("GET", "x", requests.ReadTimeout("too slow"))
        with connect("api") as session, pytest.raises(requests.ReadTimeout):
            session.get("x")
        assert len(api.requests) == 1

    def test_only_the_transport_is_replaced(self, api: FakeApi) -> None:
        """The second try after a 401, redirects and refused destinations are the real ones."""
        api.add("GET", "moved", status=302, headers={"Location": "/here"})
        api.add("GET", "here", json={"here": True})
        api.add("GET", "away", status=302, headers={"Location": "https://elsewhere.example/"})
        with connect("api") as session:
            assert session.get("moved").json() == {"here": True}
            with pytest.raises(DestinationRefused):
                session.get("away")
            with pytest.raises(DestinationRefused):
                session.get("https://elsewhere.example/")
        with pytest.raises(DestinationRefused):
            api.add("GET", "https://elsewhere.example/")
        assert [request.url for request in api.requests] == [
            f"https://api.example/{name}" for name in ("moved", "here", "away")
        ]

    def test_a_token_is_refreshed_at_the_faked_token_endpoint(self) -> None:
        with fake_connection("crm", auth_method="oauth2_client_credentials") as api:
            api.add("GET", "x", status=401)
            api.add("GET", "x", json={"ok": True})
            api.add("POST", api.connection.token_url, json={"access_token": "second", "token_type": "Bearer"})
            with connect("crm") as session:
                assert session.get("x").json() == {"ok": True}
        assert [(request.method, request.url) for request in api.requests] == [
            ("GET", "https://crm.example/x"),
            ("POST", "https://crm.example/oauth/token"),
            ("GET", "https://crm.example/x"),
        ]
        assert api.requests[2].headers["Authorization"] == "Bearer second"

    def test_before_somebody_authorizes(self) -> None:
        with fake_connection("crm", auth_method="oauth2_authorization_code") as api:
            api.connection.token.delete()
            with connect("crm") as session, pytest.raises(AuthorizationRequired):
                session.get("x")
        assert api.requests == []

    def test_a_first_token_is_fetched_at_the_faked_token_endpoint(self) -> None:
        with fake_connection("crm", auth_method="oauth2_client_credentials") as api:
            api.connection.token.delete()
            with connect("crm") as session:
                assert session.get("x").ok
        assert [request.url for request in api.requests] == ["https://crm.example/oauth/token", "https://crm.example/x"]

    @responses.activate
    def test_others_go_on_as_before(self, api: FakeApi, bearer: Connection) -> None:
        responses.get("https://api.example.com/v1/x", json={"from": "responses"})
        with fake_connection("second") as second:
            second.add("GET", "x", json={"from": "second"})
            found = {}
            for slug in ("api", "second", "crm"):
                with connect(slug) as session:
                    found[slug] = session.get("x").json()
        assert found == {"api": {}, "second": {"from": "second"}, "crm": {"from": "responses"}}
        assert (len(api.requests), len(second.requests), len(responses.calls)) == (1, 1, 1)

    def test_an_address_that_can_not_be_read_is_not_ours(self, api: FakeApi) -> None:
        assert not api.serves(requests.Request("GET", "https://user:password@api.example/x").prepare())

    def test_allowed_hosts_are_faked_too(self) -> None:
        hosts = ["files.crm.example", ".cdn.example:8443"]
        with fake_connection("crm", allowed_hosts=hosts) as api, connect("crm") as session:
            assert session.get("https://files.crm.example/a").ok
            assert session.get("https://eu.cdn.example:8443/b").ok
        assert len(api.requests) == 2

    @responses.activate
    def test_it_ends_with_the_block(self) -> None:
        responses.get("https://crm.example/x", json={"from": "responses"})
        with fake_connection("crm"):
            pass
        with connect("crm") as session:
            assert session.get("x").json() == {"from": "responses"}


class TestDelivered:
    def test_what_was_submitted_is_sent_at_the_end(self, api: FakeApi, feed: Feed) -> None:
        with delivered() as runs:
            (run,) = submit("t", {"n": 1})
            assert run.status == "pending"
            assert api.requests == []
            assert runs == []
        assert runs == [run]
        assert (runs[0].status, runs[0].outcome, runs[0].input) == ("succeeded", "sent", {"n": 1})
        assert len(api.requests) == 1

    def test_runs_of_earlier_are_left_alone(self, api: FakeApi, feed: Feed) -> None:
        (earlier,) = submit("t", {})
        with delivered() as runs:
            pass
        earlier.refresh_from_db()
        assert (runs, earlier.status, api.requests) == ([], "pending", [])

    def test_what_is_rolled_back_is_not_sent(self, api: FakeApi, feed: Feed) -> None:
        with delivered() as runs, transaction.atomic():
            submit("t", {})
            transaction.set_rollback(True)
        assert (runs, api.requests) == ([], [])

    @pytest.mark.parametrize("delay", [0, 10])
    def test_one_attempt_is_made(self, api: FakeApi, feed: Feed, delay: float) -> None:
        Feed.objects.update(retry_delay=delay)
        api.add("GET", "x", status=503)
        with delivered() as runs:
            submit("t", {})
        assert [(run.status, run.attempt_count) for run in runs] == [("pending", 1)]
        assert len(api.requests) == 1

    def test_a_connection_that_is_not_ready(self, feed: Feed) -> None:
        Connection.objects.update(api_key="")
        with delivered() as runs:
            submit("t", {})
        assert [(run.status, run.error) for run in runs] == [("pending", "not_ready")]

    def test_the_order_is_that_of_submitting(self, api: FakeApi, feed: Feed) -> None:
        with delivered() as runs:
            for number in range(5):
                submit("t", {"n": number})
            run_feed("f", {"n": 5})
        assert [run.input["n"] for run in runs] == [0, 1, 2, 3, 4, 5]
        assert all(run.ok for run in runs)
        assert len(api.requests) == 6

    def test_the_sites_own_callbacks_are_run(self, db: None) -> None:
        seen: list[str] = []
        with delivered():
            transaction.on_commit(lambda: seen.append("mail"))
            assert seen == []
        assert seen == ["mail"]

    def test_a_backend_that_only_takes_notes(self, api: FakeApi, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
        from apiconnector import tasks

        noted: list[list[int]] = []
        monkeypatch.setattr(type(tasks.send_runs), "enqueue", lambda _, run_ids: noted.append(run_ids))
        with delivered() as runs:
            submit("t", {})
        assert noted == [[runs[0].pk]]
        assert [run.status for run in runs] == ["succeeded"]
        assert len(api.requests) == 1

    def test_where_transactions_commit(self, transactional_db: None) -> None:
        with fake_connection("crm") as api:
            Feed.objects.create(slug="f", connection=api.connection, trigger="t", path="x")
            with delivered() as runs:
                submit("t", {})
            assert [run.status for run in runs] == ["succeeded"]
            assert (len(api.requests), FeedRun.objects.count()) == (1, 1)

    def test_an_error_in_the_block_is_the_error_of_the_test(self, api: FakeApi, feed: Feed) -> None:
        with pytest.raises(LookupError, match="mine"), delivered():
            raise LookupError("mine")


WITHOUT_PYTEST = """
import sys
sys.modules["pytest"] = sys.modules["pytest_django"] = sys.modules["responses"] = None
import django
django.setup()
from apiconnector import testing
print(*testing.__all__)
"""


def test_neither_pytest_nor_responses_is_needed() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_PYTEST],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PATH": ""},
    )
    assert done.stdout.split() == ["FakeApi", "delivered", "fake_connection"], done.stderr


def test_the_docs_show_unittest() -> None:
    assert issubclass(ContactTests, unittest.TestCase)
    assert len([name for name in dir(ContactTests) if name.startswith("test_")]) == 2
