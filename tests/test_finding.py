"""Connections and feeds found by their slug: in one query, and as they are now, whoever changed them and how."""

from __future__ import annotations

import json
import pickle
import threading
from copy import copy
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import responses
from django.db import connection as database
from django.db import models, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apiconnector import crypto
from apiconnector.models import Connection, Feed, Token, finding
from apiconnector.shortcuts import connect, run_feed

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db
CODE = {
    "auth_method": "oauth2_authorization_code",
    "client_id": "id",
    "client_secret": "canary-secret",
    "authorization_url": "https://provider.example/authorize",
    "token_url": "https://provider.example/token",
}


@pytest.fixture
def authorized(make_connection: Callable[..., Connection]) -> Connection:
    connection = make_connection(**CODE, default_headers={"X-A": ["1"]}, variables={"a": {"b": 1}})
    Token.objects.create(
        connection=connection, access_token="canary-1", refresh_token="canary-r", values={"realm": [1]},
        expires_at=timezone.now() + timedelta(hours=1),
    )  # fmt: skip  # in rows
    return connection


@pytest.fixture
def feed(authorized: Connection, make_feed: Callable[..., Feed]) -> Feed:
    return make_feed(authorized)


def found() -> Connection:
    connection = finding.find_connection("crm")
    assert connection is not None
    return connection


def columns(row: models.Model) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def another(field: models.Field[Any, Any], value: Any) -> Any:
    """Another value for a column, as the database takes it."""
    kind = field.get_internal_type()
    if field.choices and kind == "CharField":
        return next(str(choice) for choice, _ in field.flatchoices if choice != value)
    if kind == "BooleanField":
        return not value
    if kind == "DateTimeField":
        return field.get_db_prep_save(timezone.now() - timedelta(days=3), database)
    if kind == "DateField":
        return "2031-05-06"
    if "Integer" in kind:
        return 7
    if kind == "FloatField":
        return 2.5
    if hasattr(field, "json_type"):
        return json.dumps(["x"] if field.json_type is list else {"x": 1})
    if hasattr(field, "column_label"):
        return crypto.seal({} if "JSON" in type(field).__name__ else "canary", column=field.column_label, hosts=())
    return "z"


# What is found


def test_it_is_what_django_finds(feed: Feed) -> None:
    for _ in range(2):  # made, and copied
        one = finding.find_feed("lead")
        other = Feed.objects.select_related("connection__token").get()
        assert one is not None
        for mine, theirs in (
            (one, other),
            (one.connection, other.connection),
            (one.connection.token, other.connection.token),
        ):
            assert type(mine) is type(theirs)
            assert columns(mine) == columns(theirs)
            assert (mine._state.db, mine._state.adding) == (theirs._state.db, theirs._state.adding)
        assert one.connection.token.connection is one.connection


@pytest.mark.parametrize("model", [Connection, Token], ids=lambda model: model.__name__)
def test_a_change_of_any_column_is_noticed_at_once(authorized: Connection, model: type[models.Model]) -> None:
    """By SQL, which nothing in this process hears of."""
    found()
    for field in model._meta.concrete_fields:
        if field.primary_key or field.name in {"slug", "is_active", "connection"}:
            continue
        new = another(field, getattr(model._default_manager.get(), field.attname))
        with database.cursor() as cursor:
            cursor.execute(
                f"UPDATE {model._meta.db_table} SET {database.ops.quote_name(str(field.column))} = %s", [new]
            )
        connection = found()
        now = columns(Connection.objects.get()) if model is Connection else columns(Token.objects.get())
        assert columns(connection if model is Connection else connection.token) == now, field.name
        assert columns(found()) == columns(Connection.objects.get()), field.name


@pytest.mark.parametrize("model", [Feed, Connection, Token], ids=lambda model: model.__name__)
def test_the_type_of_every_column_can_be_read_from_json(model: type[models.Model]) -> None:
    """Also of a column that is added one day."""
    assert {field.get_internal_type() for field in model._meta.concrete_fields} <= finding._TYPES.keys()


def test_a_token_that_comes_and_goes(make_connection: Callable[..., Connection]) -> None:
    connection = make_connection(**CODE)
    for _ in range(2):
        assert getattr(found(), "token", None) is None
        token = Token.objects.create(connection=connection, access_token="canary-a")
        assert found().token.access_token.reveal() == "canary-a"
        token.delete()


@pytest.mark.parametrize("slug", ["CRM", "crm ", "Crm", "crm\n", "%", "cr_"])
def test_a_slug_is_found_letter_by_letter(authorized: Connection, slug: str) -> None:
    """On every database, whatever was found before."""
    for _ in range(2):
        assert finding.find_connection(slug) is None
        assert found().pk == authorized.pk


def test_switched_off_renamed_and_deleted(authorized: Connection) -> None:
    found()
    Connection.objects.update(is_active=False)
    assert finding.find_connection("crm") is None
    Connection.objects.update(is_active=True, slug="other")
    assert finding.find_connection("crm") is None
    assert finding.find_connection("other") is not None
    Connection.objects.all().delete()
    assert finding.find_connection("other") is None


def test_a_transaction_sees_what_it_wrote_and_a_rollback_undoes_it(authorized: Connection) -> None:
    found()
    with transaction.atomic():
        Connection.objects.update(base_url="https://elsewhere.example")
        assert found().base_url == "https://elsewhere.example"
        transaction.set_rollback(True)
    assert found().base_url == authorized.base_url


def test_what_is_sent_follows_the_row(authorized: Connection) -> None:
    def sent() -> tuple[str, str, Any]:
        with connect("crm") as api:
            request = api.get("x").request
        return str(request.url), str(request.headers["Authorization"]), request.headers.get("X-B")

    with responses.RequestsMock() as mock:
        mock.get("https://api.example.com/v1/x")
        mock.get("https://api.example.com/v2/x")
        assert sent() == ("https://api.example.com/v1/x", "Bearer canary-1", None)
        Connection.objects.update(base_url="https://api.example.com/v2", default_headers={"X-B": "1"})
        assert sent() == ("https://api.example.com/v2/x", "Bearer canary-1", "1")
        token = Token.objects.get()
        token.access_token = "canary-2"
        token.save()
        assert sent() == ("https://api.example.com/v2/x", "Bearer canary-2", "1")


# What it costs


def test_one_query_for_a_call_and_two_for_a_feed(feed: Feed) -> None:
    with responses.RequestsMock() as mock:
        mock.get("https://api.example.com/v1/x")
        mock.post("https://api.example.com/v1/leads", json={})
        for _ in range(2):
            with CaptureQueriesContext(database) as queries, connect("crm") as api:
                api.get("x")
            assert len(queries) == 1
            with CaptureQueriesContext(database) as queries:
                assert run_feed("lead", {"email": "a"}).ok
            assert len(queries) == 2


def test_a_row_that_is_as_it_was_is_not_made_again(authorized: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    found()
    monkeypatch.setattr(Connection, "from_db", lambda *_: pytest.fail("made again"))
    assert found().pk == authorized.pk


def test_so_many_are_remembered_and_no_more(
    make_connection: Callable[..., Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "MOST", 8)
    for number in range(30):
        make_connection(slug=f"c{number}")
        assert finding.find_connection(f"c{number}") is not None
        assert finding.find_connection("c0") is not None
    finder = finding._connections
    assert len(finder._recent) + len(finder._older) <= 8
    made = [seen.templates[0] for seen in (finder._recent | finder._older).values()]
    assert "c0" in {vars(template.row)["slug"] for template in made if template is not None}  # what is used stays


# What is handed out


def test_copies_share_nothing_that_can_be_changed(authorized: Connection) -> None:
    first, second = found(), found()
    assert first is not second
    assert first.token is not second.token
    first.default_headers["X-A"].append("2")
    first.variables["a"]["b"] = 2
    first.allowed_hosts.append("evil.example")
    first.token.values["realm"].append(2)
    first.opened.add("canary-opened")
    first.base_url = "https://elsewhere.example"
    for other in (second, found()):
        assert columns(other) == columns(Connection.objects.get())
        assert columns(other.token) == columns(Token.objects.get())
        assert not other.opened


def test_a_changed_copy_has_hosts_of_its_own(authorized: Connection) -> None:
    first, second = found(), found()
    first.session().destinations.check("https://api.example.com/v1/x")
    second.base_url = "https://other.example"
    assert second.secret_hosts() == {"other.example:443", "provider.example:443"}
    assert str(second.session().destinations.origin) == "https://other.example"
    assert str(first.session().destinations.origin) == "https://api.example.com"


def test_no_credential_leaves_with_a_pickle(authorized: Connection) -> None:
    with responses.RequestsMock() as mock:
        mock.get("https://api.example.com/v1/x")
        connection = found()
        connection.session().get("x")
    connection.redactor(is_fresh=True)
    assert b"canary" not in pickle.dumps(connection)
    assert copy(connection).shared is None
    assert "canary" not in repr(vars(connection)) + repr(vars(connection.shared))


def test_redaction_follows_the_row(authorized: Connection) -> None:
    assert found().redactor(is_fresh=True)("canary-1 canary-r") == "[redacted] [redacted]"
    token = Token.objects.get()
    token.access_token = "canary-new"
    token.save()
    for _ in range(2):
        redact = found().redactor(is_fresh=True)
        assert redact("canary-new canary-r canary-secret") == "[redacted] [redacted] [redacted]"
    connection = found()
    connection.password = "canary-typed"
    assert connection.redactor(is_fresh=True)("canary-typed") == "[redacted]"
    assert found().redactor(is_fresh=True)("canary-typed") == "canary-typed"


def test_redaction_knows_what_a_key_opens_again(authorized: Connection, settings: Any) -> None:
    keys = settings.APICONNECTOR_KEYS
    settings.APICONNECTOR_KEYS = [crypto.generate_key()]
    assert found().redactor(is_fresh=True)("canary-1") == "canary-1"
    settings.APICONNECTOR_KEYS = keys
    assert found().redactor(is_fresh=True)("canary-1") == "[redacted]"


@pytest.mark.django_db(transaction=True)
def test_threads_that_find_while_it_changes(authorized: Connection) -> None:
    """Each sees one of the rows there were, whole."""
    wrong: list[Any] = []
    stop = threading.Event()

    def look() -> None:
        try:
            while not stop.is_set():
                connection = found()
                if connection.base_url.rpartition("/")[2] != connection.test_path:
                    wrong.append((connection.base_url, connection.test_path))
        except Exception as error:
            wrong.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=look) for _ in range(4)]
    Connection.objects.update(base_url="https://api.example.com/0", test_path="0")
    for thread in threads:
        thread.start()
    for number in range(50):
        Connection.objects.update(base_url=f"https://api.example.com/{number}", test_path=str(number))
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
