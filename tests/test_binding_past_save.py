"""Rows that are written without ``save()``: queries, fixtures and raw SQL."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import connection as database

from apiconnector import crypto
from apiconnector.exceptions import SecretSealed, SecretUnreadable
from apiconnector.models import Connection, Token
from tests.bindings import CANARY, CODE, ELSEWHERE, found_in_sql

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def sql(statement: str, *values: Any) -> None:
    with database.cursor() as cursor:
        cursor.execute(statement, values)


@pytest.mark.django_db
class TestPastSave:
    """What does not go through ``save()``: the status tells the truth, and so does the column, but after raw SQL."""

    def test_update(self, bearer: Connection, make_connection: Callable[..., Connection]) -> None:
        make_connection(slug="other", auth_method="bearer", api_key=CANARY)
        assert Connection.objects.filter(base_url=bearer.base_url, slug="crm").update(base_url=ELSEWHERE) == 1
        assert found_in_sql() == {"crm": "sealed", "other": "ready"}
        assert Connection.objects.update(allowed_hosts=[ELSEWHERE]) == 2
        assert found_in_sql() == {"crm": "sealed", "other": "sealed"}
        Connection.objects.update(base_url=bearer.base_url, allowed_hosts=[])
        assert found_in_sql() == {"crm": "ready", "other": "ready"}
        Connection.objects.update(is_sealed=True)
        assert found_in_sql() == {"crm": "ready", "other": "ready"}

    def test_update_of_what_is_sent(self, make_connection: Callable[..., Connection]) -> None:
        connection = make_connection(auth_method="bearer", api_key=CANARY, password="p", username="u")
        connection.base_url, connection.api_key = ELSEWHERE, CANARY
        connection.save()
        assert found_in_sql() == {"crm": "ready"}
        Connection.objects.update(auth_method="basic")
        assert found_in_sql() == {"crm": Connection.objects.get().status} == {"crm": "sealed"}
        Connection.objects.update(auth_method="none", default_params={"p": "{{ password }}"})
        assert found_in_sql() == {"crm": Connection.objects.get().status} == {"crm": "sealed"}

    def test_update_without_a_key(self, bearer: Connection, settings: Any) -> None:
        settings.APICONNECTOR_KEYS = []
        Connection.objects.update(base_url=ELSEWHERE)
        assert Connection.objects.get().status == "unreadable"

    def test_other_updates_cost_nothing(self, bearer: Connection, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(1):
            Connection.objects.update(problem="misconfigured", problem_reason="x")

    def test_bulk_update(self, bearer: Connection) -> None:
        bearer.base_url = ELSEWHERE
        Connection.objects.bulk_update([bearer], ["base_url", "name"])
        assert (Connection.objects.get().status, found_in_sql()) == ("sealed", {"crm": "sealed"})

    def test_bulk_create(self, bearer: Connection) -> None:
        Connection.objects.bulk_create([
            Connection(name="A", slug="a", base_url=ELSEWHERE, auth_method="bearer", api_key=CANARY),
            Connection(name="B", slug="b", base_url=ELSEWHERE, auth_method="bearer", api_key=bearer.api_key),
        ])  # fmt: skip  # in rows
        assert found_in_sql() == {"crm": "ready", "a": "ready", "b": "sealed"}
        assert {row.slug: row.status for row in Connection.objects.all()} == found_in_sql()

    def test_bulk_create_over_a_row(self, bearer: Connection) -> None:
        over = {"unique_fields": ["slug"]} if database.features.supports_update_conflicts_with_target else {}
        Connection.objects.bulk_create(
            [Connection(name="CRM", slug="crm", base_url=ELSEWHERE)],
            update_conflicts=True, update_fields=["base_url"], **over,
        )  # fmt: skip  # in rows
        assert (Connection.objects.get().status, found_in_sql()) == ("sealed", {"crm": "sealed"})

    def test_a_fixture_with_another_address(self, make_connection: Callable[..., Connection], tmp_path: Path) -> None:
        connection = make_connection(**CODE)
        Token.objects.create(connection=connection, access_token="canary-a")
        out = io.StringIO()
        call_command("dumpdata", "apiconnector.connection", "apiconnector.token", stdout=out)
        assert "canary" not in out.getvalue()
        for change, expected in (({}, "authorized"), ({"token_url": ELSEWHERE, "is_sealed": False}, "sealed")):
            rows = json.loads(out.getvalue())
            for row in rows:
                if row["model"] == "apiconnector.connection":
                    row["fields"] |= change
            # Whichever comes first, and over rows that are there or not.
            for number, content in enumerate((rows, rows[::-1])):
                fixture = tmp_path / f"{expected}{number}.json"
                fixture.write_text(json.dumps(content))
                call_command("loaddata", str(fixture), verbosity=0)
                assert (Connection.objects.get().status, found_in_sql()) == (expected, {"crm": expected})
            Connection.objects.all().delete()

    def test_raw_sql_leaves_the_column_until_the_next_save(self, bearer: Connection, admin_client: Any) -> None:
        sql("UPDATE apiconnector_connection SET base_url = %s", ELSEWHERE)
        row = Connection.objects.get()
        assert (row.status, found_in_sql()) == ("sealed", {"crm": "ready"})
        page = admin_client.get("/admin/apiconnector/connection/")
        assert b"Secrets sealed" in page.content
        out = io.StringIO()
        call_command("apiconnector", "list", "--format", "json", stdout=out)
        assert json.loads(out.getvalue())[0]["status"] == "sealed"
        row.save()
        assert found_in_sql() == {"crm": "sealed"}
        sql("UPDATE apiconnector_connection SET base_url = %s", bearer.base_url)
        assert found_in_sql() == {"crm": "sealed"}
        assert Connection.objects.refresh_sealed() == set()
        assert found_in_sql() == {"crm": "ready"}

    def test_ciphertexts_swapped_in_sql(self, make_connection: Callable[..., Connection]) -> None:
        make_connection(slug="bank", auth_method="basic", username="canary-user", password=CANARY)
        make_connection(slug="evil", auth_method="basic", base_url=ELSEWHERE, username="u", password="p")
        sql(
            "UPDATE apiconnector_connection SET password = %s WHERE slug = 'evil'",
            Connection.objects.get(slug="bank").password.stored,
        )
        row = Connection.objects.get(slug="evil")
        assert row.password.reveal() == CANARY
        with pytest.raises(SecretSealed):
            row.reveal("password")
        assert row.status == "sealed"
        sql("UPDATE apiconnector_connection SET username = password, client_id = password, api_key = password")
        row = Connection.objects.get(slug="bank")
        for name in ("username", "client_id", "api_key"):
            with pytest.raises(SecretUnreadable):
                row.reveal(name)
        assert row.status == "unreadable"

    def test_tokens_swapped_in_sql(self, make_connection: Callable[..., Connection]) -> None:
        bank = make_connection(slug="bank", **CODE)
        evil = make_connection(slug="evil", **CODE | {"base_url": ELSEWHERE})
        Token.objects.create(connection=bank, access_token=CANARY, refresh_token="canary-r")
        sql("UPDATE apiconnector_token SET connection_id = %s", evil.pk)
        row = Connection.objects.get(slug="evil")
        with pytest.raises(SecretSealed):
            row.open(row.token.access_token, "access token")
        assert row.status == "sealed"
        sql("UPDATE apiconnector_token SET refresh_token = access_token")
        with pytest.raises(SecretUnreadable):
            Token.objects.get().refresh_token.reveal()

    def test_an_envelope_without_hosts_goes_nowhere(self, bearer: Connection) -> None:
        stored = crypto.seal(CANARY, column="apiconnector.Connection.api_key", hosts=())
        sql("UPDATE apiconnector_connection SET api_key = %s", stored)
        assert Connection.objects.get().status == "sealed"
