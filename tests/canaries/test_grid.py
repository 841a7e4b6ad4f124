"""Canaries in every secret, every kind of failure, every surface: none is found anywhere."""

from __future__ import annotations

import io
import json
import logging
import os
import traceback
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
import pytest
from django.core.management import call_command
from django.db import connection as database
from django.utils import timezone
from django.utils.log import AdminEmailHandler

from apiconnector import signals
from apiconnector.feeds import deliver
from apiconnector.models import AuthorizationAttempt, Connection, ConnectionEvent, Feed, FeedRun, Token
from apiconnector.shortcuts import connect, run_feed, submit
from tests.canaries.failures import API, TOKEN, Failure, servers
from tests.canaries.leaks import STEM, assert_clean, canary, leaks
from tests.frames import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

METHODS: dict[str, dict[str, Any]] = {
    "basic": {"auth_method": "basic", "username": "ada", "password": canary("password")},
    "basic, key as user name": {"auth_method": "basic", "username": canary("username"), "password": ""},
    "bearer": {"auth_method": "bearer", "api_key": canary("bearer")},
    "key in a header": {"auth_method": "api_key", "api_key": canary("key"), "credential_name": "X-Key"},
    "key in the query": {"auth_method": "api_key", "api_key": canary("key"), "credential_in": "query"},
    "key in the body": {"auth_method": "api_key", "api_key": canary("key"), "credential_in": "body"},
    "client credentials, post": {"auth_method": "oauth2_client_credentials", "client_id": "id", "client_secret": canary("secret")},
    "client credentials, basic": {
        "auth_method": "oauth2_client_credentials",
        "client_id": "id",
        "client_secret": canary("secret"),
        "client_auth": "client_secret_basic",
    },
    "authorization code": {"auth_method": "oauth2_authorization_code", "client_id": "id", "client_secret": canary("secret")},
    "authorization code, query": {
        "auth_method": "oauth2_authorization_code",
        "client_id": "id",
        "client_secret": canary("secret"),
        "client_auth": "client_secret_basic",
        "credential_in": "query",
    },
    "log in first": {
        "auth_method": "login",
        "username": "ada",
        "password": canary("password"),
        "dialect": {
            "login": {
                "url": "TOKEN",
                "params": {"p": "{{ password|base64 }}"},
                "headers": {"X-Login": '{{ username|concat:":"|concat:password|base64 }}'},
                "body": {"user": "{{ username }}", "password": "{{ password }}", "tenant": "{{ tenant_key }}"},
            },
        },
    },
    "in a dialect": {
        "auth_method": "oauth2_authorization_code",
        "client_id": "id",
        "client_secret": canary("secret"),
        "client_auth": "none",
        "default_headers": {"X-Default": 'Key {{ client_secret|concat:":"|base64 }}', "X-Token": "{{ access_token }}"},
        "default_params": {"tenant": "{{ tenant_key }}"},
        "dialect": {
            "refresh_params": {"key": "{{ client_secret }}", "old": "{{ access_token }}", "tenant": "{{ tenant_key }}"},
            "refresh_request_method": "GET",
            "token_headers": {"Authorization": 'Basic {{ client_secret|concat:":"|base64 }}'},
            "token_response": {"error_description": "error_description"},
            "second_token": {"url": "TOKEN", "after_refresh": True, "body": {"token": "{{ access_token }}"}},
            "revoke": {"url": "TOKEN", "format": "form", "body": {"token": "{{ refresh_token }}"}},
            "expired_when": "status == `401` || contains(to_string(body), 'expired')",
            "test_request": {"headers": {"X-Test": "{{ client_secret|urlencode }}"}, "success_when": "body.ok"},
        },
    },
}  # fmt: skip  # in rows
OAUTH = [name for name, fields in METHODS.items() if fields["auth_method"].startswith(("oauth2", "login"))]
WHOLE = [(name, failure) for name in METHODS for failure in API] + [(n, failure) for n in OAUTH for failure in TOKEN]
#: Each failure once, each method several times; the whole is for ``python -m tests.canaries``.
SAMPLE = [
    *zip(cycle(METHODS), API, strict=False),
    *zip(cycle(OAUTH), TOKEN, strict=False),
    *((name, API[0]) for name in METHODS),
]
GRID = (
    WHOLE[int(os.environ["CANARIES_PART"].partition("/")[0]) - 1 :: int(os.environ["CANARIES_PART"].partition("/")[2])]
    if "CANARIES_PART" in os.environ
    else WHOLE
    if "CANARIES" in os.environ
    else list({(name, failure.name): (name, failure) for name, failure in SAMPLE}.values())
)
#: The columns that hold ciphertext, which Base64 could take for anything.
TABLES = (Connection, Token, Feed, FeedRun, ConnectionEvent, AuthorizationAttempt)


class Listener(logging.Handler):
    """Keeps every record of every logger as it would be written, with its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def log() -> Iterator[Listener]:
    listener, root = Listener(), logging.getLogger()
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    yield listener
    root.removeHandler(listener)
    root.setLevel(level)


def make(method: str, failure: Failure, api: str, token: str) -> Connection:
    fields = {
        "name": "CRM",
        "slug": "crm",
        "base_url": api,
        "timeout": 0.3,
        "secret_variables": {"tenant_key": canary("tenant"), "broken": canary("broken") + "\n"},
        **METHODS[method],
        **dict(failure.fields),
    }
    if fields["auth_method"].startswith("oauth2"):
        fields |= {"token_url": token, "authorization_url": "https://auth.example.com/a", "revocation_url": token}
    if "dialect" in fields:
        fields["dialect"] = json.loads(json.dumps(fields["dialect"]).replace('"TOKEN"', json.dumps(token)))
    connection = Connection.objects.create(**fields)
    if connection.method.uses_token:
        # Ended: the first request refreshes it, unless that fails.
        Token.objects.create(
            connection=connection,
            access_token=canary("access"),
            refresh_token=canary("refresh"),
            expires_at=timezone.now() if failure in TOKEN else None,
            values={},
        )
    Feed.objects.create(
        name="Lead", slug="lead", connection=connection, trigger="contact", path="x", body_format="json",
        body={"email": "{{ email }}"}, response_values={"all": "body"}, max_attempts=2,
    )  # fmt: skip  # in rows
    return connection


def report(error: BaseException) -> str:
    """What a tracker keeps of an error, besides the test's own frames."""
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    for part in (trace, trace.__cause__, trace.__context__):
        if part is not None:
            part.stack = traceback.StackSummary.from_list([f for f in part.stack if "/tests/" not in f.filename])
    return "".join(trace.format()) + shown(error)


@dataclass
class Site:
    """The site under test, and who listens to it."""

    settings: Any
    client: Client
    mailoutbox: list[Any]
    log: Listener
    told: list[str]


@pytest.fixture
def site(settings: Any, admin_client: Client, mailoutbox: list[Any], log: Listener) -> Iterator[Site]:
    settings.ROOT_URLCONF = "tests.canaries.urls"
    settings.APICONNECTOR_TRUSTED_HOSTS = ["127.0.0.1", "no-such-name.localhost.invalid"]
    settings.ADMINS = [("A", "a@example.org")] if django.VERSION < (6, 0) else ["a@example.org"]
    admin_client.raise_request_exception = False
    found = Site(settings, admin_client, mailoutbox, log, [])

    def receive(**kwargs: Any) -> None:
        rows = [vars(value) for value in kwargs.values() if hasattr(value, "_state")]
        found.told.append(repr(kwargs) + repr(rows))

    heard = [signals.connection_needs_attention, signals.connection_recovered, signals.feed_run_finished]
    mails = AdminEmailHandler(include_html=True)
    for signal in heard:
        signal.connect(receive, weak=False, dispatch_uid="canaries")
    logging.getLogger("django.request").addHandler(mails)
    yield found
    logging.getLogger("django.request").removeHandler(mails)
    for signal in heard:
        signal.disconnect(dispatch_uid="canaries")


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "failure"), GRID, ids=[f"{m}: {f.name}" for m, f in GRID])
def test_no_canary_is_found(method: str, failure: Failure, site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    with servers(failure) as (api, token):
        connection = make(method, failure, api, token)
        use(connection)
        views(site)
        admin(connection, site.client)
        commands()
    for line in site.log.lines:
        assert_clean("log records", line)
    for text in site.told:
        assert_clean("signals", text)
    rows()
    printed = capfd.readouterr()
    assert_clean("standard output", printed.out)
    assert_clean("standard error", printed.err)


def use(connection: Connection) -> None:
    """From code: a session, a feed, a form."""
    with connect("crm") as api:
        assert_clean(
            "repr", repr(api) + repr(api.auth) + repr(api.destinations) + repr(connection) + repr(vars(connection))
        )
        for _ in range(2):
            try:
                response = api.post("x", params={"a": "b"}, json={"c": 1})
                assert_clean("repr", repr(response) + response.url + str(response.reason) + repr(response.history))
                response.raise_for_status()
                response.json()
            except Exception as error:
                assert_clean("errors", report(error))
    run = run_feed("lead", {"email": "a"})
    try:
        run.raise_for_status()
    except Exception as error:
        assert_clean("errors", report(error))
    submit("contact", {"email": "b"})
    FeedRun.objects.filter(status="pending").update(next_attempt_at=timezone.now())
    deliver()
    with suppress(Exception):
        connection.token_source().refresh()
    try:
        Connection.objects.select_related("token").get().token_source().refresh()
    except Exception as error:
        assert_clean("errors", report(error))
    assert_clean("repr", repr(connection.test()))


def views(site: Site) -> None:
    """Views of the site that let every error through: the debug page, and the mail to the admins."""
    for address in ("/call/", "/feed/"):
        site.settings.DEBUG = True
        assert_clean("debug page", site.client.get(address).content.decode())
        assert_clean("debug page", site.client.get(address, headers={"Accept": "text/plain"}).content.decode())
        site.settings.DEBUG = False
        assert_clean("error page", site.client.get(address).content.decode())
    for mail in site.mailoutbox:
        assert_clean("error mails", mail.subject + mail.body + "".join(content for content, _ in mail.alternatives))


def admin(connection: Connection, client: Client) -> None:
    """Every page that shows something of it."""
    base = "/admin/apiconnector"
    change = f"{base}/connection/{connection.pk}/change/"
    for act in ("test", "authorize", "disconnect"):
        answer = client.post(f"{base}/connection/{connection.pk}/{act}/")
        assert answer.status_code == 302, answer.content
        if act != "authorize":
            assert_clean("redirects", answer["Location"])
        assert_clean("admin pages", client.get(change).content.decode())
    pages = [f"{base}/{name}/" for name in ("connection", "feed", "feedrun", "connectionevent")]
    pages += [f"{base}/connection/{connection.pk}/history/", f"{base}/connection/{connection.pk}/delete/"]
    pages += [f"{base}/feedrun/{run.pk}/change/" for run in FeedRun.objects.all()[:3]]
    pages += ["/admin/"]
    for address in pages:
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert_clean("admin pages", answer.content.decode())


def commands() -> None:
    """Everything the command prints."""
    for arguments in (
        ["list"], ["show", "crm"], ["show", "crm", "--format", "json"], ["test", "crm"], ["test", "--all", "--format", "json"],
        ["refresh", "crm"], ["run", "lead", "--data", '{"email": "c"}', "--format", "json"], ["run", "lead"], ["deliver"],
        ["keys", "status"], ["keys", "verify"], ["keys", "rotate"], ["disconnect", "crm"],
    ):  # fmt: skip  # in rows
        out, err = io.StringIO(), io.StringIO()
        try:
            call_command("apiconnector", *arguments, stdout=out, stderr=err)
        except SystemExit:
            pass
        except Exception as error:
            assert_clean("errors", report(error))
        assert_clean("commands", out.getvalue() + err.getvalue())


def rows() -> None:
    """What is in the database, as it is there, and in a fixture."""
    for model in TABLES:
        with database.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {model._meta.db_table}")
            for row in cursor.fetchall():
                assert_clean("database", " ".join(map(str, row)))
    for row in [*FeedRun.objects.all(), *ConnectionEvent.objects.all(), *Connection.objects.all()]:
        assert_clean("runs and events", repr(vars(row)) + str(row))
    out = io.StringIO()
    call_command("dumpdata", "apiconnector", "admin", "sessions", stdout=out)
    assert_clean("dumpdata", out.getvalue())
    assert_clean("dumpdata", str(json.loads(out.getvalue())))


def test_a_canary_would_be_found() -> None:
    """The search itself: in each encoding, and in Base64 wherever it begins."""
    from base64 import b64encode, urlsafe_b64encode
    from urllib.parse import quote

    secret = canary("x")
    for text in (secret, quote(secret), json.dumps(secret), repr(secret), secret.upper()):
        assert leaks(f"a {text} b")
    for before in ("", "i", "id", "id:", "user:"):
        assert leaks(f"Basic {b64encode((before + secret).encode()).decode()}")
        assert leaks(urlsafe_b64encode((before + secret).encode()).decode())
    assert not leaks("nothing of it, not even in " + b64encode(b"some other text, long enough").decode())
    assert STEM not in Path(__file__).read_text(encoding="utf-8")
