"""A lost key: every page loads, every act answers, the connection says what to type again, and typing it mends it.

Pages, methods and subcommands are asked for, not listed: one added later is covered, or says here what it lacks.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from argparse import _SubParsersAction
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from cryptography.fernet import Fernet
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.urls import URLPattern, get_resolver, reverse

from apiconnector import auth
from apiconnector.admin.records import ReadOnlyAdmin
from apiconnector.exceptions import ConfigurationError, SecretUnreadable
from apiconnector.feeds import deliver
from apiconnector.fields import EncryptedField, EncryptedTextField
from apiconnector.management.commands.apiconnector import Command
from apiconnector.models import AuthorizationAttempt, Connection, ConnectionEvent, Feed, FeedRun, Token
from apiconnector.shortcuts import connect, run_feed, submit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.auth.models import User
    from django.test import Client

pytestmark = pytest.mark.django_db
API = "https://api.example.com"
ROOT = Path(__file__).parent.parent


class Failing:
    """A callable in APICONNECTOR_KEYS whose store is away."""

    calls = 0
    takes = 0.0

    def __call__(self) -> list[str]:
        self.calls += 1
        time.sleep(self.takes)
        raise RuntimeError("canary-password of the store")


failing_keys = Failing()

#: How keys get lost, and whether what was lost can be typed again while it is so.
WAYS: dict[str, tuple[Any, bool]] = {
    "wrong key": ([Fernet.generate_key().decode()], True),
    "no key": ([], False),
    "callable fails": (f"{__name__}.failing_keys", False),
}


def secrets_of(method: type[auth.AuthMethod]) -> list[str]:
    return [name for name in method.fields if isinstance(Connection._meta.get_field(name), EncryptedTextField)]


def configured(method: type[auth.AuthMethod]) -> dict[str, Any]:
    """What a connection of a method is filled with, secrets apart."""
    fields: dict[str, Any] = {name: f"{API}/oauth/{name}" for name in method.fields if name.endswith("_url")}
    # Without a secret in it the log-in could be sent.
    login = {"login": {"url": "login", "body": {"user": "{{ username }}"}}}
    return fields | ({"dialect": login} if method.name == "login" else {})


@pytest.fixture
def filled(admin_user: User) -> dict[str, Connection]:
    """A connection of each method by its name, and rows of every model; each secret has a value."""
    made = {}
    for method in auth.methods():
        connection = Connection.objects.create(
            name=f"The {method.name}", slug=method.name, base_url=API, auth_method=method.name,
            secret_variables={"tenant": "canary-tenant"}, **configured(method),
            **{name: f"canary-{name}" for name in secrets_of(method)},
        )  # fmt: skip  # in rows
        made[method.name] = connection
        if method.uses_token:
            Token.objects.create(connection=connection, access_token="canary-access", refresh_token="canary-refresh")
        feed = Feed.objects.create(
            name=method.name, slug=method.name, trigger="contact", connection=connection, path="leads",
            body_format="json", body={"email": "{{ email }}"},
        )  # fmt: skip  # in rows
        for status in FeedRun.Status.values if not made.keys() - {method.name} else ["pending"]:
            FeedRun.objects.create(feed=feed, connection=connection, status=status, input={"email": "a"})
        ConnectionEvent.record(connection, ConnectionEvent.Kind.TESTED, "It went well.", admin_user)
        for outcome in ("", "denied"):
            AuthorizationAttempt.objects.create(
                connection=connection, state=f"{method.name}{outcome}", verifier="canary-verifier", outcome=outcome
            )
        LogEntry.objects.log_actions(admin_user.pk, [connection], CHANGE, "Changed.", single_object=True)
    assert {type(row) for row in (connection, feed)} <= set(admin.site._registry)
    return made


@pytest.fixture(params=WAYS)
def lost(request: pytest.FixtureRequest, filled: dict[str, Connection], settings: Any) -> str:
    settings.APICONNECTOR_KEYS, _ = WAYS[request.param]
    return str(request.param)


@pytest.fixture
def wrong_key(filled: dict[str, Connection], settings: Any) -> None:
    settings.APICONNECTOR_KEYS, _ = WAYS["wrong key"]


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    """Everything that is sent, and an API that is content with it."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add("GET", f"{API}/", json={"ok": True})
        mock.add("POST", f"{API}/leads", json={"ok": True})
        yield mock


# Pages


def admin_patterns() -> Iterator[tuple[str, list[str]]]:
    """The name of every URL of the admin that belongs to this app or to none, with its parameters."""
    models = {model._meta for model in admin.site._registry}
    others = tuple(f"{one.app_label}_{one.model_name}_" for one in models if one.app_label != "apiconnector")

    def walk(resolver: Any) -> Iterator[URLPattern]:
        for pattern in resolver.url_patterns:
            if isinstance(pattern, URLPattern):
                yield pattern
            else:
                yield from walk(pattern)

    (resolver,) = (one for one in get_resolver().url_patterns if getattr(one, "namespace", "") == "admin")
    for pattern in walk(resolver):
        if pattern.name and not pattern.name.startswith(others):
            yield pattern.name, re.findall(r"\(?<?(?:\w+:|\?P<)(\w+)>", str(pattern.pattern))


PATTERNS = dict(admin_patterns())
#: What a page is asked beside its address.
QUERIES = {"autocomplete": "?app_label=apiconnector&model_name=feed&field_name=connection&term=the"}
#: Not about this app's rows.
ELSEWHERE = {"login", "logout", "password_change", "password_change_done"}


def model_of(name: str) -> Any:
    (model,) = (
        model for model in admin.site._registry if name.startswith(f"apiconnector_{model._meta.model_name}_")
    )  # fmt: skip  # in rows
    return model


def addresses(name: str) -> Iterator[str]:
    """Every address of a page that there is a row for."""
    parameters = PATTERNS[name]
    query = QUERIES.get(name, "")
    if parameters == []:
        yield reverse(f"admin:{name}") + query
    elif parameters == ["object_id"]:
        rows = model_of(name).objects.all()
        assert rows
        for row in rows:
            yield reverse(f"admin:{name}", args=[row.pk])
    elif parameters == ["app_label"]:
        yield reverse(f"admin:{name}", args=["apiconnector"])
    elif name == "view_on_site":
        kind = ContentType.objects.get_for_model(Connection)
        yield reverse("admin:view_on_site", args=[kind.pk, Connection.objects.first().pk])  # type: ignore[union-attr]  # filled
    else:
        raise AssertionError(f"Say how to fill the parameters of {name}: {parameters}")


def is_read_only(name: str) -> bool:
    return name.startswith("apiconnector_") and isinstance(admin.site._registry[model_of(name)], ReadOnlyAdmin)


def test_pages_are_found() -> None:
    kinds = {name.removeprefix("apiconnector_connection_") for name in PATTERNS if "_connection_" in name}
    assert kinds >= {"changelist", "add", "change", "delete", "history", "authorize", "test", "disconnect"}
    assert {model._meta.model_name for model in map(model_of, (n for n in PATTERNS if "apiconnector_" in n))} == {
        "connection", "connectionevent", "feed", "feedrun",
    }  # fmt: skip  # in rows


def _said(found: dict[str, Any]) -> str:
    """What the page says that a dry run or a test of a feed makes."""
    return " ".join(text for _, text in found["problems"]) or found["run"].error_message


@pytest.mark.parametrize("name", sorted(set(PATTERNS) - ELSEWHERE))
def test_every_page_loads(name: str, lost: str, admin_client: Client, api: responses.RequestsMock) -> None:
    for address in addresses(name):
        response = admin_client.get(address, follow=True)
        if response.status_code == 405:
            response = admin_client.post(address, follow=True)
            # What an act says is a message, or a page of its own.
            assert list(response.context["messages"]) or _said(response.context["found"]), address
        allowed = {403} if is_read_only(name) and name.endswith(("_add", "_delete")) else {200}
        if name == "view_on_site":
            allowed = {404}  # these rows have no page on the site
        assert response.status_code in allowed, address
        assert "canary" not in response.content.decode(), address


def lists() -> list[str]:
    return [name for name in PATTERNS if name.endswith("_changelist")]


@pytest.mark.parametrize("name", lists())
def test_every_filter_order_and_search_of_a_list(name: str, lost: str, admin_client: Client) -> None:
    address = reverse(f"admin:{name}")
    changelist = admin_client.get(address).context["cl"]
    queries = {
        choice["query_string"] for spec in changelist.filter_specs for choice in spec.choices(changelist)
    }  # fmt: skip  # in rows
    assert len(queries) > 3
    queries |= {f"?o={sign}{number}" for number in range(1, len(changelist.list_display) + 1) for sign in ("", "-")}
    queries |= {"?q=the", "?q=nothing-of-the-kind", "?all="}
    for query in queries:
        response = admin_client.get(address + query)
        assert response.status_code == 200, query
        assert "canary" not in response.content.decode()


# What the pages say


def reason(connection: Connection) -> str:
    return Connection.objects.get(pk=connection.pk).status_reason


def test_list_and_panel_name_what_to_type_again(lost: str, filled: dict[str, Connection], admin_client: Client) -> None:
    listed = unescape(admin_client.get(reverse("admin:apiconnector_connection_changelist")).content.decode())
    for name in filled:
        connection = Connection.objects.get(slug=name)
        assert connection.status == "unreadable"
        method = connection.method
        typed = [Connection.label_of(field) for field in ("secret_variables", *secrets_of(method))]
        granted = ["access token", "refresh token"] if method.needs_person else []
        said = connection.status_reason
        (named,) = re.findall(r"opens: (.*?)\. ", said)
        assert sorted(named.split(", ")) == sorted(typed + granted), name
        again = re.findall(r"type again: ([^.;]*)", said)
        assert sorted(again[0].split(", ")) == sorted(typed)
        assert ("authorize again" in said) == bool(granted)
        assert ("APICONNECTOR_KEYS" in said) is True
        assert ("keys generate" in said) == (lost == "no key")
        assert said in listed
        page = admin_client.get(reverse("admin:apiconnector_connection_change", args=[connection.pk]))
        assert said in unescape(page.content.decode())
        # And beside each field.
        fields = page.context["adminform"].form.fields
        marked = {field for field in fields if "can't be read" in str(fields[field].help_text)}
        assert marked == {"secret_variables", *secrets_of(method)}


def test_with_the_key_back_nothing_is_marked(
    lost: str, filled: dict[str, Connection], admin_client: Client, settings: Any
) -> None:
    from tests import settings as originals

    settings.APICONNECTOR_KEYS = originals.APICONNECTOR_KEYS
    for connection in filled.values():
        assert connection.status in {"ready", "authorized"}
        page = admin_client.get(reverse("admin:apiconnector_connection_change", args=[connection.pk]))
        assert "can&#x27;t be read" not in page.content.decode()


def test_a_store_that_is_slow_to_fail_holds_a_page_once(
    filled: dict[str, Connection], admin_client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failing_keys, "takes", 1.0)
    monkeypatch.setattr(failing_keys, "calls", 0)
    settings.APICONNECTOR_KEYS = f"{__name__}.failing_keys"
    assert admin_client.get(reverse("admin:apiconnector_connection_changelist")).status_code == 200
    assert failing_keys.calls <= 2


# What people do


def messages_of(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def act(client: Client, connection: Connection, name: str) -> str:
    response = client.post(reverse(f"admin:apiconnector_connection_{name}", args=[connection.pk]), follow=True)
    assert response.status_code == 200
    return messages_of(response)


class Form(HTMLParser):
    """What a browser sends of a page's form."""

    def __init__(self, page: str, form_id: str) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}
        self._id, self._inside, self._name, self._text = form_id, False, "", ""
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = given.get("id") == self._id
        if not self._inside:
            return
        name, kind = given.get("name", ""), given.get("type", "text")
        if tag == "input" and name and kind not in {"submit", "file"} and (kind != "checkbox" or "checked" in given):
            self.sent[name] = given.get("value", "on" if kind == "checkbox" else "")
        elif tag == "textarea":
            self._name, self._text = name, ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in given or self._select not in self.sent):
            self.sent[self._select] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._inside:
            # The first line break belongs to the mark-up.
            self.sent[self._name] = self._text.removeprefix("\r\n").removeprefix("\n")
        elif tag == "select":
            self._select = ""
        elif tag == "form":
            self._inside = False


def save(client: Client, connection: Connection, **typed: str) -> Any:
    return submitted(client, reverse("admin:apiconnector_connection_change", args=[connection.pk]), **typed)


def submitted(client: Client, url: str, **typed: str) -> Any:
    """Open the form, type into it, and press Save."""
    sent = Form(client.get(url).content.decode(), "connection_form").sent
    assert set(typed) <= set(sent)
    return client.post(url, {**sent, **typed})


def test_acts_say_what_is_wrong_and_send_nothing(
    lost: str, filled: dict[str, Connection], admin_client: Client, api: responses.RequestsMock
) -> None:
    for name, connection in filled.items():
        said = act(admin_client, connection, "authorize")
        if connection.method.needs_person:
            assert "Client ID: " in said
            assert "APICONNECTOR_KEYS" in said
        else:
            assert "Only the authorization code method" in said
        said = act(admin_client, connection, "test")
        # What needs no secret works.
        assert ("The API answered 200" in said) == (name == "none")
        assert ("APICONNECTOR_KEYS" in said) == (name != "none")
    assert {call.request.url for call in api.calls} == {f"{API}/"}
    for connection in filled.values():
        said = act(admin_client, connection, "disconnect")
        assert ("is disconnected" in said) == connection.method.uses_token
        assert "could not be revoked" in said or not connection.revocation_url
    assert not Token.objects.exists()
    assert len(api.calls) == 1


def test_saving_the_form_keeps_what_is_stored(lost: str, filled: dict[str, Connection], admin_client: Client) -> None:
    for connection in filled.values():
        assert save(admin_client, connection, name="Renamed").status_code == 302
        now = Connection.objects.get(pk=connection.pk)
        assert now.name == "Renamed"
        for field in Connection._meta.concrete_fields:
            if isinstance(field, EncryptedField):
                assert getattr(now, field.attname).stored == getattr(connection, field.attname).stored
        assert Token.objects.filter(connection=now).exists() == connection.method.uses_token


def test_typing_a_secret_is_taken_or_refused_at_its_field(
    lost: str, filled: dict[str, Connection], admin_client: Client
) -> None:
    for name, connection in filled.items():
        for field in secrets_of(connection.method):
            response = save(admin_client, connection, **{field: "canary-typed"})
            if WAYS[lost][1]:
                assert response.status_code == 302, (name, field)
                assert getattr(Connection.objects.get(pk=connection.pk), field).reveal() == "canary-typed"
            else:
                assert set(response.context["adminform"].form.errors) == {field}
                assert "APICONNECTOR_KEYS" in str(response.context["adminform"].form.errors)
                assert field in {"client_id", "username"} or "canary-typed" not in response.content.decode()


def test_adding_a_connection(lost: str, admin_client: Client) -> None:
    typed = {"name": "New", "slug": "new", "base_url": API, "auth_method": "bearer", "api_key": "canary-typed"}
    response = submitted(admin_client, reverse("admin:apiconnector_connection_add"), **typed)
    if WAYS[lost][1]:
        assert response.status_code == 302, response.context["adminform"].form.errors
    else:
        assert set(response.context["adminform"].form.errors) == {"api_key"}
    assert Connection.objects.filter(slug="new").exists() == WAYS[lost][1]


def test_deleting(lost: str, filled: dict[str, Connection], admin_client: Client) -> None:
    FeedRun.objects.all().delete()
    feeds = {"action": "delete_selected", "_selected_action": [feed.pk for feed in Feed.objects.all()], "post": "yes"}
    response = admin_client.post(reverse("admin:apiconnector_feed_changelist"), feeds, follow=True)
    assert "Successfully deleted" in messages_of(response)
    first, *rest = filled.values()
    url = reverse("admin:apiconnector_connection_delete", args=[first.pk])
    assert "was deleted successfully" in messages_of(admin_client.post(url, {"post": "yes"}, follow=True))
    chosen = {"action": "delete_selected", "_selected_action": [connection.pk for connection in rest]}
    changelist = reverse("admin:apiconnector_connection_changelist")
    assert b"Are you sure" in admin_client.post(changelist, chosen).content
    response = admin_client.post(changelist, {**chosen, "post": "yes"}, follow=True)
    assert "Successfully deleted" in messages_of(response)
    assert not Connection.objects.exists()
    assert not Token.objects.exists()


# Mending


def again(client: Client, connection: Connection, *names: str) -> Connection:
    typed = {name: '{"tenant": "canary-new"}' if name == "secret_variables" else f"canary-new-{name}" for name in names}
    response = save(client, connection, **typed)
    assert response.status_code == 302, response.context["adminform"].form.errors
    return Connection.objects.get(pk=connection.pk)


@pytest.mark.parametrize(
    "method", [method for method in auth.methods() if not method.needs_person], ids=lambda m: m.name
)
def test_typing_again_mends_it_and_one_by_one_the_others_stay_named(
    method: type[auth.AuthMethod], wrong_key: None, filled: dict[str, Connection], admin_client: Client
) -> None:
    connection = filled[method.name]
    left = ["secret_variables", *secrets_of(method)]
    while left:
        connection = again(admin_client, connection, left.pop())
        labels = {Connection.label_of(name) for name in left}
        assert connection.status == ("unreadable" if left else "ready")
        named = re.findall(r"type again: ([^.;]*)", connection.status_reason)
        assert set(named[0].split(", ") if named else []) == labels
    for name in secrets_of(method):
        assert connection.reveal(name) == f"canary-new-{name}"
    assert connection.reveal("secret_variables") == {"tenant": "canary-new"}


def test_an_authorization_is_mended_by_typing_and_authorizing_again(
    wrong_key: None, filled: dict[str, Connection], admin_client: Client, api: responses.RequestsMock
) -> None:
    connection = filled["oauth2_authorization_code"]
    connection = again(admin_client, connection, "secret_variables", "client_secret")
    assert re.findall(r"opens: (.*?)\. ", connection.status_reason) == ["client ID, access token, refresh token"]
    assert connection.status_reason.endswith("type again: client ID; then authorize again.")
    assert "Client ID" in act(admin_client, connection, "authorize")
    connection = again(admin_client, connection, "client_id")
    # Nobody can tell whether it is the same client: its token, which nobody can read, goes.
    assert connection.status == "not_authorized"
    authorize(admin_client, connection, api)
    assert Connection.objects.get(pk=connection.pk).status == "authorized"
    assert connection.session().get("").status_code == 200
    assert api.calls[-1].request.headers["Authorization"] == "Bearer new-access"


def test_lost_tokens_alone_are_mended_by_authorizing(
    filled: dict[str, Connection], admin_client: Client, api: responses.RequestsMock, settings: Any
) -> None:
    connection = filled["oauth2_authorization_code"]
    good, (lost, _) = settings.APICONNECTOR_KEYS, WAYS["wrong key"]
    settings.APICONNECTOR_KEYS = lost
    Token.objects.filter(connection=connection).delete()
    Token.objects.create(connection=connection, access_token="canary-access", refresh_token="canary-refresh")
    settings.APICONNECTOR_KEYS = good
    connection = Connection.objects.get(pk=connection.pk)
    assert connection.status == "unreadable"
    assert connection.status_reason.endswith("Put the lost key back, or authorize again.")
    with pytest.raises(SecretUnreadable):
        connect(connection.slug).get("")
    assert len(api.calls) == 0
    authorize(admin_client, connection, api)
    assert Connection.objects.get(pk=connection.pk).status == "authorized"


def authorize(client: Client, connection: Connection, api: responses.RequestsMock) -> None:
    """Press Authorize, approve, come back."""
    begun = client.post(reverse("admin:apiconnector_connection_authorize", args=[connection.pk]))
    assert begun.status_code == 302
    (state,) = parse_qs(urlsplit(begun["Location"]).query)["state"]
    api.add("POST", connection.token_url, json={"access_token": "new-access", "refresh_token": "new-refresh"})
    page = client.get(reverse("apiconnector:callback"), {"state": state, "code": "abc"})
    assert page.status_code == 200, page.content.decode()


def test_a_token_of_the_site_itself_is_fetched_anew(
    wrong_key: None, filled: dict[str, Connection], admin_client: Client, api: responses.RequestsMock
) -> None:
    connection = again(
        admin_client, filled["oauth2_client_credentials"], "secret_variables", "client_id", "client_secret"
    )
    # Typed with the same name it would be the same client: the unreadable token is still there.
    Token.objects.filter(connection=connection).delete()
    Token.objects.create(connection=connection, access_token="x", refresh_token="")
    Token.objects.filter(connection=connection).update(access_token=lost_token())
    api.add("POST", connection.token_url, json={"access_token": "new-access"})
    assert connect(connection.slug).get("").status_code == 200
    assert api.calls[-1].request.headers["Authorization"] == "Bearer new-access"
    assert Token.objects.get(connection=connection).access_token.reveal() == "new-access"


def lost_token() -> Any:
    from apiconnector.crypto import PREFIX, Secret

    text = PREFIX + Fernet(Fernet.generate_key()).encrypt(b"{}").decode()
    return Secret.from_stored(text, column="apiconnector.Token.access_token")


# Code


def test_connect_says_so_at_the_request_and_sends_nothing(
    lost: str, filled: dict[str, Connection], api: responses.RequestsMock
) -> None:
    for name in filled:
        session = connect(name)
        if name == "none":
            assert session.get("").status_code == 200
            continue
        with pytest.raises(ConfigurationError, match="APICONNECTOR_KEYS") as refused:
            session.get("")
        assert isinstance(refused.value, SecretUnreadable) == (lost == "wrong key")
        error: BaseException | None = refused.value
        while error is not None:
            assert "canary" not in str(error)
            error = error.__cause__ or error.__context__
    assert len(api.calls) == 1


def test_run_feed_fails_and_submit_waits_until_it_is_mended(
    lost: str, filled: dict[str, Connection], api: responses.RequestsMock, settings: Any
) -> None:
    for name in filled:
        run = run_feed(name, {"email": "ada@example.org"})
        expected = ("succeeded", "sent", "") if name == "none" else ("failed", "not_sent", "not_ready")
        assert (run.status, run.outcome, run.error) == expected, name
        assert name == "none" or "APICONNECTOR_KEYS" in run.error_message
        assert "canary" not in json.dumps(run.attempts) + run.error_message
    FeedRun.objects.all().delete()
    kept = submit("contact", {"email": "ada@example.org"})
    assert len(kept) == len(filled)
    deliver()
    for run in FeedRun.objects.select_related("connection"):
        assert run.status == ("succeeded" if run.connection.slug == "none" else "pending")
        assert run.attempt_count == (1 if run.connection.slug == "none" else 0)
    from tests import settings as originals

    settings.APICONNECTOR_KEYS = originals.APICONNECTOR_KEYS
    FeedRun.objects.filter(status="pending").update(next_attempt_at="2020-01-01T00:00:00Z")
    deliver()
    assert set(FeedRun.objects.values_list("status", flat=True)) == {"succeeded"}
    assert len([call for call in api.calls if call.request.url == f"{API}/leads"]) == len(filled) + 1


def test_an_answer_that_comes_when_the_key_is_gone(
    filled: dict[str, Connection], admin_client: Client, api: responses.RequestsMock, settings: Any
) -> None:
    connection = filled["oauth2_authorization_code"]
    for keys, _ in WAYS.values():
        with_key = settings.APICONNECTOR_KEYS
        begun = admin_client.post(reverse("admin:apiconnector_connection_authorize", args=[connection.pk]))
        (state,) = parse_qs(urlsplit(begun["Location"]).query)["state"]
        settings.APICONNECTOR_KEYS = keys
        page = admin_client.get(reverse("apiconnector:callback"), {"state": state, "code": "abc"})
        assert page.status_code == 400
        assert "APICONNECTOR_KEYS" in page.content.decode()
        assert "canary" not in page.content.decode()
        settings.APICONNECTOR_KEYS = with_key
        assert Token.objects.get(connection=connection).access_token.reveal() == "canary-access"
    assert len(api.calls) == 0


# The command


def parsers(parser: Any, path: str = "") -> Iterator[str]:
    inner = [action for action in parser._actions if isinstance(action, _SubParsersAction)]
    if not inner:
        yield path
    for action in inner:
        for name, one in action.choices.items():
            yield from parsers(one, f"{path} {name}".strip())


#: Arguments of every job, its exit status with a wrong key, and what it says.
JOBS: dict[str, tuple[list[str], int, str]] = {
    "list": ([], 0, "unreadable"),
    "show": (["bearer"], 0, "type again: API key or token, secret variables"),
    "test": (["--all"], 1, "No key in APICONNECTOR_KEYS opens"),
    "authorize": (["oauth2_authorization_code"], 1, "client ID: No key in APICONNECTOR_KEYS opens"),
    "refresh": (["oauth2_client_credentials"], 1, "No key in APICONNECTOR_KEYS opens"),
    "disconnect": (["oauth2_authorization_code"], 0, "is disconnected"),
    "run": (["bearer", "--data", '{"email": "a"}'], 1, "No key in APICONNECTOR_KEYS opens"),
    "deliver": ([], 0, "pending"),
    "replay": (["--feed", "bearer", "--yes"], 0, "No run matches"),
    "prune": ([], 0, "Removed 0 runs"),
    "presets": ([], 0, "github"),
    "keys generate": ([], 0, "="),
    "keys status": ([], 1, "type them again"),
    "keys rotate": ([], 1, "type the API key or token of “bearer” again in the admin"),
    "keys verify": ([], 1, "type the API key or token of “bearer” again in the admin"),
}


@pytest.mark.parametrize("job", sorted(parsers(Command().create_parser("manage.py", "apiconnector"))))
def test_every_job_says_so_in_a_line(job: str, lost: str, api: responses.RequestsMock, settings: Any) -> None:
    arguments, expected, words = JOBS[job]
    settings.APICONNECTOR_BASE_URL = "https://www.example.org"
    FeedRun.objects.exclude(status="pending").delete()
    FeedRun.objects.update(next_attempt_at="2020-01-01T00:00:00Z")
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command("apiconnector", *job.split(), *arguments, stdout=out, stderr=err, no_color=True)
    except SystemExit as ended:
        status = int(str(ended.code))
    except CommandError as error:
        status = error.returncode
        err.write(str(error))
    said = out.getvalue() + err.getvalue()
    assert "canary" not in said
    if lost == "wrong key" or job == "keys generate":
        assert (status, words in re.sub(r"\s+", " ", said)) == (expected, True), said
    else:
        assert status == 1
        assert "APICONNECTOR_KEYS" in said
        assert out.getvalue() == ""
    assert job in {"test", "deliver"} or not api.calls  # these send what needs no secret


@pytest.mark.parametrize("way", ["no key", "callable fails"])
@pytest.mark.parametrize("job", ["list", "keys status"])
def test_in_a_shell_there_is_no_traceback(way: str, job: str, tmp_path: Path) -> None:
    (tmp_path / "site_without_keys.py").write_text(
        "from tests.settings import *\n"
        "def fails(): raise RuntimeError('canary-password')\n"
        f"APICONNECTOR_KEYS = {[] if way == 'no key' else 'site_without_keys.fails'!r}\n",
        encoding="utf-8",
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "manage.py", "apiconnector", *job.split()],
        capture_output=True, text=True, cwd=ROOT, check=False,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "site_without_keys", "PYTHONPATH": path},
    )  # fmt: skip  # in rows
    assert done.returncode == 1
    assert done.stdout == ""
    assert "APICONNECTOR_KEYS" in done.stderr
    assert "Traceback" not in done.stderr
    assert "canary" not in done.stderr
