"""The run's page and its list: what they say, what may be done there, and by whom."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import responses
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apiconnector.admin.paging import NearPaginator
from apiconnector.admin.records import FeedRunAdmin
from apiconnector.admin.run_advice import next_step
from apiconnector.admin.shown import moment
from apiconnector.feeds import outbox, recorded
from apiconnector.feeds.endings import AFTER
from apiconnector.models import Connection, Feed, FeedFile, FeedRun
from apiconnector.shortcuts import run_feed

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db
URL = "https://api.example.com/v1/leads"
RUNS = "/admin/apiconnector/feedrun/"
ADA = {"email": "ada@example.org"}


@pytest.fixture
def feed(bearer: Connection, make_feed: Callable[..., Feed]) -> Feed:
    return make_feed(bearer)


@pytest.fixture(autouse=True)
def handed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What was handed over; nothing is sent."""
    ids: list[int] = []
    monkeypatch.setattr(outbox, "hand_over", ids.extend)
    return ids


@pytest.fixture
def make(feed: Feed) -> Callable[..., FeedRun]:
    def make(status: str = "failed", outcome: str = "sent", **fields: Any) -> FeedRun:
        return FeedRun.objects.create(
            feed=feed, connection=feed.connection, input=ADA, status=status, outcome=outcome, **fields
        )

    return make


@pytest.fixture
def person(django_user_model: type[User]) -> Callable[..., Client]:
    """Somebody with these permissions."""

    def make(*codenames: str) -> Client:
        user = django_user_model.objects.create_user("clerk", password="x", is_staff=True)
        user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    return make


def page(client: Client, run: FeedRun) -> str:
    response = client.get(reverse("admin:apiconnector_feedrun_change", args=[run.pk]))
    assert response.status_code == 200
    return response.content.decode()


def press(client: Client, run: FeedRun, act: str = "replay", **data: str) -> Any:
    return client.post(reverse(f"admin:apiconnector_feedrun_{act}", args=[run.pk]), data, follow=True)


def said(response: Any) -> str:
    (message,) = response.context["messages"]
    return str(message)


class TestPage:
    @responses.activate
    def test_it_says_how_it_stands_why_and_what_to_do(self, admin_client: Client, feed: Feed) -> None:
        responses.post(URL, json={"error": "no such plan"}, status=422, headers={"X-Request-Id": "r-7"})
        shown = page(admin_client, run_feed("lead", ADA))
        for text in (
            "Failed",
            "The API got it.",
            "The API answered 422.",
            "its answer below says why",
            "X-Request-Id: r-7",
        ):
            assert text in shown
        assert "canary" not in shown

    def test_each_kind_of_entry(self, admin_client: Client, make: Callable[..., FeedRun]) -> None:
        entry = {"at": timezone.now().isoformat(), "request": None, "response": None, "error": "", "message": ""}
        run = make(attempts=[
            {**entry, "token": "refreshed"}, {**entry, "token": "refused"}, {**entry, "token": "missing"},
            {**entry, "emptied": True}, {**entry, "request": {"method": "GET"}, "bodies": False},
            recorded.line(recorded.REPLAYED, "Replayed by <i>ada."),
        ])  # fmt: skip  # in rows
        shown = page(admin_client, run)
        for text in (
            "The token was refreshed", "The API refused the token", "There was no token", "What was sent is not kept",
            "The feed keeps no bodies", "Replayed by &lt;i&gt;ada.",
        ):  # fmt: skip  # in rows
            assert text in shown
        assert shown.count("no answer") == 5

    def test_the_item_that_it_is_about(
        self, admin_client: Client, person: Callable[..., Client], make: Callable[..., FeedRun]
    ) -> None:
        """What was submitted has all of them, where for_each does more than name a list."""
        run = make(item={"sku": "canary-item"})
        assert "canary-item" in page(admin_client, run)
        assert "canary-item" not in page(person("view_feedrun"), run)
        assert "shown_item" not in page(admin_client, make())

    def test_what_it_waits_for_and_what_waits_for_it(self, admin_client: Client, make: Callable[..., FeedRun]) -> None:
        first = make("succeeded")
        run = make("pending", "", waits_for=first)
        others = [make("pending", "", waits_for=run) for _ in range(22)]
        shown = page(admin_client, run)
        for other in (first, *others[:20]):
            assert f'href="{RUNS}{other.pk}/change/">#{other.pk} Lead</a>' in shown
        assert f"#{others[20].pk}" not in shown
        assert "and more" in shown
        assert f"run #{first.pk} has succeeded" in shown

    def test_files_only_for_those_who_may_see_bodies(
        self, admin_client: Client, person: Callable[..., Client], make: Callable[..., FeedRun]
    ) -> None:
        run = make()
        file = FeedFile.objects.create(key="k", file="apiconnector/x", name="cv of ada.pdf", size=2_048)
        file.runs.set([run])
        assert "cv of ada.pdf, 2.0" in page(admin_client, run)
        clerk = person("view_feedrun", "replay_feedrun")
        assert "cv of ada" not in page(clerk, run)
        assert "ada@" not in page(clerk, run)

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"status": "pending", "next_attempt_at": timezone.now()}, "sent by itself"),
            ({"status": "pending", "error": "not_ready", "next_attempt_at": timezone.now()}, "connection ready"),
            ({"status": "succeeded"}, ""),
            ({"status": "skipped"}, ""),
            ({"status": "running"}, ""),
            ({"status": "failed", "outcome": "unknown"}, "records"),
            ({"status": "dead", "outcome": "unknown"}, "records"),
            ({"status": "dead", "outcome": "not_sent"}, "Once the API answers again"),
            ({"status": "dead", "outcome": "sent", "status_code": 500}, "error of its own"),
            ({"status": "failed", "status_code": 401, "error": "http_status"}, "credential"),
            ({"status": "failed", "status_code": 404, "error": "http_status"}, "path"),
            ({"status": "failed", "status_code": 418, "error": "http_status"}, "refused what was sent"),
            ({"status": "failed", "status_code": 500, "error": "http_status"}, "error of its own"),
            ({"status": "failed", "outcome": "not_sent", "error": "template"}, "mapping"),
            ({"status": "failed", "error": "success_rule", "status_code": 200}, "success rule"),
            ({"status": "failed", "outcome": "not_sent", "error": AFTER}, "waits for no run any more"),
            ({"status": "failed", "error": recorded.DECIDED}, "once more"),
            ({"status": "failed", "outcome": "not_sent", "error": "something new"}, "attempts below"),
        ],
    )
    def test_what_to_do(self, make: Callable[..., FeedRun], fields: dict[str, Any], says: str) -> None:
        step = next_step(make(**fields))
        assert says in step
        assert bool(step) is bool(says)

    @pytest.mark.parametrize(("field", "value", "says"), [("is_paused", True, "paused"), ("is_active", False, "off")])
    def test_what_to_do_about_a_feed_that_rests(
        self, make: Callable[..., FeedRun], field: str, value: bool, says: str
    ) -> None:
        run = make("pending", "", next_attempt_at=timezone.now())
        setattr(run.feed, field, value)
        assert says in next_step(run)

    def test_what_to_do_about_a_connection_that_rests(self, make: Callable[..., FeedRun]) -> None:
        run = make("pending", "", next_attempt_at=timezone.now())
        run.connection.busy_until = timezone.now() - timedelta(seconds=1)
        assert next_step(run) == "Nothing: it is sent by itself."
        run.connection.busy_until = until = timezone.now() + timedelta(hours=3)
        assert f"asked to be left alone until {moment(until)}" in next_step(run)

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"status": "failed", "outcome": "unknown"}, "replay run #"),
            ({"status": "dead", "outcome": "not_sent"}, "replay run #"),
            ({"status": "failed", "outcome": "sent", "error": recorded.DECIDED}, "replay this one, not that one"),
            ({"status": "succeeded", "outcome": "sent"}, "replay this one, not that one"),
        ],
    )
    def test_what_to_do_about_one_that_waited(
        self, make: Callable[..., FeedRun], fields: dict[str, Any], says: str
    ) -> None:
        """The first one is not sent again where it has arrived."""
        run = make("failed", "not_sent", error=AFTER, waits_for=make(**fields))
        assert says in next_step(run)


class TestDeleting:
    """What has runs stays; and finding that out does not read them."""

    @pytest.mark.parametrize("way", ["page", "action"])
    @pytest.mark.parametrize("what", ["feed", "connection"])
    def test_what_has_runs(
        self,
        admin_client: Client,
        make: Callable[..., FeedRun],
        what: str,
        way: str,
        django_assert_max_num_queries: Any,
    ) -> None:
        run = make()
        FeedRun.objects.bulk_create(FeedRun(feed=run.feed, connection=run.connection) for _ in range(30))
        one = getattr(run, what)
        last = FeedRun.objects.latest("created_at", "id")
        with django_assert_max_num_queries(9) as seen:
            if way == "page":
                address = reverse(f"admin:apiconnector_{what}_delete", args=[one.pk])
                response = admin_client.get(address)
            else:
                address = reverse(f"admin:apiconnector_{what}_changelist")
                data = {"action": "delete_selected", ACTION_CHECKBOX_NAME: [one.pk]}
                response = admin_client.post(address, data)
        shown = response.content.decode()
        assert f"#{last.pk}, " in shown
        assert "and more: the record of what was sent. Switch it off instead of deleting it." in shown
        assert not [query for query in seen.captured_queries if '"attempts"' in query["sql"]]
        admin_client.post(address, {"post": "yes"} if way == "page" else {**data, "post": "yes"})
        assert FeedRun.objects.count() == 31

    @pytest.mark.parametrize("what", ["feed", "connection"])
    def test_what_has_none(self, admin_client: Client, make: Callable[..., FeedRun], what: str) -> None:
        run = make()
        FeedRun.objects.all().delete()
        if what == "connection":
            run.feed.delete()
        response = admin_client.post(
            reverse(f"admin:apiconnector_{what}_delete", args=[getattr(run, what).pk]), {"post": "yes"}
        )
        assert response.status_code == 302
        assert not (Feed.objects.exists() if what == "feed" else Connection.objects.exists())


class TestButtons:
    def test_replay(self, admin_client: Client, make: Callable[..., FeedRun]) -> None:
        run = make()
        assert f'action="{RUNS}{run.pk}/replay/"' in page(admin_client, run)
        response = press(admin_client, run)
        assert said(response) == "1 feed run will be sent again."
        run.refresh_from_db()
        assert (run.status, run.attempts[-1]["message"]) == ("pending", "Replayed by admin.")
        assert LogEntry.objects.get().change_message == "Replayed."
        # Pressed once more, by somebody who had the page open.
        assert "Nothing was replayed" in said(press(admin_client, run))
        assert f"{run.pk}/replay/" not in page(admin_client, run)

    def test_what_has_arrived_only_if_that_is_said(self, admin_client: Client, make: Callable[..., FeedRun]) -> None:
        run = make("succeeded")
        assert "send it once more" in page(admin_client, run)
        assert "tick the box" in said(press(admin_client, run))
        assert "1 feed run will" in said(press(admin_client, run, again="1"))

    @pytest.mark.parametrize(("arrived", "outcome"), [("1", "sent"), ("0", "not_sent")])
    def test_an_unknown_one_is_decided(
        self, admin_client: Client, make: Callable[..., FeedRun], arrived: str, outcome: str
    ) -> None:
        run = make("failed", "unknown")
        assert "It has arrived" in page(admin_client, run)
        assert said(press(admin_client, run, "decide", arrived=arrived)) == "Written down."
        run.refresh_from_db()
        assert run.outcome == outcome
        assert "It has not arrived</button>" not in page(admin_client, run)
        assert "decided already" in said(press(admin_client, run, "decide", arrived=arrived))

    @pytest.mark.parametrize("act", ["replay", "decide"])
    def test_not_without_permission_nor_by_get_nor_from_elsewhere(
        self, admin_user: User, person: Callable[..., Client], make: Callable[..., FeedRun], act: str
    ) -> None:
        run, clerk = make("failed", "unknown"), person("view_feedrun", "view_body_feedrun", "send_feed")
        assert "/replay/" not in page(clerk, run)
        assert press(clerk, run, act).status_code == 403
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(admin_user)
        url = reverse(f"admin:apiconnector_feedrun_{act}", args=[run.pk])
        assert strict.post(url).status_code == 403
        assert strict.get(url).status_code == 405
        assert strict.post(f"{RUNS}999999/{act}/").status_code in {403, 404}
        assert Client().post(url).status_code == 302
        run.refresh_from_db()
        assert (run.status, run.outcome) == ("failed", "unknown")

    def test_one_that_is_not_there(self, admin_client: Client) -> None:
        assert admin_client.post(f"{RUNS}999999/replay/").status_code == 404


class TestMany:
    def act(self, client: Client, *runs: FeedRun, query: str = "", **data: str) -> Any:
        chosen = {ACTION_CHECKBOX_NAME: [run.pk for run in runs], "action": "replay_chosen", "index": 0, **data}
        return client.post(f"{RUNS}{query}", chosen, follow=True)

    def test_it_asks_first_and_says_what_is_at_stake(self, admin_client: Client, make: Callable[..., FeedRun]) -> None:
        runs = [make(), make("dead"), make("failed", "unknown"), make("succeeded"), make("pending")]
        shown = self.act(admin_client, *runs).content.decode()
        assert "<strong>3</strong> feed runs" in shown
        assert "Of 1 of them it is not known" in shown
        assert "Send the 1 that has succeeded once more" in shown
        assert FeedRun.objects.filter(status="pending").count() == 1

    def test_those_that_were_ticked(
        self, admin_client: Client, make: Callable[..., FeedRun], handed: list[int]
    ) -> None:
        runs, other = [make(), make("dead"), make("succeeded"), make("pending")], make()
        response = self.act(admin_client, *runs, confirmed="1")
        assert said(response) == (
            "2 feed runs will be sent again. Left alone: 2 (still to be sent, skipped, succeeded, or replayed by somebody "
            "else just now)."
        )
        other.refresh_from_db()
        assert other.status == "failed"
        assert "3 feed runs will" in said(self.act(admin_client, runs[2], other, make(), confirmed="1", again="1"))

    def test_all_that_match(self, admin_client: Client, make: Callable[..., FeedRun], monkeypatch: Any) -> None:
        monkeypatch.setattr(FeedRunAdmin, "list_per_page", 3)
        runs = [make() for _ in range(10)]
        dead = [make("dead") for _ in range(2)]
        asked = self.act(admin_client, runs[0], query="?status__exact=failed", select_across="1")
        shown = asked.content.decode()
        assert "Of all that match, <strong>10</strong> feed runs" in shown
        assert shown.count(f'name="{ACTION_CHECKBOX_NAME}"') == 1
        assert f'action="{RUNS}?status__exact=failed"' in shown
        done = self.act(admin_client, runs[0], query="?status__exact=failed", select_across="1", confirmed="1")
        assert said(done) == "10 feed runs will be sent again."
        assert FeedRun.objects.filter(status="dead").count() == len(dead)

    def test_the_form_that_asks_does_what_it_says(self, admin_client: Client, make: Callable[..., FeedRun]) -> None:
        runs = [make(), make()]
        asked = self.act(admin_client, *runs)
        assert [str(key) for key in asked.context["chosen"]] == [str(run.pk) for run in runs]
        assert (asked.context["is_all"], asked.context["back"]) == (False, RUNS)

    def test_nothing_to_send(self, admin_client: Client, make: Callable[..., FeedRun]) -> None:
        assert "there is nothing to send again" in self.act(admin_client, make("pending")).content.decode()

    def test_not_without_permission(self, person: Callable[..., Client], make: Callable[..., FeedRun]) -> None:
        run, clerk = make(), person("view_feedrun")
        assert "replay_chosen" not in clerk.get(RUNS).content.decode()
        self.act(clerk, run, confirmed="1")
        run.refresh_from_db()
        assert run.status == "failed"

    def test_with_only_that_one(self, person: Callable[..., Client], make: Callable[..., FeedRun]) -> None:
        run, clerk = make(), person("view_feedrun", "replay_feedrun")
        assert "replay_chosen" in clerk.get(RUNS).content.decode()
        assert said(self.act(clerk, run, confirmed="1")) == "1 feed run will be sent again."

    def test_when_time_is_up_it_says_so(
        self, admin_client: Client, make: Callable[..., FeedRun], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("apiconnector.admin.replaying.PATIENCE", -1)
        assert "time was up; press again" in said(self.act(admin_client, make(), confirmed="1"))


class TestList:
    @pytest.fixture
    def many(self, make: Callable[..., FeedRun], monkeypatch: pytest.MonkeyPatch) -> list[FeedRun]:
        monkeypatch.setattr(FeedRunAdmin, "list_per_page", 2)
        monkeypatch.setattr(NearPaginator, "AHEAD", 2)
        return [make() for _ in range(15)]

    def test_it_counts_only_near_the_page(self, admin_client: Client, many: list[FeedRun]) -> None:
        first = admin_client.get(RUNS)
        assert list(first.context["cl"].result_list) == many[:-3:-1]
        shown = first.content.decode()
        assert "more than 6 feed runs" in shown
        assert "6 results" not in shown
        assert "Select all that match, more than 6" in shown
        sixth = admin_client.get(RUNS, {"p": 6})
        assert list(sixth.context["cl"].result_list) == many[3:5][::-1]
        assert "15 feed runs" in sixth.content.decode()
        assert "more than" not in sixth.content.decode()
        assert len(admin_client.get(RUNS, {"p": 8}).context["cl"].result_list) == 1

    @pytest.mark.parametrize("number", ["9", "0", "-1", "x", "9" * 50, "9" * 5_000])
    def test_a_page_that_is_not_there(self, admin_client: Client, many: list[FeedRun], number: str) -> None:
        assert admin_client.get(RUNS, {"p": number}).status_code in {200, 302}

    def test_a_search_counts_all(self, admin_client: Client, many: list[FeedRun]) -> None:
        FeedRun.objects.update(error_message="The API answered 422.")
        assert admin_client.get(RUNS, {"q": "answered"}).context["cl"].result_count == 15

    @pytest.mark.parametrize("text", ["{pk}", "#{pk}", " {pk} ", "{key}"])
    def test_a_number_and_a_key_are_looked_up(self, admin_client: Client, many: list[FeedRun], text: str) -> None:
        run = many[4]
        FeedRun.objects.filter(pk=run.pk).update(status="succeeded")
        term = text.format(pk=run.pk, key=run.idempotency_key)
        assert list(admin_client.get(RUNS, {"q": term}).context["cl"].result_list) == [run]

    @pytest.mark.parametrize("text", ["9" * 30, "#", "²", "\x00", "%", "é", "' OR 1=1"])
    def test_odd_searches_find_nothing(self, admin_client: Client, many: list[FeedRun], text: str) -> None:
        assert admin_client.get(RUNS, {"q": text}).status_code == 200

    def test_dates_and_filters_go_together(self, admin_client: Client, many: list[FeedRun]) -> None:
        FeedRun.objects.filter(pk__in=[run.pk for run in many[:3]]).update(
            created_at=timezone.now() - timedelta(days=20), status="dead"
        )
        since = (timezone.now() - timedelta(days=7)).isoformat()
        assert admin_client.get(RUNS, {"created_at__gte": since}).context["cl"].paginator.has_more
        found = admin_client.get(RUNS, {"created_at__lt": since, "status__exact": "dead"}).context["cl"]
        assert (found.result_count, list(found.result_list)) == (3, [many[2], many[1]])

    def test_what_it_reads_does_not_grow(
        self, admin_client: Client, make: Callable[..., FeedRun], django_assert_num_queries: Any
    ) -> None:
        make()
        # Session, user, feeds and connections of the filters, the count, the rows, their feeds, what is overdue.
        with django_assert_num_queries(8):
            admin_client.get(RUNS)
        for _ in range(30):
            make()
        with django_assert_num_queries(8) as captured:
            admin_client.get(RUNS)
        rows = next(each["sql"] for each in captured if "idempotency_key" in each["sql"])
        assert not any(f'"{name}"' in rows or f"`{name}`" in rows for name in ("input", "attempts", "data", "request"))
        assert "JOIN" not in rows
