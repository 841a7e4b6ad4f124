"""The dry run: what would be sent, without sending it, without a token, and without a credential on the page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings

from apiconnector import auth
from apiconnector.feeds import deliver
from apiconnector.feeds.preview import Preview, preview
from apiconnector.models import Connection, Feed, FeedRun, Token
from apiconnector.shortcuts import run_feed, submit
from tests import token_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest

    from tests.feeds.mapping.recorder import Recorder

pytestmark = pytest.mark.django_db


class TestTheExactRequest:
    @pytest.mark.parametrize(
        "fields",
        [
            {"query": {"q": "{{ email }}", "tags": "{{ tags }}"}, "headers": {"X-A": "{{ n }}"}, "path": "a/{{ email }}/b"},
            {"body_format": "form", "body": {"e": "{{ email }}", "t": "{{ tags }}"}},
            {"body_format": "text", "body": "<a>{{ email|escape }}\u00fc</a>", "headers": {"Content-Type": "application/xml"}},
            {"body_format": "none", "body": None, "method": "GET"},
            {"body": {"a": [{"b": "{{ missing }}"}], "n": "{{ n }}"}, "empty_values": "omit"},
            {"body": "{{ nothing }}"},
        ],
        ids=str,
    )  # fmt: skip  # in rows
    def test_it_is_what_is_sent(
        self, api: Recorder, make_api_feed: Callable[..., Feed], fields: dict[str, Any]
    ) -> None:
        connection = {
            "default_headers": {"X-Key": "k {{ api_key }}"}, "default_params": {"v": "2"}, "default_body": {"source": "web"},
            "variables": {"tenant": "t"},
        }  # fmt: skip  # in rows
        feed = make_api_feed(connection, **fields)
        data = {"email": "ada@example.org", "tags": ["a", "b"], "n": 5, "nothing": None}
        shown = preview(feed, data)
        assert shown.problems == []
        assert api.got == []
        assert not FeedRun.objects.exists()
        assert run_feed("lead", data).ok
        sent = api.last
        assert (shown.method, shown.url, shown.body) == (sent.method, f"{api.origin}{sent.path}", sent.body.decode())
        expected = {
            name: value for name, value in sent.headers.items() if name not in {"Host", "Authorization", "X-Key"}
        }
        own = {name: value for name, value in shown.headers.items() if name not in {"Authorization", "X-Key"}}
        assert own == {name: value for name, value in expected.items() if name in own}
        assert set(expected) - set(own) <= {"Accept-Encoding", "Connection"}
        assert shown.headers["Authorization"] == "Bearer [redacted]"
        assert shown.headers["X-Key"] == "[redacted]"
        assert "canary" not in str(shown)

    def test_files(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        feed = make_api_feed(body_format="multipart", body={"email": "{{ email }}", "cv": "{{ cv }}"})
        for cv in (
            SimpleUploadedFile("cv.pdf", b"canary-content", "application/pdf"),
            {"$file": "cv.pdf", "content_type": "application/pdf", "size": 14},
            {"$file": "0" * 32, "name": "cv.pdf", "content_type": "application/pdf", "size": 14},
        ):
            shown = preview(feed, {"email": "a", "cv": cv})
            assert shown.problems == []
            assert 'name="email"\r\n\r\na\r\n' in shown.body
            assert 'filename="cv.pdf"\r\nContent-Type: application/pdf\r\n\r\n[file cv.pdf, 14 bytes]\r\n' in shown.body
            assert "Content-Length" not in shown.headers
            assert "canary" not in str(shown)
        feed.body_format, feed.body = "json", {"cv": "{{ cv|base64 }}"}
        shown = preview(feed, {"cv": {"$file": "cv.pdf"}})
        assert json.loads(shown.body) == {"cv": "[file cv.pdf, 0 bytes, in Base64]"}
        feed.body_format, feed.body = "text", "{{ cv }}"
        assert preview(feed, {"cv": {"$file": "cv.pdf"}}).body == "[file cv.pdf, 0 bytes]"

    def test_a_feed_that_is_not_saved(self, make_api_feed: Callable[..., Feed]) -> None:
        saved = make_api_feed()
        feed = Feed(connection=saved.connection, body_format="json", body={"run": "{{ run.id }}"}, path="x")
        shown = preview(feed, {})
        assert (shown.problems, shown.body) == ([], '{"run": 1}')

    def test_the_idempotency_key(self, make_api_feed: Callable[..., Feed]) -> None:
        shown = preview(make_api_feed(idempotency_header="Idempotency-Key", body={}), {})
        assert len(shown.headers["Idempotency-Key"]) == 36


class TestCredentials:
    @pytest.mark.parametrize(
        ("fields", "place", "expected"),
        [
            ({"auth_method": "none"}, "headers", None),
            ({"auth_method": "basic", "username": "canary-user", "password": "canary-pass"}, "headers", "Basic [redacted]"),
            ({"credential_in": "query", "credential_name": "key"}, "url", "?key=[redacted]"),
            ({"credential_in": "body", "credential_name": "key"}, "body", '{"a": 1, "key": "[redacted]"}'),
            ({"default_headers": {"X-Own": "canary-written-down-secret", "Authorization": "Token canary-literal"}, "auth_method": "none"}, "headers", "Token [redacted]"),
            ({"default_body": {"key": "{{ api_key }}"}}, "body", '{"key": "[redacted]", "a": 1}'),
            ({"default_params": {"b": "{{ api_key|base64 }}"}}, "url", "?b=[redacted]"),
        ],
        ids=str,
    )  # fmt: skip  # in rows
    def test_each_place(
        self, make_api_feed: Callable[..., Feed], fields: dict[str, Any], place: str, expected: str | None
    ) -> None:
        shown = preview(make_api_feed(fields, body={"a": 1}), {})
        assert shown.problems == []
        found = {"headers": shown.headers.get("Authorization"), "url": shown.url, "body": shown.body}[place]
        assert found == expected or (expected and str(found).endswith(expected))
        assert "canary" not in str({**vars(shown), "headers": {**shown.headers, "X-Own": ""}})

    @pytest.mark.parametrize(
        "fields",
        [
            {"headers": {"X-Api-Key": "canary-typed-here"}},
            {"headers": [["X-Api-Key", "canary-typed-here"]]},
            {"query": {"token": "canary-typed-here"}},
            {"body": {"auth": {"secret": "canary-typed-here"}, "to": "{{ email }}"}},
            {"body": [{"password": "canary-typed-here"}, "{{ email }}"]},
            {"body_format": "form", "body": [["password", "canary-typed-here"], ["to", "{{ email }}"]]},
        ],
        ids=str,
    )
    def test_a_credential_that_was_typed_into_the_feed(
        self, api: Recorder, make_api_feed: Callable[..., Feed], fields: dict[str, Any]
    ) -> None:
        feed = make_api_feed(**fields)
        shown = preview(feed, {"email": "ada@example.org"})
        assert shown.problems == []
        assert "canary" not in str(vars(shown))
        run = run_feed(feed.slug, {"email": "ada@example.org"})
        assert "canary-typed-here" in f"{api.last.path} {api.last.headers} {api.last.body!r}"
        assert "canary" not in str(run.attempts)
        assert "ada" in str(run.attempts) or "body" not in fields

    @pytest.mark.parametrize("grant", ["oauth2_client_credentials", "oauth2_authorization_code"])
    def test_no_token_is_asked_for(
        self, make_connection: Callable[..., Connection], make_feed: Callable[..., Feed], grant: str
    ) -> None:
        with token_server.running() as server:
            connection = make_connection(
                base_url=f"{server.origin}/api", auth_method=grant, client_id="i", client_secret="canary-secret",
                token_url=f"{server.origin}/token", authorization_url=f"{server.origin}/a",
                default_headers={"X-Token": "{{ access_token }}"},
            )  # fmt: skip  # in rows
            shown = preview(make_feed(connection), {"email": "a"})
            assert (server.requests, server.api_calls) == ([], [])
        assert shown.headers["Authorization"] == "Bearer [redacted]"
        assert shown.headers["X-Token"] == "[redacted]"
        assert shown.url == f"{server.origin}/api/leads"
        assert (shown.problems == []) == (grant == "oauth2_client_credentials")
        Token.objects.create(connection=connection, access_token="canary-token")
        connection = Connection.objects.get()
        shown = preview(Feed.objects.get(), {"email": "canary-token"})
        assert shown.problems == []
        assert shown.body == '{"email": "[redacted]"}'

    def test_values_that_come_with_a_token(
        self, make_connection: Callable[..., Connection], make_feed: Callable[..., Feed]
    ) -> None:
        connection = make_connection(
            base_url="{{ instance_url }}/v1", auth_method="oauth2_client_credentials", client_id="i", client_secret="s",
            token_url="https://p.example/token",
            dialect={"keep_from_token": {"instance_url": {"path": "instance_url", "pattern": "https://.*"}}},
        )  # fmt: skip  # in rows
        shown = preview(make_feed(connection, query={"a": "b"}), {"email": "a"})
        assert any("instance_url" in problem for problem in shown.problems)
        assert (shown.url, shown.body) == ("leads", '{"email": "a"}')

    def test_a_method_of_the_site(self, make_api_feed: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch) -> None:
        class Signed(auth.AuthMethod):
            name = "signed"
            label = "Signed"
            fields = ("api_key",)

            def __call__(self, request: PreparedRequest) -> PreparedRequest:
                request.headers["X-Signature"] = f"{self.connection.reveal('api_key')} of {self.connection.slug}"  # type: ignore[attr-defined]  # every connection has one
                if "fail" in str(request.body):
                    raise ZeroDivisionError("canary")
                return request

        monkeypatch.setattr(auth.base, "_registry", {kind.name: kind for kind in auth.methods()})
        auth.register(Signed)
        feed = make_api_feed({"auth_method": "signed"}, body={"a": "{{ a }}"})
        assert preview(feed, {"a": 1}).headers["X-Signature"] == "[redacted] of crm"
        shown = preview(feed, {"a": "fail"})
        assert shown.problems == ["What the connection adds can't be shown (ZeroDivisionError)."]
        assert shown.body == '{"a": "fail"}'


class TestProblems:
    @pytest.mark.parametrize(
        ("fields", "data", "words"),
        [
            ({"body": {"a": {"b": "{{ missing }}"}}}, {}, "a.b: {{ missing }}: unknown name"),
            ({"body": {"a": "{{ x }}"}, "empty_values": "refuse"}, {"x": ""}, "a: {{ x }} is missing or empty"),
            ({"path": "a/{{ x }}", "body": {}}, {"x": ".."}, "segment"),
            ({}, {"x": object()}, "x: object can't be kept"),
            ({}, ["a"], "is a mapping"),
            ({"body": {"a": "{{ cv }}"}}, {"cv": {"$file": "a.pdf"}}, "a: a file has no place in JSON"),
            ({"body": {}, "headers": {"X-A": "{{ x }}"}}, {"x": "a\nb"}, "The header X-A contains a line break"),
        ],
        ids=str,
    )  # fmt: skip  # in rows
    def test_what_can_not_be_filled(
        self, make_api_feed: Callable[..., Feed], fields: dict[str, Any], data: Any, words: str
    ) -> None:
        shown = preview(make_api_feed(**fields), data)
        assert len(shown.problems) == 1
        assert words in shown.problems[0]
        assert shown.method == "POST"

    def test_a_feed_that_is_wrong(self, make_api_feed: Callable[..., Feed]) -> None:
        feed = make_api_feed()
        feed.path, feed.body = "{{ a", {"b": "{% c %}"}
        shown = preview(feed, {})
        assert [problem.partition(":")[0] for problem in shown.problems] == ["body", "path"]

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"is_active": False}, "switched off"),
            ({"auth_method": "bearer", "api_key": ""}, "API key"),
            ({"auth_method": "gone"}, "gone"),
            ({"base_url": "https://10.0.0.1/v1"}, "private"),
        ],
        ids=str,
    )  # fmt: skip  # in rows
    def test_a_connection_that_is_not_ready(
        self,
        make_connection: Callable[..., Connection],
        make_feed: Callable[..., Feed],
        fields: dict[str, Any],
        words: str,
    ) -> None:
        values = {"auth_method": "bearer", "api_key": "canary", **fields}
        shown = preview(make_feed(make_connection(**values)), {"email": "a"})
        assert any(words in problem for problem in shown.problems), shown.problems
        assert shown.body == '{"email": "a"}'
        assert "canary" not in str(shown)

    def test_a_lost_key(self, make_api_feed: Callable[..., Feed]) -> None:
        feed = make_api_feed()
        with override_settings(APICONNECTOR_KEYS=["YW5vdGhlciBrZXkgZm9yIHRlc3RzLCBubyBzZWNyZXQ="]):
            shown = preview(Feed.objects.get(pk=feed.pk), {"email": "a"})
        assert shown.problems[0].startswith("The connection is not ready: ")
        assert isinstance(shown, Preview)


class TestRules:
    def test_the_first_of_several_requests(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        feed = make_api_feed(for_each="order.rows", body={"sku": "{{ item.sku }}", "all": "{{ data }}"})
        data = {"order": {"id": 7, "rows": [{"sku": "A"}, {"sku": "B"}]}}
        shown = preview(feed, data)
        assert (shown.problems, api.got) == ([], [])
        submit("contact", data)
        deliver()
        assert shown.body == api.got[0].body.decode()
        assert json.loads(shown.body)["all"] == {"order": {"id": 7, "rows": [{"sku": "A"}]}}

    @pytest.mark.parametrize(
        ("fields", "data", "words"),
        [
            ({"for_each": "rows"}, {"rows": "a"}, "for_each: rows gives text, not a list."),
            ({"for_each": "rows"}, {"rows": []}, "“For each” finds no items in this data"),
            ({"for_each": "keys(rows)"}, {"rows": 1}, "for_each: The expression keys(rows) failed"),
            ({"for_each": "rows"}, {"rows": list(range(10_001))}, "these are 10,001: at most 10,000"),
            ({"condition": "length(n) > `1`"}, {"n": 1}, "condition: The expression length(n) > `1` failed"),
        ],
        ids=str,
    )
    def test_one_problem_is_said_once(
        self, make_api_feed: Callable[..., Feed], fields: dict[str, Any], data: Any, words: str
    ) -> None:
        shown = preview(make_api_feed(body={"a": "{{ data.rows }}"}, **fields), data)
        assert len(shown.problems) == 1
        assert words in shown.problems[0]

    def test_a_feed_that_waits_for_another(self, make_api_feed: Callable[..., Feed]) -> None:
        first = make_api_feed(body={}, response_values={"id": "body.id"})
        feed = Feed(
            name="Note", slug="note", connection=first.connection, trigger="contact", after=first,
            path="contacts/{{ values.id }}/notes", body_format="json", body={"note": "{{ message }}", "all": "{{ data }}"},
        )  # fmt: skip  # in rows
        shown = preview(feed, {"message": "Hi", "values": {"id": 41}})
        assert shown.problems == []
        assert shown.url.endswith("/contacts/41/notes")
        assert json.loads(shown.body) == {"note": "Hi", "all": {"message": "Hi"}}
        assert "unknown name 'id' in 'values'" in preview(feed, {"message": "Hi"}).problems[0]


@pytest.mark.parametrize("part", ["name", "content_type", "size"])
@pytest.mark.parametrize("value", [5, {"a": 1}, None, "", "a\r\nX-Evil: b", "a/b\r\nX-Evil: c", -1, True, ["a"]])
@pytest.mark.parametrize(
    ("body_format", "body"),
    [
        ("multipart", {"cv": "{{ cv }}"}),
        ("text", "{{ cv }}"),
        ("json", {"cv": "{{ cv|base64 }}", "n": "{{ cv.name }}"}),
    ],
)
def test_a_sample_file_is_what_an_uploaded_one_is(
    make_api_feed: Callable[..., Feed], part: str, value: Any, body_format: str, body: Any
) -> None:
    feed = make_api_feed(body_format=body_format, body=body)
    shown = preview(feed, {"cv": {"$file": "cv.pdf", part: value}})
    assert shown.problems == []
    assert "\nX-Evil" not in shown.body
    assert "X-Evil" not in str(shown.headers)
    assert " bytes" in shown.body
