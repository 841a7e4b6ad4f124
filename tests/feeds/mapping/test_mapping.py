"""What is sent, byte for byte, of what was submitted."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone

from apiconnector.feeds import deliver
from apiconnector.models import Feed, FeedRun
from apiconnector.models.run import RunQuerySet
from apiconnector.shortcuts import run_feed, submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.feeds.mapping.recorder import Recorder

pytestmark = pytest.mark.django_db


class Form(forms.Form):
    email = forms.EmailField()
    topics = forms.MultipleChoiceField(choices=[("a", "A"), ("b", "B")])
    birthday = forms.DateField()
    amount = forms.DecimalField()
    count = forms.IntegerField()
    newsletter = forms.BooleanField(required=False)
    phone = forms.CharField(required=False)
    when = forms.DateTimeField()


FILLED = {
    "email": "ada@example.org", "topics": ["a"], "birthday": "1815-12-10", "amount": "12.35", "count": "3", "phone": "",
    "when": "2026-03-01T12:00:00Z",
}  # fmt: skip  # in rows


def cleaned(**changes: Any) -> dict[str, Any]:
    data = QueryDict(mutable=True)
    for name, value in {**FILLED, **changes}.items():
        data.setlist(name, value if isinstance(value, list) else [value])
    form = Form(data)
    assert form.is_valid(), form.errors
    return form.cleaned_data


class TestJson:
    @pytest.mark.parametrize(
        ("template", "expected"),
        [
            ({"a": {"b": [{"c": "{{ email }}"}]}}, b'{"a": {"b": [{"c": "ada@example.org"}]}}'),
            ({"topics": "{{ topics }}"}, b'{"topics": ["a"]}'),
            ({"first": "{{ topics.0 }}"}, b'{"first": "a"}'),
            ({"day": "{{ birthday }}"}, b'{"day": "1815-12-10"}'),
            ({"when": "{{ when }}"}, b'{"when": "2026-03-01T12:00:00+00:00"}'),
            ({"n": "{{ count }}", "x": "{{ amount }}"}, b'{"n": 3, "x": 12.35}'),
            ({"cents": "{{ amount|multiply:100|int }}"}, b'{"cents": 1235}'),
            ({"yes": "{{ newsletter }}", "text": '{{ newsletter|yesno:"J,N" }}'}, b'{"yes": false, "text": "N"}'),
            ({"empty": "{{ phone }}"}, b'{"empty": ""}'),
            ({"const": 1, "float": 1.5, "none": None, "no": False, "text": "x", "list": [], "object": {}},
             b'{"const": 1, "float": 1.5, "none": null, "no": false, "text": "x", "list": [], "object": {}}'),
            (["{{ email }}", 2], b'["ada@example.org", 2]'),
            ("{{ topics }}", b'["a"]'),
            ("{{ phone }}", b'""'),
            ({"tenant": "{{ tenant }}", "limits": "{{ limits }}"}, b'{"tenant": "t-1", "limits": {"most": 5}}'),
            ({"e": "\u00fc{{ email|upper }}"}, b'{"e": "\\u00fcADA@EXAMPLE.ORG"}'),
            ({}, b"{}"),
        ],
        ids=str,
    )  # fmt: skip  # in rows
    def test_the_bytes(self, api: Recorder, make_api_feed: Callable[..., Feed], template: Any, expected: bytes) -> None:
        make_api_feed({"variables": {"tenant": "t-1", "limits": {"most": 5}}}, body=template)
        run = run_feed("lead", cleaned())
        assert run.ok, run.error_message
        assert api.last.body == expected
        assert api.last.headers["Content-Type"] == "application/json"
        assert api.last.headers["Content-Length"] == str(len(expected))

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (decimal.Decimal("12.50"), b"12.5"),
            (decimal.Decimal("0.1"), b"0.1"),
            (decimal.Decimal(7), b"7"),
            (decimal.Decimal(12345678901234567890), b"12345678901234567890"),
            (decimal.Decimal("0.12345678901234567890"), b'"0.12345678901234567890"'),
            (1e22, b"1e+22"),
            (2**70, b"1180591620717411303424"),
            (True, b"true"),
            (None, b"null"),
            ([], b"[]"),
            ({"a": None}, b'{"a": null}'),
            (uuid.UUID(int=5), b'"00000000-0000-0000-0000-000000000005"'),
            (datetime.time(9, 30), b'"09:30:00"'),
            ('"quoted" \\ {{ x }}\n', b'"\\"quoted\\" \\\\ {{ x }}\\n"'),
            ("\x00\u2028\U0001f600", b'"\\u0000\\u2028\\ud83d\\ude00"'),
        ],
        ids=str,
    )
    def test_types_are_kept(
        self, api: Recorder, make_api_feed: Callable[..., Feed], value: Any, expected: bytes
    ) -> None:
        make_api_feed(body={"v": "{{ v }}"})
        assert run_feed("lead", {"v": value}).ok
        assert api.last.body == b'{"v": ' + expected + b"}"
        # The same by way of the database.
        submit("contact", {"v": value})
        assert deliver() == {"succeeded": 1}
        assert api.last.body == b'{"v": ' + expected + b"}"

    def test_null_alone_is_a_body(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed(body="{{ v }}")
        assert run_feed("lead", {"v": None}).ok
        assert (api.last.body, api.last.headers["Content-Type"]) == (b"null", "application/json")

    def test_run_and_time(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed(
            body={"run": "{{ run.id }}", "at": "{{ run.created_at }}", "now": "{{ now }}", "ref": "web-{{ run.id }}"}
        )
        (run,) = submit("contact", {})
        deliver()
        at = run.created_at.isoformat()
        assert json.loads(api.last.body) == {"run": run.pk, "at": at, "now": at, "ref": f"web-{run.pk}"}

    def test_defaults_of_the_connection_are_added(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed({"default_body": {"source": "web", "email": "none"}})
        assert run_feed("lead", cleaned()).ok
        assert json.loads(api.last.body) == {"source": "web", "email": "ada@example.org"}


class TestForm:
    def test_lists_are_repeated(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed(body_format="form", body={"topic": "{{ topics }}", "b": "{{ newsletter }}", "x": "{{ amount }}"})
        assert run_feed("lead", cleaned(topics=["a", "b"])).ok
        assert api.last.body == b"topic=a&topic=b&b=false&x=12.35"
        assert api.last.headers["Content-Type"] == "application/x-www-form-urlencoded"

    def test_pairs_keep_their_order(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        pairs = [["b", "{{ email }}"], ["a[]", "1"], ["b", "{{ phone }}"], ["{{ count }}", "\u00fc"]]
        make_api_feed(body_format="form", body=pairs)
        assert run_feed("lead", cleaned()).ok
        assert api.last.body == b"b=ada%40example.org&a%5B%5D=1&b=&3=%C3%BC"

    def test_an_object_does_not_fit(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed(body_format="form", body={"all": "{{ data }}"})
        run = run_feed("lead", cleaned())
        assert (run.status, run.outcome, run.error) == ("failed", "not_sent", "template")
        assert "holds an object" in run.error_message
        assert api.got == []


class TestMultipart:
    def test_fields_without_files(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed(
            body_format="multipart", body={"email": "{{ email }}", "topic": "{{ topics }}", "x": "{{ phone }}"}
        )
        assert run_feed("lead", cleaned(topics=["a", "b"])).ok
        kind, _, boundary = api.last.headers["Content-Type"].partition("; boundary=")
        assert kind == "multipart/form-data"
        fields = [("email", "ada@example.org"), ("topic", "a"), ("topic", "b"), ("x", "")]
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields
        ]
        assert api.last.body.decode() == "".join(parts) + f"--{boundary}--\r\n"

    def test_the_defaults_of_the_connection(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed({"default_body": {"source": "web"}}, body_format="multipart", body={"email": "{{ email }}"})
        assert run_feed("lead", cleaned()).ok
        assert b'name="source"\r\n\r\nweb\r\n' in api.last.body


class TestText:
    def test_xml(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed(
            body_format="text",
            headers={"content-type": "application/xml"},
            body='<lead n="{{ n }}">{{ name|escape }}</lead>',
        )
        assert run_feed("lead", {"n": 5, "name": "Ada & <\"'\x00\x0b\u00fc>"}).ok
        assert api.last.body == '<lead n="5">Ada &amp; &lt;&quot;&#x27;\u00fc&gt;</lead>'.encode()
        assert api.last.headers.get_all("Content-Type") == ["application/xml"]

    def test_graphql(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed(
            body_format="text",
            headers={"Content-Type": "application/json"},
            body='{"query": "mutation ($e: String!, $n: String) { add(e: $e, n: $n) { id } }", '
            '"variables": {"e": {{ email|json }}, "n": {{ note|json }}}}',
            empty_values="null",
        )
        assert run_feed("lead", {"email": 'a"b'}).ok
        assert json.loads(api.last.body)["variables"] == {"e": 'a"b', "n": None}

    def test_the_content_type(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        feed = make_api_feed(body_format="text", body="Hello {{ email }}")
        assert run_feed("lead", cleaned()).ok
        assert (api.last.body, api.last.headers["Content-Type"]) == (
            b"Hello ada@example.org",
            "text/plain; charset=utf-8",
        )
        feed.connection.default_headers = {"Content-Type": "text/csv"}
        feed.connection.save()
        assert run_feed("lead", cleaned()).ok
        assert api.last.headers["Content-Type"] == "text/csv"

    @pytest.mark.parametrize(
        ("body", "data", "expected"),
        [
            ("{{ v }}", {"v": "text"}, b"text"),
            ("{{ v }}", {"v": 5}, b"5"),
            ("{{ v }}", {"v": False}, b"false"),
            ("{{ v|json }}", {"v": [1, None]}, b"[1,null]"),
            ("{{ v }}", {"v": ""}, b""),
        ],
    )
    def test_one_placeholder(
        self, api: Recorder, make_api_feed: Callable[..., Feed], body: str, data: dict[str, Any], expected: bytes
    ) -> None:
        make_api_feed(body_format="text", body=body)
        assert run_feed("lead", data).ok
        assert api.last.body == expected

    @pytest.mark.parametrize(("value", "words"), [(["a"], "is a list"), ({"a": 1}, "is an object"), (None, "is null")])
    def test_what_has_no_text(self, api: Recorder, make_api_feed: Callable[..., Feed], value: Any, words: str) -> None:
        make_api_feed(body_format="text", body="{{ v }}")
        run = run_feed("lead", {"v": value})
        assert (run.status, run.outcome, run.error) == ("failed", "not_sent", "template")
        assert words in run.error_message


EMPTY: dict[str, Any] = {"null": None, "text": "", "list": [], "object": {}, "zero": 0, "no": False}


class TestEmptyValues:
    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            ("keep", {"null": None, "text": "", "list": [], "object": {}, "zero": 0, "no": False}),
            ("omit", {"zero": 0, "no": False}),
            ("null", {"null": None, "text": None, "list": None, "object": None, "zero": 0, "no": False}),
            ("empty", {"null": "", "text": "", "list": "", "object": "", "zero": 0, "no": False}),
        ],
    )
    def test_json(self, api: Recorder, make_api_feed: Callable[..., Feed], rule: str, expected: Any) -> None:
        make_api_feed(empty_values=rule, body={name: f"{{{{ {name} }}}}" for name in EMPTY})
        run = run_feed("lead", EMPTY)
        assert run.ok, run.error_message
        assert json.loads(api.last.body) == expected

    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            ("keep", None),
            ("omit", {"b": 1}),
            ("null", {"a": None, "b": 1}),
            ("empty", {"a": "", "b": 1}),
            ("refuse", None),
        ],
    )
    def test_a_missing_name(self, api: Recorder, make_api_feed: Callable[..., Feed], rule: str, expected: Any) -> None:
        make_api_feed(empty_values=rule, body={"a": "{{ missing.deep }}", "b": 1})
        run = run_feed("lead", {})
        if expected is None:
            assert (run.status, run.outcome, run.error) == ("failed", "not_sent", "template")
            assert run.error_message.startswith("a: {{ missing.deep }}")
            assert api.got == []
        else:
            assert json.loads(api.last.body) == expected

    @pytest.mark.parametrize("name", ["null", "text", "list", "object"])
    @pytest.mark.parametrize("template", ["{{ %s }}", "x {{ %s }}"])
    def test_refuse_names_the_place(
        self, api: Recorder, make_api_feed: Callable[..., Feed], name: str, template: str
    ) -> None:
        make_api_feed(empty_values="refuse", body={"customer": [{"phone": template % name}]})
        run = run_feed("lead", EMPTY)
        assert (run.status, run.outcome, run.error) == ("failed", "not_sent", "template")
        assert run.error_message.startswith(f"customer[0].phone: {{{{ {name} }}}} is missing or empty")
        assert api.got == []

    def test_refuse_lets_zero_and_false_pass(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed(empty_values="refuse", body=["{{ zero }}", "{{ no }}", '{{ x|default:"" }}', "", None, []])
        assert run_feed("lead", EMPTY).ok
        assert api.last.body == b'[0, false, "", "", null, []]'

    @pytest.mark.parametrize("rule", ["omit", "null", "empty"])
    def test_among_other_text(self, api: Recorder, make_api_feed: Callable[..., Feed], rule: str) -> None:
        make_api_feed(
            empty_values=rule, body={"t": "<{{ missing }}{{ null }}{{ text }}{{ list }}{{ object }}{{ zero }}{{ no }}>"}
        )
        assert run_feed("lead", EMPTY).ok
        assert api.last.body == b'{"t": "<0false>"}'

    @pytest.mark.parametrize("rule", ["omit", "null", "empty", "refuse"])
    def test_a_default_wins(self, api: Recorder, make_api_feed: Callable[..., Feed], rule: str) -> None:
        make_api_feed(
            empty_values=rule,
            body=[
                '{{ missing|default:"" }}',
                "{{ null|default:null }}",
                "{{ text|upper|default:0 }}",
                '<{{ m|default:"x" }}>',
            ],
        )
        run = run_feed("lead", EMPTY)
        assert run.ok, run.error_message
        assert api.last.body == b'["", null, 0, "<x>"]'

    def test_filters_are_passed_over(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        templates = {
            "date": '{{ text|date:"Y" }}', "lower": "{{ missing|lower }}", "join": '{{ list|join:"," }}',
            "null": "{{ null|upper|strip }}", "yesno": '{{ null|yesno:"y,n,?" }}', "length": "{{ list|length }}",
        }  # fmt: skip  # in rows
        make_api_feed(empty_values="omit", body=templates)
        run = run_feed("lead", EMPTY)
        assert run.ok, run.error_message
        assert json.loads(api.last.body) == {"yesno": "?", "length": 0}

    def test_what_does_not_fit_is_an_error_still(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        for template in ('{{ word|date:"Y" }}', '{{ text|default:"x"|int }}', "{{ word|concat:missing }}"):
            FeedRun.objects.all().delete()
            Feed.objects.all().delete()
            make_api_feed({"slug": uuid.uuid4().hex}, empty_values="omit", body={"a": template})
            run = run_feed("lead", {"word": "w", "text": ""})
            assert (run.status, run.error) == ("failed", "template")

    @pytest.mark.parametrize(
        ("template", "expected"),
        [
            ({"a": {"b": {"c": "{{ null }}"}}, "x": 1}, b'{"x": 1}'),
            ({"a": {"b": [{"c": "{{ null }}"}, "{{ text }}"]}}, b"{}"),
            (["{{ null }}", "a", ["{{ null }}"]], b'["a"]'),
            (["{{ null }}"], b"[]"),
            ({"a": [], "b": {}, "c": ["{{ null }}", []]}, b'{"a": [], "b": {}, "c": [[]]}'),
            (
                {"a": "{{ data }}"},
                b'{"a": {"null": null, "text": "", "list": [], "object": {}, "zero": 0, "no": false}}',
            ),
        ],
        ids=str,
    )
    def test_what_is_left_out(
        self, api: Recorder, make_api_feed: Callable[..., Feed], template: Any, expected: bytes
    ) -> None:
        make_api_feed(empty_values="omit", body=template)
        assert run_feed("lead", EMPTY).ok
        assert api.last.body == expected

    def test_a_body_that_is_left_out(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed(empty_values="omit", body="{{ null }}")
        assert run_feed("lead", EMPTY).ok
        assert (api.last.body, api.last.headers["Content-Type"]) == (b"", None)

    @pytest.mark.parametrize(
        ("rule", "query", "form"),
        [
            ("omit", "a=1&z=0&d=x", b"a=1&z=0"),
            ("null", "a=1&z=0&d=x", b"a=1&z=0"),
            ("empty", "a=1&n=&t=&l=&z=0&m=&d=x", b"a=1&n=&m=&z=0"),
        ],
    )
    def test_query_headers_and_form(
        self, api: Recorder, make_api_feed: Callable[..., Feed], rule: str, query: str, form: bytes
    ) -> None:
        make_api_feed(
            empty_values=rule,
            query=[["a", "1"], ["n", "{{ null }}"], ["t", "{{ text }}"], ["l", "{{ list }}"], ["z", "{{ zero }}"], ["m", "{{ missing }}"], ["d", '{{ missing|default:"x" }}']],
            headers={"X-Null": "{{ null }}", "X-Zero": "{{ zero }}", "X-Text": "n={{ null }}"},
            body_format="form",
            body=[["a", "1"], ["n", ["{{ null }}"]], ["m", "{{ missing }}"], ["z", "{{ zero }}"]],
        )  # fmt: skip  # in rows
        run = run_feed("lead", EMPTY)
        assert run.ok, run.error_message
        assert api.last.path == f"/v1/leads?{query}"
        assert api.last.body == form
        assert api.last.headers["X-Zero"] == "0"
        assert api.last.headers["X-Text"] == "n="
        assert api.last.headers["X-Null"] == ("" if rule == "empty" else None)

    @pytest.mark.parametrize("rule", Feed.EmptyValues.values)
    @pytest.mark.parametrize("name", ["missing", "null", "text", "list", "object"])
    @pytest.mark.parametrize("path", ["leads/{{ %s }}", "leads/id-{{ %s }}"])
    def test_in_a_path_it_is_refused(
        self, api: Recorder, make_api_feed: Callable[..., Feed], rule: str, name: str, path: str
    ) -> None:
        make_api_feed(empty_values=rule, path=path % name, body={})
        run = run_feed("lead", EMPTY)
        assert (run.status, run.outcome, run.error) == ("failed", "not_sent", "template")
        assert f"{{{{ {name} }}}}" in run.error_message
        assert api.got == []

    def test_a_default_in_a_path(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed(path='leads{{ suffix|default:"" }}?q={{ text }}', body={})
        assert run_feed("lead", EMPTY).ok
        assert api.last.path == "/v1/leads?q="

    @pytest.mark.parametrize("rule", ["omit", "null", "empty"])
    @pytest.mark.parametrize("name", ["missing", "null", "text", "list"])
    def test_a_text_body(self, api: Recorder, make_api_feed: Callable[..., Feed], rule: str, name: str) -> None:
        feed = make_api_feed(empty_values=rule, body_format="text", body=f"<{{{{ {name} }}}}>")
        assert run_feed("lead", EMPTY).ok
        assert api.last.body == b"<>"
        feed.body = f"{{{{ {name} }}}}"
        feed.save()
        assert run_feed("lead", EMPTY).ok
        assert api.last.body == b""

    def test_a_rule_that_is_none(self, make_api_feed: Callable[..., Feed]) -> None:
        with pytest.raises(ValidationError):
            make_api_feed(empty_values="other")


class TestFrozen:
    def test_what_was_attempted_is_sent_again(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        feed = make_api_feed(
            method="PUT", path="leads/{{ id }}", query={"q": "{{ id }}"}, headers={"X-A": "{{ id }}"},
            idempotency_header="Idempotency-Key", retry_delay=0,
        )  # fmt: skip  # in rows
        api.statuses = [500]
        (run,) = submit("contact", {"email": "ada@example.org", "id": 5})
        assert run.request is None
        assert deliver() == {"pending": 1}
        assert FeedRun.objects.get().request == {
            "method": "PUT", "path": "leads/5", "params": [["q", "5"]], "headers": {"X-A": "5"}, "body_format": "json",
            "body": {"email": "ada@example.org"}, "key_header": "Idempotency-Key", "connection_id": feed.connection_id,
            "in_doubt": 500,
        }  # fmt: skip  # in rows
        Feed.objects.update(
            method="POST", path="other", query={}, headers={}, body={"edited": True}, body_format="form"
        )
        feed.connection.variables = {"email": "edited"}
        feed.connection.save()
        assert deliver() == {"succeeded": 1}
        first, second = api.got
        assert (first.method, first.path, first.body) == (second.method, second.path, second.body)
        assert second.headers["X-A"] == "5"
        assert {got.headers["Idempotency-Key"] for got in api.got} == {run.idempotency_key}
        run.refresh_from_db()
        assert "canary" not in str(FeedRun.objects.values().get())

    def test_a_write_does_not_become_repeatable_by_an_edit(
        self, api: Recorder, make_api_feed: Callable[..., Feed]
    ) -> None:
        make_api_feed(method="POST", retry_delay=0)
        api.statuses = [429, 500]
        submit("contact", {"email": "a"})
        assert deliver() == {"pending": 1}
        Feed.objects.update(method="PUT")
        assert deliver() == {"failed": 1}
        # A worker that was killed: the same.
        (run,) = submit("contact", {"email": "a"})
        FeedRun.objects.filter(pk=run.pk).update(
            request={"method": "POST", "path": "leads"},
            status="running",
            outcome="unknown",
            next_attempt_at=timezone.now(),
        )
        assert deliver() == {"failed": 1}
        assert len(api.got) == 2

    def test_a_run_that_only_waited_takes_the_edit(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        feed = make_api_feed()
        feed.connection.is_active = False
        feed.connection.save()
        submit("contact", {"email": "a"})
        assert deliver() == {"pending": 1}
        assert FeedRun.objects.get().request is None
        Feed.objects.update(body={"edited": True})
        feed.connection.is_active = True
        feed.connection.save()
        FeedRun.objects.update(next_attempt_at=timezone.now())
        assert deliver() == {"succeeded": 1}
        assert api.last.body == b'{"edited": true}'

    def test_it_is_kept_before_the_first_byte(self, api: Recorder, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed()
        submit("contact", {"email": "a"})
        updates: list[Any] = []
        real = RunQuerySet.update

        def spy(self: Any, **values: Any) -> int:
            updates.append(values)
            return real(self, **values)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(RunQuerySet, "update", spy)
            assert deliver() == {"succeeded": 1}
        assert [("request" in values) for values in updates] == [False, True, True]
        assert updates[1]["request"]["body"] == {"email": "a"}

    def test_run_feed_keeps_none(self, make_api_feed: Callable[..., Feed]) -> None:
        make_api_feed()
        assert run_feed("lead", {"email": "a"}).request is None
        assert FeedRun.objects.get().request is None
