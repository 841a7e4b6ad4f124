"""The dance against django-oauth-toolkit over real HTTP, and everything that can go wrong on the way."""

from __future__ import annotations

import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst

from apiconnector import signals
from apiconnector.authorize import complete, grant
from apiconnector.models import AuthorizationAttempt, Connection, ConnectionEvent, Token
from apiconnector.shortcuts import connect
from tests import provider
from tests.provider import Person

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.contrib.auth.models import User

pytestmark = pytest.mark.django_db(transaction=True)
CALLBACK = "/oauth/callback"


@pytest.fixture
def connection(live_server: Any, admin_user: User) -> Connection:
    provider.register(admin_user)
    return Connection.objects.create(**provider.connection_fields(live_server.url))


@pytest.fixture
def site(admin_user: User) -> Client:
    """The admin's browser on this site."""
    client = Client()
    client.force_login(admin_user)
    return client


def press_authorize(site: Client, connection: Connection) -> str:
    response = site.post(reverse("admin:apiconnector_connection_authorize", args=[connection.pk]))
    assert response.status_code == 302
    return str(response["Location"])


def come_back(site: Client, url: str) -> Any:
    parts = urlsplit(url)
    assert parts.path == CALLBACK
    return site.get(f"{parts.path}?{parts.query}")


def state_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]


def text(response: Any) -> str:
    return str(response.content.decode())


def test_the_whole_dance(site: Client, connection: Connection, admin_user: User) -> None:
    heard: list[Any] = []

    def hear(**kwargs: Any) -> None:
        heard.append((kwargs["connection"].slug, kwargs["actor"]))

    signals.connection_authorized.connect(hear)
    try:
        url = press_authorize(site, connection)
        query = parse_qs(urlsplit(url).query)
        assert query["redirect_uri"] == [provider.REDIRECT_URI]
        assert query["code_challenge_method"] == ["S256"]
        assert len(query["state"][0]) == 40
        assert query["state"][0].isalnum()
        page = come_back(site, Person().answer(url))
    finally:
        signals.connection_authorized.disconnect(hear)

    assert page.status_code == 200
    assert "Provider” is authorized" in text(page)
    assert reverse("admin:apiconnector_connection_change", args=[connection.pk]) in text(page)
    connection.refresh_from_db()
    assert connection.status == "authorized"
    assert connection.token.scope == "read write"
    assert connection.token.redirect_uri == provider.REDIRECT_URI
    assert heard == [("provider", admin_user)]
    assert ConnectionEvent.objects.get(kind="authorized").actor == admin_user
    with connect("provider") as api:
        assert api.get("me").json() == {"id": 7, "name": "admin"}


def test_a_reload_shows_the_outcome_again_without_an_exchange(site: Client, connection: Connection) -> None:
    back = Person().answer(press_authorize(site, connection))
    come_back(site, back)
    before = Token.objects.get().generation
    again = come_back(site, back)
    assert again.status_code == 200
    assert "is authorized" in text(again)
    assert Token.objects.get().generation == before
    assert ConnectionEvent.objects.filter(kind="authorized").count() == 1


def test_two_tabs_do_not_disturb_each_other(site: Client, connection: Connection) -> None:
    person = Person()
    first, second = press_authorize(site, connection), press_authorize(site, connection)
    assert come_back(site, person.answer(second)).status_code == 200
    assert come_back(site, person.answer(first)).status_code == 200
    assert Token.objects.get().generation == 2


def test_the_cookie_is_the_attempts_own(site: Client, connection: Connection) -> None:
    response = site.post(reverse("admin:apiconnector_connection_authorize", args=[connection.pk]))
    (cookie,) = (morsel for name, morsel in response.cookies.items() if name.startswith("apiconnector_"))
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == CALLBACK
    assert not cookie["secure"]


def test_the_cookie_is_secure_on_https(site: Client, connection: Connection, settings: Any) -> None:
    settings.APICONNECTOR_BASE_URL = "https://testserver"
    response = site.post(reverse("admin:apiconnector_connection_authorize", args=[connection.pk]))
    (cookie,) = (morsel for name, morsel in response.cookies.items() if name.startswith("__Secure-apiconnector_"))
    assert cookie["secure"]


def test_a_missing_session_is_not_another_user(site: Client, connection: Connection) -> None:
    """What the browser does with SESSION_COOKIE_SAMESITE = "Strict": only the Lax cookie comes along."""
    back = Person().answer(press_authorize(site, connection))
    del site.cookies["sessionid"]
    assert come_back(site, back).status_code == 200


def test_a_login_required_site_lets_the_callback_through(site: Client, connection: Connection, settings: Any) -> None:
    back = Person().answer(press_authorize(site, connection))
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    del site.cookies["sessionid"]
    assert come_back(site, back).status_code == 200


def test_another_browser_is_refused_and_spends_nothing(site: Client, connection: Connection, admin_user: User) -> None:
    back = Person().answer(press_authorize(site, connection))
    other = Client()
    other.force_login(admin_user)
    refused = come_back(other, back)
    assert refused.status_code == 403
    assert "another browser" in text(refused)
    assert come_back(site, back).status_code == 200


def test_another_user_is_refused_and_spends_nothing(
    site: Client, connection: Connection, admin_user: User, django_user_model: type[User]
) -> None:
    back = Person().answer(press_authorize(site, connection))
    site.force_login(django_user_model.objects.create_superuser("other", "other@example.org", "secret"))
    refused = come_back(site, back)
    assert refused.status_code == 403
    assert "another user" in text(refused)
    site.force_login(admin_user)
    assert come_back(site, back).status_code == 200


def test_an_expired_state(site: Client, connection: Connection) -> None:
    back = Person().answer(press_authorize(site, connection))
    AuthorizationAttempt.objects.update(created_at=timezone.now() - timedelta(minutes=11))
    page = come_back(site, back)
    assert page.status_code == 400
    assert "ten minutes" in text(page)
    assert not Token.objects.exists()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "no state"),
        ("code=abc", "no state"),
        ("code=abc&state=", "no state"),
        ("code=abc&state=forged", "No attempt with this state"),
        ("code=abc&state=%ff%fe%00", "No attempt with this state"),
        ("error=access_denied", "no state"),
        ("state=a&state=b&code=c", "twice"),
        ("state=a&code=b&code=c", "twice"),
        ("state=a&error=b&error=c", "twice"),
        ("state=a&iss=b&iss=c", "twice"),
        ("code=" + "x" * 70_000, "too long"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_callbacks_that_belong_to_nothing(client: Client, db: None, query: str, words: str) -> None:
    page = client.get(f"{CALLBACK}?{query}")
    assert page.status_code == 400
    assert words in text(page)
    assert page["Referrer-Policy"] == "no-referrer"


def test_a_state_sent_twice_is_not_spent(site: Client, connection: Connection) -> None:
    back = Person().answer(press_authorize(site, connection))
    assert come_back(site, f"{back}&state=again").status_code == 400
    assert come_back(site, back).status_code == 200


def test_head_and_other_methods_spend_nothing(site: Client, connection: Connection) -> None:
    back = Person().answer(press_authorize(site, connection))
    target = f"{CALLBACK}?{urlsplit(back).query}"
    for method in (site.head, site.put, site.delete, site.options):
        assert method(target).status_code == 405
    assert come_back(site, back).status_code == 200


def test_form_post_is_sent_through_get(site: Client, connection: Connection) -> None:
    back = Person().answer(press_authorize(site, connection))
    fields = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    cross_site = Client(enforce_csrf_checks=True)
    more = {"id_token": "x" * 100, "auth_code": "y" * 3_500, "long": "z" * 8_000, "user": "a dialect may keep it"}
    answer = cross_site.post(CALLBACK, {**more, **fields})
    assert answer.status_code == 303
    assert "user=a+dialect" in answer["Location"]
    assert "auth_code=yyy" in answer["Location"]
    assert "id_token" not in answer["Location"], "nobody reads it"
    assert "long" not in answer["Location"], "it would make the address too long for many servers"
    assert come_back(site, answer["Location"]).status_code == 200


def test_denied(site: Client, connection: Connection) -> None:
    page = come_back(site, Person().answer(press_authorize(site, connection), allow=False))
    assert page.status_code == 400
    assert "access_denied" in text(page)
    assert "was denied" in text(page)
    connection.refresh_from_db()
    assert connection.status == "not_authorized"
    assert not Token.objects.exists()


def test_the_providers_words_are_shown_escaped(site: Client, connection: Connection) -> None:
    state = state_of(press_authorize(site, connection))
    page = site.get(CALLBACK, {"state": state, "error": "odd<script>", "error_description": "<img src=x>"})
    assert page.status_code == 400
    assert "odd&lt;script&gt;" in page.content.decode()
    assert "<img src=x>" not in page.content.decode()


@pytest.mark.parametrize(("iss", "status"), [("https://evil.example", 400), ("", 200), ("https://issuer.example", 200)])
def test_the_issuer_is_compared(site: Client, connection: Connection, iss: str, status: int) -> None:
    connection.issuer = "https://issuer.example"
    connection.save()
    back = Person().answer(press_authorize(site, connection))
    if iss:
        back += "&" + urlencode({"iss": iss})
    assert come_back(site, back).status_code == status
    assert Token.objects.exists() is (status == 200)


def test_a_wrong_client_secret_is_the_administrators_matter(site: Client, connection: Connection) -> None:
    connection.client_secret = "canary-wrong"
    connection.save()
    page = come_back(site, Person().answer(press_authorize(site, connection)))
    assert page.status_code == 400
    assert "invalid_client" in text(page)
    assert "canary" not in text(page)
    connection.refresh_from_db()
    assert connection.status == "misconfigured"
    assert not Token.objects.exists()
    connection.client_secret = provider.CLIENT_SECRET
    connection.save()
    assert connection.status == "not_authorized"


def test_a_failed_reauthorization_leaves_the_working_token(site: Client, connection: Connection) -> None:
    person = Person()
    come_back(site, person.answer(press_authorize(site, connection)))
    token = Token.objects.get()
    back = person.answer(press_authorize(site, connection))
    Connection.objects.update(token_url="http://127.0.0.1:9/token")
    page = come_back(site, back)
    assert page.status_code == 400
    connection.refresh_from_db()
    assert Token.objects.get().generation == token.generation
    assert connection.problem == ""


class Nonsense(BaseHTTPRequestHandler):
    """A token endpoint that answers what the path says."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.strip("/")
        body = {
            "html": b"<html><h1>It works</h1></html>",
            "utf8": b'{"access_token": "\xff\xfe',
            "empty": b"",
            "null": b"null",
            "list": b"[1]",
            "deep": b"[" * 100_000,
            "no-token": b'{"token_type": "bearer"}',
            "number": b'{"access_token": 5}',
            "error-200": b'{"error": {"code": 1}, "access_token": "x"}',
            "control": b'{"access_token": "a\\nb"}',
            "huge": b'{"access_token": "' + b"x" * 10_000_000 + b'"}',
        }.get(name, b"")
        status = {"redirect": 302, "down": 503, "unavailable": 500}.get(name, 200)
        self.send_response(status)
        if name == "redirect":
            self.send_header("Location", "/empty?secret=canary")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass  # the client stopped reading, as it should

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def nonsense() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Nonsense)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    "name",
    ["html", "utf8", "empty", "null", "list", "deep", "no-token", "number", "error-200", "control", "huge", "redirect",
     "down", "unavailable", "refused"],
)  # fmt: skip  # in rows
def test_a_token_endpoint_that_answers_nonsense(
    site: Client, make_connection: Callable[..., Connection], admin_user: User, nonsense: str, name: str
) -> None:
    url = "http://127.0.0.1:9/" if name == "refused" else f"{nonsense}/{name}"
    connection = make_connection(
        auth_method="oauth2_authorization_code", client_id="id", client_secret="canary-secret", token_url=url,
        authorization_url="https://provider.example/authorize", base_url="https://api.example.com",
    )  # fmt: skip  # in rows
    state = state_of(press_authorize(site, connection))
    page = site.get(CALLBACK, {"state": state, "code": "canary-code"})
    assert page.status_code == 400
    assert "Not authorized" in page.content.decode()
    assert "canary" not in page.content.decode()
    assert not Token.objects.exists()
    connection.refresh_from_db()
    assert connection.status == ("misconfigured" if name == "redirect" else "not_authorized")
    assert ConnectionEvent.objects.get(kind="failed", message__startswith="Authorizing failed").actor == admin_user


def test_a_connection_deleted_while_the_provider_answers(
    site: Client, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = Person().answer(press_authorize(site, connection))
    real = grant.exchange

    def deleted_meanwhile(*arguments: Any) -> Any:
        answer = real(*arguments)
        Connection.objects.all().delete()
        return answer

    monkeypatch.setattr(complete, "exchange", deleted_meanwhile)
    page = come_back(site, back)
    assert page.status_code == 400
    assert "deleted" in text(page)
    assert not Token.objects.exists()


def test_disconnect_revokes_at_the_provider_and_can_be_repeated(site: Client, connection: Connection) -> None:
    come_back(site, Person().answer(press_authorize(site, connection)))
    connection.refresh_from_db()
    access = connection.token.access_token.reveal()
    url = reverse("admin:apiconnector_connection_disconnect", args=[connection.pk])
    for _ in range(2):
        assert site.post(url).status_code == 302
    connection = Connection.objects.get()
    assert connection.status == "not_authorized"
    assert ConnectionEvent.objects.filter(kind="revoked").count() == 1
    bare = make_bearer(connection, access)
    with connect(bare.slug) as api:
        assert api.get("me").status_code in {401, 403}


def make_bearer(connection: Connection, token: str) -> Connection:
    return Connection.objects.create(
        name="Bare", slug="bare", base_url=connection.base_url, auth_method="bearer", api_key=token
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"client_id": ""}, "client_id"),
        ({"client_secret": ""}, "client_secret"),
        ({"authorization_url": ""}, "authorization_url"),
        ({"token_url": "ftp://example.org"}, "token_url"),
        ({"is_active": False}, "is_active"),
    ],
)
def test_authorize_goes_back_to_the_form_and_names_the_field(
    site: Client, connection: Connection, change: dict[str, Any], field: str
) -> None:
    for name, value in change.items():
        setattr(connection, name, value)
    connection.save()
    response = site.post(reverse("admin:apiconnector_connection_authorize", args=[connection.pk]), follow=True)
    target, _ = response.redirect_chain[0]
    assert target == reverse("admin:apiconnector_connection_change", args=[connection.pk]) + f"#id_{field}"
    label = capfirst(Connection.label_of(field))
    assert any(str(message).startswith(label) for message in response.context["messages"])
    assert not AuthorizationAttempt.objects.exists()


def test_authorize_on_another_host_says_so_and_links_there(site: Client, connection: Connection, settings: Any) -> None:
    settings.APICONNECTOR_BASE_URL = "https://www.example.org"
    response = site.post(reverse("admin:apiconnector_connection_authorize", args=[connection.pk]), follow=True)
    assert "https://www.example.org/admin/" in response.content.decode()
    assert not AuthorizationAttempt.objects.exists()


def test_the_redirect_uri_is_the_settings(site: Client, connection: Connection, settings: Any) -> None:
    settings.APICONNECTOR_BASE_URL = "https://testserver/"
    query = parse_qs(urlsplit(press_authorize(site, connection)).query)
    assert query["redirect_uri"] == ["https://testserver/oauth/callback"]


def test_old_attempts_are_pruned(site: Client, connection: Connection) -> None:
    press_authorize(site, connection)
    AuthorizationAttempt.objects.update(created_at=timezone.now() - timedelta(days=2))
    press_authorize(site, connection)
    assert AuthorizationAttempt.objects.count() == 1


def test_nothing_usable_is_kept_of_an_attempt(site: Client, connection: Connection) -> None:
    url = press_authorize(site, connection)
    attempt = AuthorizationAttempt.objects.values().get()
    stored = " ".join(str(value) for value in attempt.values())
    nonces = [morsel.value for name, morsel in site.cookies.items() if name.startswith("apiconnector_")]
    for secret in [state_of(url), *nonces]:
        assert secret not in stored
