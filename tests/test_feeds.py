"""run_feed and submit: what is sent, what is kept, and what each answer means."""

from __future__ import annotations

import datetime
import decimal
import logging
import pickle
import threading
import time
import uuid
from collections import UserDict
from typing import TYPE_CHECKING, Any

import pytest
import requests
import responses
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.db.models.signals import post_save
from django.http import QueryDict
from django.utils import timezone
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from apiconnector import signals
from apiconnector.exceptions import FeedFailed, FeedMisconfigured, FeedNotFound, InvalidFeedData
from apiconnector.feeds import attempt, deliver, outbox, takeup
from apiconnector.feeds.data import plain_data
from apiconnector.feeds.delivery import delay, process
from apiconnector.feeds.rendering import render
from apiconnector.feeds.verdict import End, of_answer
from apiconnector.models import Connection, Feed, FeedRun, Token, adding
from apiconnector.shortcuts import run_feed, submit
from tests import token_server

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://api.example.com/v1/leads"
COLUMNS = [field.attname for field in FeedRun._meta.concrete_fields]


@pytest.fixture
def feed(bearer: Connection, make_feed: Callable[..., Feed]) -> Feed:
    return make_feed(bearer)


@pytest.mark.django_db
class TestRunFeed:
    @responses.activate
    def test_it_sends_and_keeps_a_record(self, feed: Feed) -> None:
        feed.response_values = {"id": "body.id", "kind": 'headers."x-kind"', "none": "body.nothing"}
        feed.save()
        responses.post(URL, json={"id": 5}, status=201, headers={"X-Kind": "lead"})
        run = run_feed("lead", {"email": "ada@example.org"})
        assert run.ok
        run.raise_for_status()
        assert (run.status, run.outcome, run.status_code) == ("succeeded", "sent", 201)
        assert run.data == {"id": 5}
        assert run.values == {"id": 5, "kind": "lead", "none": None}
        assert responses.calls[0].request.body == b'{"email": "ada@example.org"}'
        kept = FeedRun.objects.get()
        assert kept.input == {"email": "ada@example.org"}
        assert kept.attempts[0]["request"]["url"] == URL
        assert kept.attempts[0]["response"]["body"] == '{"id": 5}'
        assert kept.attempt_count == 1
        assert "canary" not in str(FeedRun.objects.values().get())

    @responses.activate
    @pytest.mark.parametrize("method", Feed.Method.values)
    def test_every_method(self, feed: Feed, method: str) -> None:
        feed.method = method
        feed.save()
        responses.add(method, URL, json=[])
        assert run_feed("lead", {"email": "a"}).ok

    @responses.activate
    def test_path_query_headers_and_form(self, feed: Feed) -> None:
        Feed.objects.update(
            path="contacts/{{ id }}/notes", query=[["tag", "a"], ["tag", "{{ tag }}"]], headers={"X-Run": "{{ now }}"},
            body_format="form", body={"n": "{{ n }}", "flag": "{{ flag }}", "many": "{{ many }}", "missing": "{{ x|default:'none' }}"},
        )  # fmt: skip  # in rows
        responses.post("https://api.example.com/v1/contacts/a%2Fb/notes", json={})
        run = run_feed("lead", {"id": "a/b", "tag": "ü &", "n": 0, "flag": False, "many": ["x", "y"]})
        assert run.ok, run.error_message
        sent = responses.calls[0].request
        assert sent.url == "https://api.example.com/v1/contacts/a%2Fb/notes?tag=a&tag=%C3%BC+%26"
        assert sent.body == "n=0&flag=false&many=x&many=y&missing=none"
        assert sent.headers["X-Run"] == run.created_at.isoformat()

    @responses.activate
    def test_types_are_kept(self, feed: Feed) -> None:
        Feed.objects.update(body={"n": "{{ n }}", "list": ["{{ flag }}", None], "deep": {"all": "{{ data }}"}})
        responses.post(URL, json={})
        run = run_feed("lead", {"n": 12.5, "flag": True})
        assert run.ok
        assert responses.calls[0].request.body == (
            b'{"n": 12.5, "list": [true, null], "deep": {"all": {"n": 12.5, "flag": true}}}'
        )

    @responses.activate
    def test_precedence_of_names(self, feed: Feed) -> None:
        Connection.objects.update(variables={"a": "variable", "now": "variable"})
        Feed.objects.update(body={"a": "{{ a }}", "raw": "{{ data.a }}", "now": "{{ now }}"})
        responses.post(URL, json={})
        run = run_feed("lead", {"a": "data", "now": "data"})
        sent = responses.calls[0].request.body
        assert f'{{"a": "variable", "raw": "data", "now": "{run.created_at.isoformat()}"}}'.encode() == sent

    def test_a_secret_can_not_be_sent_by_a_feed(self, feed: Feed) -> None:
        Feed.objects.update(body={"x": "{{ api_key }}"})
        run = run_feed("lead", {})
        assert (run.status, run.outcome, run.error) == ("failed", "not_sent", "template")
        assert "api_key" in run.error_message

    def test_unknown_and_inactive(self, feed: Feed) -> None:
        with pytest.raises(FeedNotFound):
            run_feed("unknown")
        Feed.objects.update(is_active=False)
        with pytest.raises(FeedNotFound):
            run_feed("lead")

    def test_a_feed_for_each_item_is_not_run(self, feed: Feed) -> None:
        Feed.objects.update(for_each="items")
        with pytest.raises(FeedMisconfigured):
            run_feed("lead", {})

    @pytest.mark.parametrize("change", [{"success_when": "a["}, {"condition": "a["}])
    def test_what_is_not_built_is_refused_not_ignored(self, feed: Feed, change: dict[str, str]) -> None:
        Feed.objects.update(**change)
        run = run_feed("lead", {"email": "a"})
        assert (run.status, run.outcome) == ("failed", "not_sent")
        assert next(iter(change)) in run.error_message

    def test_a_missing_name_is_said(self, feed: Feed) -> None:
        run = run_feed("lead", {"mail": "a"})
        assert (run.status, run.outcome) == ("failed", "not_sent")
        assert "email" in run.error_message
        with pytest.raises(FeedFailed) as failed:
            run.raise_for_status()
        assert failed.value.run == run
        # Processes of a pool, and of tests that run side by side, hand errors to each other.
        again = pickle.loads(pickle.dumps(failed.value))
        assert (type(again), str(again), again.run) == (FeedFailed, str(failed.value), run)

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"auth_method": "oauth2_authorization_code", "client_id": "i", "client_secret": "s",
              "authorization_url": "https://p.example/a", "token_url": "https://p.example/t"}, "not authorized"),
            ({"auth_method": "bearer"}, "API key"),
            ({"is_active": False}, "switched off"),
            ({"auth_method": "gone"}, "gone"),
        ],
    )  # fmt: skip  # in rows
    def test_a_connection_that_is_not_ready(
        self,
        make_connection: Callable[..., Connection],
        make_feed: Callable[..., Feed],
        fields: dict[str, Any],
        words: str,
    ) -> None:
        make_feed(make_connection(**fields))
        run = run_feed("lead", {"email": "a"})
        assert (run.status, run.outcome, run.error) == ("failed", "not_sent", "not_ready")
        assert words in run.error_message

    def test_it_writes_one_row_after_the_answer(self, feed: Feed, django_assert_num_queries: Any) -> None:
        with responses.RequestsMock() as mock:
            mock.post(URL, json={})
            with django_assert_num_queries(2):  # the feed with connection and token; the run
                run = run_feed("lead", {"email": "a"})
        kept = FeedRun.objects.get()
        assert {name: getattr(run, name) for name in COLUMNS} == {name: getattr(kept, name) for name in COLUMNS}
        assert not run._state.adding
        run.error_message = "changed"
        run.save()
        assert FeedRun.objects.get().error_message == "changed"

    @responses.activate
    def test_receivers_of_django_hear_of_it(self, feed: Feed) -> None:
        heard: list[Any] = []

        def hear(instance: FeedRun, created: bool, **_: Any) -> None:
            heard.append((instance.pk, created))

        responses.post(URL, json={})
        post_save.connect(hear, sender=FeedRun)
        try:
            run = run_feed("lead", {"email": "a"})
        finally:
            post_save.disconnect(hear, sender=FeedRun)
        assert heard == [(run.pk, True)]

    def test_a_run_that_can_not_be_written_spoils_the_transaction_as_django_does(self, feed: Feed) -> None:
        run = FeedRun(feed=feed, connection=feed.connection, idempotency_key="same")
        adding.add(run)
        with transaction.atomic():
            with pytest.raises(IntegrityError):
                adding.add(FeedRun(feed=feed, connection=feed.connection, idempotency_key="same"))
            assert transaction.get_rollback()

    @responses.activate
    def test_an_echoed_credential_is_redacted(self, feed: Feed) -> None:
        Feed.objects.update(response_values={"echo": 'headers."x-echo"'})
        responses.post(URL, json={"you": "sent canary-bearer-key"}, headers={"X-Echo": "canary-bearer-key"})
        run_feed("lead", {"email": "canary-bearer-key"})
        kept = FeedRun.objects.values("attempts", "data", "values", "error_message").get()
        assert "canary" not in str(kept)

    @responses.activate
    @pytest.mark.parametrize(
        ("body", "data"),
        [
            (b"", None),
            (b"plain", "plain"),
            (b'{"a": 1e22, "b": "\\ud800"}', {"a": 1e22, "b": "\ud800"}),
            (b'{"a": NaN}', '{"a": NaN}'),
            (b'{"a": 1e400}', '{"a": 1e400}'),
            (b'{"a": ' + b"1" * 5000 + b"}", '{"a": ' + "1" * 5000 + "}"),
            (b"\xff\xfe", None),
            (b"null", None),
            (b"[" * 100_000, None),
        ],
        ids=["empty", "text", "surrogate", "nan", "infinity", "digits", "bytes", "null", "deep"],
    )
    def test_odd_answers_are_kept(self, feed: Feed, body: bytes, data: Any) -> None:
        responses.post(URL, body=body, content_type="application/json")
        run = run_feed("lead", {"email": "a"})
        assert run.ok
        kept = FeedRun.objects.get()
        if data is not None:
            assert kept.data == data

    @responses.activate
    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            ({"status": 400}, ("failed", "sent", "http_status")),
            ({"status": 404}, ("failed", "sent", "http_status")),
            ({"status": 500}, ("failed", "sent", "http_status")),
            ({"status": 302, "headers": {"Location": "https://api.example.com/v1/b"}}, ("failed", "sent", "redirect")),
            ({"status": 307, "headers": {"Location": "https://evil.example/"}}, ("failed", "sent", "destination")),
            ({"body": requests.ConnectTimeout()}, ("failed", "not_sent", "timeout")),
            ({"body": requests.ReadTimeout()}, ("failed", "unknown", "timeout")),
            ({"body": requests.ConnectionError()}, ("failed", "unknown", "connection")),
        ],
        ids=str,
    )
    def test_what_the_remote_does_never_raises(
        self, feed: Feed, answer: dict[str, Any], expected: tuple[str, str, str]
    ) -> None:
        responses.post(URL, **answer)
        run = run_feed("lead", {"email": "a"})
        assert (run.status, run.outcome, run.error) == expected
        assert run.error_message
        assert deliver() == {}

    def test_nothing_listens(self, feed: Feed) -> None:
        Connection.objects.update(base_url="http://127.0.0.1:9", is_sealed=False)
        Connection.objects.get().save()
        connection = Connection.objects.get()
        connection.api_key = "x"
        connection.save()
        run = run_feed("lead", {"email": "a"})
        assert (run.status, run.outcome) == ("failed", "not_sent")


class TestData:
    def test_what_forms_bring_becomes_json(self) -> None:
        moment = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC)
        assert plain_data(
            {
                "date": moment.date(), "at": moment, "time": datetime.time(9, 30), "span": datetime.timedelta(hours=1),
                "price": decimal.Decimal("12.50"), "whole": decimal.Decimal(3), "long": decimal.Decimal("0.1234567890123456789"),
                "id": uuid.UUID(int=1), "lazy": gettext_lazy("Yes"), "set": {1}, "tuple": (1, "a"), "choice": FeedRun.Status.DEAD,
                "zero": 0, "no": False, "none": None, "nul": "a\x00b",
            }
        ) == {
            "date": "2026-03-01", "at": "2026-03-01T12:00:00+00:00", "time": "09:30:00", "span": "P0DT01H00M00S",
            "price": 12.5, "whole": 3, "long": "0.1234567890123456789", "id": "00000000-0000-0000-0000-000000000001",
            "lazy": "Yes", "set": [1], "tuple": [1, "a"], "choice": "dead", "zero": 0, "no": False, "none": None,
            "nul": "a\x00b",
        }  # fmt: skip  # in rows

    @pytest.mark.parametrize(
        ("data", "place"),
        [
            ({"user": User(username="a")}, "user"),
            ({"a": {"b": [User()]}}, "a.b[0]"),
            ({"q": User.objects}, "q"),
            ({"f": SimpleUploadedFile("a.txt", b"x")}, "f"),
            ({"b": b"bytes"}, "b"),
            ({"n": float("nan")}, "n"),
            ({"n": [float("inf")]}, "n[0]"),
            ({"n": decimal.Decimal("NaN")}, "n"),
            ({"s": "half \ud800"}, "s"),
            ({"a": {"\udfff": 1}}, "a"),
            ({1: "a"}, "data"),
            ({"o": object()}, "o"),
            (["a"], "mapping"),
            ("text", "mapping"),
            ({"big": "x" * 2_000_000}, "larger"),
            ({"n": 10**5000}, "n"),
            ({"n": [-(10**5000)]}, "n[0]"),
        ],
        ids=lambda value: value if isinstance(value, str) else None,
    )
    def test_what_can_not_be_kept_names_the_field(self, data: Any, place: str) -> None:
        with pytest.raises(InvalidFeedData) as refused:
            plain_data(data)
        assert place in str(refused.value)
        str(refused.value).encode()

    def test_objects_that_fail_while_they_are_read_are_refused(self) -> None:
        class Rude(UserDict[str, Any]):
            def items(self) -> Any:
                raise RuntimeError("canary-value")

            __str__ = items

        class Zone(datetime.tzinfo):
            def utcoffset(self, at: datetime.datetime | None) -> Any:
                return datetime.timedelta(days=9)

            dst = tzname = utcoffset

        for bad in (Rude(a=1), datetime.datetime(2030, 1, 1, tzinfo=Zone()), lazystr(Rude())):
            with pytest.raises(InvalidFeedData, match="can't be read") as refused:
                plain_data({"a": bad})
            assert refused.value.__context__ is None
            assert "canary" not in str(refused.value)

    def test_classes_derived_from_plain_ones_are_kept_by_what_they_are(self) -> None:
        class Number(float):
            def __float__(self) -> float:
                return float("nan")

        class Text(str):
            __slots__ = ()

            def __str__(self) -> str:
                raise RuntimeError

        plain = plain_data({Text("a"): [Number(1.5), Text("b"), mark_safe("<i>")]})
        assert plain == {"a": [1.5, "b", "<i>"]}
        assert {type(item) for item in plain["a"]} == {float, str}

    def test_the_error_is_fit_to_be_shown(self) -> None:
        for data in ({"a" * 5000: b""}, {"a\n\u202e": b""}, {"\ud800": b""}, {(1, "canary-value"): 1}):
            with pytest.raises(InvalidFeedData) as refused:
                plain_data(data)
            assert str(refused.value).isprintable()
            assert len(str(refused.value)) < 400
            assert "canary" not in str(refused.value)

    def test_a_long_name_with_many_items_takes_no_time(self) -> None:
        """Whoever posts JSON chooses both: where something stands was written anew, with that name, for each item."""
        name = "k" * 500_000
        began = time.process_time()
        assert plain_data({name: [0] * 400_000})[name][-1] == 0
        assert plain_data({"a": {name: {str(n): 0 for n in range(60_000)}}})["a"]
        assert time.process_time() - began < 14  # it took three times as long on a machine three times as fast
        with pytest.raises(InvalidFeedData, match=r"^k+…: bytes") as refused:
            plain_data({name: [[b""]]})
        assert len(str(refused.value)) < 400

    def test_a_number_may_have_a_thousand_digits(self) -> None:
        for number in (10**999, -(10**999)):
            assert plain_data({"n": number, "d": decimal.Decimal(number)}) == {"n": number, "d": number}
        with pytest.raises(InvalidFeedData, match="n: this number has more than 1,000 digits"):
            plain_data({"n": 10**1010})

    def test_the_size_counts_digits(self) -> None:
        for number in (10**890, decimal.Decimal(f"0.{'1' * 900}")):
            with pytest.raises(InvalidFeedData, match="larger"):
                plain_data({"a": [number] * 2000})

    def test_no_value_of_a_querydict_is_lost(self) -> None:
        assert plain_data(QueryDict("a=1&a=2&b=3")) == {"a": ["1", "2"], "b": "3"}

    def test_600_levels(self) -> None:
        data: Any = "x"
        for _ in range(600):
            data = {"a": data}
        with pytest.raises(InvalidFeedData, match="deeper"):
            plain_data(data)
        loop: dict[str, Any] = {}
        loop["self"] = loop
        with pytest.raises(InvalidFeedData, match="deeper"):
            plain_data(loop)

    @pytest.mark.django_db
    def test_it_is_refused_before_any_sql(self, feed: Feed, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0), pytest.raises(InvalidFeedData):
            submit("contact", {"a": object()})
        with django_assert_num_queries(1), pytest.raises(InvalidFeedData):
            run_feed("lead", {"a": object()})
        assert not FeedRun.objects.exists()


@pytest.mark.parametrize(
    ("method", "status", "headers", "has_key", "end"),
    [
        ("POST", 200, {}, False, End.SUCCEEDED),
        ("POST", 204, {}, False, End.SUCCEEDED),
        ("POST", 401, {}, False, End.RETRY),
        ("POST", 400, {}, True, End.FAILED),
        ("POST", 408, {}, False, End.FAILED),
        ("POST", 408, {}, True, End.RETRY),
        ("POST", 429, {}, False, End.RETRY),
        ("PATCH", 500, {}, False, End.FAILED),
        ("PATCH", 500, {}, True, End.RETRY),
        ("POST", 503, {}, False, End.FAILED),
        ("POST", 503, {"Retry-After": "5"}, False, End.RETRY),
        ("GET", 500, {}, False, End.RETRY),
        ("PUT", 425, {}, False, End.RETRY),
        ("DELETE", 404, {}, False, End.FAILED),
        ("GET", 304, {}, False, End.FAILED),
    ],
)
def test_the_rules_of_re_sending(method: str, status: int, headers: dict[str, str], has_key: bool, end: End) -> None:
    assert of_answer(method, status, headers, has_key=has_key, is_expired=False).end is end


@pytest.mark.django_db
class TestSubmit:
    def test_no_feed_listens(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, logger="apiconnector"):
            assert submit("nobody", {"a": 1}) == []
        assert "nobody" in caplog.text

    @responses.activate
    def test_it_is_kept_now_and_sent_after_commit(self, feed: Feed, django_capture_on_commit_callbacks: Any) -> None:
        responses.post(URL, json={"id": 1})
        with django_capture_on_commit_callbacks(execute=True):
            (run,) = submit("contact", {"email": "a"})
            assert run.status == "pending"
            assert not responses.calls
        run.refresh_from_db()
        assert (run.status, run.outcome, run.data) == ("succeeded", "sent", {"id": 1})
        assert run.finished_at
        assert run.next_attempt_at is None

    @responses.activate
    def test_what_rolled_back_is_not_sent(self, feed: Feed, django_capture_on_commit_callbacks: Any) -> None:
        with django_capture_on_commit_callbacks(execute=True), pytest.raises(ZeroDivisionError), transaction.atomic():
            submit("contact", {"email": "a"})
            raise ZeroDivisionError
        assert not FeedRun.objects.exists()
        assert not responses.calls

    @responses.activate
    def test_every_active_feed_of_the_trigger(self, feed: Feed, make_feed: Callable[..., Feed]) -> None:
        make_feed(feed.connection, slug="second")
        make_feed(feed.connection, slug="off", is_active=False)
        make_feed(feed.connection, slug="other", trigger="other")
        assert {run.feed.slug for run in submit("contact", {"email": "a"})} == {"lead", "second"}

    @responses.activate
    def test_submitting_again_with_a_key_returns_the_run(self, feed: Feed) -> None:
        Feed.objects.update(idempotency_header="Idempotency-Key")
        (first,) = submit("contact", {"email": "a"}, idempotency_key="form-7")
        (again,) = submit("contact", {"email": "b"}, idempotency_key="form-7")
        assert first.pk == again.pk
        responses.post(URL, json={})
        deliver()
        assert [call.request.headers["Idempotency-Key"] for call in responses.calls] == ["form-7"]

    @pytest.mark.parametrize("key", ["", "x" * 256, 5, "a\nb", "日本", "\ud800", "a\x00", " ", " a", "a "])
    def test_a_bad_key(self, feed: Feed, key: Any, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0), pytest.raises(InvalidFeedData, match="idempotency_key"):
            submit("contact", {}, idempotency_key=key)

    @pytest.mark.parametrize("name", ["", "a\x00", "\ud800"])
    def test_a_name_that_can_not_be_looked_up(self, feed: Feed, name: str) -> None:
        assert submit(name, {}) == []
        with pytest.raises(FeedNotFound):
            run_feed(name)

    @responses.activate
    def test_an_unexpected_error_holds_up_nobody(
        self,
        feed: Feed,
        make_feed: Callable[..., Feed],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        good = make_feed(feed.connection, slug="good", path="good", body={})
        responses.post(URL, json={})
        responses.post("https://api.example.com/v1/good", json={})
        real = attempt.send

        def broken(feed: Feed, run: FeedRun, **arguments: Any) -> Any:
            if feed.slug == "lead":
                raise ZeroDivisionError("canary")
            return real(feed, run, **arguments)

        monkeypatch.setattr(attempt, "send", broken)
        submit("contact", {"email": "a"})
        assert deliver() == {"pending": 1, "succeeded": 1}
        run = FeedRun.objects.get(feed=feed)
        assert (run.attempt_count, run.error) == (1, "internal")
        assert "canary" not in run.error_message
        assert FeedRun.objects.get(feed=good).ok

    def test_a_worker_that_was_overtaken_sends_nothing(
        self, make_connection: Callable[..., Connection], make_feed: Callable[..., Feed]
    ) -> None:
        with token_server.running() as server:
            feed = make_feed(make_connection(base_url=f"{server.origin}/api", auth_method="bearer", api_key="k"))
            (run,) = submit("contact", {"email": "a"})
            real = render

            def overtaken(*arguments: Any) -> Any:
                FeedRun.objects.update(next_attempt_at=timezone.now() + datetime.timedelta(hours=1))
                return real(*arguments)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("apiconnector.feeds.attempt.render", overtaken)
                assert process(run) == ""
            assert server.api_calls == []
            assert feed.runs.get().status == "running"

    @responses.activate
    def test_a_waiting_run_keeps_one_line_for_its_waiting(self, feed: Feed) -> None:
        Connection.objects.update(is_active=False)
        submit("contact", {"email": "a"})
        for _ in range(3):
            FeedRun.objects.update(next_attempt_at=timezone.now())
            deliver()
        run = FeedRun.objects.get()
        assert (run.status, run.attempt_count, len(run.attempts)) == ("pending", 0, 1)

    @responses.activate
    def test_a_run_that_may_be_sent_again_waits_longer_each_time(self, feed: Feed) -> None:
        responses.post(URL, status=429)
        (run,) = submit("contact", {"email": "a"})
        waits = []
        for _ in range(3):
            FeedRun.objects.update(next_attempt_at=timezone.now())
            assert deliver() == {"pending": 1}
            run.refresh_from_db()
            assert run.next_attempt_at
            waits.append(round((run.next_attempt_at - timezone.now()).total_seconds()))
        assert all(least <= wait <= 1.5 * least for wait, least in zip(waits, (10, 30, 90), strict=True)), waits
        assert deliver() == {}
        assert len(run.attempts) == run.attempt_count == 3

    @responses.activate
    def test_it_gives_up_after_max_attempts(self, feed: Feed) -> None:
        Feed.objects.update(max_attempts=2, retry_delay=0)
        responses.post(URL, status=429)
        (run,) = submit("contact", {"email": "a"})
        deliver()
        deliver()
        run.refresh_from_db()
        assert (run.status, run.outcome, run.attempt_count) == ("dead", "sent", 2)
        with pytest.raises(FeedFailed):
            run.raise_for_status()

    def test_the_delay_has_an_end(self) -> None:
        feed = Feed(retry_delay=10)
        assert delay(feed, 1).total_seconds() == 10
        assert delay(feed, 1000) == datetime.timedelta(hours=12)

    @responses.activate
    def test_a_connection_that_is_not_ready_uses_no_attempt_and_sends_when_it_is(
        self,
        make_connection: Callable[..., Connection],
        make_feed: Callable[..., Feed],
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        connection = make_connection(
            auth_method="oauth2_authorization_code", client_id="i", client_secret="s",
            authorization_url="https://p.example/a", token_url="https://p.example/t",
        )  # fmt: skip  # in rows
        make_feed(connection)
        (run,) = submit("contact", {"email": "a"})
        assert deliver() == {"pending": 1}
        run.refresh_from_db()
        assert (run.status, run.attempt_count, run.error) == ("pending", 0, "not_ready")
        Token.objects.create(connection=connection, access_token="t")
        responses.post(URL, json={})
        with django_capture_on_commit_callbacks(execute=True):
            signals.connection_authorized.send_robust(Connection, connection=connection, actor=None)
        run.refresh_from_db()
        assert run.status == "succeeded"

    @responses.activate
    def test_the_signal_comes_once_at_the_end(self, feed: Feed) -> None:
        heard: list[int] = []

        def hear(run: FeedRun, **_: Any) -> None:
            heard.append(run.pk)

        signals.feed_run_finished.connect(hear)
        try:
            responses.post(URL, status=429)
            (run,) = submit("contact", {"email": "a"})
            deliver()
            assert heard == []
            responses.replace("POST", URL, status=200)
            FeedRun.objects.update(next_attempt_at=timezone.now())
            deliver()
            assert heard == [run.pk]
        finally:
            signals.feed_run_finished.disconnect(hear)

    @responses.activate
    @pytest.mark.parametrize(
        ("method", "outcome", "expected", "calls"),
        [
            ("POST", "unknown", ("failed", "unknown"), 0),
            ("POST", "not_sent", ("succeeded", "sent"), 1),
            ("PUT", "unknown", ("succeeded", "sent"), 1),
        ],
    )
    def test_what_a_killed_worker_left(
        self, feed: Feed, method: str, outcome: str, expected: tuple[str, str], calls: int
    ) -> None:
        Feed.objects.update(method=method)
        responses.add(method, URL, json={})
        (run,) = submit("contact", {"email": "a"})
        FeedRun.objects.update(status="running", outcome=outcome, next_attempt_at=timezone.now())
        deliver()
        run.refresh_from_db()
        assert (run.status, run.outcome) == expected
        assert len(responses.calls) == calls

    def test_a_run_is_claimed_once(self, feed: Feed) -> None:
        (run,) = submit("contact", {"email": "a"})
        later = timezone.now() + datetime.timedelta(minutes=1)
        assert FeedRun.objects.claim(run, abandoned_at=later, outcome=FeedRun.Outcome.NOT_SENT)
        assert not FeedRun.objects.claim(run, abandoned_at=later, outcome=FeedRun.Outcome.NOT_SENT)

    def test_a_task_that_can_not_be_enqueued_leaves_the_run_due(
        self, feed: Feed, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
    ) -> None:
        def broken(*_: Any) -> None:
            raise RuntimeError("no broker")

        from apiconnector import tasks

        monkeypatch.setattr(type(tasks.send_runs), "enqueue", broken)
        with django_capture_on_commit_callbacks(execute=True):
            (run,) = submit("contact", {"email": "a"})
        run.refresh_from_db()
        assert run.status == "pending"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"condition": "a = `1`"}, "condition"),
        ({"for_each": "a["}, "for_each"),
        ({"success_when": "body.ok &&"}, "success_when"),
        ({"body_format": "multipart", "body": "text"}, "body"),
        ({"body_format": "text", "body": {"a": "b"}}, "body"),
        ({"body_format": "text", "body": None}, "body"),
        ({"body_format": "text", "body": ""}, "body"),
        ({"body_format": "text", "body": "{{ unclosed"}, "body"),
        ({"empty_values": "other"}, "empty_values"),
        ({"body_format": "none"}, "body"),
        ({"body": {"a": "{{ unclosed"}}, "body"),
        ({"body": {"a": "{% tag %}"}}, "body"),
        ({"body_format": "form", "body": "text"}, "body"),
        ({"body_format": "form", "body": [["a"]]}, "body"),
        ({"path": "a/{{ b"}, "path"),
        ({"query": "a"}, "query"),
        ({"headers": {"A": "b\nc"}}, "headers"),
        ({"headers": {"A b": "c"}}, "headers"),
        ({"headers": {"Host": "other.example.com"}}, "headers"),
        ({"headers": [["content-length", "5"]]}, "headers"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "headers"),
        ({"response_values": ["a"]}, "response_values"),
        ({"response_values": {"a": "body.["}}, "response_values"),
        ({"response_values": {"a": 5}}, "response_values"),
        ({"idempotency_header": "a b"}, "idempotency_header"),
        ({"idempotency_header": "Host"}, "idempotency_header"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"retry_delay": -1}, "retry_delay"),
        ({"timeout": 0}, "timeout"),
        ({"method": "TRACE"}, "method"),
    ],
)
def test_a_bad_feed_names_the_field(bearer: Connection, fields: dict[str, Any], named: str) -> None:
    values = {"name": "a", "slug": "a", "body_format": "json", "body": {"a": 1}, "connection": bearer, **fields}
    with pytest.raises(ValidationError) as refused:
        Feed(**values).full_clean()
    assert named in refused.value.message_dict


@pytest.mark.django_db(transaction=True)
def test_submit_holds_its_caller_for_three_seconds_at_most(
    make_connection: Callable[..., Connection], make_feed: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request that is under way goes on in its thread; runs that were not begun stay due."""
    monkeypatch.setattr(outbox, "HOLD", 0.2)
    monkeypatch.setattr(takeup, "begin", lambda: None)
    with token_server.running() as server:
        server.api_delay = 1.0
        connection = make_connection(base_url=f"{server.origin}/api", auth_method="bearer", api_key="k")
        make_feed(connection, path="a", max_attempts=1)
        make_feed(connection, slug="second", path="b")
        first, second = submit("contact", {"email": "a"})
        assert first.status == "running"
        (sender,) = (thread for thread in threading.enumerate() if thread.name == "apiconnector-submit")
        sender.join()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, first.outcome, second.status) == ("dead", "sent", "pending")
