"""The feed's page in the admin: the table of its body, the dry run, and sending by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import responses
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User

from apiconnector.admin.mapping import MappingInput
from apiconnector.feeds.preview import preview
from apiconnector.models import Feed, FeedRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from apiconnector.models import Connection

pytestmark = pytest.mark.django_db
ADD = "/admin/apiconnector/feed/add/"
DRY_RUN = "/admin/apiconnector/feed/dry-run/"
ROWS = [
    ("customer.email", "text", "{{ email }}"),
    ("customer.address[0].city", "text", "{{ city }}"),
    ("source", "text", "site"),
    ("score", "json", "12.50"),
    ("vip", "json", "true"),
    ("nothing", "json", "null"),
    ("", "text", ""),
]
BODY = {
    "customer": {"email": "{{ email }}", "address": [{"city": "{{ city }}"}]},
    "source": "site",
    "score": 12.5,
    "vip": True,
    "nothing": None,
}


def posted(connection: Connection, rows: Any = ROWS, **changed: Any) -> dict[str, Any]:
    """The form as a browser sends it."""
    return {
        "name": "Lead", "slug": "lead", "connection": connection.pk, "trigger": "contact", "is_active": "on",
        "method": "POST", "path": "leads", "body_format": "json", "body": "", "body-as": "table",
        "body-target": [row[0] for row in rows], "body-kind": [row[1] for row in rows],
        "body-value": [row[2] for row in rows], "empty_values": "keep", "query": "{}", "headers": "{}",
        "response_values": "{}", "max_attempts": 14, "retry_delay": 10, "body_limit": 10000,
        **changed,
    }  # fmt: skip  # in rows


def in_one_line(text: str) -> str:
    """What a browser gives back of an input of one line (HTML, "value sanitization algorithm")."""
    return in_lines(text).replace("\r", "").replace("\n", "")


def in_lines(text: str) -> str:
    """The same of a text area."""
    return text.replace("\x00", "\ufffd").replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


def person(*permissions: str) -> User:
    user = User.objects.create_user("ada", password="-", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


class TestTable:
    def test_it_is_saved_as_the_json_it_makes(self, admin_client: Client, bearer: Connection) -> None:
        response = admin_client.post(ADD, posted(bearer))
        assert response.status_code == 302, response.context["adminform"].form.errors
        assert Feed.objects.get().body == BODY
        assert list(Feed.objects.get().body) == list(BODY)

    def test_what_is_saved_is_shown_as_a_table_and_kept(self, admin_client: Client, bearer: Connection) -> None:
        admin_client.post(ADD, posted(bearer))
        page = admin_client.get(f"/admin/apiconnector/feed/{Feed.objects.get().pk}/change/")
        shown = (
            page.context["adminform"]
            .form["body"]
            .field.widget.get_context("body", page.context["adminform"].form["body"].value(), {})["mapping"]
        )
        assert shown["as"] == "table"
        assert [row for row in shown["rows"] if row[0]] == [
            *ROWS[:3], ("score", "json", "12.5"), *ROWS[4:6]
        ]  # fmt: skip  # in rows

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            ([("", "text", "x")], "Row 1: enter a target"),
            ([("a", "text", "x"), ("b", "json", "yes")], "Row 2, b: this is no JSON"),
            (
                [("", "text", ""), ("a", "text", "x"), ("", "text", ""), ("a.b", "text", "y")],
                "Row 4: a.b: is below “a”, which has a value in row 2.",
            ),
            ([("", "text", ""), ("a", "text", "x"), ("a", "text", "y")], "Row 3: a: is there already in row 2."),
            ([("a[1]", "text", "x")], "Row 1:"),
            ([("a", "text", "{{ email")], "{{"),
        ],
    )
    def test_what_makes_no_json_is_said_and_shown_again(
        self, admin_client: Client, bearer: Connection, rows: Any, said: str
    ) -> None:
        response = admin_client.post(ADD, posted(bearer, rows))
        assert response.status_code == 200
        assert said in str(response.context["adminform"].form.errors["body"])
        shown = MappingInput().get_context("body", response.context["adminform"].form["body"].value(), {})["mapping"]
        assert [tuple(row) for row in shown["rows"]][: len(rows)] == rows, "by the same numbers"
        for target, _, value in rows:
            assert f'value="{target}"' in response.text
            assert f'value="{value}"' in response.text
        assert not Feed.objects.exists()

    def test_a_text_is_kept_as_it_is(self, admin_client: Client, bearer: Connection) -> None:
        xml = "<lead>\n  <email>{{ email }}</email>\n</lead>"
        admin_client.post(
            ADD, posted(bearer, **{"body_format": "text", "body-as": "text", "body-text": xml.replace("\n", "\r\n")})
        )
        assert Feed.objects.get().body == xml
        page = admin_client.get(f"/admin/apiconnector/feed/{Feed.objects.get().pk}/change/")
        assert "&lt;email&gt;{{ email }}&lt;/email&gt;" in page.text

    @pytest.mark.parametrize(
        "body",
        [
            [["a", "1"], ["a", "2"]], [], {}, {"a": {}}, {"a.b": 1}, {"": 1}, [1, [2]],
            {"text": "Line 1\nLine 2 {{ x }}"}, {"a": "\r\n", "b\nc": "\t"}, {"a": "\x00"}, {"a": "\ud83d"},
            "a\r\nb", "a\nb", "\n a", "\ud83d", {f"a{n}": n for n in range(400)}, {"a": 1.0, "b": 1e22},
        ],
        ids=lambda body: str(body)[:30].encode("ascii", "backslashreplace").decode(),
    )  # fmt: skip  # in rows
    def test_json_comes_back_as_it_was_saved(
        self, admin_client: Client, bearer: Connection, make_feed: Callable[..., Feed], body: Any
    ) -> None:
        """Whatever way it is shown in, a form that is saved untouched changes nothing."""
        feed = make_feed(bearer, body_format="text" if isinstance(body, str) else "json", body=body)
        url = f"/admin/apiconnector/feed/{feed.pk}/change/"
        field = admin_client.get(url).context["adminform"].form["body"]
        shown = field.field.widget.get_context("body", field.value(), {})["mapping"]
        rows = [[in_one_line(part) for part in row] for row in shown["rows"]]
        page = admin_client.post(
            url,
            posted(
                bearer, rows,
                **{
                    "body-as": shown["as"], "body": in_lines(shown["json"]), "body-text": in_lines(shown["text"]),
                    "body_format": feed.body_format,
                },
            ),
        )  # fmt: skip  # in rows
        if "\\ud83d" in json.dumps(body):  # which only code can have put there
            assert "half a surrogate pair" in page.text
            return
        assert page.status_code == 302, page.context["adminform"].form.errors
        feed.refresh_from_db()
        assert json.dumps(feed.body) == json.dumps(body) or (feed.body is None and body in ({}, []))
        assert ("Body" in LogEntry.objects.get().get_change_message()) == (feed.body != body)

    @pytest.mark.parametrize("depth", [200, 900, 5000])
    @pytest.mark.parametrize("way", ["table", "json"])
    @pytest.mark.parametrize("url", [ADD, DRY_RUN])
    def test_what_is_nested_too_deep_is_said(
        self, admin_client: Client, bearer: Connection, url: str, way: str, depth: int
    ) -> None:
        deep = '{"a":' * depth + "1" + "}" * depth
        rows = [("a", "json", deep)]
        page = admin_client.post(url, posted(bearer, rows, **{"body-as": way, "body": deep, "apiconnector-ways": "1"}))
        assert page.status_code == 200
        assert "nested" in page.text or "this is no JSON" in page.text

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("query", '"text"', "Enter an object, such as {&quot;name&quot;: &quot;value&quot;} or a list"),
            ("response_values", "[1]", "Enter an object, such as {&quot;name&quot;: &quot;value&quot;}."),
            ("headers", '{"X-A": NaN}', "it holds NaN"),
            ("query", "{", "Enter a valid JSON."),
        ],
    )
    def test_json_of_the_wrong_kind_says_what_is_wanted(
        self, admin_client: Client, bearer: Connection, field: str, value: str, said: str
    ) -> None:
        assert said in admin_client.post(ADD, posted(bearer, **{field: value})).text

    def test_sample_data_is_shown_again_beside_an_error(self, admin_client: Client, bearer: Connection) -> None:
        page = admin_client.post(ADD, posted(bearer, path="{{ a", **{"apiconnector-sample": '{"a": "typed'}))
        assert page.context["panel"]["sample"] == '{"a": "typed'

    def test_without_a_way_the_json_counts(self, admin_client: Client, bearer: Connection) -> None:
        fields = {
            name: value for name, value in posted(bearer, body='{"a": 1}').items() if not name.startswith("body-")
        }
        admin_client.post(ADD, fields)
        assert Feed.objects.get().body == {"a": 1}


class TestDryRun:
    @responses.activate
    def test_it_shows_the_exact_request_and_sends_nothing(self, admin_client: Client, bearer: Connection) -> None:
        sample = {"email": "ada@example.org", "city": "London"}
        page = admin_client.post(
            DRY_RUN, posted(bearer, **{"apiconnector-sample": json.dumps(sample)}),
            headers={"X-Requested-With": "fetch"},
        )  # fmt: skip  # in rows
        assert page.status_code == 200
        assert "POST https://api.example.com/v1/leads" in page.text
        assert "ada@example.org" in page.text
        assert "London" in page.text
        assert "canary-bearer-key" not in page.text
        assert "[redacted]" in page.text
        assert not Feed.objects.exists()
        assert not FeedRun.objects.exists()
        assert len(responses.calls) == 0

    @pytest.mark.parametrize(
        ("fields", "sample"),
        [
            ({"body": {"a": "{{ name }}", "b": "{{ data.address.city }}"}}, {"name": "name", "address": {"city": "city"}}),
            ({"for_each": "rows", "body": {"a": "{{ item.sku }}", "b": "{{ order }}"}}, {"order": "order", "rows": [{"sku": "sku"}]}),
            ({"for_each": "order.rows", "body": {"a": "{{ item }}"}}, {"order": {"rows": ["item"]}}),
            ({"after": True, "path": "c/{{ values.id }}", "body": {"a": "{{ name }}"}}, {"name": "name", "values": {"id": "id"}}),
            ({"body": {"a": "{{ tenant }}", "b": "{{ run.id }}", "c": "{{ client_id }}"}}, {}),
        ],
        ids=str,
    )  # fmt: skip  # in rows
    def test_the_sample_that_a_feed_begins_with_fills_it(
        self, admin_client: Client, bearer: Connection, make_feed: Callable[..., Feed], fields: Any, sample: Any
    ) -> None:
        bearer.variables = {"tenant": "t-1"}
        bearer.save()
        if fields.get("after"):
            first = make_feed(bearer, slug="first", response_values={"id": "body.id"})
            fields = {**fields, "after": first}
        feed = make_feed(bearer, **fields)
        page = admin_client.get(f"/admin/apiconnector/feed/{feed.pk}/change/")
        assert json.loads(page.context["panel"]["sample"]) == sample
        assert preview(feed, sample).problems == []

    def test_what_is_missing_is_said(self, admin_client: Client, bearer: Connection) -> None:
        page = admin_client.post(DRY_RUN, posted(bearer, **{"apiconnector-sample": '{"email": "a"}'}))
        assert "city" in page.text
        assert "errorlist" in page.text
        # There is none, and none that looks as if it had no body.
        assert "The request, not sent" not in page.text

    @pytest.mark.parametrize("sample", ["[1]", "{", "nonsense", "[" * 5000])
    def test_sample_data_that_is_no_object(self, admin_client: Client, bearer: Connection, sample: str) -> None:
        page = admin_client.post(DRY_RUN, posted(bearer, **{"apiconnector-sample": sample}))
        assert page.status_code == 200
        assert "Enter a JSON object" in page.text

    def test_a_form_that_is_empty(self, admin_client: Client) -> None:
        page = admin_client.post(DRY_RUN, {})
        assert page.status_code == 200
        assert "required" in page.text

    @pytest.mark.parametrize("changed", [{"body_format": "none"}, {"path": "{{ a"}, {"condition": "a["}])
    def test_the_json_of_the_table_whatever_else_is_wrong(
        self, admin_client: Client, bearer: Connection, changed: Any
    ) -> None:
        page = admin_client.post(DRY_RUN, posted(bearer, **changed))
        assert "errorlist" in page.text
        assert "&quot;city&quot;: &quot;{{ city }}&quot;" in page.text

    @pytest.mark.parametrize(
        ("rows", "can_switch"), [(ROWS, True), ([("", "text", "")], True), ([("a..b", "text", "x")], False)]
    )
    def test_who_switches_gets_what_was_typed_in_all_ways(
        self, admin_client: Client, bearer: Connection, rows: Any, can_switch: bool
    ) -> None:
        page = admin_client.post(DRY_RUN, posted(bearer, rows, **{"apiconnector-ways": "1"}))
        assert ("<template data-apiconnector-ways>" in page.text) == can_switch
        assert ('name="body-target" value="customer.address[0].city"' in page.text) == (rows is ROWS)
        assert "<template data-apiconnector-ways></template>" in admin_client.post(DRY_RUN, posted(bearer)).text

    @pytest.mark.parametrize(
        ("permissions", "acts"),
        [
            (["view_feed"], set()),
            (["view_feed", "send_feed"], {"send"}),
            (["change_feed"], {"dry-run"}),
            (["change_feed", "send_feed"], {"dry-run", "send"}),
        ],
    )
    def test_what_a_person_may_do_is_offered(
        self, client: Client, bearer: Connection, make_feed: Callable[..., Feed], permissions: Any, acts: set[str]
    ) -> None:
        feed = make_feed(bearer, body={"a": [True, None]})
        client.force_login(person(*permissions))
        page = client.get(f"/admin/apiconnector/feed/{feed.pk}/change/").text
        assert {act for act in ("dry-run", "send") if f"data-apiconnector-{act}>" in page} == acts
        assert ("data-apiconnector-try" in page) == bool(acts)
        if "change_feed" not in permissions:
            # As JSON, not as Python writes it.
            assert "&quot;a&quot;: [\n    true,\n    null\n  ]" in page

    def test_permissions(self, client: Client, bearer: Connection) -> None:
        client.force_login(person("view_feed"))
        assert client.post(DRY_RUN, posted(bearer)).status_code == 403
        assert client.get(DRY_RUN).status_code == 405


class TestSend:
    @responses.activate
    def test_it_sends_and_shows_what_came_back(
        self, admin_client: Client, bearer: Connection, make_feed: Callable[..., Feed]
    ) -> None:
        feed = make_feed(bearer, body_format="json", body={"email": "{{ email }}"})
        responses.post("https://api.example.com/v1/leads", json={"id": "L-7"}, status=201, headers={"X-Kind": "lead"})
        page = admin_client.post(
            f"/admin/apiconnector/feed/{feed.pk}/send/", {"apiconnector-sample": '{"email": "ada@example.org"}'}
        )
        run = FeedRun.objects.get()
        assert page.status_code == 200
        for text in ("201", "X-Kind: lead", "L-7", f"/admin/apiconnector/feedrun/{run.pk}/change/", "Succeeded"):
            assert text in page.text
        assert json.loads(responses.calls[0].request.body or "") == {"email": "ada@example.org"}

    @responses.activate
    def test_numbers_are_not_grouped(
        self, admin_client: Client, bearer: Connection, make_feed: Callable[..., Feed], settings: Any
    ) -> None:
        settings.USE_THOUSAND_SEPARATOR = True
        feed = make_feed(bearer, pk=12345, body={})
        FeedRun.objects.create(pk=54321, feed=feed, connection=bearer)
        responses.post("https://api.example.com/v1/leads", json={})
        page = admin_client.get(f"/admin/apiconnector/feed/{feed.pk}/change/")
        assert 'name="apiconnector-feed" value="12345"' in page.text
        sent = admin_client.post(f"/admin/apiconnector/feed/{feed.pk}/send/").text
        # SQLite goes on from the highest number.
        assert f"Run #{FeedRun.objects.exclude(pk=54321).get().pk}<" in sent

    @pytest.mark.parametrize(
        "case",
        [
            ({"for_each": "rows"}, {"rows": [1]}, "one request for each item of a list"),
            ({}, {"a": [{"cv": {"$file": "cv.pdf"}}]}, "It names a file"),
            ({}, {"cv": {"$file": 5}}, "the name “$file” is kept for uploaded files"),
        ],
    )
    def test_what_only_a_dry_run_shows_is_said(
        self, admin_client: Client, bearer: Connection, make_feed: Callable[..., Feed], case: Any
    ) -> None:
        fields, sample, words = case
        feed = make_feed(bearer, **fields)
        page = admin_client.post(
            f"/admin/apiconnector/feed/{feed.pk}/send/", {"apiconnector-sample": json.dumps(sample)}
        )
        assert words in page.text
        assert not FeedRun.objects.exists()

    def test_a_feed_that_is_off_is_not_sent(
        self, admin_client: Client, bearer: Connection, make_feed: Callable[..., Feed]
    ) -> None:
        feed = make_feed(bearer, is_active=False)
        page = admin_client.post(f"/admin/apiconnector/feed/{feed.pk}/send/")
        assert "switched off" in page.text
        assert not FeedRun.objects.exists()

    def test_permissions(self, client: Client, bearer: Connection, make_feed: Callable[..., Feed]) -> None:
        feed = make_feed(bearer)
        client.force_login(person("view_feed", "change_feed"))
        url = f"/admin/apiconnector/feed/{feed.pk}/send/"
        assert client.post(url).status_code == 403
        assert "data-apiconnector-send" not in client.get(f"/admin/apiconnector/feed/{feed.pk}/change/").text
        assert client.get(url).status_code == 405
        assert not FeedRun.objects.exists()

    @responses.activate
    def test_who_may_not_see_bodies_sees_none(
        self, client: Client, bearer: Connection, make_feed: Callable[..., Feed]
    ) -> None:
        feed = make_feed(bearer, body=None, body_format="none")
        responses.post("https://api.example.com/v1/leads", json={"id": "L-7"})
        client.force_login(person("view_feed", "send_feed"))
        page = client.post(f"/admin/apiconnector/feed/{feed.pk}/send/")
        assert "answered 200" in page.text
        assert "L-7" not in page.text
