"""``manage.py apiconnector authorize``: a browser somewhere else, and the address pasted back."""

from __future__ import annotations

import io
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from apiconnector.models import AuthorizationAttempt, Connection, ConnectionEvent, Token
from apiconnector.shortcuts import connect
from tests import provider
from tests.provider import Person

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connection(live_server: Any, admin_user: User, settings: Any) -> Connection:
    settings.APICONNECTOR_BASE_URL = "http://testserver"
    provider.register(admin_user)
    return Connection.objects.create(**provider.connection_fields(live_server.url))


class Terminal:
    """Runs the command; ``answer`` is handed the URL it printed and returns the line that is typed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.out, self.err, self.url = io.StringIO(), io.StringIO(), ""
        self.answer: Callable[[str], str] = Person().answer
        monkeypatch.setattr("sys.stdin", self)

    def readline(self) -> str:
        (self.url,) = self.out.getvalue().splitlines()
        return self.answer(self.url) + "\n"

    def authorize(self, slug: str = "provider") -> int:
        try:
            call_command("apiconnector", "authorize", slug, stdout=self.out, stderr=self.err, no_color=True)
        except SystemExit as ended:
            return int(str(ended.code))
        return 0

    @property
    def reason(self) -> str:
        """The one line that says why not: what comes after the prompt."""
        *_, prompt, reason = self.err.getvalue().splitlines()
        assert prompt.startswith("Then paste")
        assert "canary" not in reason
        return reason


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(monkeypatch)


def visit(url: str, browser: Client | None = None) -> Any:
    """Land on the callback, as the browser does."""
    parts = urlsplit(url)
    return (browser or Client()).get(f"{parts.path}?{parts.query}")


def test_the_whole_dance(terminal: Terminal, connection: Connection) -> None:
    assert terminal.authorize() == 0
    query = parse_qs(urlsplit(terminal.url).query)
    assert query["redirect_uri"] == [provider.REDIRECT_URI]
    assert query["code_challenge_method"] == ["S256"]
    assert terminal.out.getvalue().splitlines()[1:] == ["“Provider” is authorized."]
    assert AuthorizationAttempt.objects.get().via == "command"
    assert ConnectionEvent.objects.get(kind="authorized").actor is None
    with connect("provider") as api:
        assert api.get("me").json()["name"] == "admin"


@pytest.mark.parametrize(
    "form",
    ["{query}", "?{query}", "{url}#_=_", "{query}#_=_", "  '{url}' ", "<{url}>", "https://[broken?{query}"],
)
def test_what_may_be_pasted(terminal: Terminal, connection: Connection, form: str) -> None:
    def answer(url: str) -> str:
        back = Person().answer(url)
        return form.format(url=back, query=urlsplit(back).query)

    terminal.answer = answer
    assert terminal.authorize() == 0
    assert Token.objects.get().generation == 1


def test_the_page_shows_what_to_paste_and_spends_nothing(
    terminal: Terminal, connection: Connection, admin_user: User
) -> None:
    pages: list[Any] = []

    def answer(url: str) -> str:
        back = Person().answer(url)
        signed_in = Client()
        signed_in.force_login(admin_user)
        pages.extend(visit(f'{back}&odd="><script>', browser) for browser in (Client(), signed_in))
        return str(pages[0].context["address"])

    terminal.answer = answer
    assert terminal.authorize() == 0
    for page in pages:
        assert page.status_code == 200
        assert page["Referrer-Policy"] == "no-referrer"
        assert "no-store" in page["Cache-Control"]
        text = page.content.decode()
        assert "<textarea readonly" in text
        assert f"{provider.REDIRECT_URI}?" in text
        assert "<script>" not in text
        assert "refresh" not in text


def test_rendering_the_page_logs_no_code(
    terminal: Terminal, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """For a name that a template does not find, Django logs all the others."""

    def answer(url: str) -> str:
        back = Person().answer(url)
        caplog.clear()
        with caplog.at_level(logging.DEBUG, logger="django.template"):
            visit(back)
        assert parse_qs(urlsplit(back).query)["code"][0] not in caplog.text
        assert "Exception while resolving" not in caplog.text
        return back

    terminal.answer = answer
    assert terminal.authorize() == 0


def test_the_page_afterwards_shows_how_it_ended(terminal: Terminal, connection: Connection) -> None:
    back: list[str] = []

    def answer(url: str) -> str:
        back.append(Person().answer(url))
        return back[0]

    terminal.answer = answer
    terminal.authorize()
    page = visit(back[0])
    assert page.status_code == 200
    assert "is authorized" in page.content.decode()
    assert "<textarea readonly" not in page.content.decode()


def test_the_page_of_one_that_is_too_old(terminal: Terminal, connection: Connection) -> None:
    pages: list[Any] = []

    def answer(url: str) -> str:
        AuthorizationAttempt.objects.update(created_at=timezone.now() - timedelta(minutes=11))
        back = Person().answer(url)
        pages.append(visit(back))
        return back

    terminal.answer = answer
    assert terminal.authorize() == 1
    assert "ten minutes" in terminal.reason
    assert "Run the command again" in terminal.reason
    assert pages[0].status_code == 400
    assert "ten minutes" in pages[0].content.decode()
    assert AuthorizationAttempt.objects.get().outcome == "expired"
    assert not Token.objects.exists()


def test_an_attempt_of_the_admin_is_not_answered_here(
    terminal: Terminal, connection: Connection, admin_user: User
) -> None:
    site = Client()
    site.force_login(admin_user)
    begun = site.post(f"/admin/apiconnector/connection/{connection.pk}/authorize/")["Location"]
    terminal.answer = lambda _: Person().answer(begun)
    assert terminal.authorize() == 1
    assert "The state is not the one of this attempt" in terminal.reason
    assert visit(Person().answer(begun), site).status_code == 200


def test_an_attempt_of_another_terminal_is_not_answered_here(
    terminal: Terminal, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(url: str) -> str:
        other = Terminal(monkeypatch)
        other.answer = lambda _: Person().answer(url)
        assert other.authorize() == 1
        assert "The state is not the one" in other.reason
        return Person().answer(url)

    terminal.answer = answer
    assert terminal.authorize() == 0


def test_one_that_was_used(terminal: Terminal, connection: Connection) -> None:
    def answer(url: str) -> str:
        AuthorizationAttempt.objects.update(used_at=timezone.now())
        return Person().answer(url)

    terminal.answer = answer
    assert terminal.authorize() == 1
    assert "used already" in terminal.reason
    assert not Token.objects.exists()


def test_denied(terminal: Terminal, connection: Connection) -> None:
    terminal.answer = lambda url: Person().answer(url, allow=False)
    assert terminal.authorize() == 1
    assert "was denied" in terminal.reason
    assert "The provider said: access_denied" in terminal.reason
    assert AuthorizationAttempt.objects.get().outcome == "denied"


def test_the_verifier_is_checked_by_the_provider(terminal: Terminal, connection: Connection) -> None:
    def answer(url: str) -> str:
        attempt = AuthorizationAttempt.objects.get()
        attempt.verifier = "x" * 43
        attempt.save()
        return Person().answer(url)

    terminal.answer = answer
    assert terminal.authorize() == 1
    assert "invalid_grant" in terminal.reason
    assert not Token.objects.exists()


def test_a_wrong_client_secret(terminal: Terminal, connection: Connection) -> None:
    connection.client_secret = "canary-wrong"
    connection.save()
    assert terminal.authorize() == 1
    assert "invalid_client" in terminal.reason
    connection.refresh_from_db()
    assert connection.status == "misconfigured"


def test_the_providers_words_hold_no_secret_and_no_escape(terminal: Terminal, connection: Connection) -> None:
    def answer(url: str) -> str:
        state = parse_qs(urlsplit(url).query)["state"][0]
        return f"state={state}&error=odd&error_description=%1B[2J{provider.CLIENT_SECRET}%0Aline"

    terminal.answer = answer
    assert terminal.authorize() == 1
    assert "odd: [2J[redacted] line" in terminal.reason


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "Nothing was pasted"),
        ("hello", "no state"),
        ("http://testserver/oauth/callback", "no state"),
        ("code=a&state=forged", "The state is not the one"),
        ("state=a&state=b&code=c", "twice"),
        ("state=" + "x" * 70_000, "too long"),
    ],
    ids=["nothing", "word", "no query", "forged", "twice", "long"],
)
def test_what_is_refused(terminal: Terminal, connection: Connection, line: str, words: str) -> None:
    terminal.answer = lambda _: line
    assert terminal.authorize() == 1
    assert words in terminal.reason
    assert AuthorizationAttempt.objects.get().used_at is None


def test_the_address_to_open_is_not_the_one_to_paste(terminal: Terminal, connection: Connection) -> None:
    terminal.answer = lambda url: url
    assert terminal.authorize() == 1
    assert "the address to open" in terminal.reason


def test_ctrl_c(terminal: Terminal, connection: Connection) -> None:
    def answer(url: str) -> str:
        raise KeyboardInterrupt

    terminal.answer = answer
    assert terminal.authorize() == 1
    assert terminal.reason == "Stopped."


class TestBefore:
    """What is found before anything is begun: one line, and no attempt."""

    def refused(self, terminal: Terminal) -> str:
        assert terminal.authorize() == 1
        assert terminal.out.getvalue() == ""
        assert not AuthorizationAttempt.objects.exists()
        (line,) = terminal.err.getvalue().splitlines()
        return line

    def test_no_public_origin(self, terminal: Terminal, connection: Connection, settings: Any) -> None:
        del settings.APICONNECTOR_BASE_URL
        assert "Set APICONNECTOR_BASE_URL" in self.refused(terminal)

    def test_a_field_is_missing(self, terminal: Terminal, connection: Connection) -> None:
        Connection.objects.update(authorization_url="")
        assert "authorization URL: This field is required." in self.refused(terminal)

    def test_no_person_is_needed(self, terminal: Terminal, connection: Connection) -> None:
        Connection.objects.update(auth_method="none")
        assert "Only the authorization code method" in self.refused(terminal)

    def test_an_unknown_slug(self, terminal: Terminal, connection: Connection) -> None:
        with pytest.raises(CommandError) as failed:
            terminal.authorize("providr")
        assert failed.value.returncode == 2
        assert "Did you mean “provider”?" in str(failed.value)
