"""Whatever a dialect, its connection and a provider's answer are: read or refused with a place, and never a 500."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import DatabaseError, transaction
from django.urls import reverse
from hypothesis import example, given
from hypothesis import strategies as st

from apiconnector.dialect import Dialect, KeptValueError, keep, read
from apiconnector.dialect.keys import TOKEN_MEMBERS, documented
from apiconnector.dialect.parts import FIXED_NAMES
from apiconnector.exceptions import ApiConnectorError, DialectError
from apiconnector.models import Connection
from tests.properties.database import rolled_back
from tests.properties.profiles import share
from tests.properties.strategies import encodable, json_values, texts

if TYPE_CHECKING:
    from django.test import Client

KEYS = [name for name, *_ in documented()]
#: What belongs somewhere in a dialect, so that examples come further than the first key.
PIECES: st.SearchStrategy[Any] = st.one_of(
    json_values(),
    st.sampled_from([
        "json", "GET", "query", "form", "raw", "milliseconds", "status == `400`", "body.ok", "[0-9]+", ".*", "(", "{{ shop }}", "{{ client_id }}",
        "{{ client_secret|base64 }}", "{{ access_token }}", "https://p.example/x", "https://{{ shop }}.p.example", "login", None, True, 3600, {}, [],
        {"pattern": "[a-z]+"}, {"path": "a.b", "pattern": ".*"}, {"secret": True}, {"refresh_token": None}, {"url": "login"},
    ]),
)  # fmt: skip  # in rows
INNER = st.sampled_from([
    "url", "method", "format", "params", "headers", "body", "values", "token_response", "after_refresh", "path", "pattern", "label", "default", "secret",
    "statuses", "success_when", "shop", "realm_id", "X-Key", "Authorization", *TOKEN_MEMBERS, *FIXED_NAMES,
])  # fmt: skip  # in rows
PARTS = st.recursive(PIECES, lambda inner: st.dictionaries(st.one_of(INNER, texts(2)), inner, max_size=4), max_leaves=8)
DIALECTS = st.one_of(json_values(), st.dictionaries(st.one_of(st.sampled_from(KEYS), texts(1)), PARTS, max_size=5))


def address(connection: Connection, name: str) -> str:
    return reverse(f"admin:apiconnector_connection_{name}", args=[connection.pk])


@share(2)
@given(DIALECTS)
@example({"refresh_params": {"refresh_token": None, "a": "{{ access_token }}"}})
def test_a_dialect_is_read_or_refused(data: Any) -> None:
    try:
        found = read(data)
    except DialectError as error:
        assert str(error)
        assert len(str(error)) < 5_000
        return
    assert isinstance(found, Dialect)
    assert read(data) is found
    assert found.kept_names().isdisjoint(FIXED_NAMES)


@given(st.dictionaries(texts(1), json_values(), max_size=4), st.sampled_from(["[a-z0-9.:/-]+", ".*", "[0-9]+", ""]))
def test_a_value_is_kept_whole_or_not_at_all(root: Any, pattern: str) -> None:
    declared = read({"keep_from_token": {"kept": {"path": "values(@)[0]", "pattern": pattern}}}).keep_from_token
    try:
        (value,) = keep(declared, root, where="The answer").values()
    except KeptValueError:
        return
    assert isinstance(value, str | int | float)
    assert value in root.values()


@pytest.mark.django_db
@given(DIALECTS, st.one_of(json_values(), st.dictionaries(encodable(1), json_values(), max_size=3)), encodable(3))
def test_a_row_past_validation_opens_everywhere(admin_client: Client, dialect: Any, variables: Any, url: str) -> None:
    with rolled_back():
        connection = Connection.objects.create(
            name="Odd", slug="odd", base_url="https://p.example", auth_method="oauth2_authorization_code",
            client_id="id", client_secret="canary-client-secret",
        )  # fmt: skip  # in rows
        fields = {"dialect": dialect, "variables": variables, "base_url": url.replace("\x00", "")[:400]}
        try:
            with transaction.atomic():
                Connection.objects.filter(pk=connection.pk).update(**fields)
        except (TypeError, ValueError, DatabaseError):
            return  # no JSON that a column can hold
        connection = Connection.objects.get(pk=connection.pk)
        assert connection.status
        assert isinstance(connection.status_reason, str)
        for name in ("change", "changelist"):
            target = (
                address(connection, name) if name == "change" else reverse("admin:apiconnector_connection_changelist")
            )
            assert admin_client.get(target).status_code == 200
        for name in ("authorize", "test", "disconnect"):
            assert admin_client.post(address(connection, name)).status_code == 302
        with connection.session() as api:
            try:
                api.get("x")
            except ApiConnectorError as error:
                assert "canary" not in str(error)
