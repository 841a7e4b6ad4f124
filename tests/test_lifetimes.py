"""When a connection ends unless somebody acts: what is known of it, who is told, and what keeps it alive."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from django.utils.formats import date_format

from apiconnector import signals
from apiconnector.models import Connection, ConnectionEvent, Token, due, endings, health
from apiconnector.models.source import TokenSource
from apiconnector.shortcuts import connect, refresh_due
from tests import token_server
from tests.test_command import call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client

    from tests.token_server import TokenServer

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with token_server.running() as server:
        server.generation = 1
        yield server


@pytest.fixture
def heard() -> Iterator[list[tuple[str, str]]]:
    """What the signals told: which, and why."""
    found: list[tuple[str, str]] = []

    def attention(connection: Connection, reason: str, **_: Any) -> None:
        found.append(("attention", reason))

    def recovered(connection: Connection, **_: Any) -> None:
        found.append(("recovered", connection.slug))

    signals.connection_needs_attention.connect(attention)
    signals.connection_recovered.connect(recovered)
    yield found
    signals.connection_needs_attention.disconnect(attention)
    signals.connection_recovered.disconnect(recovered)


@pytest.fixture
def make(server: TokenServer) -> Callable[..., Connection]:
    """An authorized connection: ``ago`` since its last refresh, and what is left of its tokens."""

    def made(
        slug: str = "provider",
        *,
        ago: timedelta = timedelta(),
        left: timedelta | None = timedelta(hours=1),
        refresh_left: timedelta | None = None,
        token: dict[str, Any] | None = None,
        **fields: Any,
    ) -> Connection:
        now = timezone.now()
        connection = Connection.objects.create(
            **{
                "name": slug.title(), "slug": slug, "base_url": f"{server.origin}/api",
                "auth_method": "oauth2_authorization_code", "client_id": "id", "client_secret": "canary-secret",
                "token_url": f"{server.origin}/token", "authorization_url": f"{server.origin}/authorize", **fields,
            }
        )  # fmt: skip  # in rows
        Token.objects.create(
            **{
                "connection": connection, "access_token": "access-1", "refresh_token": "refresh-1", "generation": 1,
                "issued_at": now - ago, "expires_at": None if left is None else now + left,
                "refresh_expires_at": None if refresh_left is None else now + refresh_left, **(token or {}),
            }
        )  # fmt: skip  # in rows
        return Connection.objects.select_related("token").get(slug=slug)

    return made


def day(at: datetime) -> str:
    return date_format(timezone.localtime(at), "DATE_FORMAT")


IDLE = {"refresh_token_idle_days": 60}
ITSELF = {"refresh_params": {"refresh_token": None, "access_token": "{{ access_token }}"}}
NO_REFRESH = {"refresh_token": ""}
#: What a token and its connection are like; in how many days it ends (None: not known), whether people have to know,
#: and what they are told.
GRANTS: dict[str, tuple[dict[str, Any], float | None, bool, str]] = {
    "nothing stated": ({}, None, False, ""),
    "nothing stated, no refresh token": ({"token": NO_REFRESH, "left": None}, None, False, ""),
    "stated": ({"refresh_left": 60 * DAY}, 60, False, "as the provider stated"),
    "stated, near": ({"refresh_left": 10 * DAY, "ago": 50 * DAY}, 10, True, "as the provider stated"),
    "stated, and does not move": (
        {"refresh_left": 10 * DAY, "token": {"refresh_life": 365 * 86_400}}, 10, True, "as the provider stated",
    ),
    "stated anew a moment ago": ({"refresh_left": 7 * DAY, "token": {"refresh_life": 7 * 86_400}}, 7, False, "stated"),
    "idle": ({"dialect": IDLE}, 60, False, "after 60 days without a refresh"),
    "idle, near": ({"dialect": IDLE, "ago": 50 * DAY}, 10, True, "after 60 days without a refresh"),
    "idle before stated": ({"dialect": IDLE, "refresh_left": 80 * DAY}, 60, False, "without a refresh"),
    "stated before idle": ({"dialect": IDLE, "refresh_left": 40 * DAY}, 40, False, "stated"),
    "no refresh token": ({"token": NO_REFRESH, "left": 50 * DAY}, 50, False, "gave no refresh token"),
    "no refresh token, near": ({"token": NO_REFRESH, "left": 5 * DAY, "ago": 55 * DAY}, 5, True, "no refresh token"),
    "no refresh token, short": ({"token": NO_REFRESH, "left": DAY / 4}, 0.25, False, "no refresh token"),
    "renews itself": ({"dialect": ITSELF, "token": NO_REFRESH, "left": 60 * DAY}, 60, False, "refresh --due"),
    "another site's": (
        {"refresh_left": DAY, "token": {"site": "https://elsewhere.example.com"}}, None, False, "",
    ),
    "a dialect that can't be read": ({"refresh_left": 60 * DAY, "dialect": {"weeks": 1}}, 60, False, "stated"),
}  # fmt: skip  # in rows


class TestEndings:
    @pytest.mark.parametrize("case", GRANTS.values(), ids=GRANTS)
    def test_of_a_grant(self, make: Callable[..., Connection], case: tuple[Any, ...]) -> None:
        fields, days, is_near, words = case
        found, now = endings.of_grant(make(**fields)), timezone.now()
        if days is None:
            assert found is None
            return
        assert found is not None
        assert abs(found.at - now - days * DAY) < timedelta(minutes=5)
        assert found.is_near(now) is is_near
        assert not found.is_over(now)
        reason = found.reason(now)
        assert reason.startswith("Re-authorize before ")
        assert words in reason
        if days > 3:
            assert day(found.at) in reason

    def test_of_one_that_is_over(self, make: Callable[..., Connection]) -> None:
        now = timezone.now()
        for fields, is_final in (
            ({"left": -DAY, "ago": 3 * DAY, "token": NO_REFRESH}, True),
            ({"left": -DAY, "ago": 9 * DAY, "refresh_left": -2 * DAY}, False),
            ({"left": -5 * DAY, "ago": 9 * DAY, "refresh_left": -2 * DAY}, True),
            ({"left": None, "ago": 9 * DAY, "refresh_left": -2 * DAY}, False),
            ({"left": -9 * DAY, "ago": 99 * DAY, "dialect": IDLE}, False),
        ):
            Connection.objects.all().delete()
            found = endings.of_grant(make(**fields))
            assert found is not None
            assert found.is_over(now)
            assert found.is_final(now) is is_final, fields
            assert "Re-authorize" in found.reason(now)

    @pytest.mark.parametrize("days", [30, 10, 0, -1])
    def test_of_a_client_secret(self, make: Callable[..., Connection], days: int) -> None:
        on = timezone.localdate() + days * DAY
        connection = make(client_secret_expires_on=on, preset="xero")
        found, now = endings.of_secret(connection), timezone.now()
        assert found is not None
        assert (found.is_near(now), found.is_over(now)) == (days <= 14, days < 0)
        said = found.reason(now)
        assert said.startswith(
            f"The client secret {'ended' if days < 0 else 'ends'} on {date_format(on, 'DATE_FORMAT')}"
        )
        assert "enter a new one from https://developer.xero.com/app/manage" in said
        assert (connection.status, said in connection.status_reason) == ("authorized", days <= 14)

    def test_a_date_without_a_secret_says_nothing(self, make: Callable[..., Connection]) -> None:
        today = timezone.localdate()
        public = make("public", client_secret="", client_auth="none", client_secret_expires_on=today)
        fixed = make("fixed", auth_method="bearer", api_key="canary", client_secret_expires_on=today)
        gone = make("gone", auth_method="gone", client_secret_expires_on=today)
        assert [endings.of(row) for row in (public, fixed, gone)] == [[], [], []]

    def test_the_date_is_written_in_the_language_of_who_reads(self, make: Callable[..., Connection]) -> None:
        from django.utils import translation

        connection = make(client_secret_expires_on=timezone.localdate().replace(month=3, day=12))
        found = []
        for language in ("en", "de"):
            with translation.override(language):
                ending = endings.of_secret(connection)
                assert ending is not None
                found.append(ending.before)
        assert "March 12, " in found[0]
        assert "12. März " in found[1]

    def test_a_site_without_time_zones(
        self, make: Callable[..., Connection], settings: Any, admin_client: Client, server: TokenServer
    ) -> None:
        settings.USE_TZ = False
        ago = timedelta(days=50)
        connection = make(client_secret_expires_on=timezone.now().date(), dialect=IDLE, ago=ago, refresh_left=DAY)
        assert [type(ending.at) for ending in endings.of(connection)] == [datetime, datetime]
        assert "Re-authorize before" in connection.status_reason
        assert admin_client.get("/admin/apiconnector/connection/").status_code == 200
        assert admin_client.get(f"/admin/apiconnector/connection/{connection.pk}/change/").status_code == 200
        Token.objects.update(retry_after_at=timezone.now() + DAY)
        assert [outcome.outcome for outcome in refresh_due()] == ["left"]
        Token.objects.update(retry_after_at=None)
        assert [outcome.outcome for outcome in refresh_due()] == ["refreshed"]
        assert "ends on" in " ".join(ConnectionEvent.objects.values_list("message", flat=True))


class TestKept:
    """What a refresh does to the end that is known."""

    @pytest.mark.parametrize(
        ("answer", "is_kept"),
        [
            ({}, True),
            ({"refresh_token": "refresh-1"}, True),
            ({"refresh_token": "refresh-2"}, False),
        ],
        ids=["no refresh token", "the same again", "another one"],
    )
    def test_an_answer_that_states_none(
        self, make: Callable[..., Connection], server: TokenServer, answer: dict[str, Any], is_kept: bool
    ) -> None:
        make(left=timedelta(seconds=-1), refresh_left=20 * DAY)
        before = Token.objects.get().refresh_expires_at
        server.answers = [(200, {"access_token": "access-1", "expires_in": 3600, **answer})]
        with connect("provider") as api:
            assert api.get("x").status_code == 200
        assert Token.objects.get().refresh_expires_at == (before if is_kept else None)

    def test_the_first_life_is_remembered(self, make: Callable[..., Connection], server: TokenServer) -> None:
        make(left=timedelta(seconds=-1))
        for seconds in (5_000_000, 4_000_000):
            server.answers = [
                (200, {"access_token": "access-1", "refresh_token": "r", "refresh_token_expires_in": seconds})
            ]
            connection = Connection.objects.get()
            connection.token_source().refresh()
        life = Token.objects.get().refresh_life
        assert life is not None
        assert abs(life - 5_000_000) < 60


class TestWarnings:
    def test_of_a_grant_once_and_over_once(
        self, make: Callable[..., Connection], server: TokenServer, heard: list[tuple[str, str]]
    ) -> None:
        """Its end does not move, whatever is refreshed: only a person helps."""
        make(ago=DAY, refresh_left=5 * DAY, token={"refresh_life": 365 * 86_400})
        for _ in range(3):
            assert call("refresh", "--due").status == 0
        ((what, reason),) = heard
        assert what == "attention"
        assert day(timezone.now() + 5 * DAY) in reason
        assert [(event.kind, event.message) for event in ConnectionEvent.objects.all()] == [("warned", reason)]
        connection = Connection.objects.select_related("token").get()
        assert (connection.status, connection.status_reason) == ("authorized", reason)
        assert server.requests == []
        # Authorized again.
        Token.objects.update(refresh_expires_at=timezone.now() + 365 * DAY, issued_at=timezone.now())
        for _ in range(2):
            health.works_again(connection)
        assert heard[1:] == [("recovered", "provider")]
        assert ConnectionEvent.objects.first().kind == "recovered"  # type: ignore[union-attr]  # it is there
        assert Connection.objects.get().grant_warned == ""

    def test_a_refresh_that_moves_the_end_ends_the_warning(
        self, make: Callable[..., Connection], server: TokenServer, heard: list[tuple[str, str]]
    ) -> None:
        make(ago=55 * DAY, dialect=IDLE, grant_warned=health.SOON)
        assert "refreshed" in call("refresh", "--due").out
        assert heard == [("recovered", "provider")]
        assert [event.kind for event in ConnectionEvent.objects.order_by("id")][-1:] != ["failed"]
        assert call("refresh", "--due").out == "No token is due.\n"
        assert heard == [("recovered", "provider")]

    def test_a_refresh_tells_of_what_ends(
        self, make: Callable[..., Connection], server: TokenServer, heard: list[tuple[str, str]]
    ) -> None:
        make(left=timedelta(seconds=-1), client_secret_expires_on=timezone.localdate() + 3 * DAY)
        for _ in range(2):
            with connect("provider") as api:
                assert api.get("x").status_code == 200
            Token.objects.update(expires_at=timezone.now())
        assert [what for what, _ in heard] == ["attention"]
        assert "client secret ends" in heard[0][1]

    def test_of_a_client_secret_ahead_and_at_its_end(
        self, make: Callable[..., Connection], heard: list[tuple[str, str]]
    ) -> None:
        make(client_secret_expires_on=timezone.localdate() + 40 * DAY)
        refresh_due()
        assert heard == []
        for days in (14, 3, 0, -1, -9):
            Connection.objects.update(client_secret_expires_on=timezone.localdate() + days * DAY)
            for _ in range(2):
                refresh_due()
        assert [(what, reason[:23]) for what, reason in heard] == [
            ("attention", "The client secret ends "),
            ("attention", "The client secret ended"),
        ]
        connection = Connection.objects.get()
        connection.client_secret_expires_on = timezone.localdate() + 300 * DAY
        connection.save()
        refresh_due()
        assert heard[2:] == [("recovered", "provider")]
        assert [event.kind for event in ConnectionEvent.objects.order_by("id")] == ["warned", "warned", "recovered"]

    def test_a_client_secret_of_client_credentials(
        self, make: Callable[..., Connection], heard: list[tuple[str, str]]
    ) -> None:
        """No person authorized anything, and there may be no token yet."""
        make(auth_method="oauth2_client_credentials", client_secret_expires_on=timezone.localdate())
        Token.objects.all().delete()
        refresh_due()
        assert [what for what, _ in heard] == ["attention"]
        assert Connection.objects.get().status == "ready"

    def test_nobody_is_told_of_what_is_switched_off(
        self, make: Callable[..., Connection], heard: list[tuple[str, str]]
    ) -> None:
        make(is_active=False, client_secret_expires_on=timezone.localdate(), refresh_left=DAY, ago=99 * DAY)
        refresh_due()
        health.look_again(Connection.objects.get())
        assert heard == []

    def test_what_ended_for_certain_is_a_problem(
        self, make: Callable[..., Connection], server: TokenServer, heard: list[tuple[str, str]]
    ) -> None:
        make(ago=3 * DAY, left=-DAY, token=NO_REFRESH)
        assert Connection.objects.get().status == "needs_reauthorization"
        for _ in range(2):
            assert call("refresh", "--due").out == "No token is due.\n"
        ((_, reason),) = heard
        assert "gave no refresh token" in reason
        assert Connection.objects.get().problem == "needs_reauthorization"
        assert server.requests == []

    def test_a_stated_end_is_tried_before_it_is_believed(
        self, make: Callable[..., Connection], server: TokenServer, heard: list[tuple[str, str]]
    ) -> None:
        make(ago=9 * DAY, left=-8 * DAY, refresh_left=-2 * DAY)
        assert Connection.objects.get().status == "needs_reauthorization"
        (outcome,) = refresh_due()
        assert (outcome.outcome, heard) == ("refreshed", [])
        assert Connection.objects.get().status == "authorized"

    def test_a_stated_end_and_a_server_that_is_no_help(
        self, make: Callable[..., Connection], server: TokenServer, heard: list[tuple[str, str]]
    ) -> None:
        make(ago=9 * DAY, left=-8 * DAY, refresh_left=-2 * DAY)
        server.answers = [(500, b"<html>")]
        (outcome,) = refresh_due()
        assert (outcome.outcome, outcome.ok) == ("failed", False)
        ((_, reason),) = heard
        assert "as the provider had stated" in reason
        assert Connection.objects.get().problem == "needs_reauthorization"
        assert refresh_due() == []


class TestDue:
    def test_what_is_kept_alive(self, make: Callable[..., Connection], server: TokenServer) -> None:
        server.answers = [(503, b"")] * 20  # what is asked for is the point
        wanted: dict[str, dict[str, Any]] = {
            "idle-half": {"ago": 31 * DAY, "dialect": IDLE},
            "stated-last-third": {"ago": 41 * DAY, "refresh_left": 19 * DAY},
            "renews-itself": {"ago": 41 * DAY, "left": 19 * DAY, "token": NO_REFRESH, "dialect": ITSELF},
            "early": {"left": timedelta(seconds=5), "ago": timedelta(hours=1)},
            "ended": {"left": -DAY, "ago": 2 * DAY},
            # And what is not due:
            "idle-fresh": {"ago": 29 * DAY, "dialect": IDLE},
            "stated-fresh": {"ago": 39 * DAY, "refresh_left": 21 * DAY},
            "renews-itself-fresh": {"ago": 39 * DAY, "left": 21 * DAY, "token": NO_REFRESH, "dialect": ITSELF},
            "no-end": {"left": None, "ago": 400 * DAY},
            "off": {"left": -DAY, "is_active": False},
            "dead": {"left": -DAY, "problem": "needs_reauthorization"},
            "fixed": {"left": -DAY, "auth_method": "bearer", "api_key": "canary"},
            "spent": {"left": -DAY, "ago": 2 * DAY, "token": NO_REFRESH},
        }
        for slug, fields in wanted.items():
            make(slug, **fields)
        found = {outcome.slug for outcome in refresh_due()}
        assert found == {
            "idle-half", "stated-last-third", "renews-itself", "early", "ended",
        }  # fmt: skip  # in rows

    def test_an_end_that_does_not_move_is_not_tried_for_ever(
        self, make: Callable[..., Connection], server: TokenServer
    ) -> None:
        """A cron job each hour for the last 120 days of a grant whose refreshes do not prolong it."""
        connection = make(ago=245 * DAY, refresh_left=120 * DAY)
        token, now, tries = connection.token, timezone.now(), 0
        for hour in range(120 * 24):
            at = now + timedelta(hours=hour)
            token.expires_at = at + timedelta(hours=1)
            if due._is_due(connection, at):
                tries += 1
                token.issued_at = at
        assert 3 <= tries <= 10

    def test_one_that_fails_does_not_stop_the_others(
        self, make: Callable[..., Connection], server: TokenServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number, slug in enumerate(("first", "second", "third", "fourth")):
            make(slug, left=timedelta(hours=number - 9))
        good = (200, {"access_token": "access-1", "expires_in": 3600})
        server.answers = [(503, b""), good, good]
        real = TokenSource.refresh

        def refresh(source: Any) -> Token:
            if source._connection.slug == "second":
                raise ZeroDivisionError("canary")
            return real(source)

        monkeypatch.setattr(TokenSource, "refresh", refresh)
        done = call("refresh", "--due", "--format", "json")
        assert [(row["slug"], row["outcome"]) for row in done.data] == [
            ("first", "failed"), ("second", "failed"), ("third", "refreshed"), ("fourth", "refreshed"),
        ]  # fmt: skip  # in rows
        assert done.status == 1
        assert "canary" not in done.out + done.err
        assert "ZeroDivisionError" in done.data[1]["message"]
        assert "4 of 4: fourth refreshed" in done.err

    def test_one_that_rests_is_left_alone(self, make: Callable[..., Connection], server: TokenServer) -> None:
        now = timezone.now()
        make("asked", left=-DAY, token={"retry_after_at": now + DAY})
        make("failed", left=-DAY, token={"failed_at": now, "failures": 1})
        make("rested", left=-DAY, token={"retry_after_at": now - DAY, "failed_at": now - DAY, "failures": 1})
        done = call("refresh", "--due")
        assert re.search(r"^asked +left alone +The provider asked to be left alone until ", done.out, re.MULTILINE)
        assert re.search(r"^failed +left alone +Renewing it failed less than a minute ago", done.out, re.MULTILINE)
        assert re.search(r"^rested +refreshed ", done.out, re.MULTILINE)
        assert "1 token refreshed, 0 failed, 2 left alone." in done.out
        assert done.status == 0
        assert len(server.requests) == 1
        rows = {row["slug"]: row for row in json.loads(call("refresh", "--due", "--format", "json").out)}
        assert (rows["asked"]["ok"], rows["asked"]["outcome"]) == (True, "left")

    def test_queries_do_not_grow_with_the_connections(
        self, make: Callable[..., Connection], django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fill(count: int) -> None:
            for number in range(count):
                make(f"c{Connection.objects.count()}-{number}", refresh_left=90 * DAY, dialect=IDLE)

        fill(1)
        refresh_due()  # remembers how long each refresh token is good for
        with django_assert_num_queries(2):
            assert refresh_due() == []
        fill(8)
        refresh_due()
        with django_assert_num_queries(2):
            assert refresh_due() == []
        monkeypatch.setattr(due, "_BATCH", 3)
        with django_assert_num_queries(4):
            assert refresh_due() == []

    def test_what_another_process_did_meanwhile_counts(
        self, make: Callable[..., Connection], server: TokenServer
    ) -> None:
        """Between finding out what is due and acting on the second one, somebody else refreshed it."""
        make("first", left=-2 * DAY)
        make("second", left=-DAY)
        server.rotates = False

        def meanwhile(outcome: Any, number: int, count: int) -> None:
            assert (number, count) == (1, 2)
            Token.objects.filter(connection__slug="second").update(expires_at=timezone.now() + DAY)

        assert [outcome.slug for outcome in refresh_due(meanwhile)] == ["first"]
        assert len(server.requests) == 1

    def test_the_command_may_be_called_from_code(self, make: Callable[..., Connection], server: TokenServer) -> None:
        make(left=-DAY)
        call_command("apiconnector", "refresh", "--due")
        assert len(server.requests) == 1

    def test_a_secret_date_costs_nothing_where_nothing_changes(
        self, make: Callable[..., Connection], django_assert_num_queries: Any
    ) -> None:
        connection = make(client_secret_expires_on=timezone.localdate(), secret_warned=health.SOON)
        with django_assert_num_queries(0):
            health.look_ahead(connection)
