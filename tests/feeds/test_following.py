"""Feeds that wait for another one of the same trigger, and get the values it kept."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from apiconnector import signals
from apiconnector.feeds import attempt, deliver, delivery, followers
from apiconnector.feeds.delivery import process
from apiconnector.models import Connection, Feed, FeedRun
from apiconnector.shortcuts import run_feed, submit
from tests.client.servers import Received, Reply, api_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.client.servers import ApiServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with api_server() as server:
        yield server


@pytest.fixture
def crm(api: ApiServer, make_connection: Callable[..., Connection]) -> Connection:
    return make_connection(base_url=api.url, auth_method="bearer", api_key="k")


@pytest.fixture
def contact(crm: Connection) -> Feed:
    return saved(crm, "contact", body={"email": "{{ email }}"}, response_values={"contact_id": "body.id"})


@pytest.fixture
def note(contact: Feed) -> Feed:
    # Its name comes first, so that the order is not that of the alphabet.
    return saved(contact.connection, "a-note", after=contact, path="notes/{{ values.contact_id }}", body={"n": 1})


def saved(connection: Connection, slug: str, **fields: Any) -> Feed:
    values = {"name": slug, "trigger": "form", "path": slug, "body_format": "json", "body": {}, **fields}
    feed = Feed(slug=slug, connection=connection, **values)
    feed.full_clean()
    feed.save()
    return feed


def statuses() -> dict[str, str]:
    return dict(FeedRun.objects.values_list("feed__slug", "status"))


def answer(status: int = 200, **body: Any) -> Callable[[Received], Reply]:
    return lambda _: Reply(status, {}, json.dumps(body).encode())


def all_due() -> None:
    FeedRun.objects.exclude(next_attempt_at=None).update(next_attempt_at=timezone.now())


class TestOrder:
    def test_a_note_to_the_new_contact(self, note: Feed, api: ApiServer) -> None:
        api.answer = answer(id=41)
        first, second = submit("form", {"email": "a"})
        assert (first.feed.slug, second.feed.slug) == ("contact", "a-note")
        assert second.waits_for == first
        assert second.next_attempt_at is None
        assert not FeedRun.objects.due(timezone.now()).filter(pk=second.pk).exists()
        assert deliver() == {"succeeded": 2}
        assert api.paths == ["/contact", "/notes/41"]

    def test_it_waits_as_long_as_it_takes(self, note: Feed, api: ApiServer) -> None:
        Feed.objects.update(retry_delay=0)
        answers = [Reply(429), Reply(429), Reply(200, {}, b'{"id": 5}'), Reply()]
        api.answer = lambda _: answers.pop(0)
        submit("form", {"email": "a"})
        assert deliver() == {"pending": 1}
        assert deliver() == {"pending": 1}
        assert statuses() == {"contact": "pending", "a-note": "pending"}
        assert deliver() == {"succeeded": 2}
        assert api.paths[-1] == "/notes/5"

    def test_three_in_a_row_get_all_values(self, note: Feed, api: ApiServer) -> None:
        Feed.objects.filter(pk=note.pk).update(response_values={"note_id": "body.id", "contact_id": "'nearest'"})
        note.refresh_from_db()
        saved(
            note.connection,
            "mail",
            after=note,
            body={"all": "{{ values }}", "one": "{{ values.note_id }}", "submitted": "{{ data.values }}"},
        )
        ids = iter([1, 2, 3])
        api.answer = lambda _: Reply(200, {}, json.dumps({"id": next(ids)}).encode())
        submit("form", {"email": "a", "values": "of the form"})
        assert deliver() == {"succeeded": 3}
        assert api.received[-1].json() == {
            "all": {"contact_id": "nearest", "note_id": 2}, "one": 2, "submitted": "of the form",
        }  # fmt: skip  # in rows

    def test_two_that_wait_for_the_same(self, note: Feed, contact: Feed, api: ApiServer) -> None:
        saved(contact.connection, "other", after=contact, path="other/{{ values.contact_id }}")
        api.answer = answer(id=3)
        submit("form", {"email": "a"})
        assert deliver() == {"succeeded": 3}
        assert sorted(api.paths) == ["/contact", "/notes/3", "/other/3"]

    def test_one_request_for_each_item_after_one(self, note: Feed, api: ApiServer) -> None:
        Feed.objects.filter(pk=note.pk).update(for_each="rows", body={"row": "{{ item }}"})
        api.answer = answer(id=3)
        first, *rest = submit("form", {"email": "a", "rows": [1, 2, 3]})
        assert {run.waits_for_id for run in rest} == {first.pk}
        assert deliver() == {"succeeded": 4}
        assert [request.json() for request in api.received[1:]] == [{"row": 1}, {"row": 2}, {"row": 3}]

    def test_a_worker_sends_what_waited_in_turn(
        self, note: Feed, api: ApiServer, django_capture_on_commit_callbacks: Any
    ) -> None:
        """By the one wake-up of the submission: neither cron nor another visitor is needed."""
        api.answer = answer(id=3)
        with django_capture_on_commit_callbacks(execute=True):
            submit("form", {"email": "a"})
        assert statuses() == {"contact": "succeeded", "a-note": "succeeded"}

    def test_many_that_waited_are_shared_between_workers(
        self,
        note: Feed,
        api: ApiServer,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        from apiconnector import tasks

        Feed.objects.filter(pk=note.pk).update(for_each="rows", body={"row": "{{ item }}"})
        first, *rest = submit("form", {"email": "a", "rows": [1, 2, 3, 4, 5]})
        enqueued: list[list[int]] = []
        monkeypatch.setattr(delivery, "RUNS_PER_TASK", 2)
        monkeypatch.setattr(tasks, "sends_at_once", lambda: False)
        monkeypatch.setattr(type(tasks.send_runs), "enqueue", lambda _, ids: enqueued.append(ids))
        api.answer = answer(id=3)
        with django_capture_on_commit_callbacks(execute=True):
            assert process(first) == "succeeded"
        ids = [run.pk for run in rest]
        assert enqueued == [ids[0:2], ids[2:4], ids[4:]]

    def test_a_limit_holds_in_turn(self, note: Feed, api: ApiServer) -> None:
        api.answer = answer(id=3)
        submit("form", {"email": "a"})
        assert deliver(limit=1) == {"succeeded": 1}
        assert statuses() == {"contact": "succeeded", "a-note": "pending"}
        assert deliver() == {"succeeded": 1}

    def test_run_feed_does_not_wait(self, note: Feed, api: ApiServer) -> None:
        run = run_feed("a-note", {})
        assert (run.status, run.error) == ("failed", "template")
        assert "values.contact_id" in run.error_message
        Feed.objects.filter(pk=note.pk).update(path="notes/{{ values.contact_id|default:'none' }}")
        assert run_feed("a-note", {}).ok


class TestBadEnds:
    @pytest.mark.parametrize(
        ("fields", "reply", "ends"),
        [
            ({}, 400, "failed"),
            ({"max_attempts": 1}, 429, "dead"),
            ({"success_when": "body.ok"}, 200, "failed"),
            ({"condition": "never"}, 0, "skipped"),
            ({"condition": "sum(email)"}, 0, "failed"),
        ],
    )
    def test_all_down_the_line(self, note: Feed, api: ApiServer, fields: dict[str, Any], reply: int, ends: str) -> None:
        saved(note.connection, "mail", after=note)
        Feed.objects.filter(slug="contact").update(**fields)
        api.answer = lambda _: Reply(reply)
        submit("form", {"email": "a"})
        deliver()
        assert len(api.received) == bool(reply)
        first, *rest = FeedRun.objects.order_by("pk")
        assert first.status == ends
        for run in rest:
            expected = "skipped" if ends == "skipped" else "failed"
            assert (run.status, run.error, run.outcome, run.next_attempt_at) == (expected, "after", "not_sent", None)
            assert run.finished_at
            assert f"Run {first.pk} of “contact”, which has to succeed before this one" in run.error_message
        assert deliver() == {}

    def test_receivers_hear_of_each(self, note: Feed, api: ApiServer) -> None:
        saved(note.connection, "mail", after=note)
        api.answer = lambda _: Reply(400)
        heard: list[tuple[str, str]] = []

        def hear(run: FeedRun, **_: Any) -> None:
            heard.append((run.feed.slug, run.status))

        signals.feed_run_finished.connect(hear)
        try:
            submit("form", {"email": "a"})
            deliver()
        finally:
            signals.feed_run_finished.disconnect(hear)
        assert sorted(heard) == [("a-note", "failed"), ("contact", "failed"), ("mail", "failed")]

    def test_a_condition_of_its_own(self, note: Feed, api: ApiServer) -> None:
        """It does not wait to be skipped, and an error of its own is one even if nothing was to be sent."""
        Feed.objects.filter(slug="contact").update(condition="never")
        Feed.objects.filter(slug="a-note").update(condition="sum(email)")
        submit("form", {"email": "a"})
        assert statuses() == {"contact": "skipped", "a-note": "failed"}
        Feed.objects.filter(slug="contact").update(condition="")
        Feed.objects.filter(slug="a-note").update(condition="never")
        FeedRun.objects.all().delete()
        submit("form", {"email": "a"})
        assert statuses() == {"contact": "pending", "a-note": "skipped"}

    def test_a_worker_that_dies_in_between_leaves_neither(
        self, note: Feed, api: ApiServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The end of a run and what it releases are one transaction."""

        def killed(_: FeedRun) -> None:
            raise KeyboardInterrupt

        api.answer = answer(id=3)
        Feed.objects.update(method="PUT")
        submit("form", {"email": "a"})
        with monkeypatch.context() as patch:
            patch.setattr(followers, "release", killed)
            with pytest.raises(KeyboardInterrupt):
                deliver()
        assert statuses() == {"contact": "running", "a-note": "pending"}
        all_due()
        assert deliver() == {"succeeded": 2}

    def test_a_worker_that_was_overtaken_releases_nothing(
        self, note: Feed, api: ApiServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = submit("form", {"email": "a"})
        real = attempt.send

        def overtaken(*arguments: Any, **named: Any) -> attempt.Attempt:
            done = real(*arguments, **named)
            FeedRun.objects.filter(pk=first.pk).update(next_attempt_at=timezone.now() + timedelta(hours=1))
            return done

        monkeypatch.setattr(attempt, "send", overtaken)
        assert process(first) == ""
        second.refresh_from_db()
        assert (second.status, second.next_attempt_at) == ("pending", None)


class TestNothingIsForgotten:
    def test_the_run_it_waits_for_was_removed(self, note: Feed, api: ApiServer) -> None:
        mail = saved(note.connection, "mail", after=note)
        submit("form", {"email": "a"})
        FeedRun.objects.filter(feed__slug="contact").delete()
        assert deliver() == {}
        assert statuses() == {"a-note": "failed", "mail": "failed"}
        assert "was removed" in FeedRun.objects.get(feed=note).error_message
        assert FeedRun.objects.get(feed=mail).error == "after"

    @pytest.mark.parametrize(
        ("status", "expected"), [("succeeded", "failed"), ("failed", "failed"), ("skipped", "skipped")]
    )
    def test_the_run_it_waits_for_was_ended_by_hand(
        self, note: Feed, api: ApiServer, status: str, expected: str
    ) -> None:
        first, _ = submit("form", {"email": "a"})
        FeedRun.objects.filter(pk=first.pk).update(status=status, next_attempt_at=None)
        deliver()
        # One that succeeded kept no values here, so that the note can't be filled.
        assert statuses()["a-note"] == expected
        assert (FeedRun.objects.get(feed=note).error == "template") == (status == "succeeded")

    def test_what_properly_waits_is_left_alone(self, note: Feed) -> None:
        submit("form", {"email": "a"})
        assert followers.release_missed() == []
        FeedRun.objects.filter(feed__slug="contact").update(status="running")
        assert followers.release_missed() == []
        assert set(statuses().values()) == {"running", "pending"}


class TestSwitchedOff:
    def test_what_was_submitted_waits_for_both(self, note: Feed, contact: Feed, api: ApiServer) -> None:
        """A feed that is off, with an active one that needs it: nothing is lost, and nothing sent out of order."""
        Feed.objects.filter(pk=contact.pk).update(is_active=False)
        runs = submit("form", {"email": "a"})
        assert [run.feed.slug for run in runs] == ["contact", "a-note"]
        deliver()
        assert api.received == []
        assert statuses() == {"contact": "pending", "a-note": "pending"}
        Feed.objects.filter(pk=contact.pk).update(is_active=True)
        all_due()
        api.answer = answer(id=3)
        assert deliver() == {"succeeded": 2}

    def test_both_off(self, note: Feed, contact: Feed) -> None:
        Feed.objects.update(is_active=False)
        assert submit("form", {"email": "a"}) == []

    def test_the_one_that_waits_is_off(self, note: Feed, api: ApiServer) -> None:
        Feed.objects.filter(pk=note.pk).update(is_active=False)
        assert [run.feed.slug for run in submit("form", {"email": "a"})] == ["contact"]


class TestKeys:
    def test_submitted_again(self, note: Feed, api: ApiServer) -> None:
        first = submit("form", {"email": "a"}, idempotency_key="k")
        again = submit("form", {"email": "b"}, idempotency_key="k")
        assert [run.pk for run in first] == [run.pk for run in again]
        assert FeedRun.objects.count() == 2

    @pytest.mark.parametrize(
        ("status", "expected"),
        [("pending", ("pending", False)), ("succeeded", ("pending", True)), ("skipped", ("skipped", False)),
         ("dead", ("failed", False))],
    )  # fmt: skip  # in rows
    def test_a_feed_that_was_added_meanwhile(
        self, note: Feed, api: ApiServer, status: str, expected: tuple[str, bool]
    ) -> None:
        """It waits for the run that is there, however that one fares."""
        Feed.objects.filter(pk=note.pk).update(is_active=False)
        (first,) = submit("form", {"email": "a"}, idempotency_key="k")
        if status != "pending":
            FeedRun.objects.update(status=status, next_attempt_at=None)
        Feed.objects.filter(pk=note.pk).update(is_active=True)
        same, second = submit("form", {"email": "a"}, idempotency_key="k")
        assert (same.pk, second.waits_for_id) == (first.pk, first.pk)
        assert (second.status, second.next_attempt_at is not None) == expected


class TestWhatNoFormWouldHaveSaved:
    """Feeds that were changed past the form: what is submitted is kept, and says what is wrong."""

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"trigger": "another"}, "does not listen to its trigger"),
            ({"for_each": "rows"}, "nothing can wait for it"),
        ],
    )
    def test_the_first_was_changed(self, note: Feed, contact: Feed, change: dict[str, str], words: str) -> None:
        Feed.objects.filter(pk=contact.pk).update(**change)
        (run,) = (run for run in submit("form", {"email": "a", "rows": [1, 2]}) if run.feed == note)
        assert (run.status, run.outcome, run.error) == ("failed", "not_sent", "after")
        assert words in run.error_message

    def test_they_wait_for_each_other(self, note: Feed, contact: Feed, crm: Connection) -> None:
        Feed.objects.filter(pk=contact.pk).update(after=note)
        saved(crm, "free")
        runs = {run.feed.slug: run for run in submit("form", {"email": "a"})}
        assert {slug: run.status for slug, run in runs.items()} == {
            "contact": "failed", "a-note": "failed", "free": "pending",
        }  # fmt: skip  # in rows
        assert "wait for each other" in runs["contact"].error_message

    @pytest.mark.parametrize("order", list(product([None, 0, 1, 2], repeat=3)), ids=str)
    def test_any_order_of_three(self, crm: Connection, order: tuple[int | None, ...]) -> None:
        """Each active feed gets its run, behind the one it waits for; one that would wait for ever has failed."""
        feeds = [Feed.objects.create(name=f"{n}", slug=f"{n}", connection=crm, trigger="form") for n in range(3)]
        for feed, first in zip(feeds, order, strict=True):
            Feed.objects.filter(pk=feed.pk).update(after=None if first is None else feeds[first])
        for is_active in product([True, False], repeat=3):
            for feed, active in zip(feeds, is_active, strict=True):
                Feed.objects.filter(pk=feed.pk).update(is_active=active)
            runs = {run.feed_id: run for run in submit("form", {})}
            assert {feed.pk for feed, active in zip(feeds, is_active, strict=True) if active} <= set(runs)
            for run in runs.values():
                assert run.status == "failed" or run.feed.after_id is None or run.waits_for == runs[run.feed.after_id]
                assert (run.status == "pending") == (run.error == "")
            FeedRun.objects.all().delete()


class TestTheForm:
    """``clean()`` says what may wait for what."""

    @pytest.fixture
    def problems(self) -> Callable[..., dict[str, list[str]]]:
        def problems(feed: Feed, **changes: Any) -> dict[str, list[str]]:
            for name, value in changes.items():
                setattr(feed, name, value)
            with pytest.raises(ValidationError) as refused:
                feed.full_clean()
            found: dict[str, list[str]] = refused.value.message_dict
            return found

        return problems

    def test_itself(self, contact: Feed, problems: Any) -> None:
        assert "can't wait for itself" in problems(contact, after=contact)["after"][0]

    def test_another_trigger(self, note: Feed, problems: Any) -> None:
        assert "does not listen to the trigger “x”" in problems(note, trigger="x")["after"][0]
        assert "Only what is submitted can wait" in problems(note, trigger="")["after"][0]

    def test_one_with_for_each(self, note: Feed, contact: Feed, problems: Any) -> None:
        Feed.objects.filter(pk=contact.pk).update(for_each="rows")
        note.refresh_from_db()
        assert "makes one request for each item" in problems(note)["after"][0]
        contact.refresh_from_db()
        assert "“a-note” waits for this feed" in problems(contact)["for_each"][0]

    def test_a_circle(self, note: Feed, contact: Feed, problems: Any) -> None:
        mail = saved(note.connection, "mail", after=note)
        assert "“mail” waits for this feed itself" in problems(contact, after=mail)["after"][0]

    def test_a_feed_that_others_wait_for(self, note: Feed, contact: Feed, problems: Any) -> None:
        assert "both need the same trigger" in problems(contact, trigger="x")["trigger"][0]
        contact.refresh_from_db()
        assert "switch that one off first, or pause this one" in problems(contact, is_active=False)["is_active"][0]
        Feed.objects.filter(pk=note.pk).update(is_active=False)
        contact.full_clean()

    def test_one_that_is_switched_off(self, note: Feed, contact: Feed, problems: Any) -> None:
        Feed.objects.filter(pk=contact.pk).update(is_active=False)
        note.refresh_from_db()
        assert "“contact” is switched off" in problems(note)["after"][0]
        note.is_active = False
        note.full_clean()

    @pytest.mark.parametrize(
        ("path", "words"),
        [
            (
                "{{ values.contact }}",
                "unknown name 'contact' in 'values'; did you mean 'contact_id'; available are: contact_id",
            ),
            ("{{ values.contact_id.deeper }}", ""),
            ("{{ values }}", ""),
            ('{{ values.other|default:"" }}', ""),
        ],
    )
    def test_the_values_that_are_there(self, note: Feed, problems: Any, path: str, words: str) -> None:
        if words:
            assert words in problems(note, path=path)["path"][0]
        else:
            note.path = path
            note.full_clean()

    def test_values_of_a_feed_that_waits_for_none(self, contact: Feed, problems: Any) -> None:
        (said,) = problems(contact, path="{{ values.x }}")["path"]
        assert said == (
            "{{ values.x }}: 'values' has what a feed keeps that this one waits for, and there is none such; what was "
            "submitted under that name is data.values."
        )

    def test_a_new_feed(self, contact: Feed, problems: Any) -> None:
        feed = Feed(name="n", slug="n", connection=contact.connection, trigger="form", after=contact)
        feed.full_clean()

    def test_the_admin_shows_it_beside_the_field(self, note: Feed, contact: Feed, admin_client: Any) -> None:
        Feed.objects.filter(pk=contact.pk).update(trigger="another")
        url = f"/admin/apiconnector/feed/{note.pk}/change/"
        page = admin_client.get(url)
        assert page.status_code == 200
        form = page.context["adminform"].form
        posted = {name: form[name].value() for name in form.fields}
        answered = admin_client.post(url, {name: "" if value is None else value for name, value in posted.items()})
        assert "does not listen to the trigger" in answered.content.decode()


@pytest.mark.django_db(transaction=True)
def test_for_real(note: Feed, api: ApiServer) -> None:
    """In transactions that commit, through the thread that sends."""
    api.answer = answer(id=9)
    first, second = submit("form", {"email": "a"})
    assert (first.status, second.status) == ("succeeded", "succeeded")
    assert first.values == {"contact_id": 9}
    assert api.paths == ["/contact", "/notes/9"]


@pytest.mark.django_db(transaction=True)
def test_what_rolled_back_leaves_nothing(note: Feed, api: ApiServer) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        submit("form", {"email": "a"})
        raise ZeroDivisionError
    assert not FeedRun.objects.exists()
    assert api.received == []
