"""Somebody who may not enter secrets points a connection at a server of their own: nothing arrives there."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.utils import timezone

from apiconnector.exceptions import ApiConnectorError, ConfigurationError, SecretSealed
from apiconnector.feeds import run_feed
from apiconnector.models import AuthorizationAttempt, Connection, ConnectionEvent, Token
from apiconnector.shortcuts import connect
from tests.browserless import ALL_BUT_SECRETS, clerk, press, submit
from tests.client.servers import Reply, api_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from django.test import Client

    from apiconnector.models import Feed
    from tests.client.servers import ApiServer

pytestmark = pytest.mark.django_db
SECRETS = {"client_id": "canary-id", "client_secret": "canary-secret"}
TOKEN = {"access_token": "canary-access", "token_type": "Bearer", "expires_in": 3600}


def answer(request: Any) -> Reply:
    return Reply(body=json.dumps(TOKEN).encode()) if request.path == "/token" else Reply()


#: The kinds of connections, with what each sends when it works.
KINDS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "code": ({"auth_method": "oauth2_authorization_code", **SECRETS}, {"canary-secret", "canary-refresh", "canary-access"}),
    "expired": ({"auth_method": "oauth2_authorization_code", **SECRETS}, {"canary-secret", "canary-refresh", "canary-access"}),
    "public": ({"auth_method": "oauth2_authorization_code", "client_id": "canary-id", "client_auth": "none"}, {"canary-id", "canary-refresh"}),
    "client": ({"auth_method": "oauth2_client_credentials", **SECRETS}, {"canary-secret", "canary-access"}),
    "bearer": ({"auth_method": "bearer", "api_key": "canary-key"}, {"canary-key"}),
    "query": ({"auth_method": "api_key", "api_key": "canary-key", "credential_in": "query"}, {"canary-key"}),
    "basic": ({"auth_method": "basic", "username": "canary-user"}, {"Y2FuYXJ5LXVzZXI6"}),
    "none": ({"auth_method": "none", "secret_variables": {"s": "canary-variable"}, "default_headers": {"X-S": "{{ s }}"}}, {"canary-variable"}),
    "named": ({"auth_method": "none", "password": "canary-password", "default_params": {"p": "{{ password }}"}}, {"canary-password"}),
}  # fmt: skip  # in rows


def command(*arguments: str) -> str:
    out = io.StringIO()
    try:
        call_command("apiconnector", *arguments, stdout=out, stderr=out, no_color=True)
    except (SystemExit, CommandError) as ended:
        out.write(str(ended))
    assert "canary" not in out.getvalue().replace("client_id=canary-id", "")
    return out.getvalue()


@dataclass
class World:
    """Two servers that record what they get, a connection to the good one, and somebody who may not enter secrets."""

    good: ApiServer
    evil: ApiServer
    attacker: Client
    make_connection: Callable[..., Connection]
    make_feed: Callable[..., Feed]
    monkeypatch: pytest.MonkeyPatch

    def make(self, kind: str) -> Connection:
        """A connection that works, and a feed of it."""
        fields, _ = KINDS[kind]
        url = self.good.url
        if fields["auth_method"].startswith("oauth2"):
            addresses = {name: f"{url}/{name.removesuffix('_url')}" for name in ("token_url", "authorization_url")}
            fields = {**addresses, "revocation_url": f"{url}/revoke", **fields}
        connection = self.make_connection(base_url=f"{url}/api", **fields)
        if connection.method.uses_token:
            ends = timezone.now() + timedelta(hours=-1 if kind == "expired" else 1)
            refresh = "canary-refresh" if connection.method.needs_person else ""
            Token.objects.create(
                connection=connection, expires_at=ends, refresh_token=refresh, access_token="canary-access"
            )
        self.make_feed(connection, body={"id": "{{ client_id }}"})
        return connection

    def pointed_at_evil(self, column: str) -> Any:
        if column == "allowed_hosts":
            return [self.evil.url.removeprefix("http://")]
        path = {"base_url": "api", "token_url": "token", "refresh_url": "token"}.get(column, "x")
        return f"{self.evil.url}/{path}"

    def do_everything(self) -> None:
        """Whatever makes a connection send something; Disconnect last, since it forgets the token."""
        connection = Connection.objects.get()
        self.monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
        press(self.attacker, connection, "test")
        press(self.attacker, connection, "authorize")
        for name in ("test", "refresh", "authorize"):
            command(name, "crm")
        command("run", "lead")
        run_feed("lead", {})
        for url in ("x", connection.base_url):
            with suppress(ApiConnectorError), connect("crm") as api:
                api.post(url, json={})
        press(self.attacker, connection, "disconnect")
        assert not Token.objects.exists()

    def assert_nothing_was_sent(self) -> None:
        assert self.evil.received == []
        assert self.good.received == []


@pytest.fixture
def world(
    make_connection: Callable[..., Connection],
    make_feed: Callable[..., Feed],
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> Iterator[World]:
    settings.APICONNECTOR_BASE_URL = "http://testserver"
    with api_server() as good, api_server() as evil:
        good.answer = evil.answer = answer
        yield World(good, evil, clerk(*ALL_BUT_SECRETS), make_connection, make_feed, monkeypatch)


def all_that_arrived(server: ApiServer) -> str:
    return repr(server.received)


@pytest.mark.parametrize("kind", KINDS)
def test_unchanged_it_sends_its_secrets(kind: str, world: World) -> None:
    """So that the tests below can fail."""
    world.make(kind)
    world.do_everything()
    for secret in KINDS[kind][1]:
        assert secret in all_that_arrived(world.good)
    assert world.evil.received == []


CHANGES = [
    *((kind, "base_url") for kind in KINDS),
    *(
        (kind, column)
        for kind in ("code", "expired", "public", "client")
        for column in ("authorization_url", "token_url", "refresh_url", "revocation_url", "allowed_hosts")
    ),
    ("bearer", "token_url"),
    ("bearer", "allowed_hosts"),
]


@pytest.mark.parametrize(("kind", "column"), CHANGES)
def test_in_the_admin(kind: str, column: str, world: World) -> None:
    connection = world.make(kind)
    value = world.pointed_at_evil(column)
    sent = json.dumps(value) if isinstance(value, list) else value
    page = submit(world.attacker, connection, **{column: sent})
    row = Connection.objects.get()
    assert getattr(row, column) == value
    assert row.status == "sealed"
    told = " ".join(str(message) for message in page.context["messages"])
    assert "is sealed" in told
    assert world.evil.url.removeprefix("http://") in told
    assert "Only somebody who may enter secrets" in told
    world.do_everything()
    world.assert_nothing_was_sent()


def by_save(connection: Connection, column: str, value: Any, _: Path) -> None:
    setattr(connection, column, value)
    connection.save(update_fields=[column])


def by_update(connection: Connection, column: str, value: Any, _: Path) -> None:
    Connection.objects.filter(pk=connection.pk).update(**{column: value})


def by_bulk_update(connection: Connection, column: str, value: Any, _: Path) -> None:
    setattr(connection, column, value)
    Connection.objects.bulk_update([connection], [column])


def by_sql(connection: Connection, column: str, value: Any, _: Path) -> None:
    with database.cursor() as cursor:
        cursor.execute(f"UPDATE apiconnector_connection SET {column} = %s WHERE id = %s", [value, connection.pk])


def by_fixture(connection: Connection, column: str, value: Any, folder: Path) -> None:
    out = io.StringIO()
    call_command("dumpdata", "apiconnector.connection", stdout=out)
    (row,) = json.loads(out.getvalue())
    row["fields"][column] = value
    (folder / "f.json").write_text(json.dumps([row]))
    call_command("loaddata", str(folder / "f.json"), verbosity=0)


PAST = [("bearer", "base_url"), ("expired", "token_url"), ("code", "revocation_url"), ("none", "base_url")]


@pytest.mark.parametrize("how", [by_save, by_update, by_bulk_update, by_sql, by_fixture])
@pytest.mark.parametrize(("kind", "column"), PAST)
def test_past_the_admin(how: Any, kind: str, column: str, world: World, tmp_path: Path) -> None:
    how(world.make(kind), column, world.pointed_at_evil(column), tmp_path)
    assert Connection.objects.get().status == "sealed"
    world.do_everything()
    world.assert_nothing_was_sent()


@pytest.mark.parametrize(
    "written",
    ["{evil}\\@{good}/token", "{good}@{evil}/token", "{evil}#@{good}/token", "{evil}\n/token", " {evil}/token", "{evil}?"],
)  # fmt: skip  # in rows
def test_an_address_that_parsers_read_differently(written: str, world: World, tmp_path: Path) -> None:
    """Most are refused once more by what sends; none gets that far."""
    places = {name: getattr(world, name).url.removeprefix("http://") for name in ("good", "evil")}
    by_sql(world.make("expired"), "token_url", "http://" + written.format(**places), tmp_path)
    assert Connection.objects.get().status == "sealed"
    world.do_everything()
    world.assert_nothing_was_sent()


def test_the_plain_text_of_the_same_host(world: World) -> None:
    """Anybody on the way reads plain http."""
    place = world.good.url.removeprefix("http://")
    connection = world.make_connection(auth_method="bearer", api_key="canary-key", base_url=f"https://{place}/api")
    submit(world.attacker, connection, base_url=f"http://{place}/api")
    press(world.attacker, connection, "test")
    assert Connection.objects.get().status == "sealed"
    world.assert_nothing_was_sent()


@responses.activate
@pytest.mark.parametrize("allowed", [["evil.example"], {"evil.example": 1}, [".example"]], ids=str)
def test_an_allowed_host(bearer: Connection, allowed: Any) -> None:
    Connection.objects.update(allowed_hosts=allowed)
    responses.get("https://evil.example/x")
    with connect("crm") as api, pytest.raises(ApiConnectorError):
        api.get("https://evil.example/x")
    assert len(responses.calls) == 0


def test_a_client_id_in_a_feed(world: World) -> None:
    """Of a method that does not use it: only the feed names it."""
    connection = world.make("none")
    connection.client_id, connection.default_headers = "canary-id", {}
    connection.save()
    assert run_feed("lead", {}).status == "succeeded"
    assert "canary-id" in all_that_arrived(world.good)
    Connection.objects.update(base_url=f"{world.evil.url}/api", secret_variables="")
    run = run_feed("lead", {})
    assert (run.status, run.outcome) == ("failed", "not_sent")
    assert world.evil.received == []


class TestAttemptsBegunBefore:
    """The code and the client's credentials would go to the new token URL."""

    @pytest.mark.parametrize(
        ("kind", "pkce"), [("code", "S256"), ("code", ""), ("public", "S256")]
    )  # a public client has nothing but PKCE
    def test_callback(self, kind: str, pkce: str, world: World) -> None:
        connection = world.make(kind)
        connection.pkce = pkce
        connection.save()
        self.come_back(world, self.begin(world, connection))
        assert "canary-code" in all_that_arrived(world.good)
        world.good.received.clear()
        state = self.begin(world, connection)
        submit(world.attacker, connection, token_url=f"{world.evil.url}/token")
        page = self.come_back(world, state)
        assert page.status_code == 400
        assert "canary" not in page.content.decode()
        world.assert_nothing_was_sent()
        assert AuthorizationAttempt.objects.exclude(used_at=None).filter(outcome="failed").count() == 1

    def test_callback_after_the_secret_was_typed_again(self, world: World, admin_client: Client) -> None:
        """The verifier is bound, too."""
        connection = world.make("code")
        state = self.begin(world, connection)
        submit(admin_client, connection, token_url=f"{world.evil.url}/token", client_secret="canary-secret")
        assert self.come_back(world, state).status_code == 400
        world.assert_nothing_was_sent()

    def test_the_command(self, world: World) -> None:
        before = world.make("code").token.generation
        out = io.StringIO()

        class Terminal:
            def readline(self) -> str:
                Connection.objects.update(token_url=f"{world.evil.url}/token")
                state = parse_qs(urlsplit(out.getvalue().strip()).query)["state"][0]
                return f"http://testserver/oauth/callback?code=canary-code&state={state}\n"

        world.monkeypatch.setattr("sys.stdin", Terminal())
        with pytest.raises(SystemExit):
            call_command("apiconnector", "authorize", "crm", stdout=out, stderr=io.StringIO())
        assert Token.objects.get().generation == before
        world.assert_nothing_was_sent()

    def begin(self, world: World, connection: Connection) -> str:
        response = world.attacker.post(f"/admin/apiconnector/connection/{connection.pk}/authorize/")
        return parse_qs(urlsplit(response["Location"]).query)["state"][0]

    def come_back(self, world: World, state: str) -> Any:
        return world.attacker.get("/oauth/callback", {"code": "canary-code", "state": state})


def test_disconnect_says_that_it_could_not_revoke(world: World) -> None:
    connection = world.make("code")
    submit(world.attacker, connection, revocation_url=f"{world.evil.url}/revoke")
    page = press(world.attacker, connection, "disconnect")
    (message,) = page.context["messages"]
    assert "could not be revoked" in str(message)
    assert "revocation URL" in str(message)
    assert "canary" not in str(message)
    assert ConnectionEvent.objects.filter(kind="revoked").exists()
    world.assert_nothing_was_sent()


def test_a_session_that_was_open_before_goes_on_where_it_was(world: World) -> None:
    world.make("expired")
    evil = world.evil.url
    with connect("crm") as api:
        Connection.objects.update(base_url=f"{evil}/api", token_url=f"{evil}/token")
        api.get("x")
    assert {request.path for request in world.good.received} == {"/token", "/api/x"}
    with connect("crm") as api, pytest.raises(SecretSealed):
        api.get("x")
    assert world.evil.received == []


def test_a_session_that_was_opened_before_sends_no_new_secret_to_the_old_host() -> None:
    """The object is read again after its host was changed; the session of it still goes where it went."""
    with api_server() as old, api_server() as new:
        connection = Connection.objects.create(
            name="CRM", slug="crm", base_url=old.url, auth_method="bearer", api_key="canary-old",
            secret_variables={"s": "canary-old"}, default_headers={"X-S": "{{ s }}"},
        )  # fmt: skip  # in rows
        used, unused = connection.session(), connection.session()
        assert used.get("x").ok
        row = Connection.objects.get(pk=connection.pk)
        row.base_url, row.api_key, row.secret_variables = new.url, "canary-new", {"s": "canary-new"}
        row.save()
        connection.refresh_from_db()
        for session in (used, unused):
            with pytest.raises(ConfigurationError, match="other hosts than when this session was opened"):
                session.get("x")
            session.close()
        with pytest.raises(ConfigurationError):
            unused.get("x", auth=("own", "credential"))
        assert connection.session().get("x").ok
    assert [request.headers["Authorization"] for request in old.received] == ["Bearer canary-old"]
    assert [request.headers["Authorization"] for request in new.received] == ["Bearer canary-new"]
