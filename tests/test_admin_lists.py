"""Lists that answer: filters, order, last use; the page of a run; what Test and a failed authorization show."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from django.utils import timezone

from apiconnector import auth
from apiconnector.admin import shown
from apiconnector.authorize.advice import ADVICE, advice
from apiconnector.feeds import recorded, run_feed
from apiconnector.models import Connection, Feed, FeedRun, Token, status, testing
from apiconnector.models.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
CONNECTIONS = "/admin/apiconnector/connection/"
RUNS = "/admin/apiconnector/feedrun/"
KEYED = {"auth_method": "bearer", "api_key": "canary-bearer-key"}
CODE = {
    "auth_method": "oauth2_authorization_code",
    "client_id": "id",
    "client_secret": "canary-secret",
    "authorization_url": "https://idp.example.com/authorize",
    "token_url": "https://idp.example.com/token",
}
CLIENT = {**{name: CODE[name] for name in ("client_id", "client_secret", "token_url")}, "auth_method": "oauth2_client_credentials"}  # fmt: skip  # in rows
#: The token of a site whose host ALLOWED_HOSTS does not name.
COPIED = {"access_token": "a", "refresh_token": "r", "site": "https://elsewhere.example.com"}
MOVED = {"base_url": "https://other.example.com"}
#: What a connection is like, its token, what is written past ``save()``, and its status.
TABLE: dict[str, tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any], str]] = {
    "none": ({}, None, {}, Status.READY),
    "keyed": (KEYED, None, {}, Status.READY),
    "client": (CLIENT, None, {}, Status.READY),
    "off": ({**KEYED, "is_active": False}, None, {**MOVED, "problem": "misconfigured"}, Status.INACTIVE),
    "sealed": (KEYED, None, {**MOVED, "problem": "misconfigured"}, Status.SEALED),
    "no-key": ({"auth_method": "bearer"}, None, {}, Status.MISCONFIGURED),
    "no-user": ({"auth_method": "basic"}, None, {}, Status.MISCONFIGURED),
    "no-password": ({"auth_method": "basic", "username": "ada"}, None, {}, Status.READY),
    "no-address": ({"base_url": ""}, None, {}, Status.READY),
    "method-gone": ({"auth_method": "gone"}, None, {}, Status.MISCONFIGURED),
    "preset": ({"preset": "acme"}, None, {}, Status.READY),
    "dialect": ({"dialect": {"token_request_format": "json"}}, None, {}, Status.READY),
    "login": (
        {"auth_method": "login", "dialect": {"login": {"url": "login", "body": {"user": "x"}}}},
        None,
        {},
        Status.READY,
    ),
    "no-login": ({"auth_method": "login"}, None, {}, Status.MISCONFIGURED),
    "no-secret": ({**CODE, "client_secret": ""}, None, {}, Status.MISCONFIGURED),
    "public": ({**CODE, "client_secret": "", "client_auth": "none"}, None, {}, Status.NOT_AUTHORIZED),
    "public-client": ({**CLIENT, "client_auth": "none"}, None, {}, Status.MISCONFIGURED),
    "client-auth-gone": ({**CODE, "client_auth": "private_key_jwt"}, None, {}, Status.MISCONFIGURED),
    "refused": (CODE, {"access_token": "a"}, {"problem": "misconfigured"}, Status.MISCONFIGURED),
    "no-token": (CODE, None, {}, Status.NOT_AUTHORIZED),
    "empty-token": (CODE, {}, {}, Status.NOT_AUTHORIZED),
    "lasting": (CODE, {"access_token": "a"}, {}, Status.AUTHORIZED),
    "fresh": (CODE, {"access_token": "a", "expires_in": 60}, {}, Status.AUTHORIZED),
    "refreshable": (CODE, {"access_token": "a", "refresh_token": "r", "expires_in": -60}, {}, Status.AUTHORIZED),
    "spent": (
        CODE,
        {"access_token": "a", "refresh_token": "r", "expires_in": -60, "refresh_expires_in": -30},
        {},
        Status.NEEDS_REAUTHORIZATION,
    ),
    "spent-working": (
        CODE,
        {"access_token": "a", "refresh_token": "r", "expires_in": 60, "refresh_expires_in": -30},
        {},
        Status.AUTHORIZED,
    ),
    "ended": (CODE, {"access_token": "a", "expires_in": -60}, {}, Status.NEEDS_REAUTHORIZATION),
    "copied": (CODE, {**COPIED, "expires_in": 60}, {}, Status.AUTHORIZED),
    "copied-open": (CODE, COPIED, {}, Status.AUTHORIZED),
    "copied-ended": (CODE, {**COPIED, "expires_in": -60}, {}, Status.NEEDS_REAUTHORIZATION),
    "copied-unrefreshable": (CODE, {**COPIED, "refresh_token": ""}, {}, Status.AUTHORIZED),
    "own-ended": (CODE, {**COPIED, "site": "https://www.example.org", "expires_in": -60}, {}, Status.AUTHORIZED),
    "copied-client": (CLIENT, {**COPIED, "expires_in": -60}, {}, Status.READY),
    "dead": (CODE, {"access_token": "a"}, {"problem": "needs_reauthorization"}, Status.NEEDS_REAUTHORIZATION),
}


@pytest.fixture
def table(make_connection: Callable[..., Connection]) -> dict[str, str]:
    """A connection for every line of the table; what status each has, by slug."""
    for slug, (fields, token, written, _) in TABLE.items():
        connection = make_connection(name=f"Row {slug}", slug=slug, **fields)
        if token is not None:
            values = dict(token)
            ends = {
                f"{name}_at": timezone.now() + timedelta(seconds=values.pop(f"{name}_in"))
                for name in ("expires", "refresh_expires")
                if f"{name}_in" in values
            }
            Token.objects.create(connection=connection, **ends, **values)
        if written:
            Connection.objects.filter(pk=connection.pk).update(**written)
    return {slug: line[-1] for slug, line in TABLE.items()}


@pytest.fixture
def clerk(client: Client, django_user_model: type[User]) -> Client:
    """Somebody who may see runs, and not what they hold."""
    person = django_user_model.objects.create_user("clerk", password="x", is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_feedrun"))
    client.force_login(person)
    return client


@pytest.fixture
def run(bearer: Connection, make_feed: Callable[..., Feed]) -> FeedRun:
    """A run that was answered."""
    make_feed(bearer)
    with responses.RequestsMock() as api:
        api.post("https://api.example.com/v1/leads", body=b'{"id":5,"price":1.10}', content_type="application/json")
        return run_feed("lead", {"email": "<i>ada@example.org"})


def slugs(page: Any) -> list[str]:
    return [connection.slug for connection in page.context["cl"].result_list]


def change_page(row: Any) -> str:
    return reverse(f"admin:apiconnector_{row._meta.model_name}_change", args=[row.pk])


class TestStatusInSql:
    def test_it_agrees_with_the_status_in_memory(self, table: dict[str, str]) -> None:
        rows: Any = Connection.objects.annotate(found=status.in_sql(Connection)).select_related("token")
        assert {row.slug: row.found for row in rows} == {row.slug: row.status for row in rows} == table
        assert set(table.values()) == set(Status) - {Status.UNREADABLE}

    def test_a_method_of_the_site_takes_part(
        self, make_connection: Callable[..., Connection], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("apiconnector.auth.base._registry", {method.name: method for method in auth.methods()})

        @auth.register
        class Signed(auth.AuthMethod):
            name = "signed"
            label = "Signed"
            fields = ("api_key", "username")
            optional = ("username",)

        make_connection(slug="empty", auth_method="signed")
        make_connection(slug="filled", auth_method="signed", api_key="k")
        rows: Any = Connection.objects.annotate(found=status.in_sql(Connection))
        assert {row.slug: row.found for row in rows} == {"empty": "misconfigured", "filled": "ready"}
        assert all(row.status == row.found for row in rows)

    def test_an_unreadable_one_has_the_status_it_had(self, bearer: Connection, settings: Any) -> None:
        settings.APICONNECTOR_KEYS = ["YW5vdGhlciBrZXkgZm9yIHRlc3RzLCBub3QgdGhhdC4="]
        row: Any = Connection.objects.annotate(found=status.in_sql(Connection)).get()
        assert (row.status, row.found) == (Status.UNREADABLE, Status.READY)
        assert row.pk == bearer.pk


class TestConnections:
    @pytest.mark.parametrize("wanted", sorted(set(Status) - {Status.UNREADABLE}))
    def test_the_list_is_filtered_by_status(self, admin_client: Client, table: dict[str, str], wanted: str) -> None:
        page = admin_client.get(CONNECTIONS, {"status": wanted})
        assert sorted(slugs(page)) == sorted(slug for slug, found in table.items() if found == wanted)

    def test_the_list_is_ordered_by_status(self, admin_client: Client, table: dict[str, str]) -> None:
        columns = admin_client.get(CONNECTIONS).context["cl"].list_display
        page = admin_client.get(CONNECTIONS, {"o": columns.index("status_badge")})
        found = [table[slug] for slug in slugs(page)]
        assert found == sorted(found)
        assert len(found) == len(table)

    @pytest.mark.parametrize("text", ["Row lasting", "lasting", "Ada Ltd", "acct-7"])
    def test_the_list_is_searched(self, admin_client: Client, table: dict[str, str], text: str) -> None:
        token = Token.objects.filter(connection__slug="lasting")
        assert token.update(account_label="Ada Ltd", account_id="acct-7") == len(["lasting"])
        assert "lasting" in table
        assert slugs(admin_client.get(CONNECTIONS, {"q": text})) == ["lasting"]

    def test_the_last_use_is_that_of_the_latest_run(self, admin_client: Client, run: FeedRun) -> None:
        used = run.connection
        Connection.objects.create(name="Unused", slug="unused", base_url="https://api.example.com")
        early = timezone.now() - timedelta(days=400)
        FeedRun.objects.create(feed=run.feed, connection=used, created_at=early)
        latest = FeedRun.objects.create(feed=run.feed, connection=used)
        page = admin_client.get(CONNECTIONS)
        assert {row.slug: row.last_use for row in page.context["cl"].result_list} == {
            used.slug: latest.created_at, "unused": None,
        }  # fmt: skip  # in rows
        assert "never" in page.content.decode()
        latest.finished_at = timezone.now() + timedelta(seconds=5)
        latest.save()
        row = admin_client.get(CONNECTIONS, {"q": used.slug}).context["cl"].result_list[0]
        assert row.last_use == latest.finished_at

    def test_the_number_of_queries_does_not_grow(
        self, admin_client: Client, table: dict[str, str], run: FeedRun, django_assert_num_queries: Any
    ) -> None:
        # Session, user, two for the notices, the sites of tokens, the number of rows found and of all, the rows.
        for text, rows in (("", len(table) + 1), (run.connection.name, 1), ("Row", len(table))):
            with django_assert_num_queries(9):
                assert len(slugs(admin_client.get(CONNECTIONS, {"q": text}))) == rows


class TestRuns:
    @pytest.mark.parametrize("text", ["order-77", "time_out", "did not answer"])
    def test_the_list_is_searched(self, admin_client: Client, run: FeedRun, text: str) -> None:
        found = FeedRun.objects.create(
            feed=run.feed, connection=run.connection, idempotency_key="order-77", error="time_out",
            error_message="The API did not answer.",
        )  # fmt: skip  # in rows
        assert list(admin_client.get(RUNS, {"q": text}).context["cl"].result_list) == [found]

    @pytest.mark.parametrize("name", ["status__exact", "outcome__exact", "feed__id__exact", "connection__id__exact"])
    def test_the_list_is_filtered(
        self, admin_client: Client, run: FeedRun, make_connection: Callable[..., Connection],
        make_feed: Callable[..., Feed], name: str,
    ) -> None:  # fmt: skip  # in rows
        other = make_feed(make_connection(slug="other"), slug="other")
        waiting = FeedRun.objects.create(feed=other, connection=other.connection)
        for row in (run, waiting):
            value: Any = {
                "status__exact": row.status, "outcome__exact": row.outcome,
                "feed__id__exact": row.feed_id, "connection__id__exact": row.connection_id,
            }[name]  # fmt: skip  # in rows
            if value != "":
                assert list(admin_client.get(RUNS, {name: value}).context["cl"].result_list) == [row]

    def test_the_list_is_filtered_by_date(self, admin_client: Client, run: FeedRun) -> None:
        old = FeedRun.objects.create(
            feed=run.feed, connection=run.connection, created_at=timezone.now() - timedelta(days=90)
        )
        page = admin_client.get(RUNS, {"created_at__gte": (timezone.now() - timedelta(days=7)).isoformat()})
        assert list(page.context["cl"].result_list) == [run]
        assert set(admin_client.get(RUNS).context["cl"].result_list) == {run, old}

    @pytest.mark.parametrize(
        ("milliseconds", "text"),
        [(None, ""), (0, "0 ms"), (999, "999 ms"), (1_250, "1.2 s"), (59_949, "59.9 s"), (125_000, "2 min 5 s")],
    )
    def test_a_duration_can_be_read(self, milliseconds: int | None, text: str) -> None:
        assert shown.duration(milliseconds) == text

    def test_a_run_that_waits_says_until_when(self, admin_client: Client, run: FeedRun) -> None:
        assert "next:" not in admin_client.get(RUNS).content.decode()
        FeedRun.objects.create(feed=run.feed, connection=run.connection, next_attempt_at=timezone.now())
        assert admin_client.get(RUNS).content.decode().count("next:") == 1

    def test_a_run_shows_the_exact_request_and_answer(self, admin_client: Client, run: FeedRun) -> None:
        page = admin_client.get(change_page(run)).content.decode()
        assert "POST https://api.example.com/v1/leads" in page
        assert "Content-Type: application/json" in page
        assert "Authorization: [redacted]" in page
        assert "&lt;i&gt;ada@example.org" in page
        assert "<i>ada" not in page
        assert "&quot;price&quot;: 1.10\n}" in page
        assert "canary" not in page

    def test_without_the_permission_no_address_header_or_body(self, clerk: Client, run: FeedRun) -> None:
        page = clerk.get(change_page(run)).content.decode()
        assert "answered 200" in page
        assert not any(text in page for text in ("/v1/leads", "Content-Type:", "ada@example", "price"))

    @pytest.mark.parametrize(
        "attempt",
        [
            None, "text", [], {}, {"at": "nonsense", "duration_ms": "x", "request": [], "response": "y"},
            {"request": {"method": None, "headers": [1], "body": 5}, "response": {"headers": None}},
            {"request": {"url": "https://x/\ud800", "body": '{"a": "\ud800"}'}, "message": "\ud800"},
            {"response": {"body": "[" * 900 + "]" * 900}}, {"response": {"body": "[" * 200_000}},
            {"response": {"body": "x" * 2_000_000}}, {"response": {"body": "1" * 9_000}},
        ],
        ids=["none", "text", "list", "empty", "kinds", "more kinds", "surrogates", "deep", "deeper", "huge", "number"],
    )  # fmt: skip  # in rows
    def test_odd_attempts_are_shown(self, admin_client: Client, run: FeedRun, attempt: Any) -> None:
        FeedRun.objects.filter(pk=run.pk).update(attempts=[attempt])
        response = admin_client.get(change_page(run))
        assert response.status_code == 200
        assert len(response.content) < 500_000

    @pytest.mark.parametrize(
        ("text", "lines"),
        [
            (
                '{"a":[1,2.50,{}],"a":"x:[,]\\"{"}',
                '{\n  "a": [\n    1,\n    2.50,\n    {}\n  ],\n  "a": "x:[,]\\"{"\n}',
            ),
            ("[ ]", "[]"),
            ('"\\u0063"', '"\\u0063"'),
            ("a=b&c[]=d", "a=b&c[]=d"),
            ('{"cut": "of…', '{"cut": "of…'),
        ],
    )
    def test_json_is_indented_and_nothing_else_changed(self, text: str, lines: str) -> None:
        assert shown.indented(text) == lines


class TestTest:
    def press(self, client: Client, connection: Connection) -> str:
        """Press Test; the message above the connection's page."""
        page = client.post(reverse("admin:apiconnector_connection_test", args=[connection.pk]), follow=True)
        assert page.redirect_chain == [(change_page(connection), 302)]
        assert page.status_code == 200
        (message,) = page.context["messages"]
        assert str(message) in page.content.decode()
        return str(message)

    @responses.activate
    def test_it_shows_status_headers_body_and_account(self, admin_client: Client, bearer: Connection) -> None:
        bearer.label_template, bearer.account_id_path = "{{ body.name }}", "body.id"
        bearer.save()
        headers = {"X-Echo": "Bearer canary-bearer-key", "Set-Cookie": "a=canary"}
        body = {"name": "<b>Ada", "id": 7, "token": "canary-bearer-key"}
        responses.get("https://api.example.com/v1", json=body, headers=headers)
        message = self.press(admin_client, bearer)
        for text in (
            "200", "Account: &lt;b&gt;Ada", "Account id: 7", "GET https://api.example.com/v1",
            "X-Echo: Bearer [redacted]", "Set-Cookie: [redacted]", "&quot;id&quot;: 7",
        ):  # fmt: skip  # in rows
            assert text in message
        assert "canary" not in message
        assert "<b>" not in message
        # Once: who opens the page later sees the connection alone.
        assert "<details><summary>The answer" not in admin_client.get(change_page(bearer)).content.decode()

    @responses.activate
    @pytest.mark.parametrize("engine", ["db", "signed_cookies"])
    @pytest.mark.parametrize("storage", ["fallback.FallbackStorage", "cookie.CookieStorage", "session.SessionStorage"])
    def test_a_big_answer_is_cut_and_breaks_no_storage(
        self, client: Client, admin_user: User, settings: Any, storage: str, engine: str
    ) -> None:
        bearer = Connection.objects.create(name="CRM", slug="crm", base_url="https://api.example.com/v1", **KEYED)
        settings.DEBUG = True
        settings.MESSAGE_STORAGE = f"django.contrib.messages.storage.{storage}"
        settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
        client.force_login(admin_user)
        body = "".join(f"{number:x} ü" for number in range(200_000, 260_000))
        responses.get("https://api.example.com/v1", body=body, content_type="text/plain; charset=utf-8")
        message = self.press(client, bearer)
        assert "The API answered 200 OK." in message
        assert len(message) < 20_000
        has_room = "cookie" not in storage and engine == "db"
        assert ("in all)" in message) is has_room
        assert ("keeps messages in cookies" in message) is not has_room

    @responses.activate
    @pytest.mark.parametrize(
        "body",
        [b"", b"\x00\xff\x00", b'{"a": "\\ud800"}', b"[" * 100_000, b"x" * 2_000_000, b"\xff\xfe"],
        ids=["empty", "binary", "surrogate", "deep", "huge", "bad"],
    )
    def test_an_odd_answer_is_shown(self, admin_client: Client, bearer: Connection, body: bytes) -> None:
        responses.get("https://api.example.com/v1", body=body, content_type="text/html; charset=no-such")
        assert "The answer: 200" in self.press(admin_client, bearer)

    @responses.activate
    def test_a_refusal_shows_what_the_api_said(self, admin_client: Client, bearer: Connection) -> None:
        responses.get("https://api.example.com/v1", json={"error": "no such plan"}, status=403)
        message = self.press(admin_client, bearer)
        assert "check scope and permissions" in message
        assert "no such plan" in message

    @responses.activate
    def test_without_an_answer_there_is_none_to_show(self, admin_client: Client, bearer: Connection) -> None:
        responses.get("https://api.example.com/v1", body=requests.ConnectionError())
        assert "<details>" not in self.press(admin_client, bearer)


class TestAdvice:
    @pytest.mark.parametrize(
        ("error", "description", "says"),
        [
            ("redirect_uri_mismatch", "", "byte for byte"),
            ("invalid_request", "Invalid redirect_uri", "byte for byte"),
            ("invalid_client", "", "client secret"),
            ("unauthorized_client", "AADSTS700016: not found", "client ID"),
            ("access_denied", "", "denied"),
            ("access_denied", "The user denied the request", "denied"),
            ("user_cancelled_login", "", "denied"),
            ("invalid_scope", "", "scope"),
            ("invalid_grant", "", "expired"),
            ("access_denied", "The app has not completed the Google verification process", "test user"),
            ("access_denied", "AADSTS65001: consent", "administrator"),
            ("admin_policy_enforced", "", "administrator"),
            ("org_internal", "", "own organisation"),
            ("access_denied", "User is not assigned to the client application.", "another account"),
            ("invalid_request", "code challenge required", "PKCE"),
            ("Access-Denied", "", "denied"),
            ("server_error", "", "later"),
            ("something_new", "", "its own words"),
        ],
    )
    def test_it_says_what_to_do(self, error: str, description: str, says: str) -> None:
        assert says in advice(error, description)

    def come_back(self, client: Client, connection: Connection, **params: str) -> str:
        """Press Authorize and come back from the provider with these; the page that says so."""
        begun = client.post(reverse("admin:apiconnector_connection_authorize", args=[connection.pk]))
        state = parse_qs(urlsplit(begun["Location"]).query)["state"][0]
        page = client.get("/oauth/callback", {"state": state, **params})
        assert page.status_code == 400
        return page.content.decode()

    def test_the_page_shows_the_providers_words_and_what_to_do(
        self, admin_client: Client, make_connection: Callable[..., Connection]
    ) -> None:
        words = "<b>Administrator's approval</b> is missing"
        page = self.come_back(admin_client, make_connection(**CODE), error="access_denied", error_description=words)
        assert "has not approved the app" in page
        assert "&lt;b&gt;Administrator&#x27;s approval" in page

    @responses.activate
    @pytest.mark.parametrize(
        ("answer", "says"),
        [
            ({"error": "invalid_grant", "error_description": "code_verifier does not match"}, "PKCE"),
            ({"error": "invalid_grant", "error_description": "redirect_uri differs"}, "byte for byte"),
            ({"error": "invalid_grant"}, "expired"),
            ({"error": "invalid_client", "error_description": "AADSTS7000215: <i>"}, "its value, not its id"),
        ],
    )
    def test_a_refused_code_is_explained(
        self, admin_client: Client, make_connection: Callable[..., Connection], answer: dict[str, str], says: str
    ) -> None:
        connection = make_connection(**CODE)
        responses.post(connection.token_url, json=answer, status=400)
        page = self.come_back(admin_client, connection, code="canary-code")
        assert says in page
        assert answer["error"] in page
        assert "<i>" not in page
        assert "canary" not in page

    def test_the_names_are_written_as_they_are_looked_up(self) -> None:
        assert [name for name in ADVICE if name != name.lower() or "-" in name or " " in name] == []

    def test_the_docs_name_only_errors_that_are_known(self) -> None:
        page = (Path(__file__).parent.parent / "docs" / "admin.md").read_text(encoding="utf-8")
        table = page.partition("| the provider says |")[2]
        named = {
            name for cell in re.findall(r"^\| ([^|]+)\|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
        }
        assert named
        assert named - set(ADVICE) == set()
        assert f"{testing._SHOWN_BODY:,}" in page
        assert f"{Feed._meta.get_field('body_limit').default:,}" in page
        assert f"{recorded.MOST_OF_BODY:,}" in page
