"""``manage.py apiconnector``: what it prints, where, and how it ends."""

from __future__ import annotations

import io
import json
import re
import signal
import threading
from argparse import _SubParsersAction
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import responses
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.utils import timezone

from apiconnector.feeds import pruning
from apiconnector.management.commands.apiconnector import Command
from apiconnector.models import AuthorizationAttempt, Connection, ConnectionEvent, Feed, FeedRun, Token
from apiconnector.presets import presets
from apiconnector.shortcuts import submit
from tests import token_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.contrib.auth.models import User

    from tests.token_server import TokenServer

API = "https://api.example.com/v1"


@dataclass
class Done:
    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


def call(*arguments: str) -> Done:
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command("apiconnector", *arguments, stdout=out, stderr=err, no_color=True)
    except SystemExit as ended:
        status = int(str(ended.code))
    except CommandError as error:
        status = error.returncode
        err.write(str(error))
    assert "canary" not in out.getvalue() + err.getvalue()
    return Done(status, out.getvalue(), err.getvalue())


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with token_server.running() as server:
        yield server


@pytest.fixture
def authorized(server: TokenServer, make_connection: Callable[..., Connection]) -> Connection:
    """A connection whose token lasts for another hour."""
    connection = make_connection(
        name="Provider", slug="provider", base_url=f"{server.origin}/api", auth_method="oauth2_authorization_code",
        client_id="canary-id", client_secret="canary-secret", token_url=f"{server.origin}/token",
        authorization_url=f"{server.origin}/authorize", scope="read",
    )  # fmt: skip  # in rows
    server.generation = 1
    Token.objects.create(
        connection=connection, access_token="access-1", refresh_token="refresh-1", scope="read", generation=1,
        issued_at=timezone.now(), expires_at=timezone.now() + timedelta(hours=1, minutes=1),
    )  # fmt: skip  # in rows
    return connection


@pytest.mark.django_db
class TestList:
    def test_objects_for_scripts(self, bearer: Connection, authorized: Connection) -> None:
        rows = call("list", "--format", "json").data
        assert [(row["slug"], row["auth_method"], row["status"]) for row in rows] == [
            ("crm", "bearer", "ready"),
            ("provider", "oauth2_authorization_code", "authorized"),
        ]
        assert rows[0]["token_expires_at"] is None
        assert rows[1]["token_expires_at"].startswith(f"{timezone.now().year}")

    def test_a_table_for_people(self, bearer: Connection, authorized: Connection) -> None:
        Token.objects.all().delete()
        done = call("list")
        header, *rows = done.out.splitlines()
        assert header.split() == ["SLUG", "AUTHENTICATION", "STATUS", "TOKEN", "ENDS", "NAME"]
        assert {row.index("not_authorized") for row in rows[1:]} == {header.index("STATUS")}
        assert "provider: somebody has to act" in done.err

    def test_when_a_token_ends(self, authorized: Connection) -> None:
        assert "in 1 h " in call("list").out

    def test_nothing_there(self, db: None) -> None:
        assert call("list", "--format", "json").data == []
        assert "no connections yet" in call("list").out

    def test_the_number_of_queries_is_constant(
        self, make_connection: Callable[..., Connection], django_assert_num_queries: Any
    ) -> None:
        for number in range(5):
            make_connection(slug=f"c{number}", auth_method="oauth2_authorization_code")
        with django_assert_num_queries(1):
            call("list")


@pytest.mark.django_db
class TestShow:
    def test_of_a_secret_only_whether_it_is_there(self, authorized: Connection) -> None:
        done = call("show", "provider")
        assert re.search(r"^client secret +stored$", done.out, re.MULTILINE)
        assert re.search(r"^refresh token +stored$", done.out, re.MULTILINE)
        assert re.search(r"^status +authorized$", done.out, re.MULTILINE)
        shown = call("show", "provider", "--format", "json").data
        assert (shown["client_secret"], shown["api_key"]) == ("stored", "empty")
        assert shown["token"]["generation"] == 1

    def test_reason_and_last_events(self, authorized: Connection, admin_user: User) -> None:
        Token.objects.all().delete()
        ConnectionEvent.record(authorized, ConnectionEvent.Kind.FAILED, "It\nwas\x1b[31m refused.", admin_user)
        done = call("show", "provider")
        assert "Press Authorize" in done.out
        assert re.search(r"failed +admin +It was \[31m refused\.", done.out)
        (event,) = call("show", "provider", "--format", "json").data["events"]
        assert (event["kind"], event["actor"]) == ("failed", "admin")

    def test_a_credential_written_right_into_a_header(self, make_connection: Callable[..., Connection]) -> None:
        make_connection(
            default_headers={"X-Api-Key": "canary", "X-Auth": "{{ api_key }}", "Accept": "text/plain"},
            variables={"deep": [{"token": "canary"}]},
        )
        headers = call("show", "crm", "--format", "json").data["default_headers"]
        assert headers == {"X-Api-Key": "[hidden]", "X-Auth": "{{ api_key }}", "Accept": "text/plain"}
        call("show", "crm")

    def test_lines_fit_the_terminal(self, authorized: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
        ConnectionEvent.record(authorized, ConnectionEvent.Kind.FAILED, "word " * 100)
        monkeypatch.setenv("COLUMNS", "80")
        lines = call("show", "provider").out.splitlines()
        assert max(map(len, lines)) <= 80

    def test_an_unknown_slug_is_wrong_usage(self, bearer: Connection) -> None:
        done = call("show", "crn")
        assert done.status == 2
        assert "Did you mean “crm”?" in done.err


@pytest.mark.django_db
class TestTest:
    @responses.activate
    def test_one(self, make_connection: Callable[..., Connection]) -> None:
        make_connection(auth_method="bearer", api_key="canary-key", test_path="me", label_template="{{ body.name }}")
        responses.get(f"{API}/me", json={"name": "Ada"})
        done = call("test", "crm")
        assert (done.status, done.err) == (0, "")
        assert "1 connection tested: 1 ok, 0 failed." in done.out
        assert "Ada" in done.out
        assert ConnectionEvent.objects.get().kind == "tested"

    @responses.activate
    @pytest.mark.parametrize(("status", "person"), [(401, True), (403, True), (404, True), (429, False), (503, False)])
    def test_a_refusal_says_whether_it_needs_a_person(self, bearer: Connection, status: int, person: bool) -> None:
        responses.get(f"{API}/", status=status)
        responses.get(API, status=status)
        done = call("test", "crm", "--format", "json")
        assert done.status == 1
        (row,) = done.data
        assert (row["ok"], row["status_code"], row["needs_person"]) == (False, status, person)
        assert ConnectionEvent.objects.get().kind == "failed"

    def test_one_that_is_not_authorized(self, authorized: Connection) -> None:
        Token.objects.all().delete()
        done = call("test", "provider")
        assert done.status == 1
        assert "Somebody has to act: provider." in done.out

    def test_a_method_that_raises_does_not_hide_the_others(
        self, bearer: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(self: Connection) -> None:
            raise RuntimeError("canary")

        monkeypatch.setattr(Connection, "test", broken)
        done = call("test", "--all")
        assert done.status == 1
        assert "RuntimeError" in done.out

    def test_inactive_ones_are_left_out(self, make_connection: Callable[..., Connection]) -> None:
        make_connection(is_active=False)
        assert "no active connection" in call("test", "--all").out

    @pytest.mark.parametrize("arguments", [[], ["--all", "crm"], ["nobody"]])
    def test_wrong_usage(self, arguments: list[str]) -> None:
        assert call("test", *arguments).status == 2


@pytest.mark.django_db(transaction=True)
@responses.activate
def test_tests_go_on_side_by_side_and_each_thread_writes(make_connection: Callable[..., Connection]) -> None:
    """Each waits for the others at the API, after having stored a token of its own: on SQLite too."""
    slugs = [f"c{number}" for number in range(5)]
    for slug in slugs:
        make_connection(
            slug=slug, auth_method="oauth2_client_credentials", client_id=slug, client_secret="canary-secret",
            token_url="https://api.example.com/token",
        )  # fmt: skip  # in rows
    together = threading.Barrier(len(slugs), timeout=30)

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        together.wait()
        return 200, {}, "{}"

    responses.post("https://api.example.com/token", json={"access_token": "canary-token", "expires_in": 3600})
    responses.add_callback(responses.GET, re.compile(rf"{API}/?$"), answer)
    done = call("test", "--all", "--format", "json")
    assert [(row["slug"], row["ok"]) for row in done.data] == [(slug, True) for slug in slugs]
    assert done.status == 0
    assert "5 of 5" in done.err
    assert Token.objects.exclude(access_token="").count() == 5
    assert ConnectionEvent.objects.filter(kind="tested").count() == 5


@pytest.mark.django_db
class TestRefresh:
    def test_one_that_is_not_due(self, authorized: Connection, server: TokenServer) -> None:
        done = call("refresh", "provider")
        assert done.status == 0
        assert "The new token ends in 59 min" in done.out
        assert [request["refresh_token"] for request in server.requests] == ["refresh-1"]
        assert Token.objects.get().generation == 2
        assert ConnectionEvent.objects.get().kind == "refreshed"

    def test_the_first_token_of_client_credentials(self, authorized: Connection, server: TokenServer) -> None:
        Token.objects.all().delete()
        Connection.objects.update(auth_method="oauth2_client_credentials")
        server.expires_in = None
        assert "not stated" in call("refresh", "provider").out
        assert len(server.requests) == 1

    def test_only_those_that_are_due(self, authorized: Connection, server: TokenServer) -> None:
        assert call("refresh", "--due").out == "No token is due.\n"
        Token.objects.update(expires_at=timezone.now())
        (row,) = call("refresh", "--due", "--format", "json").data
        assert (row["slug"], row["ok"]) == ("provider", True)
        assert len(server.requests) == 1
        assert call("refresh", "--due").out == "No token is due.\n"

    @pytest.mark.parametrize(
        "change",
        [{"is_active": False}, {"problem": "needs_reauthorization"}, {"auth_method": "none"}, {"auth_method": "gone"}],
        ids=lambda change: next(iter(change.values())),
    )
    def test_what_is_never_due(self, authorized: Connection, change: dict[str, Any]) -> None:
        Token.objects.update(expires_at=timezone.now())
        Connection.objects.update(**change)
        assert call("refresh", "--due").out == "No token is due.\n"

    def test_a_dead_grant_and_a_good_one(
        self, authorized: Connection, server: TokenServer, make_connection: Callable[..., Connection]
    ) -> None:
        make_connection(
            slug="service", auth_method="oauth2_client_credentials", client_id="id", client_secret="canary",
            base_url=authorized.base_url, token_url=authorized.token_url,
        )  # fmt: skip  # in rows
        server.answers = [(400, {"error": "invalid_grant", "error_description": "canary"})]
        done = call("refresh", "provider", "service")
        assert done.status == 1
        assert re.search(r"^provider +failed .*person", done.out, re.MULTILINE)
        assert re.search(r"^service +refreshed ", done.out, re.MULTILINE)
        assert "2 of 2" in done.err
        assert Connection.objects.get(slug="provider").status == "needs_reauthorization"

    @pytest.mark.parametrize(
        ("change", "token", "words"),
        [
            ({"is_active": False}, {}, "switched off"),
            ({"auth_method": "none"}, {}, "keeps no token"),
            ({"auth_method": "gone"}, {}, "not installed"),
            ({"token_url": ""}, {}, "required"),
            ({}, {"refresh_token": ""}, "no refresh token"),
            ({}, {"refresh_token": "", "access_token": ""}, "has ended"),
        ],
        ids=["inactive", "static", "gone", "incomplete", "no refresh token", "no token"],
    )
    def test_what_can_not_be_refreshed(
        self, authorized: Connection, server: TokenServer, change: dict[str, Any], token: dict[str, str], words: str
    ) -> None:
        if change:
            Connection.objects.update(**change)
        if token:
            Token.objects.update(**token)
        done = call("refresh", "provider")
        assert done.status == 1
        assert words in " ".join(done.out.split())
        assert server.requests == []

    @pytest.mark.parametrize("arguments", [[], ["--due", "crm"], ["nobody"]])
    def test_wrong_usage(self, arguments: list[str]) -> None:
        assert call("refresh", *arguments).status == 2


@pytest.mark.django_db
def test_disconnect(authorized: Connection) -> None:
    assert "is disconnected" in call("disconnect", "provider").out
    assert not Token.objects.exists()
    assert call("disconnect", "provider").status == 0
    assert call("disconnect", "nobody").status == 2


@pytest.mark.django_db
class TestRun:
    @pytest.fixture
    def feed(self, bearer: Connection, make_feed: Callable[..., Feed]) -> Feed:
        return make_feed(bearer, response_values={"id": "body.id"})

    @responses.activate
    def test_it_prints_the_run(self, feed: Feed) -> None:
        responses.post(f"{API}/leads", json={"id": 7, "name": "J\u00e9\x1b[2J"})
        done = call("run", "lead", "--data", '{"email": "a"}')
        assert done.status == 0
        assert re.search(r"^status +succeeded$", done.out, re.MULTILINE)
        assert re.search(r'^values +\{"id": 7\}$', done.out, re.MULTILINE)
        assert "\x1b" not in done.out

    @responses.activate
    def test_json_from_standard_input_and_for_scripts(self, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
        responses.post(f"{API}/leads", json={"id": 7})
        monkeypatch.setattr("sys.stdin", io.StringIO('{"email": "a"}'))
        shown = call("run", "lead", "--data", "-", "--format", "json").data
        assert (shown["status"], shown["values"], shown["data"]) == ("succeeded", {"id": 7}, {"id": 7})
        assert FeedRun.objects.get().input == {"email": "a"}

    @responses.activate
    def test_a_refusal_is_exit_1(self, feed: Feed) -> None:
        responses.post(f"{API}/leads", status=422, json={"error": "x" * 5_000})
        done = call("run", "lead", "--data", '{"email": "a"}')
        assert done.status == 1
        assert "characters in all" in done.out

    def test_data_that_does_not_fill_it_is_exit_1(self, feed: Feed) -> None:
        done = call("run", "lead")
        assert done.status == 1
        assert "not_sent" in done.out

    def test_one_for_each_item_says_what_to_do(self, feed: Feed) -> None:
        Feed.objects.update(for_each="items")
        done = call("run", "lead")
        assert (done.status, done.out) == (1, "")
        assert "submit()" in done.err

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["laed"], "Did you mean “lead”?"),
            (["lead", "--data", "{"], "no JSON"),
            (["lead", "--data", "[" * 100_000], "no JSON"),
            (["lead", "--data", "[1]"], "JSON object"),
            (["lead", "--data", '{"a": NaN}'], "NaN"),
        ],
        ids=["unknown feed", "broken", "deep", "list", "NaN"],
    )
    def test_wrong_usage(self, feed: Feed, arguments: list[str], words: str) -> None:
        done = call("run", *arguments)
        assert done.status == 2
        assert words in done.err
        assert not FeedRun.objects.exists()


@pytest.mark.django_db
class TestDeliverLoop:
    @responses.activate
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_it_after_the_run_at_hand(
        self, bearer: Connection, make_feed: Callable[..., Feed], number: signal.Signals
    ) -> None:
        def answer(request: Any) -> tuple[int, dict[str, str], str]:
            signal.raise_signal(number)
            return 200, {}, "{}"

        responses.add_callback(responses.POST, f"{API}/leads", answer)
        make_feed(bearer)
        before = signal.getsignal(number)
        for _ in range(2):
            submit("contact", {"email": "a"})
        done = call("deliver", "--loop")
        assert (done.status, done.out) == (0, "")
        assert sorted(FeedRun.objects.values_list("status", flat=True)) == ["pending", "succeeded"]
        assert signal.getsignal(number) == before

    def test_it_looks_again_and_outlives_a_database_that_is_away(
        self, monkeypatch: pytest.MonkeyPatch, db: None
    ) -> None:
        from django.db import OperationalError

        from apiconnector import feeds

        rounds = []

        def deliver(**_: Any) -> None:
            rounds.append(1)
            if len(rounds) == 1:
                raise OperationalError("canary")
            if len(rounds) == 3:
                signal.raise_signal(signal.SIGTERM)

        monkeypatch.setattr(feeds, "deliver", deliver)
        done = call("deliver", "--loop", "--interval", "0.001")
        assert len(rounds) == 3
        assert "The database did not answer (OperationalError)" in done.err

    @pytest.mark.parametrize(
        "arguments", [["--loop", "--limit", "1"], ["--interval", "0"], ["--interval", "nan"], ["--interval", "x"]]
    )
    def test_wrong_usage(self, arguments: list[str]) -> None:
        with pytest.raises(CommandError):
            call_command("apiconnector", "deliver", *arguments)


@pytest.mark.django_db
class TestPrune:
    @pytest.fixture
    def runs(self, bearer: Connection, make_feed: Callable[..., Feed]) -> dict[str, FeedRun]:
        """Everything 40 days old, but what "new" ended is not."""
        feed, old = make_feed(bearer), timezone.now() - timedelta(days=40)

        def run(status: str, outcome: str = "sent", **fields: Any) -> FeedRun:
            values = {"created_at": old, "finished_at": old, **fields}
            return FeedRun.objects.create(feed=feed, connection=bearer, status=status, outcome=outcome, **values)

        return {
            "succeeded": run("succeeded"), "failed": run("failed"), "skipped": run("skipped", "not_sent"),
            "dead": run("dead", finished_at=None),
            "pending": run("pending", finished_at=None), "running": run("running", "unknown", finished_at=None),
            "unknown": run("failed", "unknown"), "dead, unknown": run("dead", "unknown"),
            "new": run("succeeded", finished_at=timezone.now()),
        }  # fmt: skip  # in rows

    KEPT = ("pending", "running", "unknown", "dead, unknown", "new")

    def test_what_is_kept(self, runs: dict[str, FeedRun], bearer: Connection) -> None:
        event = ConnectionEvent.record(bearer, ConnectionEvent.Kind.TESTED)
        ConnectionEvent.objects.update(at=timezone.now() - timedelta(days=40))
        recent = ConnectionEvent.record(bearer, ConnectionEvent.Kind.TESTED)
        for hours, name in ((1, "open"), (48, "old")):
            AuthorizationAttempt.objects.create(
                connection=bearer, state=name, created_at=timezone.now() - timedelta(hours=hours)
            )
        dry = call("prune", "--dry-run").out
        assert FeedRun.objects.count() == len(runs)
        said = "4 runs and 1 event older than 30 days, and 1 authorization attempt.\n"
        assert dry == f"Would remove {said}"
        assert call("prune").out == f"Removed {said}"
        kept = set(FeedRun.objects.values_list("pk", flat=True))
        assert {name for name, run in runs.items() if run.pk in kept} == set(self.KEPT)
        assert list(ConnectionEvent.objects.all()) == [recent]
        assert event.pk != recent.pk
        assert AuthorizationAttempt.objects.get().state == "open"

    def test_in_chunks(self, runs: dict[str, FeedRun], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pruning, "CHUNK", 3)
        done = call("prune")
        assert "3 runs removed so far" in done.err
        assert FeedRun.objects.count() == len(self.KEPT)

    @pytest.mark.parametrize("days", [41, 10**12])
    def test_the_setting(self, runs: dict[str, FeedRun], settings: Any, days: int) -> None:
        settings.APICONNECTOR_RETENTION_DAYS = days
        assert "0 runs" in call("prune").out


@pytest.mark.django_db
class TestKeys:
    def test_by_position(self, bearer: Connection, authorized: Connection, settings: Any) -> None:
        old, new = settings.APICONNECTOR_KEYS[0], Fernet.generate_key().decode()
        settings.APICONNECTOR_KEYS = [new, old]
        bearer.api_key = "canary-typed-again"
        bearer.save()
        done = call("keys", "status", "--format", "json")
        assert done.status == 0
        counts = {row["column"]: row for row in done.data}
        assert counts["apiconnector.Connection.api_key"]["keys"] == [1, 0]
        assert counts["apiconnector.Token.access_token"]["keys"] == [0, 1]
        assert counts["apiconnector.AuthorizationAttempt.verifier"]["total"] == 0
        done = call("keys", "status")
        assert "4 secrets can be read only with an older key" in done.out
        assert re.search(r"^apiconnector\.Connection\.api_key +1 +1 +0 +0$", done.out, re.MULTILINE)
        assert new not in done.out + done.err

    def test_a_lost_key_is_exit_1(self, bearer: Connection, settings: Any) -> None:
        settings.APICONNECTOR_KEYS = [Fernet.generate_key().decode()]
        done = call("keys", "status")
        assert done.status == 1
        assert "1 secret can't be read" in done.out

    def test_a_ciphertext_of_another_column_is_unreadable(self, bearer: Connection) -> None:
        from django.db import connection as database

        with database.cursor() as cursor:
            cursor.execute("UPDATE apiconnector_connection SET password = api_key")
        counts = {row["column"]: row["unreadable"] for row in call("keys", "status", "--format", "json").data}
        assert (counts["apiconnector.Connection.api_key"], counts["apiconnector.Connection.password"]) == (0, 1)

    def test_nothing_stored(self, db: None) -> None:
        assert call("keys", "status").out == "No secrets are stored.\n"

    def test_all_with_the_newest(self, bearer: Connection) -> None:
        assert "The newest key opens everything." in call("keys", "status").out

    def test_without_a_key_it_says_what_to_do(self, settings: Any) -> None:
        settings.APICONNECTOR_KEYS = []
        done = call("keys", "status")
        assert done.status == 1
        assert "keys generate" in done.err
        assert len(done.err.splitlines()) == 1


def parsers(parser: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for name, inner in action.choices.items():
                yield from parsers(inner, f"{path} {name}".strip())
            return
    yield path, parser


def test_the_docs_name_every_job_and_option() -> None:
    page = (Path(__file__).parent.parent / "docs" / "command.md").read_text(encoding="utf-8")
    common = {
        option for action in Command().create_parser("manage.py", "x")._actions for option in action.option_strings
    }
    for job, parser in parsers(Command().create_parser("manage.py", "apiconnector")):
        usage = re.search(rf"^\| `{job}( [^`]*)?` \|", page, re.MULTILINE)
        assert usage, job
        own = {option for action in parser._actions for option in action.option_strings} - common
        assert set(re.findall(r"--[a-z-]+", usage[0])) == own, job


class TestPresets:
    def test_objects_for_scripts(self) -> None:
        rows = call("presets", "--format", "json").data
        assert [row["slug"] for row in rows] == [preset.slug for preset in presets()]
        github = next(row for row in rows if row["slug"] == "github")
        assert github["name"] == "GitHub"
        assert github["auth_method"] == "oauth2_authorization_code"
        assert github["documentation"].startswith("https://docs.github.com/")
        assert github["register_url"] == "https://github.com/settings/applications/new"
        assert any("{{ redirect_uri }}" in step for step in github["steps"])
        assert len(github["sources"]) >= 2
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", github["checked"])

    def test_a_table_for_people(self) -> None:
        done = call("presets")
        header, *lines = done.out.splitlines()
        assert header.split() == ["SLUG", "NAME", "AUTHENTICATION", "DOCUMENTATION"]
        assert (done.status, done.err) == (0, "")
        for preset in presets():
            assert any(line.startswith(f"{preset.slug} ") and preset.name in line for line in lines), preset.slug
            assert preset.documentation in done.out
