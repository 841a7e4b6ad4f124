"""What the admin shows of an end ahead: in the list, on the page, in the history."""

from __future__ import annotations

from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone
from django.utils.formats import date_format

from apiconnector.models import Connection, Token, endings, health

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
LIST = "/admin/apiconnector/connection/"
DAY = timedelta(days=1)
CODE = {
    "auth_method": "oauth2_authorization_code", "client_id": "id", "client_secret": "canary-secret",
    "authorization_url": "https://idp.example.com/authorize", "token_url": "https://idp.example.com/token",
}  # fmt: skip  # in rows


@pytest.fixture
def make(make_connection: Callable[..., Connection]) -> Callable[..., Connection]:
    def made(
        slug: str, ago: timedelta = timedelta(), refresh_left: timedelta | None = None, **fields: Any
    ) -> Connection:
        connection = make_connection(name=slug, slug=slug, **CODE, **fields)
        now = timezone.now()
        Token.objects.create(
            connection=connection, access_token="a", refresh_token="r", issued_at=now - ago,
            refresh_expires_at=now + refresh_left if refresh_left else None,
        )  # fmt: skip  # in rows
        return connection

    return made


def page_of(client: Client, connection: Connection) -> str:
    return unescape(client.get(f"{LIST}{connection.pk}/change/").content.decode())


class TestPage:
    def test_what_is_near_stands_out(self, admin_client: Client, make: Callable[..., Connection]) -> None:
        connection = make("near", ago=50 * DAY, dialect={"refresh_token_idle_days": 60})
        page = page_of(admin_client, connection)
        day = date_format(timezone.localtime(timezone.now() + 10 * DAY), "DATE_FORMAT")
        assert page.count(f"Re-authorize before {day}, unless it is used until then") == 2  # the tool tip of the badge
        assert '<p class="apiconnector-reason apiconnector-ends apiconnector-open">Re-authorize before' in page

    def test_what_is_far_is_said_quietly(self, admin_client: Client, make: Callable[..., Connection]) -> None:
        page = page_of(admin_client, make("far", refresh_left=90 * DAY))
        assert '<p class="apiconnector-reason quiet">Re-authorize before ' in page
        assert "apiconnector-ends" not in page

    def test_a_client_secret_with_where_to_get_a_new_one(
        self, admin_client: Client, make: Callable[..., Connection]
    ) -> None:
        connection = make("secret", client_secret_expires_on=timezone.localdate() + 3 * DAY, preset="xero")
        page = page_of(admin_client, connection)
        assert "enter a new one from https://developer.xero.com/app/manage" in page

    def test_beside_a_problem(self, admin_client: Client, make: Callable[..., Connection]) -> None:
        connection = make("both", client_secret_expires_on=timezone.localdate())
        health.needs_attention(connection, health.NEEDS_REAUTHORIZATION, "It is dead.")
        health.look_again(connection)
        page = page_of(admin_client, connection)
        assert '<p class="apiconnector-reason">It is dead.</p>' in page
        assert 'apiconnector-open">The client secret ends on' in page
        assert page.index("<strong>Warned</strong> The client secret ends on") > 0
        assert page.index("<strong>Failed</strong> It is dead.") > 0

    def test_nothing_ends(self, admin_client: Client, make: Callable[..., Connection]) -> None:
        page = page_of(admin_client, make("lasting"))
        assert "Re-authorize before" not in page
        assert "apiconnector-reason" not in page


class TestList:
    def test_the_nearest_end_in_a_column(
        self, admin_client: Client, make: Callable[..., Connection], django_assert_num_queries: Any
    ) -> None:
        make("lasting")
        make("far", refresh_left=90 * DAY)
        near = make(
            "near", ago=360 * DAY, refresh_left=5 * DAY, client_secret_expires_on=timezone.localdate() + 9 * DAY
        )
        make("over", client_secret_expires_on=timezone.localdate() - DAY)
        page = unescape(admin_client.get(LIST).content.decode())
        assert page.count('<td class="field-ends') == 4
        day = date_format(timezone.localtime(timezone.now() + 5 * DAY), "SHORT_DATE_FORMAT")
        assert f'apiconnector-open" title="{endings.of(near)[0].before}">{day}</span>' in page
        assert 'apiconnector-ends apiconnector-bad" title="The client secret ended on ' in page
        yesterday = date_format(timezone.localdate() - DAY, "SHORT_DATE_FORMAT")
        assert f">{yesterday}</span>" in page
        for number in range(10):
            make(f"more-{number}", refresh_left=5 * DAY)
        with django_assert_num_queries(8):
            admin_client.get(LIST)
