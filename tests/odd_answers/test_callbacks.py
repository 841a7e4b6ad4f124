"""Each callback of the table, through the view, with the cookie of an attempt that was begun in the admin."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from django.http import QueryDict
from django.test import Client

from apiconnector.models import AuthorizationAttempt, Connection, Token
from tests.odd_answers.callbacks import AUTHORIZED, CALLBACKS, REFUSED, STRAY
from tests.security.dance import CALLBACK, press, state_of, text

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from tests.odd_answers.conftest import OddServer
    from tests.odd_answers.shapes import CallbackRow

pytestmark = pytest.mark.django_db


@pytest.fixture
def site(admin_user: User) -> Client:
    client = Client()
    client.force_login(admin_user)
    return client


def make(server: OddServer, row: CallbackRow) -> Connection:
    connection = Connection(
        name="Odd", slug="odd", base_url=f"{server.origin}/api", auth_method="oauth2_authorization_code",
        client_id="site", client_secret="canary-client-secret", authorization_url=f"{server.origin}/authorize",
        token_url=f"{server.origin}/token", scope="read", issuer=row.issuer, dialect=dict(row.dialect),
    )  # fmt: skip  # in rows
    connection.full_clean()
    connection.save()
    return connection


def land(site: Client, row: CallbackRow, state: str) -> Any:
    return site.get(f"{CALLBACK}?{row.query.replace('{state}', state)}")


@pytest.mark.parametrize("row", CALLBACKS, ids=str)
def test_a_callback(server: OddServer, site: Client, row: CallbackRow) -> None:
    connection = make(server, row)
    state = state_of(press(site, connection))
    page = land(site, row, state)
    assert (page.status_code, row.phrase in text(page)) == (row.status, True), text(page)
    # The page's address has them; nothing on it does.
    assert state not in text(page)
    assert "canary" not in text(page)
    assert "<script>" not in text(page)
    assert "javascript:" not in text(page)
    assert [asked["code"] for asked in server.asked] == ([row.code] if row.code else [])
    token = Token.objects.filter(connection=connection).first()
    assert (token is not None) is (row.status == 200)
    assert token is None or dict(token.values) == dict(row.values)
    connection.refresh_from_db()
    assert connection.status == ("authorized" if token is not None else "not_authorized")


@pytest.mark.parametrize("row", [*AUTHORIZED, *REFUSED], ids=str)
def test_it_spends_the_attempt(server: OddServer, site: Client, row: CallbackRow) -> None:
    state = state_of(press(site, make(server, row)))
    first = land(site, row, state)
    asked = len(server.asked)
    again = land(site, row, state)
    assert again.status_code == first.status_code
    assert row.phrase in text(again)
    assert len(server.asked) == asked
    assert AuthorizationAttempt.objects.get().used_at is not None


@pytest.mark.parametrize("row", STRAY, ids=str)
def test_it_spends_nothing(server: OddServer, site: Client, row: CallbackRow) -> None:
    state = state_of(press(site, make(server, row)))
    land(site, row, state)
    assert AuthorizationAttempt.objects.get().used_at is None
    assert site.get(CALLBACK, {"code": "code-value-1", "state": state}).status_code == 200


@pytest.mark.parametrize("row", AUTHORIZED, ids=str)
def test_the_same_as_a_form(server: OddServer, site: Client, row: CallbackRow) -> None:
    """response_mode=form_post: a cross-site POST, to which the browser adds no cookie."""
    state = state_of(press(site, make(server, row)))
    fields = QueryDict(row.query.replace("{state}", state))
    posted = Client(enforce_csrf_checks=True).post(
        CALLBACK, fields.urlencode(), content_type="application/x-www-form-urlencoded"
    )
    assert posted.status_code == 303
    assert row.phrase in text(site.get(posted["Location"]))
    assert [asked["code"] for asked in server.asked] == [row.code]
    assert dict(Token.objects.get().values) == dict(row.values)


def test_the_table_is_broad() -> None:
    assert [name for name, count in Counter(map(str, CALLBACKS)).items() if count > 1] == []
    assert len(CALLBACKS) >= 30
    assert len([row for row in CALLBACKS if row.dialect]) >= 8
