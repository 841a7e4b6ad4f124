"""Where codes, states and tokens do not end up: RFC 9700 sections 4.2 and 4.3, OAuth 2.1 sections 2.3.6 and 7.1.3."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.test import Client

from apiconnector.models import AuthorizationAttempt, Connection, Token
from tests import provider
from tests.provider import Person
from tests.security.dance import CALLBACK, CODE, come_back, land, param, press, state_of, text
from tests.security.test_redirects import addresses

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from tests.token_server import TokenServer

pytestmark = pytest.mark.django_db


def everything_kept(*, but: tuple[str, ...] = ()) -> str:
    """Every row of every table, and every session as it reads."""
    rows = [
        str(list(model._default_manager.values()))
        for model in apps.get_models()
        if model._meta.app_label not in but and model._meta.db_table
    ]
    return " ".join([*rows, *(str(session.get_decoded()) for session in Session.objects.all())])


PARAMS: dict[str, dict[str, str]] = {
    "authorized": {"code": CODE},
    "refused": {"code": CODE},
    "denied": {"error": "access_denied", "error_description": f"code {CODE}", "code": CODE},
    "another issuer": {"code": CODE, "iss": "https://canary-evil.example"},
    "extra": {"code": CODE, "session_state": "canary-session-state", "id_token": "canary-id-token", "canary-name": "x"},
    "implicit": {"access_token": "canary-access-token", "token_type": "bearer"},
}


@pytest.mark.parametrize("case", PARAMS)
def test_nothing_of_the_callback_is_kept(
    site: Client, connection: Connection, server: TokenServer, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    """Not in a session, a message, the admin's log, an event or the attempt; nor on the page or in a log."""
    caplog.set_level("DEBUG")
    connection.issuer = "https://issuer.example"
    connection.save()
    if case == "refused":
        server.answers = [(400, {"error": "invalid_grant", "error_description": f"The code {CODE} is not valid"})]
    state = state_of(press(site, connection))
    page = land(site, state=state, **PARAMS[case])
    site.get(f"/admin/apiconnector/connection/{connection.pk}/change/")
    kept, seen = everything_kept(), f"{text(page)} {page.headers} {page.cookies}"
    for secret in (state, "canary-", "session_state"):
        assert secret not in kept
        assert secret not in seen
    assert CODE not in caplog.text
    assert state not in caplog.text


def test_a_real_dance_leaves_nothing_either(site: Client, real: Connection) -> None:
    """The code, both tokens and the client secret of django-oauth-toolkit, whose own tables are left out."""
    url = press(site, real)
    back = Person().answer(url)
    page = come_back(site, back)
    token = Token.objects.get()
    kept, seen = everything_kept(but=("oauth2_provider",)), f"{text(page)} {page.headers} {page.cookies}"
    secrets = [param(back, "code"), state_of(url), token.access_token.reveal(), token.refresh_token.reveal(),
               provider.CLIENT_SECRET]  # fmt: skip  # in rows
    assert all(len(secret) >= 20 for secret in secrets)
    for secret in secrets:
        assert secret not in kept
        assert secret not in seen


@pytest.mark.parametrize("case", ["authorized", "denied", "foreign", "unknown", "unusable"])
def test_the_landing_page_is_alone(site: Client, connection: Connection, case: str) -> None:
    """No script, nothing from elsewhere, no address but the admin's, no referrer, no copy in a cache."""
    state = state_of(press(site, connection))
    page = {
        "authorized": lambda: land(site, state=state, code=CODE),
        "denied": lambda: land(site, state=state, error="access_denied"),
        "foreign": lambda: land(Client(), state=state, code=CODE),
        "unknown": lambda: land(site, state="A" * 40, code=CODE),
        "unusable": lambda: land(site, code=CODE),
    }[case]()
    policy = dict(part.strip().split(" ", 1) for part in page["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'", "style-src": "'unsafe-inline'", "frame-ancestors": "'none'", "base-uri": "'none'",
    }  # fmt: skip  # in rows
    assert page["Referrer-Policy"] == "no-referrer"
    assert {"no-store", "private"} <= set(page["Cache-Control"].replace(" ", "").split(","))
    assert "<script" not in text(page)
    assert not re.search(r"\son\w+=|url\(|@import|<(?:img|link|iframe|object|embed|form|base)\b", text(page))
    assert all(address.startswith("/admin/") for address in addresses(page))
    assert not re.search(r"[?&#](?:code|state)=", text(page))


def test_the_page_goes_on_without_code_and_state(site: Client, connection: Connection) -> None:
    """By a meta refresh: no script is needed, and the address with the code, which is spent, is left behind."""
    page = land(site, state=state_of(press(site, connection)), code=CODE)
    (refresh,) = re.findall(r'http-equiv="refresh" content="([^"]*)"', text(page))
    assert refresh == f"3;url=/admin/apiconnector/connection/{connection.pk}/change/"


class TestTheProvidersWords:
    @pytest.mark.parametrize(
        "uri", ["javascript:alert(1)", "https://evil.example/", "data:text/html,x", "//evil.example", "JaVaScRiPt:x"]
    )
    def test_its_page_on_the_error_is_no_link(self, site: Client, connection: Connection, uri: str) -> None:
        """RFC 9700 section 4.2.4: no links to external sites."""
        page = land(site, state=state_of(press(site, connection)), error="odd", error_uri=uri)
        assert uri not in text(page)
        assert all(address.startswith("/admin/") for address in addresses(page))

    @pytest.mark.parametrize("name", ["error", "error_description"])
    def test_they_are_text_on_one_line(self, site: Client, connection: Connection, name: str) -> None:
        words = "a\u202eb\u2066c\u200fd\u061ce<b>f</b>\r\ng\x00h\x1b[1mi</dd><script>"
        params = {"error": "odd", name: words}
        page = land(site, state=state_of(press(site, connection)), **params)
        assert "abcde&lt;b&gt;f&lt;/b&gt;  gh[1mi&lt;/dd&gt;&lt;script&gt;" in text(page)
        assert getattr(AuthorizationAttempt.objects.get(), name) == "abcde<b>f</b>  gh[1mi</dd><script>"

    @pytest.mark.parametrize("repeated", [f"code {CODE}", "state {state}", f"{{state}}{CODE}"])
    def test_they_repeat_neither_code_nor_state(self, site: Client, connection: Connection, repeated: str) -> None:
        state = state_of(press(site, connection))
        page = land(site, state=state, code=CODE, error="odd", error_description=repeated.format(state=state))
        assert "[redacted]" in text(page)
        attempt = AuthorizationAttempt.objects.get()
        assert CODE not in attempt.error_description
        assert state not in attempt.error_description

    def test_a_stranger_puts_no_words_on_this_site(self, site: Client, connection: Connection) -> None:
        """A link to the callback could make the site say anything; who is waiting for an answer may read it."""
        params = {"error": "odd", "error_description": "Call 555-0100 to unlock your account"}
        assert "555-0100" not in text(land(Client(), **params))
        press(site, connection)
        assert "555-0100" in text(land(site, **params))

    def test_a_stranger_is_not_told_where_the_admin_is(self, site: Client, connection: Connection) -> None:
        state = state_of(press(site, connection))
        for page in (land(Client()), land(Client(), state="A" * 40), land(Client(), state=state)):
            assert addresses(page) == set()
        assert addresses(land(site, state="A" * 40)) == {"/admin/apiconnector/connection/"}


class TestTokensComeFromTheTokenEndpointOnly:
    """RFC 9700 sections 2.1.2 and 4.6: no implicit grant, no token that somebody hands in."""

    @pytest.mark.parametrize("extra", [{}, {"code": ""}, {"refresh_token": "canary-refresh"}, {"expires_in": "3600"}])
    def test_a_token_in_the_callback_is_never_used(
        self, site: Client, connection: Connection, server: TokenServer, extra: dict[str, str]
    ) -> None:
        state = state_of(press(site, connection))
        page = land(site, state=state, access_token="canary-token", token_type="Bearer", **extra)
        assert page.status_code == 400
        assert "neither a code nor an error" in text(page)
        assert server.requests == []
        assert not Token.objects.exists()

    def test_beside_a_code_it_is_ignored(self, site: Client, connection: Connection) -> None:
        land(site, state=state_of(press(site, connection)), code=CODE, access_token="canary-token")
        assert Token.objects.get().access_token.reveal() == "access-1"

    def test_what_is_asked_for_is_a_code(self, site: Client, connection: Connection) -> None:
        connection.authorization_url += "?response_type=token&response_mode=fragment"
        connection.save()
        assert param(press(site, connection), "response_type") == "code"


def test_the_client_secret_is_not_in_the_browser(site: Client, connection: Connection) -> None:
    """Nor anything else but what the authorization request is made of (OAuth 2.1 section 2.4.1)."""
    answer = site.post(f"/admin/apiconnector/connection/{connection.pk}/authorize/")
    assert "canary-secret" not in f"{answer.headers} {answer.cookies} {text(answer)}"
    names = set(re.findall(r"[?&]([a-z_]+)=", answer["Location"]))
    assert names == {"response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge",
                     "code_challenge_method"}  # fmt: skip  # in rows


def test_a_token_is_in_no_cookie(site: Client, connection: Connection, admin_user: User) -> None:
    """OAuth 2.1 section 7.1.3.4."""
    page = land(site, state=state_of(press(site, connection)), code=CODE)
    assert Token.objects.get().access_token.reveal() == "access-1"
    assert page.cookies == {}
    assert "access-1" not in str(site.cookies)


def test_head_tells_nothing(site: Client, connection: Connection) -> None:
    state = state_of(press(site, connection))
    answer = site.head(f"{CALLBACK}?state={state}&code={CODE}")
    assert answer.status_code == 405
    assert AuthorizationAttempt.objects.get().used_at is None
