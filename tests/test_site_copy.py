"""A copy of a site's database, on another site, does not use up the original's refresh token."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apiconnector import authorize
from apiconnector.exceptions import AuthorizationRequired
from apiconnector.models import Connection, ConnectionEvent, Token, site, status
from apiconnector.models.token_requests import Granted
from apiconnector.oauth import TokenAnswer
from apiconnector.shortcuts import connect
from tests import token_server
from tests.test_command import call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.token_server import TokenServer

PRODUCTION, STAGING = "https://www.example.org", "https://staging.example.org"
CALLBACK = "/oauth/callback"
#: What makes a process another site: its own base URL, or hosts that production's is not among.
COPIES: dict[str, dict[str, Any]] = {
    "staging": {"APICONNECTOR_BASE_URL": STAGING, "ALLOWED_HOSTS": ["staging.example.org"]},
    "laptop": {"APICONNECTOR_BASE_URL": "", "ALLOWED_HOSTS": ["localhost"], "DEBUG": True},
}


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with token_server.running() as server:
        server.detects_reuse = True
        yield server


class Site:
    """A process with a database and settings of its own; see ``tests/site_process.py``."""

    def __init__(self, database: Path, settings: dict[str, Any]) -> None:
        self.database = database
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.site_process", json.dumps(settings)],
            env={**os.environ, "DATABASE_URL": f"sqlite:///{database}"},
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, *act: Any) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(act) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"{act} ended the process"
        return json.loads(answer)


@contextmanager
def running(database: Path, **settings: Any) -> Iterator[Site]:
    one = Site(database, settings)
    try:
        yield one
    finally:
        one.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("site") / "migrated.sqlite3"
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "-v0", "--settings", "tests.settings"],
        env={**os.environ, "DATABASE_URL": f"sqlite:///{path}"}, cwd=Path(__file__).parent.parent, check=True,
    )  # fmt: skip  # in rows
    return path


@pytest.fixture
def production(migrated: Path, tmp_path: Path, server: TokenServer) -> Iterator[Site]:
    """A site that a person has authorized."""
    database = tmp_path / "production.sqlite3"
    shutil.copy(migrated, database)
    with running(database, APICONNECTOR_BASE_URL=PRODUCTION, ALLOWED_HOSTS=["www.example.org"]) as original:
        original.do("create", server.origin)
        assert original.do("authorize") == 200
        assert [form["grant_type"] for form in server.requests] == ["authorization_code"]
        yield original


@pytest.fixture(params=list(COPIES))
def copied(request: pytest.FixtureRequest, production: Site) -> Iterator[Site]:
    """Another site with a copy of that site's database, file for file."""
    database = production.database.with_name("copy.sqlite3")
    shutil.copy(production.database, database)
    with running(database, **COPIES[request.param]) as other:
        yield other


class TestTwoSites:
    def test_whatever_the_copy_does_the_original_goes_on(
        self, production: Site, copied: Site, server: TokenServer
    ) -> None:
        exchange = list(server.requests)
        # Reading with the access token harms nobody.
        assert copied.do("get") == 200
        assert copied.do("command", "test", "provider")[0] == 0
        state, reason = copied.do("status")
        assert (state, PRODUCTION in reason) == ("authorized", True)

        copied.do("end_token")
        assert copied.do("status") == ["needs_reauthorization", reason]
        assert str(copied.do("get")).startswith("AuthorizationRequired: “Provider”: The token was authorized for the ")
        assert PRODUCTION in copied.do("press", "test")
        assert copied.do("submit")[:2] == ["pending", "not_ready"]
        for arguments in (["refresh", "provider"], ["refresh", "--all"], ["test", "provider"]):
            code, out, _ = copied.do("command", *arguments)
            assert (code, PRODUCTION in " ".join(out.split())) == (1, True), arguments
        code, out, _ = copied.do("command", "refresh", "--due")
        assert (code, "left alone" in out, PRODUCTION in " ".join(out.split())) == (0, True, True)
        assert server.requests == exchange

        # About to end: not refreshed ahead of time either.
        copied.do("end_token", 5)
        assert copied.do("get") == 200
        assert server.requests == exchange

        # The original refreshes, so that the copy's access token is refused by the API.
        production.do("end_token")
        assert production.do("get") == 200
        assert [form.get("refresh_token") for form in server.requests] == [None, "refresh-1"]
        copied.do("end_token", 3600)
        assert str(copied.do("get")).startswith("AuthorizationRequired")
        assert PRODUCTION in copied.do("press", "test")
        assert copied.do("submit")[:2] == ["pending", "not_ready"]
        assert len(server.requests) == 2

        said = copied.do("press", "disconnect")
        assert "forgotten here, and not revoked" in said
        assert copied.do("status")[0] == "not_authorized"
        assert server.revocations == []

        production.do("end_token")
        assert production.do("get") == 200
        assert production.do("status") == ["authorized", ""]
        assert len(server.requests) == 3

    def test_a_copy_that_is_not_kept_from_it_ends_the_original(self, production: Site, server: TokenServer) -> None:
        """What all this is for: a copy that counts as the same site is enough to lose the authorization."""
        database = production.database.with_name("copy.sqlite3")
        shutil.copy(production.database, database)
        with running(database, APICONNECTOR_BASE_URL=PRODUCTION, ALLOWED_HOSTS=["*"]) as twin:
            twin.do("end_token")
            assert twin.do("get") == 200
        production.do("end_token")
        assert str(production.do("get")).startswith("AuthorizationRequired")
        assert production.do("status")[0] == "needs_reauthorization"

    def test_confirmed_in_the_admin_it_works_on_the_copy(
        self, production: Site, copied: Site, server: TokenServer
    ) -> None:
        page = copied.do("panel")
        assert "Use this token here" in page
        assert "authorized with another redirect URI" not in page
        copied.do("end_token")
        said = copied.do("press", "confirm-site")
        assert f"The token of the site {PRODUCTION} is used and refreshed on " in said
        assert (STAGING in said) != ("http://localhost from now on" in said)
        assert copied.do("get") == 200
        assert copied.do("status") == ["authorized", ""]
        assert server.requests[-1]["refresh_token"] == "refresh-1"
        kind, message, actor = copied.do("events")[1]
        assert (kind, actor) == ("edited", "admin")
        assert PRODUCTION in message
        page = copied.do("panel")
        assert "Use this token here" not in page
        # Now it is a token of this site, with a redirect URI of the other one.
        assert "authorized with another redirect URI" in page
        # The price, which the button names.
        production.do("end_token")
        assert str(production.do("get")).startswith("AuthorizationRequired")

    def test_confirmed_by_the_command(self, production: Site, server: TokenServer) -> None:
        database = production.database.with_name("moved.sqlite3")
        shutil.copy(production.database, database)
        with running(database, APICONNECTOR_BASE_URL="https://new.example.com", ALLOWED_HOSTS=["*"]) as moved:
            assert moved.do("command", "refresh", "--all")[0] == 1
            code, out, err = moved.do("command", "refresh", "--all", "--confirm-site")
            assert code == 0, out
            assert "refreshed on https://new.example.com from now on" in err
            moved.do("end_token")
            assert moved.do("get") == 200
            kind, message, actor = moved.do("events")[1]
            assert (kind, actor) == ("edited", None)
            assert message.startswith(
                f"Confirmed: The token of the site {PRODUCTION} is used and refreshed on https://new"
            )
            # As for any token of its own, Disconnect revokes.
            assert "revoked" in moved.do("press", "disconnect")
        assert len(server.revocations) == 2

    def test_authorized_anew_the_copy_has_a_token_of_its_own(self, copied: Site, server: TokenServer) -> None:
        assert copied.do("authorize") == 200
        copied.do("end_token")
        assert copied.do("get") == 200
        assert copied.do("status") == ["authorized", ""]
        assert server.revocations == []


#: The origin of a token, ``APICONNECTOR_BASE_URL``, ``ALLOWED_HOSTS``, ``DEBUG``, and whether it is another site's.
TABLE: list[tuple[str, str, Any, bool, bool]] = [
    # The base URL decides, whatever the hosts are.
    ("https://www.example.org", "https://www.example.org", [], False, False),
    ("https://www.example.org", "https://staging.example.org", ["*"], False, True),
    ("https://www.example.org", "https://staging.example.org", ["www.example.org"], True, True),
    ("https://www.example.org", "https://example.org", [".example.org"], False, True),
    ("https://www.example.org", "https://WWW.Example.ORG/", [], False, False),
    ("https://www.example.org", "https://www.example.org:443", [], False, False),
    ("https://www.example.org", "https://www.example.org:8443", [], False, True),
    ("https://www.example.org:8443", "https://www.example.org:8443", [], False, False),
    ("http://localhost:8000", "http://localhost:8001", [], True, True),
    ("http://localhost", "http://127.0.0.1", [], True, True),
    ("http://[::1]:8000", "http://[0:0:0:0:0:0:0:1]:8000", [], True, False),
    ("http://[::1]:8000", "http://[::2]:8000", [], True, True),
    ("https://xn--bcher-kva.example", "https://bücher.example", [], False, False),
    # A site that moves to https, each on its usual port, stays the same.
    ("http://www.example.org", "https://www.example.org", [], False, False),
    ("https://www.example.org", "http://www.example.org", [], True, False),
    ("http://www.example.org:8000", "https://www.example.org", [], False, True),
    # Without it, the hosts that requests may have.
    ("https://www.example.org", "", ["www.example.org"], False, False),
    ("https://www.example.org:8443", "", ["www.example.org"], False, False),
    ("https://www.example.org", "", ["WWW.Example.ORG"], False, False),
    ("https://www.example.org", "", [".example.org"], False, False),
    ("https://example.org", "", [".example.org"], False, False),
    ("https://badexample.org", "", [".example.org"], False, True),
    ("https://www.example.org", "", ["example.org"], False, True),
    ("https://example.org", "", ["www.example.org"], False, True),
    ("https://www.example.org", "", ["localhost", "127.0.0.1"], False, True),
    ("https://www.example.org", "", ["localhost"], True, True),
    ("https://www.example.org", "", ("localhost", "*"), True, False),
    ("http://[::1]:8000", "", ["[::1]"], True, False),
    ("http://[2001:db8::1]", "", ["[::1]"], True, True),
    # What Django allows while DEBUG is on and the list is empty.
    ("http://localhost:8000", "", [], True, False),
    ("http://shop.localhost:8000", "", [], True, False),
    ("http://127.0.0.1:8000", "", [], True, False),
    ("http://[::1]:8000", "", [], True, False),
    ("http://127.0.0.2:8000", "", [], True, True),
    ("https://www.example.org", "", [], True, True),
    # Nothing can be told.
    ("https://www.example.org", "", [], False, False),
    ("https://www.example.org", "", ["*"], False, False),
    # A base URL that is none is an error of its own (apiconnector.E002); the hosts decide.
    ("https://www.example.org", "www.example.org", ["localhost"], False, True),
    ("https://www.example.org", "https://staging.example.org/app", ["*"], False, False),
    # Of a token that no person authorized, or whose redirect URI had no origin.
    ("", "https://staging.example.org", ["localhost"], False, False),
    ("", "", ["localhost"], True, False),
]  # fmt: skip  # in rows


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_whether_a_token_is_another_sites(settings: Any, row: tuple[str, str, Any, bool, bool]) -> None:
    origin, settings.APICONNECTOR_BASE_URL, settings.ALLOWED_HOSTS, settings.DEBUG, is_other = row
    assert site.is_other(origin) is is_other


@pytest.mark.django_db
def test_the_status_in_sql_agrees(settings: Any, make_connection: Callable[..., Connection]) -> None:
    origins = sorted({row[0] for row in TABLE})
    ended = timezone.now() - timedelta(seconds=1)
    for number, origin in enumerate(origins):
        connection = make_connection(
            slug=f"c{number}", auth_method="oauth2_authorization_code", client_id="id", client_secret="canary-secret",
            authorization_url="https://idp.example.com/authorize", token_url="https://idp.example.com/token",
        )  # fmt: skip  # in rows
        Token.objects.create(connection=connection, access_token="a", refresh_token="r", site=origin, expires_at=ended)
    seen = set()
    for base_url, hosts, debug in dict.fromkeys((row[1], tuple(row[2]), row[3]) for row in TABLE):
        settings.APICONNECTOR_BASE_URL, settings.ALLOWED_HOSTS, settings.DEBUG = base_url, list(hosts), debug
        rows: Any = Connection.objects.annotate(found=status.in_sql(Connection)).select_related("token")
        found = {row.token.site: row.found for row in rows}
        assert found == {row.token.site: row.status for row in rows}, base_url or hosts
        seen |= set(found.values())
    assert seen == {"authorized", "needs_reauthorization"}


@pytest.mark.parametrize(
    ("redirect_uri", "origin"),
    [
        ("https://www.example.org/oauth/callback", "https://www.example.org"),
        ("HTTPS://WWW.Example.org:443/sub/oauth/callback", "https://www.example.org"),
        ("http://www.example.org.:80/oauth/callback", "http://www.example.org"),
        ("http://localhost:8000/oauth/callback", "http://localhost:8000"),
        ("http://[0::1]:8000/oauth/callback", "http://[::1]:8000"),
        ("https://bücher.example/oauth/callback", "https://xn--bcher-kva.example"),
        (
            f"https://{'a' * 60}.{'b' * 60}.{'c' * 60}.example/oauth/callback",
            f"https://{'a' * 60}.{'b' * 60}.{'c' * 60}.example",
        ),
        (f"https://{'a' * 400}.example/oauth/callback", ""),
        ("myapp:/oauth/callback", ""),
        ("https://[", ""),
        ("", ""),
    ],
)
def test_the_origin_of_a_redirect_uri(redirect_uri: str, origin: str) -> None:
    assert site.origin(redirect_uri) == origin


@pytest.fixture
def foreign(server: TokenServer, settings: Any, make_connection: Callable[..., Connection]) -> Connection:
    """On staging: a connection whose token was authorized for production and has ended."""
    settings.APICONNECTOR_BASE_URL = STAGING
    connection = make_connection(
        name="Provider", slug="provider", base_url=f"{server.origin}/api", auth_method="oauth2_authorization_code",
        client_id="id", client_secret="canary-secret", authorization_url=f"{server.origin}/authorize",
        token_url=f"{server.origin}/token", revocation_url=f"{server.origin}/revoke", scope="read",
    )  # fmt: skip  # in rows
    server.generation = 1
    now = timezone.now()
    Token.objects.create(
        connection=connection, access_token="access-1", refresh_token="refresh-1", generation=1, site=PRODUCTION,
        redirect_uri=PRODUCTION + CALLBACK, issued_at=now - timedelta(hours=1), expires_at=now - timedelta(seconds=1),
    )  # fmt: skip  # in rows
    return connection


def confirm_url(connection: Connection) -> str:
    return reverse("admin:apiconnector_connection_confirm_site", args=[connection.pk])


def use() -> int:
    with connect("provider") as api:
        return api.get("x").status_code


@pytest.mark.django_db
class TestOnTheCopy:
    def test_the_message_says_whose_it_is_and_what_to_do(self, foreign: Connection) -> None:
        with pytest.raises(AuthorizationRequired) as required:
            use()
        message = str(required.value)
        assert f"authorized for the site {PRODUCTION}, and this site is {STAGING}." in message
        assert "press Re-authorize, or confirm there" in message
        assert required.value.connection == foreign

    def test_without_a_base_url_the_message_names_the_setting(self, foreign: Connection, settings: Any) -> None:
        settings.APICONNECTOR_BASE_URL, settings.ALLOWED_HOSTS = "", ["localhost"]
        with pytest.raises(AuthorizationRequired, match="a host that ALLOWED_HOSTS does not name here"):
            use()

    def test_nothing_is_written_down_as_a_problem(self, foreign: Connection) -> None:
        with pytest.raises(AuthorizationRequired):
            use()
        foreign.refresh_from_db()
        assert foreign.problem == ""
        assert not ConnectionEvent.objects.exists()
        token = Token.objects.get()
        assert (token.lease_owner, token.refresh_started_at) == ("", None)

    def test_an_open_session_goes_on_once_it_is_confirmed(self, foreign: Connection, server: TokenServer) -> None:
        with connect("provider") as api:
            with pytest.raises(AuthorizationRequired):
                api.get("x")
            authorize.confirm_site(foreign, STAGING + CALLBACK)
            assert api.get("x").status_code == 200
        assert len(server.requests) == 1

    def test_without_a_refresh_token_there_is_nothing_to_confirm(
        self, foreign: Connection, server: TokenServer, admin_client: Client
    ) -> None:
        token = Token.objects.get()
        token.refresh_token, token.expires_at = "", None
        token.save()
        connection = Connection.objects.get()
        assert (connection.status, connection.status_reason) == ("authorized", "")
        assert use() == 200
        page = admin_client.get(reverse("admin:apiconnector_connection_change", args=[foreign.pk]))
        assert "Use this token here" not in page.content.decode()
        server.generation = 2
        assert use() == 401
        # Its access token is the original's, too.
        assert "not revoked" in authorize.disconnect(foreign)
        assert server.revocations == []

    def test_a_grant_the_provider_refused_has_to_be_authorized_again(self, foreign: Connection) -> None:
        Connection.objects.update(problem="needs_reauthorization", problem_reason="It is dead.")
        foreign.refresh_from_db()
        assert foreign.status_reason == "It is dead."
        with pytest.raises(AuthorizationRequired, match="has ended"):
            use()

    def test_deleting_and_editing_revoke_nothing(
        self, foreign: Connection, server: TokenServer, admin_client: Client
    ) -> None:
        other_client = Connection.objects.get()
        other_client.client_id = "staging's own"
        other_client.save()
        assert not Token.objects.exists()
        url = reverse("admin:apiconnector_connection_delete", args=[foreign.pk])
        assert admin_client.post(url, {"post": "yes"}).status_code == 302
        assert not Connection.objects.exists()
        assert (server.requests, server.revocations) == ([], [])

    def test_the_sites_own_account_is_not_bound_to_a_site(
        self, foreign: Connection, server: TokenServer, settings: Any
    ) -> None:
        Connection.objects.update(auth_method="oauth2_client_credentials")
        assert use() == 200
        assert [form["grant_type"] for form in server.requests] == ["client_credentials"]
        assert Connection.objects.get().status == "ready"

    def test_the_other_sites(self, foreign: Connection, make_connection: Callable[..., Connection]) -> None:
        for number, origin in enumerate([STAGING, PRODUCTION, "https://old.example.org", ""]):
            Token.objects.create(connection=make_connection(slug=f"c{number}"), site=origin)
        assert site.others() == ["https://old.example.org", PRODUCTION]
        assert site.others(Token.objects.filter(connection=foreign)) == [PRODUCTION]


@pytest.mark.django_db
class TestConfirm:
    def test_in_the_admin(self, foreign: Connection, admin_client: Client, admin_user: User) -> None:
        change = reverse("admin:apiconnector_connection_change", args=[foreign.pk])
        page = admin_client.get(change).content.decode()
        assert f'action="{confirm_url(foreign)}"' in page
        done = admin_client.post(confirm_url(foreign), follow=True)
        assert done.redirect_chain == [(change, 302)]
        assert f"The token of the site {PRODUCTION} is used and refreshed on {STAGING}" in done.content.decode()
        assert Token.objects.get().site == STAGING
        event = ConnectionEvent.objects.get()
        assert (event.kind, event.actor, PRODUCTION in event.message, STAGING in event.message) == (
            "edited", admin_user, True, True,
        )  # fmt: skip  # in rows
        assert LogEntry.objects.get().get_change_message() == "Confirmed the site of the token."
        again = admin_client.post(confirm_url(foreign), follow=True)
        assert "belongs to no other site" in again.content.decode()
        assert ConnectionEvent.objects.count() == 1
        assert use() == 200

    def test_without_a_base_url_this_site_is_where_the_button_was_pressed(
        self, foreign: Connection, admin_client: Client, settings: Any
    ) -> None:
        settings.APICONNECTOR_BASE_URL = ""
        # Django's test client adds its host to those of the tests' settings.
        settings.ALLOWED_HOSTS = ["localhost"]
        admin_client.post(confirm_url(foreign), headers={"host": "localhost:8000"})
        assert Token.objects.get().site == "http://localhost:8000"
        assert Connection.objects.get().status == "authorized"

    def test_a_base_url_that_is_none_is_said(self, foreign: Connection, admin_client: Client, settings: Any) -> None:
        settings.APICONNECTOR_BASE_URL, settings.ALLOWED_HOSTS = "staging", ["testserver"]
        done = admin_client.post(confirm_url(foreign), follow=True)
        assert "APICONNECTOR_BASE_URL must be an origin" in done.content.decode()
        assert Token.objects.get().site == PRODUCTION

    def test_it_is_a_post_of_somebody_who_may(
        self, foreign: Connection, admin_client: Client, django_user_model: type[User]
    ) -> None:
        assert admin_client.get(confirm_url(foreign)).status_code == 405
        assert admin_client.post(reverse("admin:apiconnector_connection_confirm_site", args=[0])).status_code == 404
        clerk = django_user_model.objects.create_user("clerk", password="x", is_staff=True)
        names = ["view_connection", "change_connection", "test_connection"]
        clerk.user_permissions.set(Permission.objects.filter(codename__in=names))
        client = Client()
        client.force_login(clerk)
        assert client.post(confirm_url(foreign)).status_code == 403
        page = client.get(reverse("admin:apiconnector_connection_change", args=[foreign.pk])).content.decode()
        assert PRODUCTION in page
        assert "Use this token here" not in page
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(User.objects.get(username="admin"))
        assert strict.post(confirm_url(foreign)).status_code == 403
        assert Client().post(confirm_url(foreign)).status_code == 302
        assert Token.objects.get().site == PRODUCTION
        clerk.user_permissions.add(Permission.objects.get(codename="authorize_connection"))
        assert client.post(confirm_url(foreign)).status_code == 302
        assert Token.objects.get().site == STAGING

    def test_without_a_token(self, foreign: Connection) -> None:
        Token.objects.all().delete()
        assert "holds no token" in authorize.confirm_site(foreign, STAGING + CALLBACK)

    def test_a_refresh_that_is_under_way_goes_on(self, foreign: Connection, server: TokenServer) -> None:
        """A process of the other site, with this very database."""
        token = Token.objects.get()
        assert Token.objects.acquire_lease(token, owner="theirs", seconds=30)
        leased = Token.objects.values("lease_owner", "lease_until", "refresh_started_at", "generation").get()
        authorize.confirm_site(foreign, STAGING + CALLBACK)
        assert Token.objects.values(*leased).get() == leased
        answer = TokenAnswer(
            "access-2", "refresh-2", "bearer", expires_at=None, refresh_expires_at=None, scope=None, raw={}
        )
        assert Token.objects.store(token, token.renewed_by(Granted(answer, {}), scope="read"))
        now = Token.objects.get()
        assert (now.site, now.refresh_token.reveal(), now.lease_owner) == (STAGING, "refresh-2", "")

    def test_a_token_authorized_anew_meanwhile_stays_as_it_is(
        self, foreign: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        is_other = site.is_other

        def meanwhile(origin: str) -> bool:
            Token.objects.update(site="https://third.example.org")
            return is_other(origin)

        monkeypatch.setattr(site, "is_other", meanwhile)
        assert "replaced in the meantime" in authorize.confirm_site(foreign, STAGING + CALLBACK)
        assert Token.objects.get().site == "https://third.example.org"
        assert not ConnectionEvent.objects.exists()

    def test_by_the_command(self, foreign: Connection, server: TokenServer) -> None:
        done = call("refresh", "provider")
        assert (done.status, server.requests) == (1, [])
        done = call("refresh", "provider", "--confirm-site")
        assert (done.status, len(server.requests)) == (0, 1)
        assert f"refreshed on {STAGING} from now on" in done.err
        assert Token.objects.get().site == STAGING

    @pytest.mark.parametrize(
        "arguments", [["--due", "--confirm-site"], ["--confirm-site"], ["--all", "provider"], ["--all", "--due"], []]
    )
    def test_wrong_usage(self, foreign: Connection, arguments: list[str]) -> None:
        assert call("refresh", *arguments).status == 2
        assert Token.objects.get().site == PRODUCTION

    def test_the_command_needs_to_know_which_site_this_is(self, foreign: Connection, settings: Any) -> None:
        settings.APICONNECTOR_BASE_URL = ""
        done = call("refresh", "provider", "--confirm-site")
        assert done.status == 1
        assert "Set APICONNECTOR_BASE_URL" in done.err
        assert Token.objects.get().site == PRODUCTION

    def test_all_are_those_that_can_be_refreshed(
        self, foreign: Connection, server: TokenServer, make_connection: Callable[..., Connection]
    ) -> None:
        off = make_connection(slug="off", auth_method="oauth2_authorization_code", is_active=False)
        ended = make_connection(slug="ended", auth_method="oauth2_authorization_code")
        for connection, secret in ((off, "r"), (ended, "")):
            Token.objects.create(connection=connection, access_token="a", refresh_token=secret, site=PRODUCTION)
        make_connection(slug="never", auth_method="oauth2_authorization_code")
        done = call("refresh", "--all", "--confirm-site", "--format", "json")
        assert [(row["slug"], row["ok"]) for row in done.data] == [("provider", True)]
        assert set(Token.objects.filter(site=STAGING).values_list("connection__slug", flat=True)) == {"provider"}


@pytest.mark.django_db
def test_authorizing_remembers_the_site(
    foreign: Connection, server: TokenServer, admin_client: Client, settings: Any
) -> None:
    def dance(**headers: str) -> Token:
        sent = admin_client.post(reverse("admin:apiconnector_connection_authorize", args=[foreign.pk]), headers=headers)
        state = parse_qs(urlsplit(sent["Location"]).query)["state"][0]
        assert admin_client.get(CALLBACK, {"code": "x", "state": state}, headers=headers).status_code == 200
        return Token.objects.get()

    settings.ALLOWED_HOSTS = ["*"]
    assert dance(host="staging.example.org").site == STAGING
    settings.APICONNECTOR_BASE_URL = ""
    assert dance(host="LocalHost:8000").site == "http://localhost:8000"
    assert Connection.objects.get().status_reason == ""
