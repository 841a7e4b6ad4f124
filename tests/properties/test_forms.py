"""Whatever is sent to the forms of the admin: errors at the fields, or a row that every page and command can deal with."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import responses
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection as database
from django.test import Client
from django.urls import reverse
from hypothesis import event, example, given
from hypothesis import strategies as st

from apiconnector import auth
from apiconnector.exceptions import ApiConnectorError, FeedNotFound, InvalidFeedData
from apiconnector.feeds import delivery
from apiconnector.models import Connection, ConnectionEvent, Feed, FeedRun, Token
from apiconnector.models.binding import SECRET_FIELDS
from apiconnector.models.status import Status
from apiconnector.shortcuts import connect, run_feed, submit
from tests.properties.database import rolled_back
from tests.properties.leaks import found, logged
from tests.properties.profiles import share
from tests.properties.strategies import blobs, encodable, json_objects, json_texts, json_values, texts
from tests.properties.test_templating import EXPRESSIONS, TEMPLATES
from tests.properties.test_urls import BASES, PATHS
from tests.test_admin import ADD, form

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

pytestmark = pytest.mark.django_db
#: In every secret that is typed, and nowhere else.
CANARY = "canary-typed-into-a-form"


def typed(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """As a browser sends it: in UTF-8."""
    return strategy.map(lambda text: text.encode(errors="replace").decode())


SECRETS = st.one_of(st.just(CANARY), encodable(2).map(lambda text: CANARY + text), st.just(""), st.just(CANARY * 100))
URLS = st.one_of(
    BASES.map(lambda base: base.url),
    st.just("https://login.example/token?tenant=1"),
    typed(PATHS),
    st.builds(lambda base, path: base.url + path, BASES, typed(PATHS)),
)
NUMBERS = st.one_of(
    st.sampled_from(
        [
            "",
            "1",
            "0",
            "-1",
            "0.001",
            "0.0001",
            "3600",
            "3601",
            "1e5",
            "1e400",
            "nan",
            "inf",
            "1,5",
            "\uff11",
            "0x1",
            "9" * 400,
            "99999999999",
        ]
    ),
    encodable(1),
)
#: The JSON that fits is as likely as what does not.
HEADERS = st.one_of(
    st.sampled_from(
        ['{"X-A": "1"}', '{"X-A": "{{ a }}"}', '{"X-A": "{{ api_key }}"}', '{"X-A": 1.5}', '[["X-A", "{{ a }}"]]']
    ),
    json_texts(),
)
PARAMS = st.one_of(
    st.sampled_from(['{"a": [1, null, true]}', '{"a": {"b": "{{ a }}"}}', '{"{{ a }}": "{{ password }}"}', '{"a": "{{ missing }}"}', '[["a", "{{ a }}"], ["a", 1]]']), json_texts()
)  # fmt: skip  # in rows
FLAGS = st.sampled_from(["on", "", "off", "\x00"])
NAMES = st.one_of(
    st.sampled_from(["X-Key", "api_key", "Authorization", "Cookie", "Host", "Content-Type", "Content-Length"]),
    encodable(2),
)

CONNECTION_FIELDS: dict[str, st.SearchStrategy[str]] = {
    "name": encodable(),
    "slug": st.one_of(st.sampled_from(["crm-2", "-x", "_", "A" * 101]), encodable(2)),
    "base_url": URLS,
    "auth_method": st.one_of(st.sampled_from([method.name for method in auth.methods()]), encodable(1)),
    "is_active": FLAGS,
    "client_id": st.one_of(st.just("client"), encodable(2)),
    "client_secret": SECRETS,
    "client_secret-remove": FLAGS,
    "client_secret_expires_on": st.one_of(st.sampled_from(["2030-01-01", "0001-01-01", "9999-12-31", "31/02/2030"]), encodable(1)),
    "username": st.one_of(st.just("user"), encodable(2)),
    "password": SECRETS,
    "api_key": SECRETS,
    "api_key-remove": FLAGS,
    "issuer": URLS,
    "authorization_url": URLS,
    "token_url": URLS,
    "refresh_url": URLS,
    "revocation_url": URLS,
    "scope": encodable(),
    "scope_delimiter": encodable(1),
    "pkce": st.sampled_from(["S256", "plain", "", "s256", "\x00"]),
    "client_auth": st.sampled_from(["client_secret_post", "client_secret_basic", "none", "private_key_jwt", ""]),
    "credential_in": st.sampled_from(["header", "query", "body", "none", ""]),
    "credential_name": NAMES,
    "credential_prefix": st.one_of(st.sampled_from(["Token", "Bearer  ", "ä"]), encodable(1)),
    "default_headers": HEADERS,
    "default_params": PARAMS,
    "default_body": PARAMS,
    "allowed_hosts": st.one_of(
        st.sampled_from(['["files.example"]', '[".example:8443"]', '["1.2.3"]', '["a.example:99999"]', '["a..b"]', '["-.example"]', '["EXAMPLE.com."]', "[1]"]), json_texts()
    ),
    "variables": st.one_of(st.sampled_from(['{"a": "b"}', '{"a": [1]}', '{"data": {"x": null}, "client_id": 1}']), json_texts()),
    "secret_variables": st.one_of(st.just(f'{{"s": "{CANARY}"}}'), st.just(f'{{"s": {{"a": ["{CANARY}"]}}, "api_key": 1}}'), json_texts(), st.just("")),
    "secret_variables-remove": FLAGS,
    "timeout": NUMBERS,
    "test_method": st.sampled_from(["GET", "HEAD", "POST", "PUT", ""]),
    "test_path": st.one_of(st.sampled_from(["me", "/me?x=1", "{{ a }}"]), typed(PATHS)),
    "label_template": st.one_of(st.sampled_from(["{{ body.name }}", "{{ status }}", "{{ headers }}", "{{ body }}"]), typed(TEMPLATES)),
    "account_id_path": st.one_of(st.sampled_from(["body.id", "body", "headers", "@"]), typed(EXPRESSIONS)),
}  # fmt: skip  # in rows
BUTTONS = st.sampled_from(
    [{}, {}, {"_continue": "1"}, {"_addanother": "1"}, {"_saveasnew": "1"}, {"_popup": "1"}, {"_to_field": "id"}]
)
#: What each method needs; one of these is changed in a few fields.
USUAL = [
    {"auth_method": "none"},
    {"auth_method": "basic", "username": "user", "password": CANARY},
    {"auth_method": "bearer", "api_key": CANARY},
    {"auth_method": "api_key", "api_key": CANARY, "credential_in": "query"},
    {"auth_method": "oauth2_client_credentials", "client_id": "client", "client_secret": CANARY, "token_url": "https://login.example/token"},
    {
        "auth_method": "oauth2_authorization_code", "client_id": "client", "client_secret": CANARY, "token_url": "https://login.example/token",
        "authorization_url": "https://login.example/authorize?a=b",
    },
]  # fmt: skip  # in rows


@st.composite
def filled(draw: st.DrawFn, fields: dict[str, st.SearchStrategy[str]], usual: list[dict[str, str]]) -> dict[str, str]:
    """A form that is mostly as usual: else hardly one would be saved."""
    values = dict(draw(st.sampled_from(usual)))
    for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=4, unique=True)):
        values[name] = draw(fields[name])
    for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=1)):
        values[name] = LEFT_OUT
    return {**values, **draw(BUTTONS)}


LEFT_OUT = "<left out>"
CONNECTIONS = filled(CONNECTION_FIELDS, USUAL)


@st.composite
def answers(draw: st.DrawFn) -> Any:
    """What the API answers: anything, or what it was sent."""
    status = draw(st.sampled_from([200, 201, 204, 301, 304, 400, 401, 403, 404, 429, 500, 599]))
    kind = draw(
        st.sampled_from(
            [
                "application/json",
                "text/html; charset=utf-8",
                "text/plain; charset=nonsense",
                "text/plain; charset=utf-16",
                "image/png",
                "",
            ]
        )
    )
    body = draw(
        st.one_of(
            st.builds(lambda value: json.dumps(value).encode(), st.one_of(json_values(), json_objects())),
            st.sampled_from(
                [
                    b'{"name": "Ada", "id": 7}',
                    b'{"name": "\\ud800\\u0000\\n", "id": [1e400]}',
                    b"ECHO",
                    b"[" * 3000,
                    b"\xff" * 5000,
                ]
            ),
            blobs(),
        )
    )
    headers = draw(
        st.dictionaries(
            st.sampled_from(["Set-Cookie", "X-A", "WWW-Authenticate"]), st.one_of(texts(2), st.just("ECHO")), max_size=2
        )
    )
    return status, {"Content-Type": kind, **headers}, body


class Api:
    """Answers every request on the way out; nothing reaches the network."""

    answer: Any = (200, {}, b"{}")

    def __call__(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = self.answer
        url = str(request.url)
        sent = request.body.encode() if isinstance(request.body, str) else request.body or b""
        if isinstance(sent, bytes) and b"grant_type=" in sent:
            return 200, {}, b'{"access_token": "canary-issued-token", "expires_in": 3600}'
        echo = b" ".join([url.encode(), repr(dict(request.headers)).encode(), sent if isinstance(sent, bytes) else b""])
        return (
            status,
            {
                name: (url if value == "ECHO" else value).encode("latin-1", "replace").decode("latin-1")
                for name, value in headers.items()
            },
            echo if body == b"ECHO" else body,
        )


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            mock.add_callback(method, re.compile(".*"), api)
        yield api


@pytest.fixture
def browser(db: None) -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("admin"))
    return browser


def sent(usual: dict[str, Any], changes: dict[str, str]) -> dict[str, Any]:
    return {name: value for name, value in {**usual, **changes}.items() if value != LEFT_OUT}


def check_page(page: Any, *codes: int) -> str:
    assert page.status_code in (codes or (200,))
    said = str(page.content.decode())
    assert not found(said, [CANARY, "canary-issued-token"])
    return said


def is_saved(page: Any) -> bool:
    """Whether a form was taken; if not, it says why. A form in a window of its own is answered by a script."""
    if page.status_code == 302 or "popup_response_data" in (page.context or {}):
        return True
    assert page.context["errors"], "neither saved nor refused"
    event("refused")
    return False


def check_stored() -> None:
    """No secret lies open, in whatever table."""
    with database.cursor() as cursor:
        for table in ("connection", "token", "connectionevent", "feed", "feedrun"):
            cursor.execute(f"SELECT * FROM apiconnector_{table}")
            assert not found(str(cursor.fetchall()), [CANARY, "canary-issued-token"])
    assert not found(str(list(LogEntry.objects.values())), [CANARY])


def run_command(*arguments: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("apiconnector", *arguments, stdout=out, stderr=err)
    except SystemExit as ended:
        assert ended.code in {0, 1}
    said = out.getvalue() + err.getvalue()
    said.encode()
    assert not found(said, [CANARY, "canary-issued-token"])


@share(0.15)
@given(CONNECTIONS, CONNECTIONS, answers())
def test_a_connection_is_refused_or_works_everywhere(
    browser: Client, api: Api, first: dict[str, str], second: dict[str, str], answer: Any
) -> None:
    api.answer = answer
    with rolled_back(), logged() as lines:
        page = browser.post(ADD, sent(form(), first))
        check_page(page, 200, 302)
        if not is_saved(page):
            assert not Connection.objects.exists()
            assert not ConnectionEvent.objects.exists()
        else:
            event("saved")
            check_connection(browser, Connection.objects.get())
            change = reverse("admin:apiconnector_connection_change", args=[Connection.objects.get().pk])
            before = rows()
            page = browser.post(change, sent(form(), second))
            check_page(page, 200, 302)
            if not is_saved(page):
                assert rows() == before
            else:
                event("changed")
                # Django takes "_saveasnew" for a request to add another one, whether that is offered or not.
                check_connection(browser, Connection.objects.latest("pk"))
        check_stored()
        assert not found("\n".join(lines), [CANARY])


def rows() -> str:
    with database.cursor() as cursor:
        cursor.execute("SELECT * FROM apiconnector_connection")
        return str(cursor.fetchall())


def check_connection(browser: Client, connection: Connection) -> None:
    """Every page, act and command copes with what was saved."""
    assert connection.status in Status.values
    connection.full_clean()
    change = reverse("admin:apiconnector_connection_change", args=[connection.pk])
    shown = check_page(browser.get(change))
    assert not any(getattr(connection, name).stored in shown for name in SECRET_FIELDS if getattr(connection, name))
    check_page(browser.get(reverse("admin:apiconnector_connection_changelist")))
    check_page(
        browser.get(
            reverse("admin:apiconnector_connection_changelist"),
            {"status": connection.status, "q": connection.name[:50]},
        )
    )
    for act in ("test", "authorize", "disconnect"):
        check_page(browser.post(reverse(f"admin:apiconnector_connection_{act}", args=[connection.pk])), 302)
    check_page(browser.get(change))  # with what the acts had to say
    run_command("list")
    run_command("list", "--format", "json")
    run_command("show", "--", connection.slug)
    run_command("show", "--format", "json", "--", connection.slug)
    if connection.is_active:
        try:
            connect(connection.slug).post("x", json={"a": 1}, timeout=5).raise_for_status()
        except (ApiConnectorError, OSError) as error:
            assert not found(str(error), [CANARY])


FEED_FIELDS: dict[str, st.SearchStrategy[str]] = {
    "name": encodable(),
    "slug": st.one_of(st.sampled_from(["lead-2", "-x", ""]), encodable(2)),
    "trigger": st.one_of(st.sampled_from(["contact", ""]), encodable(2)),
    "is_active": FLAGS,
    "method": st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", ""]),
    "path": st.one_of(st.sampled_from(["leads/{{ a }}", "leads?q={{ a }}", "{{ data.a }}", ""]), typed(TEMPLATES), typed(PATHS)),
    "query": PARAMS,
    "headers": HEADERS,
    "body_format": st.sampled_from(["none", "json", "form", "multipart", "text", ""]),
    "body": st.one_of(st.sampled_from(['{"a": "{{ a }}", "n": "{{ n }}"}', '"{{ data }}"', '[["a", "{{ a }}"]]', "{{ a }}"]), json_texts()),
    "response_values": st.one_of(st.sampled_from(['{"id": "body.id"}', '{"a": "@", "b": "headers"}', '{"a": "nonsense(@)"}', '{"a": 1}']), json_texts(EXPRESSIONS)),
    "idempotency_header": NAMES,
    "max_attempts": NUMBERS,
    "retry_delay": NUMBERS,
    "timeout": NUMBERS,
}  # fmt: skip  # in rows
FEEDS = filled(
    FEED_FIELDS,
    [
        {"body_format": "json", "body": '{"a": "{{ a }}", "n": "{{ n }}"}', "response_values": '{"id": "body.id"}'},
        {"body_format": "form", "body": '{"a": "{{ a }}"}', "path": "leads/{{ a }}", "headers": '{"X-A": "{{ a }}"}'},
        {"method": "GET", "query": '{"q": "{{ a|default:1 }}"}'},
    ],
)


def feed_form(connection: Connection) -> dict[str, Any]:
    """What a browser sends of the feed form."""
    return {
        "name": "Lead", "slug": "lead", "connection": connection.pk, "trigger": "contact", "is_active": "on", "method": "POST", "path": "leads",
        "query": "{}", "headers": "{}", "body_format": "none", "body": "", "response_values": "{}", "idempotency_header": "", "max_attempts": "14",
        "retry_delay": "10", "timeout": "",
    }  # fmt: skip  # in rows


@share(0.3)
@given(FEEDS, json_objects(encodable(2)), answers())
@example({"method": "GET", "query": '{"q": "{{ a }}"}'}, {"a": "\ud800"}, (200, {}, b"{}"))
def test_a_feed_is_refused_or_runs(
    browser: Client, api: Api, fields: dict[str, str], data: dict[str, Any], answer: Any
) -> None:
    api.answer = answer
    add = reverse("admin:apiconnector_feed_add")
    with rolled_back(), logged() as lines:
        connection = Connection.objects.create(
            name="CRM",
            slug="crm",
            base_url="https://api.example/v1",
            auth_method="bearer",
            api_key=CANARY,
            variables={"b": "c"},
        )
        page = browser.post(add, sent(feed_form(connection), fields))
        check_page(page, 200, 302)
        if not is_saved(page):
            assert not Feed.objects.exists()
        else:
            event("saved")
            check_feed(browser, Feed.objects.get(), {"a": "x/y?z", "n": 1.5, **data})
        check_stored()
        assert not found("\n".join(lines), [CANARY])


def check_feed(browser: Client, feed: Feed, data: dict[str, Any]) -> None:
    assert feed.problems() == {}
    check_page(browser.get(reverse("admin:apiconnector_feed_change", args=[feed.pk])))
    check_page(browser.get(reverse("admin:apiconnector_feed_changelist")))
    try:
        run = run_feed(feed.slug, data)
        runs = submit(feed.trigger, data)
    except FeedNotFound:
        assert not feed.is_active
        return
    except InvalidFeedData:
        return
    event(f"run {run.status}")
    for one in runs:
        delivery.process(one)
    for kept in FeedRun.objects.all():
        assert kept.error != "internal", kept.error_message
        check_page(browser.get(reverse("admin:apiconnector_feedrun_change", args=[kept.pk])))
    check_page(browser.get(reverse("admin:apiconnector_feedrun_changelist")))
    check_page(browser.get(reverse("admin:apiconnector_connectionevent_changelist")))
    assert not Token.objects.exists()
