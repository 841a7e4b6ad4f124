"""Another account than before: nothing changes until a person has decided, in the admin or at the terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import responses
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from apiconnector.models import AuthorizationAttempt, Connection, ConnectionEvent, Token
from apiconnector.shortcuts import connect
from tests import provider
from tests.browserless import change_url, clerk
from tests.provider import Person
from tests.test_command_authorize import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User

    Make = Callable[..., Connection]

pytestmark = pytest.mark.django_db(transaction=True)
Outcome = AuthorizationAttempt.Outcome
ACTS = pytest.mark.parametrize("act", ["use_account", "keep_account"])


@pytest.fixture
def connection(live_server: Any, admin_user: User, django_user_model: type[User], settings: Any) -> Connection:
    settings.APICONNECTOR_BASE_URL = "http://testserver"
    provider.register(admin_user)
    django_user_model.objects.create_user("grace", password="secret")
    fields = provider.connection_fields(live_server.url)
    return Connection.objects.create(**fields, account_id_path="body.name", label_template="{{ body.name }} of Acme")


@pytest.fixture
def site(admin_user: User) -> Client:
    client = Client()
    client.force_login(admin_user)
    return client


def authorize(site: Client, connection: Connection, username: str) -> Any:
    """Press Authorize and approve as somebody; the landing page."""
    begun = site.post(reverse("admin:apiconnector_connection_authorize", args=[connection.pk]))
    back = urlsplit(Person(username).answer(begun["Location"]))
    return site.get(f"{back.path}?{back.query}")


@pytest.fixture
def held(site: Client, connection: Connection) -> AuthorizationAttempt:
    """Authorized as admin, then as grace."""
    assert authorize(site, connection, "admin").context["ok"]
    authorize(site, connection, "grace")
    return AuthorizationAttempt.objects.get(outcome=Outcome.HELD)


def press(client: Client, attempt: AuthorizationAttempt, act: str, key: str | None = None) -> Any:
    url = reverse(f"admin:apiconnector_connection_{act}", args=[attempt.connection_id])
    return client.post(url, {"attempt": attempt.pk if key is None else key}, follow=True)


def moved(connection: Connection) -> None:
    connection.token_url = "https://moved.example/token"
    connection.save()


def account() -> str:
    with connect("provider") as api:
        return str(api.get("me").json()["name"])


def told(page: Any) -> str:
    return " ".join(str(message) for message in page.context["messages"])


class TestThePanel:
    def test_it_says_who_it_was_and_who_it_is(self, site: Client, held: AuthorizationAttempt) -> None:
        text = site.get(change_url(held.connection)).content.decode()
        block = text[text.index('class="apiconnector-held"') : text.index("apiconnector-uri")]
        assert re.search(r"<dt>Before, and in use</dt><dd>admin of Acme</dd>", block)
        assert re.search(r"<dt>Now</dt><dd>grace of Acme</dd>", block)
        assert block.count(f'name="attempt" value="{held.pk}"') == 2
        assert block.count("csrfmiddlewaretoken") == 2
        assert ">Use grace of Acme</button>" in block
        assert ">Keep admin of Acme</button>" in block
        assert Connection.objects.get().status == "authorized"
        assert account() == "admin"

    def test_the_other_account_is_used(self, site: Client, held: AuthorizationAttempt, admin_user: User) -> None:
        page = press(site, held, "use_account")
        assert page.redirect_chain == [(change_url(held.connection), 302)]
        assert "uses another account now. Account: grace of Acme." in told(page)
        assert "apiconnector-held" not in page.content.decode()
        assert account() == "grace"
        assert LogEntry.objects.latest("pk").change_message == "Used another account."
        assert ConnectionEvent.objects.latest("pk").actor == admin_user

    def test_the_account_is_kept(self, site: Client, held: AuthorizationAttempt) -> None:
        page = press(site, held, "keep_account")
        assert "The other account (grace of Acme) is not used." in told(page)
        assert "apiconnector-held" not in page.content.decode()
        assert account() == "admin"
        held.refresh_from_db()
        assert not held.held
        assert LogEntry.objects.latest("pk").change_message == "Kept the account."

    @ACTS
    def test_it_is_decided_once(self, site: Client, held: AuthorizationAttempt, act: str) -> None:
        press(site, held, "keep_account")
        logged = LogEntry.objects.count()
        assert "decided already" in told(press(site, held, act))
        assert account() == "admin"
        assert LogEntry.objects.count() == logged

    @ACTS
    @pytest.mark.parametrize("key", ["", "x", "-1", "999999", "9" * 40, "\uff11", "1\x00"])
    def test_what_names_no_attempt_decides_nothing(
        self, site: Client, held: AuthorizationAttempt, act: str, key: str
    ) -> None:
        assert "decided already" in told(press(site, held, act, key))
        held.refresh_from_db()
        assert held.outcome == Outcome.HELD
        assert account() == "admin"

    @ACTS
    def test_nor_does_one_of_another_connection(
        self, site: Client, held: AuthorizationAttempt, make_connection: Make, act: str
    ) -> None:
        other = make_connection(slug="other")
        url = reverse(f"admin:apiconnector_connection_{act}", args=[other.pk])
        assert "decided already" in told(site.post(url, {"attempt": held.pk}, follow=True))
        held.refresh_from_db()
        assert held.outcome == Outcome.HELD

    def test_the_newest_is_asked_about(self, site: Client, held: AuthorizationAttempt) -> None:
        authorize(site, held.connection, "grace")
        newest = AuthorizationAttempt.objects.filter(outcome=Outcome.HELD).latest("pk")
        assert newest.pk != held.pk
        text = site.get(change_url(held.connection)).content.decode()
        assert text.count(f'name="attempt" value="{newest.pk}"') == 2
        press(site, newest, "use_account")
        assert "apiconnector-held" not in site.get(change_url(held.connection)).content.decode()

    def test_a_token_that_is_sealed_is_not_used(self, site: Client, held: AuthorizationAttempt) -> None:
        moved(Connection.objects.get())
        page = press(site, held, "use_account")
        assert "moved.example:443" in told(page)
        held.refresh_from_db()
        assert held.outcome == Outcome.HELD

    def test_no_page_holds_the_tokens(self, site: Client, held: AuthorizationAttempt) -> None:
        tokens = held.held.reveal()
        page = site.get(change_url(held.connection)).content.decode()
        assert tokens["access_token"] not in page
        assert tokens["refresh_token"] not in page
        assert held.held.stored not in page

    def test_accounts_of_the_same_name_are_told_apart(self, site: Client, connection: Connection) -> None:
        Connection.objects.update(label_template="Acme")
        authorize(site, connection, "admin")
        authorize(site, connection, "grace")
        assert AuthorizationAttempt.objects.get(outcome=Outcome.HELD).held_label == "Acme (grace)"

    def test_after_a_disconnect(self, site: Client, held: AuthorizationAttempt) -> None:
        Token.objects.all().delete()
        text = site.get(change_url(held.connection)).content.decode()
        assert "(none: it was disconnected)" in text
        press(site, held, "use_account")
        assert account() == "grace"


@ACTS
class TestTheActs:
    def test_get_is_405(self, site: Client, held: AuthorizationAttempt, act: str) -> None:
        assert site.get(reverse(f"admin:apiconnector_connection_{act}", args=[held.connection_id])).status_code == 405

    def test_without_permission_403(self, held: AuthorizationAttempt, act: str) -> None:
        person = clerk("change_connection", "view_connection")
        assert press(person, held, act).status_code == 403
        page = person.get(change_url(held.connection)).content.decode()
        assert "Somebody who may authorize connections decides." in page
        assert "_use_account" not in page

    def test_without_csrf_token_403(self, held: AuthorizationAttempt, admin_user: User, act: str) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(admin_user)
        assert press(client, held, act).status_code == 403


def test_the_landing_page_is_neither_success_nor_failure(site: Client, connection: Connection) -> None:
    authorize(site, connection, "admin")
    page = authorize(site, connection, "grace")
    assert page.status_code == 200
    text = page.content.decode()
    assert "<h1>Another account</h1>" in text
    assert '<main class="held">' in text
    assert "uthorized</h1>" not in text
    assert 'http-equiv="refresh"' not in text
    assert f'href="{change_url(connection)}">Go to the connection and decide</a>' in text
    assert "grace of Acme" in text


class Asked(Terminal):
    """A terminal where a second line is typed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, reply: str) -> None:
        super().__init__(monkeypatch)
        self.reply, self.answer = reply, Person("grace").answer

    def readline(self) -> str:
        if self.url:
            assert self.err.getvalue().rstrip().endswith("Use the other account instead? [y/N]")
            return self.reply
        return super().readline()


class TestTheCommand:
    @pytest.mark.parametrize("reply", ["y\n", "Y", " yes \n", "YES\n"])
    def test_yes(self, site: Client, connection: Connection, monkeypatch: pytest.MonkeyPatch, reply: str) -> None:
        authorize(site, connection, "admin")
        terminal = Asked(monkeypatch, reply)
        assert terminal.authorize() == 0
        assert "This is another account: grace of Acme." in terminal.err.getvalue()
        assert "uses another account now" in terminal.out.getvalue()
        assert account() == "grace"

    @pytest.mark.parametrize("reply", ["", "\n", "n\n", "no\n", "yess\n", "ja\n"])
    def test_anything_else_is_no(
        self, site: Client, connection: Connection, monkeypatch: pytest.MonkeyPatch, reply: str
    ) -> None:
        authorize(site, connection, "admin")
        terminal = Asked(monkeypatch, reply)
        assert terminal.authorize() == 1
        assert terminal.err.getvalue().splitlines()[-1].startswith("The other account (grace of Acme) is not used.")
        assert account() == "admin"
        assert not AuthorizationAttempt.objects.filter(outcome=Outcome.HELD).exists()

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda: moved(Connection.objects.get()), "moved.example:443"),
            (lambda: AuthorizationAttempt.objects.all().delete(), "removed in the meantime"),
            (lambda: AuthorizationAttempt.objects.update(held=""), "not there any more"),
        ],
        ids=["moved", "removed", "forgotten"],
    )
    def test_what_somebody_else_changed_meanwhile_is_seen(
        self, site: Client, connection: Connection, monkeypatch: pytest.MonkeyPatch, change: Any, words: str
    ) -> None:
        authorize(site, connection, "admin")
        terminal = Asked(monkeypatch, "y\n")
        say_yes = terminal.readline

        def readline() -> str:
            if terminal.url:
                change()
            return say_yes()

        monkeypatch.setattr(terminal, "readline", readline)
        assert terminal.authorize() == 1
        assert words in terminal.err.getvalue().splitlines()[-1]
        assert Token.objects.get().account_id == "admin"

    def test_the_same_account_is_not_asked_about(
        self, site: Client, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        authorize(site, connection, "grace")
        terminal = Asked(monkeypatch, "y\n")
        assert terminal.authorize() == 0
        assert "[y/N]" not in terminal.err.getvalue()


class TestAnAccountUsedTwice:
    @responses.activate
    def test_test_says_so(self, admin_client: Client, make_connection: Make) -> None:
        fields = {"test_path": "me", "account_id_path": "body.id", "auth_method": "bearer", "api_key": "k"}
        first, second = make_connection(name="First", **fields), make_connection(name="Second", slug="second", **fields)
        Token.objects.create(connection=first, access_token="t", account_id="7")
        responses.get("https://api.example.com/v1/me", json={"id": 7})
        page = admin_client.post(reverse("admin:apiconnector_connection_test", args=[second.pk]), follow=True)
        assert "“First” uses this account already" in told(page)
        assert "“First” uses this account already" in ConnectionEvent.objects.get().message
        page = admin_client.post(reverse("admin:apiconnector_connection_test", args=[first.pk]), follow=True)
        assert "already" not in told(page)
        assert "already" not in ConnectionEvent.objects.latest("pk").message
