"""A feed's rules: condition, one run for each item, success by what the answer says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ValidationError

from apiconnector import signals
from apiconnector.exceptions import FeedFailed, FeedMisconfigured, InvalidFeedData
from apiconnector.feeds import conditions, deliver, plan
from apiconnector.models import Feed, FeedRun
from apiconnector.shortcuts import run_feed, submit, submit_many
from tests.client.servers import Reply, api_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from apiconnector.models import Connection
    from tests.client.servers import ApiServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with api_server() as server:
        yield server


@pytest.fixture
def feed(api: ApiServer, make_connection: Callable[..., Connection], make_feed: Callable[..., Feed]) -> Feed:
    return make_feed(make_connection(base_url=api.url, auth_method="bearer", api_key="k"), body={"all": "{{ data }}"})


def reply(body: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


class TestCondition:
    @pytest.mark.parametrize(
        ("data", "status"),
        [({"n": True}, "succeeded"), ({"n": 0}, "succeeded"), ({"n": ""}, "skipped"), ({"n": []}, "skipped"),
         ({"n": None}, "skipped"), ({}, "skipped")],
    )  # fmt: skip  # in rows
    def test_submit(self, feed: Feed, api: ApiServer, data: dict[str, Any], status: str) -> None:
        Feed.objects.update(condition="n")
        (run,) = submit("contact", data)
        deliver()
        run.refresh_from_db()
        assert run.status == status
        assert len(api.received) == (status == "succeeded")
        run.raise_for_status()
        if status == "skipped":
            assert (run.outcome, run.error, run.attempts, run.next_attempt_at) == ("not_sent", "", [], None)
            assert run.finished_at
            assert "condition" in run.error_message

    def test_one_that_fails_is_a_failure_and_not_skipped(self, feed: Feed, api: ApiServer) -> None:
        Feed.objects.update(condition="sum(prices) > `10`")
        for run in (submit("contact", {"prices": ["canary"]})[0], run_feed("lead", {"prices": ["canary"]})):
            assert (run.status, run.outcome, run.error) == ("failed", "not_sent", "template")
            assert run.error_message.startswith("condition: The expression sum(prices) > `10` failed")
            assert "canary" not in run.error_message
            with pytest.raises(FeedFailed, match="condition"):
                run.raise_for_status()
        assert deliver() == {}
        assert api.received == []

    def test_one_that_no_form_would_have_saved(self, feed: Feed, api: ApiServer) -> None:
        Feed.objects.update(condition="a = b")
        (run,) = submit("contact", {})
        assert (run.status, run.error) == ("failed", "template")
        assert run_feed("lead").status == "failed"
        assert api.received == []

    def test_run_feed(self, feed: Feed, api: ApiServer, django_assert_num_queries: Any) -> None:
        Feed.objects.update(condition="newsletter")
        with django_assert_num_queries(2):
            run = run_feed("lead", {"newsletter": False})
        assert FeedRun.objects.get() == run
        assert (run.status, run.outcome, run.attempt_count) == ("skipped", "not_sent", 0)
        run.raise_for_status()
        assert api.received == []
        assert run_feed("lead", {"newsletter": True}).ok

    def test_each_feed_has_its_own(self, feed: Feed, make_feed: Callable[..., Feed], api: ApiServer) -> None:
        Feed.objects.update(condition="topic == 'sales'")
        make_feed(feed.connection, slug="second", path="other", body={}, condition="topic != 'sales'")
        runs = submit("contact", {"topic": "help"})
        deliver()
        assert {run.feed.slug: FeedRun.objects.get(pk=run.pk).status for run in runs} == {
            "lead": "skipped", "second": "succeeded",
        }  # fmt: skip  # in rows
        assert api.paths == ["/other"]

    def test_receivers_hear_of_it_after_commit(
        self, feed: Feed, django_capture_on_commit_callbacks: Callable[..., Any]
    ) -> None:
        Feed.objects.update(condition="a")
        heard: list[tuple[int, str]] = []

        def hear(run: FeedRun, **_: Any) -> None:
            heard.append((run.pk, run.status))

        signals.feed_run_finished.connect(hear)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                (run,) = submit("contact", {})
                assert heard == []
        finally:
            signals.feed_run_finished.disconnect(hear)
        assert heard == [(run.pk, "skipped")]


class TestForEach:
    def test_one_request_for_each(self, feed: Feed, api: ApiServer) -> None:
        Feed.objects.update(for_each="order.rows", body={"sku": "{{ item.sku }}", "order": "{{ order.id }}"})
        runs = submit("contact", {"order": {"id": 7, "rows": [{"sku": "A"}, {"sku": "B"}]}, "name": "Ada"})
        assert deliver() == {"succeeded": 2}
        assert [request.json() for request in api.received] == [{"sku": "A", "order": 7}, {"sku": "B", "order": 7}]
        assert [run.item for run in runs] == [{"sku": "A"}, {"sku": "B"}]
        # Of the list each run keeps its own item: a thousand rows are not kept a thousand times.
        assert runs[1].input == {"order": {"id": 7, "rows": [{"sku": "B"}]}, "name": "Ada"}
        assert len({run.idempotency_key for run in runs}) == 2

    def test_an_expression_that_chooses_keeps_all(self, feed: Feed, api: ApiServer) -> None:
        Feed.objects.update(for_each="rows[?n > `1`].n", body={"n": "{{ item }}", "of": "{{ rows|length }}"})
        data = {"rows": [{"n": 1}, {"n": 2}, {"n": 3}]}
        runs = submit("contact", data)
        deliver()
        assert [run.input for run in runs] == [data, data]
        assert [request.json() for request in api.received] == [{"n": 2, "of": 3}, {"n": 3, "of": 3}]

    @pytest.mark.parametrize("item", [None, 0, "", [], {"a": None}])
    def test_any_item(self, feed: Feed, api: ApiServer, item: Any) -> None:
        Feed.objects.update(for_each="rows", body={"item": "{{ item }}"})
        submit("contact", {"rows": [item]})
        assert deliver() == {"succeeded": 1}
        assert api.received[0].json() == {"item": item}

    def test_an_empty_list_is_one_run_that_is_skipped(self, feed: Feed) -> None:
        Feed.objects.update(for_each="rows")
        (run,) = submit("contact", {"rows": []})
        assert (run.status, run.outcome, run.item) == ("skipped", "not_sent", None)
        assert run.error_message == "There are no items."

    @pytest.mark.parametrize(
        ("value", "kind"), [("text", "text"), ({"a": 1}, "an object"), (5, "a number"), (None, "null")]
    )
    def test_no_list(self, feed: Feed, value: Any, kind: str) -> None:
        Feed.objects.update(for_each="rows")
        (run,) = submit("contact", {"rows": value})
        assert (run.status, run.outcome, run.error) == ("failed", "not_sent", "template")
        assert run.error_message.startswith(f"for_each: rows gives {kind}, not a list.")

    def test_one_that_fails(self, feed: Feed) -> None:
        Feed.objects.update(for_each="sort(rows)")
        (run,) = submit("contact", {"rows": [1, "a"]})
        assert (run.status, run.error) == ("failed", "template")
        assert run.error_message.startswith("for_each: The expression sort(rows) failed")

    def test_too_many(self, feed: Feed, make_feed: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch) -> None:
        """Refused before anything is written, also for the feeds that could be kept."""
        Feed.objects.update(for_each="rows")
        make_feed(feed.connection, name="A", slug="first")
        monkeypatch.setattr(conditions, "MAX_ITEMS", 3)
        with pytest.raises(InvalidFeedData, match="“lead” makes one request for each item, and these are 4: at most 3"):
            submit("contact", {"rows": [1, 2, 3, 4]})
        assert not FeedRun.objects.exists()
        assert len(submit("contact", {"rows": [1, 2, 3]})) == 4

    def test_ten_thousand_can_be_kept(self, feed: Feed) -> None:
        Feed.objects.update(for_each="rows")
        runs = submit("contact", {"rows": list(range(10_000))})
        assert [run.item for run in runs] == list(range(10_000))
        assert FeedRun.objects.filter(status="pending").count() == 10_000

    @pytest.mark.parametrize(("for_each", "is_kept"), [("rows", True), ("rows[]", False)])
    def test_copies_that_would_fill_the_database(
        self, feed: Feed, monkeypatch: pytest.MonkeyPatch, for_each: str, is_kept: bool
    ) -> None:
        monkeypatch.setattr(plan, "MOST_KEPT", 100_000)
        Feed.objects.update(for_each=for_each)
        data = {"rows": ["x" * 1000] * 20}
        if is_kept:
            assert len(submit("contact", data)) == 20
        else:
            with pytest.raises(InvalidFeedData, match="20 times, which is too much"):
                submit("contact", data)
            assert not FeedRun.objects.exists()

    def test_run_feed_says_what_to_do(self, feed: Feed) -> None:
        Feed.objects.update(for_each="rows")
        with pytest.raises(FeedMisconfigured, match=r"use submit\(\)"):
            run_feed("lead", {"rows": []})

    def test_the_condition_is_asked_once_and_sees_all(self, feed: Feed) -> None:
        Feed.objects.update(for_each="rows", condition="length(rows) > `1`")
        assert [run.status for run in submit("contact", {"rows": [1]})] == ["skipped"]
        assert [run.status for run in submit("contact", {"rows": [1, 2]})] == ["pending", "pending"]

    def test_submitted_again_with_a_key(self, feed: Feed, api: ApiServer) -> None:
        Feed.objects.update(for_each="rows", idempotency_header="Idempotency-Key", body={"n": "{{ item }}"})
        first = submit("contact", {"rows": [1, 2]}, idempotency_key="form-7")
        again = submit("contact", {"rows": [1, 2, 3]}, idempotency_key="form-7")
        assert [run.idempotency_key for run in again] == ["form-7.0", "form-7.1", "form-7.2"]
        assert [run.pk for run in first] == [run.pk for run in again[:2]]
        assert deliver() == {"succeeded": 3}
        assert [request.headers["Idempotency-Key"] for request in api.received] == ["form-7.0", "form-7.1", "form-7.2"]

    def test_keys_of_items_and_of_callers_do_not_meet(self, feed: Feed) -> None:
        Feed.objects.update(for_each="rows", condition="go")
        (skipped,) = submit("contact", {"go": False, "rows": [1, 2]}, idempotency_key="k.0")
        runs = submit("contact", {"go": True, "rows": [7, 8]}, idempotency_key="k")
        assert (skipped.status, [(run.item, run.status) for run in runs]) == (
            "skipped",
            [(7, "pending"), (8, "pending")],
        )

    @pytest.mark.parametrize("first", [{"go": False, "rows": [1]}, {"go": True, "rows": []}, {"go": True, "rows": "x"}])
    def test_a_key_that_was_seen_with_no_item_makes_no_second_run(self, feed: Feed, first: dict[str, Any]) -> None:
        Feed.objects.update(for_each="rows", condition="go")
        (seen,) = submit("contact", first, idempotency_key="k")
        assert seen.is_ended
        for data in (first, {"go": True, "rows": [1, 2]}):
            assert [run.pk for run in submit("contact", data, idempotency_key="k")] == [seen.pk]
        assert [run.pk for run in submit_many("contact", [data, data], idempotency_keys=["k", None])][:1] == [seen.pk]
        assert FeedRun.objects.count() == 3

    def test_a_long_key(self, feed: Feed) -> None:
        Feed.objects.update(for_each="rows")
        keys = {
            run.idempotency_key
            for key in ("a", "b")
            for run in submit("contact", {"rows": [1, 2]}, idempotency_key=key * 255)
        }
        assert len(keys) == 4
        assert max(len(key) for key in keys) <= 255
        again = submit("contact", {"rows": [1, 2]}, idempotency_key="a" * 255)
        assert {run.idempotency_key for run in again} < keys
        assert FeedRun.objects.count() == 4


class TestSuccessRule:
    @pytest.mark.parametrize(
        ("rule", "answer", "status"),
        [
            ("body.ok", reply({"ok": True}), "succeeded"),
            ("status == `201`", reply(b"", 201), "succeeded"),
            ('headers."x-state" == \'done\'', Reply(200, {"X-State": "done"}), "succeeded"),
            ("body.ok", reply({"ok": False, "canary": 1}), "failed"),
            ("body.ok", reply(b"<p>canary</p>"), "failed"),
            ("body.ok", reply(b""), "failed"),
            ("body.ok", reply(["canary"]), "failed"),
            ("contains(body, 'ok')", reply(b"it is ok"), "succeeded"),
        ],
        ids=["true", "status", "header", "false", "a page", "empty", "a list", "text"],
    )  # fmt: skip  # in rows
    def test_an_answer_that_is_no_error(
        self, feed: Feed, api: ApiServer, rule: str, answer: Reply, status: str
    ) -> None:
        Feed.objects.update(success_when=rule, response_values={"all": "body"})
        api.answer = lambda _: answer
        (kept,) = submit("contact", {})
        deliver()
        kept.refresh_from_db()
        for run in (run_feed("lead", {}), kept):
            assert (run.status, run.outcome) == (status, "sent")
            if status == "failed":
                assert (run.error, run.values) == ("success_rule", {})
                assert f"The API answered {answer.status}" in run.error_message
                assert rule in run.error_message
                assert "canary" not in run.error_message
                assert run.attempts[0]["error"] == "success_rule"

    def test_the_message_says_what_the_answer_was(self, feed: Feed, api: ApiServer) -> None:
        Feed.objects.update(success_when="body.ok")
        api.answer = lambda _: reply(b"<html>")
        assert run_feed("lead", {}).error_message == (
            "The API answered 200, and the success rule is not true of that answer (its body is text): body.ok"
        )

    def test_one_that_fails(self, feed: Feed, api: ApiServer) -> None:
        Feed.objects.update(success_when="length(body.rows) > `0`")
        run = run_feed("lead", {})
        assert (run.status, run.outcome, run.error) == ("failed", "sent", "success_rule")
        assert run.error_message.startswith("success_when: The expression length(body.rows) > `0` failed")

    @pytest.mark.parametrize("status", [302, 404, 409, 500, 503])
    def test_one_that_looks_at_the_status_decides_on_errors(self, feed: Feed, api: ApiServer, status: int) -> None:
        Feed.objects.update(success_when=f"status == `{status}` || body.ok", response_values={"id": "body.id"})
        api.answer = lambda _: reply({"id": 7}, status)
        run = run_feed("lead", {})
        assert (run.status, run.outcome, run.error) == ("succeeded", "sent", "")
        assert (run.status_code, run.values) == (status, {"id": 7})
        (kept,) = submit("contact", {})
        assert deliver() == {"succeeded": 1}
        Feed.objects.update(success_when="status == `204`", max_attempts=1)
        assert run_feed("lead", {}).error == ("redirect" if status == 302 else "http_status")
        kept.refresh_from_db()
        assert kept.values == {"id": 7}

    def test_it_never_makes_an_error_a_success(self, feed: Feed, api: ApiServer) -> None:
        Feed.objects.update(success_when="body.status || length(body.list[?status])", max_attempts=1)
        api.answer = lambda _: reply({"status": "ok"}, 404)
        run = run_feed("lead", {})
        assert (run.status, run.error) == ("failed", "http_status")

    def test_a_refused_one_is_not_sent_again(self, feed: Feed, api: ApiServer) -> None:
        """Also of a method that may be repeated: the API has answered, and said no."""
        Feed.objects.update(success_when="body.ok", method="PUT")
        submit("contact", {})
        assert deliver() == {"failed": 1}
        assert deliver() == {}
        assert len(api.received) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"condition": "newsletter = true"}, "The expression can't be read at character 12: one = means nothing"),
        ({"for_each": "rows["}, "The expression can't be read"),
        ({"for_each": "nope(rows)"}, "nope"),
        ({"success_when": "body.ok &&"}, "The expression can't be read"),
        ({"success_when": " "}, "An expression is empty"),
    ],
)
def test_expressions_are_read_when_they_are_saved(bearer: Connection, fields: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Feed(name="a", slug="a", connection=bearer, **fields).full_clean()
    ((name, (said,)),) = refused.value.message_dict.items()
    assert name in fields
    assert message in said
    assert "\n" not in said


@pytest.mark.parametrize("fields", [{"condition": "a || b"}, {"for_each": "rows[?a].b"}, {"success_when": "body.ok"}])
def test_good_ones_are_saved(bearer: Connection, fields: dict[str, str]) -> None:
    Feed(name="a", slug="a", connection=bearer, **fields).full_clean()


def test_item_is_a_name_of_its_own_with_for_each(make_connection: Callable[..., Connection]) -> None:
    connection = make_connection(auth_method="bearer", api_key="k", secret_variables={"item": "canary"})
    feed = Feed(name="a", slug="a", connection=connection, path="{{ item.id }}", for_each="rows")
    feed.full_clean()
    feed.for_each = ""
    with pytest.raises(ValidationError, match="'item' is a secret of the connection"):
        feed.full_clean()
