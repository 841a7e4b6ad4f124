"""The dialect and its variables in the connection's form."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.admin.models import LogEntry

from apiconnector.admin.dialect_form import COMMON, DEFAULTS, PREFIX
from apiconnector.dialect.keys import documented
from apiconnector.models import Connection, ConnectionEvent
from apiconnector.presets import find
from tests.browserless import ALL_BUT_SECRETS, change_url, clerk, shown, submit
from tests.test_admin import ADD, errors, form

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    Make = Callable[..., Connection]

pytestmark = pytest.mark.django_db
#: A value for each common key that is not its default, as JSON has it.
SET: dict[str, Any] = {
    "authorization_params": {"access_type": "offline", "scope": None},
    "token_request_format": "json",
    "token_params": {"client_key": "{{ client_id }}"},
    "basic_encoding": "raw",
    "callback_code_param": "auth_code",
    "keep_from_callback": {"realm_id": {"path": "realmId", "pattern": "[0-9]+"}},
    "keep_from_token": {"site": {"pattern": "https://[a-z.]+"}},
    "expired_when": "status == `400`",
    "default_expires_in": 3600,
    "expires_unit": "milliseconds",
}
REST: dict[str, Any] = {"token_headers": {"X-A": "b"}, "second_token": {"url": "long", "method": "GET"}}
SHOP = {"label": "Shop", "pattern": "[a-z0-9-]+", "help": "The part before <.myshop.example>."}
SHOP_DIALECT = {"variables": {"shop": SHOP, "version": {"default": "2026-10"}}}
KEYS = {
    "variables": {"second_key": {"label": "Second key", "secret": True, "pattern": "k-.+"}, "third": {"secret": True}}
}


def typed(values: dict[str, Any]) -> dict[str, str]:
    """What is typed into the inputs of common keys."""
    return {PREFIX + key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


def stored() -> Any:
    return Connection.objects.get().dialect


def row(page: Any, name: str) -> str:
    found = re.search(
        rf'<div class="form-row[^"]*field-{name}".*?(?=<div class="form-row|</fieldset>)',
        page.content.decode(),
        re.DOTALL,
    )
    assert found, name
    return found[0]


def test_every_common_key_has_a_value_here() -> None:
    assert set(SET) == set(COMMON)
    assert set(COMMON) < {key for key, *_ in documented()}


class TestTheInputs:
    @pytest.mark.parametrize("key", COMMON)
    def test_each_is_stored_shown_again_and_taken_out(self, admin_client: Client, key: str) -> None:
        assert admin_client.post(ADD, form(dialect="{}", **typed({key: SET[key]}))).status_code == 302
        assert stored() == {key: SET[key]}
        connection = Connection.objects.get()
        page = admin_client.get(change_url(connection))
        initial = page.context["adminform"].form.initial
        assert initial[PREFIX + key] == SET[key]
        assert initial["dialect"] == {}
        submit(admin_client, connection, name="Renamed")
        assert stored() == {key: SET[key]}
        default = DEFAULTS[key]
        submit(admin_client, connection, **{PREFIX + key: default if isinstance(default, str) else ""})
        assert stored() == {}

    def test_all_of_them_with_the_rest(self, admin_client: Client) -> None:
        sent = form(dialect=json.dumps(REST), **typed(SET))
        assert admin_client.post(ADD, sent).status_code == 302
        assert stored() == {**SET, **REST}

    def test_a_default_that_is_typed_is_not_stored(self, admin_client: Client) -> None:
        sent = typed({"callback_code_param": "code", "token_params": {}, "token_request_format": "form"})
        assert admin_client.post(ADD, form(dialect="", **sent)).status_code == 302
        assert stored() == {}

    def test_an_unchanged_form_changes_nothing_and_writes_no_history(
        self, admin_client: Client, make_connection: Make
    ) -> None:
        connection = make_connection(dialect={**SET, **REST, **SHOP_DIALECT}, variables={"shop": "ada", "n": 5})
        submit(admin_client, connection)
        after = Connection.objects.get()
        assert after.dialect == connection.dialect
        assert after.variables == connection.variables
        assert not ConnectionEvent.objects.exists()
        submit(admin_client, connection, **typed({"expired_when": "status == `498`"}), variable_shop="grace")
        assert ConnectionEvent.objects.get().message == "Changed: dialect, variables"

    def test_each_says_what_it_is_for(self, admin_client: Client) -> None:
        page = admin_client.get(ADD)
        for key in COMMON:
            text = row(page, PREFIX + key)
            assert f"<code>{key}</code>: " in text
            assert "`" not in re.sub(r"status == `40[01]`", "", text.partition('class="help"')[2])
        assert "WP OAuth Server <code>status == `400`</code>" in row(page, "dialect_expired_when")
        for key in {name for name, *_ in documented()} - set(COMMON):
            assert f"<code>{key}</code>" in row(page, "dialect")

    def test_the_group_is_folded_unless_something_is_set(self, admin_client: Client, make_connection: Make) -> None:
        def folded(page: Any) -> bool:
            return "<details><summary>" in re.findall(r"<fieldset.*?</h2>", page.content.decode(), re.DOTALL)[-1]

        assert folded(admin_client.get(ADD))
        assert folded(admin_client.get(change_url(make_connection())))
        assert not folded(admin_client.get(change_url(make_connection(slug="b", dialect={"expires_unit": "seconds"}))))
        brought: Any = find("google")
        assert folded(admin_client.get(f"{ADD}?preset=google")), "nobody has to look at what a preset brings"
        asis = make_connection(slug="c", preset="google", dialect=brought.fields["dialect"])
        assert folded(admin_client.get(change_url(asis)))
        assert not folded(
            admin_client.get(
                change_url(make_connection(slug="d", preset="google", dialect={"expires_unit": "seconds"}))
            )
        )
        page = admin_client.post(ADD, form(name="", dialect_expires_unit="milliseconds"))
        assert errors(page)
        assert not folded(page)

    def test_inputs_that_a_method_does_not_use_are_not_shown(self, admin_client: Client) -> None:
        sheet = admin_client.get("/admin/apiconnector/connection/fields.css").content.decode()

        def hides(method: str, key: str) -> bool:
            chosen = f'form:has(#id_auth_method option[value="{method}"]:checked)'
            return f"{chosen} .form-row.field-{PREFIX}{key}:not(.errors)" in sheet

        assert not any(hides("oauth2_authorization_code", key) for key in COMMON)
        assert [key for key in COMMON if not hides("login", key)] == [
            "expired_when",
            "default_expires_in",
            "expires_unit",
        ]
        assert all(hides("bearer", key) for key in COMMON)
        assert hides("oauth2_client_credentials", "keep_from_callback")
        assert not hides("oauth2_client_credentials", "token_params")


class TestJsonOfTheWhole:
    """A POST of ``dialect`` alone, as code and older pages send it."""

    def test_it_is_taken_as_it_is(self, admin_client: Client) -> None:
        whole = {"token_request_format": "json", **REST}
        assert admin_client.post(ADD, form(dialect=json.dumps(whole))).status_code == 302
        assert stored() == whole
        connection = Connection.objects.get()
        other = {"basic_encoding": "raw"}
        assert admin_client.post(change_url(connection), form(dialect=json.dumps(other))).status_code == 302
        assert stored() == other
        assert ConnectionEvent.objects.get().message == "Changed: dialect"

    def test_without_it_what_is_stored_stays(self, admin_client: Client, make_connection: Make) -> None:
        connection = make_connection(dialect={**SET, **REST}, variables={"n": 1}, preset="google")
        sent = {key: value for key, value in form(name="New").items() if key != "variables"}
        assert admin_client.post(change_url(connection), sent).status_code == 302
        after = Connection.objects.get()
        assert (after.name, after.dialect, after.variables, after.preset) == (
            "New",
            {**SET, **REST},
            {"n": 1},
            "google",
        )
        assert "dialect" not in ConnectionEvent.objects.get().message
        sent = form(dialect_expires_unit="seconds", name="New")
        assert admin_client.post(change_url(connection), sent).status_code == 302
        assert stored() == {key: value for key, value in {**SET, **REST}.items() if key != "expires_unit"}

    def test_it_counts_where_the_input_is_at_its_default_or_untouched(
        self, admin_client: Client, make_connection: Make
    ) -> None:
        connection = make_connection()
        submit(admin_client, connection, dialect='{"token_request_format": "json", "token_params": {"a": "b"}}')
        assert stored() == {"token_request_format": "json", "token_params": {"a": "b"}}
        submit(admin_client, connection, dialect='{"token_request_format": "query"}')
        assert stored()["token_request_format"] == "query"

    def test_a_contradiction_is_said(self, admin_client: Client, make_connection: Make) -> None:
        connection = make_connection()
        page = submit(
            admin_client, connection, dialect='{"token_request_format": "json"}', dialect_token_request_format="query"
        )
        assert set(errors(page)) == {"dialect"}
        assert "token_request_format: its own input says something else" in str(errors(page))
        sent = {"dialect": '{"token_request_format": "json"}', "dialect_token_request_format": "json"}
        assert submit(admin_client, connection, **sent).redirect_chain
        assert stored() == {"token_request_format": "json"}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"dialect_token_params": "nonsense"}, "dialect_token_params"),
        ({"dialect_token_params": "[1]"}, "dialect_token_params"),
        ({"dialect_token_params": '{"a": NaN}'}, "dialect_token_params"),
        ({"dialect_token_params": '{"a": "\\ud800"}'}, "dialect_token_params"),
        ({"dialect_token_params": "[" * 900 + "]" * 900}, "dialect_token_params"),
        ({"dialect_token_params": '{"a": "{{ b"}'}, "dialect_token_params"),
        ({"dialect_token_params": '{"a": "{{ nobody }}"}'}, "dialect_token_params"),
        ({"dialect_authorization_params": '{"a": "{{ client_secret }}"}'}, "dialect_authorization_params"),
        ({"dialect_authorization_params": '{"a": [1]}'}, "dialect_authorization_params"),
        ({"dialect_token_request_format": "xml"}, "dialect_token_request_format"),
        ({"dialect_keep_from_callback": '{"realm": {}}'}, "dialect_keep_from_callback"),
        ({"dialect_keep_from_token": '{"state": {"pattern": "a"}}'}, "dialect_keep_from_token"),
        ({"dialect_expired_when": "status =="}, "dialect_expired_when"),
        ({"dialect_default_expires_in": "0"}, "dialect_default_expires_in"),
        ({"dialect_default_expires_in": "1e999"}, "dialect_default_expires_in"),
        ({"dialect_default_expires_in": "soon"}, "dialect_default_expires_in"),
        ({"dialect_callback_code_param": "c" * 101}, "dialect_callback_code_param"),
        ({"dialect": '{"token_params": 5}'}, "dialect"),
        ({"dialect": '{"tokenparams": {}}'}, "dialect"),
        ({"dialect": "[1]"}, "dialect"),
        ({"dialect": "nonsense"}, "dialect"),
        ({"dialect": '"text"'}, "dialect"),
        ({"dialect": "1" * 5000}, "dialect"),
        ({"dialect": '{"revoke": {}}', "dialect_token_params": '{"a": "b"}'}, "dialect"),
        ({"auth_method": "login", "username": "a", "password": "b"}, "dialect"),
        ({"preset": "x" * 51}, "preset"),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else None,
)  # fmt: skip  # in rows
def test_what_is_wrong_is_said_at_its_input(admin_client: Client, fields: dict[str, str], named: str) -> None:
    page = admin_client.post(ADD, form(**fields))
    assert page.status_code == 200
    assert set(errors(page)) == {named}
    assert len(errors(page)[named]) == 1
    for name, text in fields.items():
        if name == named and name.startswith("dialect"):
            assert page.context["adminform"].form[name].value() in (text, None) or text in page.content.decode()
    assert not Connection.objects.exists()


@pytest.mark.parametrize(
    "dialect",
    [
        [1], "text", 5, {"nobody": 1}, {"token_params": "text"}, {"token_request_format": "xml"}, {"expires_unit": None},
        {"default_expires_in": True}, {"callback_code_param": ""}, {"callback_code_param": "a\nb"},
        {"expired_when": "status =="}, {"variables": [1]}, {"variables": {"a b": {}}}, {"variables": {"shop": 1}},
        {"keep_from_token": {"a": {}}}, {"token_params": {"a": ["b", {"c": None}]}, "x": "</textarea><script>"},
    ],
    ids=str,
)  # fmt: skip  # in rows
def test_a_stored_dialect_that_cant_be_read_is_shown_and_can_be_put_right(
    admin_client: Client, make_connection: Make, dialect: Any
) -> None:
    connection = make_connection(auth_method="bearer", api_key="canary-key")
    Connection.objects.update(dialect=dialect)
    page = admin_client.get(change_url(connection))
    assert page.status_code == 200
    assert b"<script>" not in row(page, "dialect").encode()
    again = submit(admin_client, connection)
    assert again.status_code == 200
    assert not again.redirect_chain
    assert stored() == dialect
    assert set(errors(again)) <= {"dialect", *(PREFIX + key for key in COMMON)}
    cleared = {PREFIX + key: "" for key in COMMON}
    assert submit(admin_client, connection, dialect="{}", **cleared).redirect_chain
    assert stored() == {}


def test_whoever_may_only_look_sees_the_json(make_connection: Make) -> None:
    connection = make_connection(dialect={**SET, **KEYS}, secret_variables={"second_key": "canary-k"})
    page = clerk("view_connection").get(change_url(connection))
    assert page.status_code == 200
    assert "auth_code" in row(page, "dialect")
    assert "canary" not in page.content.decode()
    assert "dialect_token_params" not in page.content.decode()


class TestVariables:
    def test_each_declared_one_has_an_input(self, admin_client: Client, make_connection: Make) -> None:
        connection = make_connection(dialect=SHOP_DIALECT, variables={"shop": "ada", "other": 1})
        page = admin_client.get(change_url(connection))
        text = row(page, "variable_shop")
        assert ">Shop:</label>" in text
        assert 'value="ada"' in text
        assert "The part before &lt;.myshop.example&gt;." in text
        assert "<code>[a-z0-9-]+</code>" in text
        assert 'placeholder="2026-10"' in row(page, "variable_version")
        assert page.context["adminform"].form.initial["variables"] == {"other": 1}

    def test_values_are_merged_with_the_other_names(self, admin_client: Client, make_connection: Make) -> None:
        connection = make_connection(dialect=SHOP_DIALECT, variables={"shop": "ada", "other": 1})
        submit(admin_client, connection, variable_shop="grace", variable_version="2026-07", variables='{"more": [1]}')
        assert Connection.objects.get().variables == {"shop": "grace", "version": "2026-07", "more": [1]}
        submit(admin_client, connection, variable_version="")
        assert Connection.objects.get().variables == {"shop": "grace", "more": [1]}
        assert ConnectionEvent.objects.latest("pk").message == "Changed: variables"

    def test_a_number_stays_one(self, admin_client: Client, make_connection: Make) -> None:
        connection = make_connection(
            dialect={"variables": {"tenant": {}, "odd": {}}}, variables={"tenant": 5, "odd": [1]}
        )
        page = admin_client.get(change_url(connection))
        assert 'value="5"' in row(page, "variable_tenant")
        assert page.context["adminform"].form.initial["variables"] == {"odd": [1]}
        submit(admin_client, connection, variable_odd="text", variables="{}", name="New")
        assert Connection.objects.get().variables == {"tenant": 5, "odd": "text"}

    def test_json_of_the_whole_counts(self, admin_client: Client, make_connection: Make) -> None:
        sent = form(dialect=json.dumps(SHOP_DIALECT), variables='{"shop": "ada"}')
        assert admin_client.post(ADD, sent).status_code == 302
        connection = Connection.objects.get()
        assert connection.variables == {"shop": "ada"}
        submit(admin_client, connection, variables='{"shop": "grace"}')
        assert Connection.objects.get().variables == {"shop": "grace"}
        page = submit(admin_client, connection, variables='{"shop": "ada"}', variable_shop="eve")
        assert "shop: its own input says something else" in str(errors(page)["variables"])

    @pytest.mark.parametrize(
        ("value", "words"), [("", "This is needed"), ("UPPER", "does not match the pattern"), (None, "This is needed")]
    )
    def test_what_is_wrong_is_said_at_the_input(self, admin_client: Client, value: str | None, words: str) -> None:
        """Also of a dialect that is only being added: the input is there with the error."""
        sent = form(dialect=json.dumps(SHOP_DIALECT)) | ({} if value is None else {"variable_shop": value})
        page = admin_client.post(ADD, sent)
        assert set(errors(page)) == {"variable_shop"}
        assert words in row(page, "variable_shop")
        assert admin_client.post(ADD, {**sent, "variable_shop": "ada"}).status_code == 302
        assert Connection.objects.get().variables == {"shop": "ada"}

    def test_a_declaration_taken_out_leaves_the_value(self, admin_client: Client, make_connection: Make) -> None:
        connection = make_connection(dialect=SHOP_DIALECT, variables={"shop": "ada"})
        submit(admin_client, connection, dialect="{}")
        assert (stored(), Connection.objects.get().variables) == ({}, {"shop": "ada"})

    def test_a_declaration_is_no_way_into_the_page(self, admin_client: Client, make_connection: Make) -> None:
        evil = {
            "label": "<script>l</script>",
            "help": "<script>h</script>",
            "pattern": "<script>p</script>|.*",
            "default": "<script>d</script>",
        }
        connection = make_connection(dialect={"variables": {"shop": evil}})
        assert "<script>" not in row(admin_client.get(change_url(connection)), "variable_shop")


class TestSecretVariables:
    def test_they_go_in_and_do_not_come_out(self, admin_client: Client) -> None:
        sent = form(dialect=json.dumps(KEYS), variable_second_key="k-canary", variable_third="canary-3")
        page = admin_client.post(ADD, sent, follow=True)
        connection = Connection.objects.get()
        assert connection.secret_variables.reveal() == {"second_key": "k-canary", "third": "canary-3"}
        page = admin_client.get(change_url(connection))
        assert "canary" not in page.content.decode()
        assert 'type="password"' in row(page, "variable_second_key")
        assert "Stored, encrypted" in row(page, "variable_second_key")
        assert "Stored" not in row(page, "secret_variables")
        assert "canary" not in str(list(LogEntry.objects.values())) + str(list(ConnectionEvent.objects.values()))

    def test_blank_keeps_and_the_others_stay(self, admin_client: Client, make_connection: Make) -> None:
        values = {"second_key": "k-canary-1", "third": "canary-3", "own": "canary-own"}
        connection = make_connection(dialect=KEYS, secret_variables=values)
        assert "Stored" in row(admin_client.get(change_url(connection)), "secret_variables")
        before = connection.secret_variables.stored
        submit(admin_client, connection, name="New")
        assert Connection.objects.get().secret_variables.stored == before
        submit(admin_client, connection, variable_second_key="k-canary-2")
        assert Connection.objects.get().secret_variables.reveal() == {**values, "second_key": "k-canary-2"}
        assert ConnectionEvent.objects.latest("pk").message == "Changed: secret variables"
        submit(admin_client, connection, secret_variables='{"new": "canary-new"}')
        assert Connection.objects.get().secret_variables.reveal() == {
            "second_key": "k-canary-2", "third": "canary-3", "new": "canary-new",
        }  # fmt: skip  # in rows
        submit(admin_client, connection, **{"secret_variables-remove": "on"})
        assert set(Connection.objects.get().secret_variables.reveal()) == {"second_key", "third"}
        page = submit(admin_client, connection, **{"variable_third-remove": "on"})
        assert set(errors(page)) == {"variable_third"}
        assert "This is needed" in str(errors(page))

    def test_what_is_wrong_is_said_at_the_input(self, admin_client: Client) -> None:
        page = admin_client.post(ADD, form(dialect=json.dumps(KEYS), variable_second_key="canary-wrong"))
        assert set(errors(page)) == {"variable_second_key", "variable_third"}
        assert "canary" not in page.content.decode()

    def test_without_a_key_that_is_said_at_the_input(self, admin_client: Client, settings: Any) -> None:
        settings.APICONNECTOR_KEYS = []
        page = admin_client.post(
            ADD, form(dialect=json.dumps(KEYS), variable_second_key="k-canary", variable_third="c")
        )
        assert {"variable_second_key", "variable_third"} >= set(errors(page)) != set()
        assert "keys generate" in str(errors(page))

    def test_one_typed_while_no_key_opens_the_others(
        self, admin_client: Client, make_connection: Make, settings: Any
    ) -> None:
        connection = make_connection(dialect=KEYS, secret_variables={"second_key": "k-canary", "third": "canary"})
        settings.APICONNECTOR_KEYS = [Fernet.generate_key().decode()]
        assert "no key opens it" in row(admin_client.get(change_url(connection)), "variable_third")
        page = submit(admin_client, connection, variable_third="canary-new")
        assert set(errors(page)) == {"variable_third"}
        assert "would be lost" in str(errors(page))
        assert "canary" not in page.content.decode()
        submit(
            admin_client, connection, variable_third="canary-new", variable_second_key="k-2",
            **{"secret_variables-remove": "on"},
        )  # fmt: skip  # in rows
        assert Connection.objects.get().secret_variables.reveal() == {"second_key": "k-2", "third": "canary-new"}

    def test_sealed_ones_are_typed_again(self, admin_client: Client, make_connection: Make) -> None:
        connection = make_connection(dialect=KEYS, secret_variables={"second_key": "k-canary", "third": "canary"})
        page = submit(admin_client, connection, base_url="https://moved.example")
        assert "Sealed: entered before moved.example:443" in row(page, "variable_second_key")
        assert "typing one of them sends all of them there" in row(page, "variable_third")
        submit(admin_client, connection, variable_third="canary-3")
        row_now = Connection.objects.get()
        assert row_now.status == "ready"
        assert row_now.reveal("secret_variables") == {"second_key": "k-canary", "third": "canary-3"}

    def test_without_the_permission_there_is_no_input(self, make_connection: Make) -> None:
        connection = make_connection(dialect=KEYS, secret_variables={"second_key": "k-canary", "third": "canary"})
        before = connection.secret_variables.stored
        person = clerk(*ALL_BUT_SECRETS)
        assert "variable_second_key" not in person.get(change_url(connection)).content.decode()
        submit(person, connection, name="New", variable_second_key="k-eve", secret_variables='{"third": "eve"}')
        after = Connection.objects.get()
        assert (after.name, after.secret_variables.stored) == ("New", before)


def test_the_form_takes_a_constant_number_of_queries(
    admin_client: Client, make_connection: Make, django_assert_num_queries: Any
) -> None:
    plain = make_connection()
    rich = make_connection(
        slug="rich", dialect={**SET, **REST, **SHOP_DIALECT}, variables={"shop": "a"}, preset="google"
    )
    for connection in (plain, rich):
        shown(admin_client, connection)
        with django_assert_num_queries(6):
            admin_client.get(change_url(connection))
