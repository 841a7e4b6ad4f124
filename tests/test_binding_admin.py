"""Sealing as people meet it in the admin: who may confirm a new host, how, and what the pages say."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import responses
from django.urls import reverse
from django.utils import timezone

from apiconnector import auth
from apiconnector.admin.connections import ConnectionAdmin
from apiconnector.admin.forms import ConnectionForm
from apiconnector.models import Connection, ConnectionEvent, Token
from apiconnector.models.hosts import ADDRESS_FIELDS
from apiconnector.shortcuts import connect
from tests.browserless import ALL_BUT_SECRETS, change_url, clerk, press, shown, submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
CLIENT = {
    "auth_method": "oauth2_client_credentials",
    "client_id": "the-id",
    "client_secret": "canary-secret",
    "token_url": "https://provider.example/token",
}
CODE = {**CLIENT, "auth_method": "oauth2_authorization_code", "authorization_url": "https://provider.example/authorize"}
MOVED = "https://moved.example/token"


@pytest.fixture
def attacker(db: None) -> Client:
    return clerk(*ALL_BUT_SECRETS)


def rows(page: Any) -> dict[str, str]:
    """Each row of the form, as text."""
    found = re.split(r'<div class="form-row[^"]*field-(\w+)', page.content.decode())
    return dict(zip(found[1::2], found[2::2], strict=True))


def told(page: Any) -> str:
    return " ".join(str(message) for message in page.context["messages"])


class TestTypedAgain:
    @responses.activate
    def test_in_the_same_form(self, admin_client: Client, make_connection: Callable[..., Connection]) -> None:
        """The token URL is changed, the secret typed, and the client ID sent back as it was shown."""
        connection = make_connection(**CLIENT)
        page = submit(admin_client, connection, token_url=MOVED, client_secret="canary-secret-2")
        assert "sealed" not in told(page)
        assert Connection.objects.get().status == "ready"
        responses.post(MOVED, json={"access_token": "canary-access"})
        responses.get("https://api.example.com/v1/x")
        with connect("crm") as api:
            assert api.get("x").ok
        sent = responses.calls[0].request.body
        assert sent == b"grant_type=client_credentials&client_id=the-id&client_secret=canary-secret-2"

    @responses.activate
    def test_after_somebody_else_changed_the_host(
        self, admin_client: Client, attacker: Client, make_connection: Callable[..., Connection]
    ) -> None:
        connection = make_connection(**CLIENT)
        submit(attacker, connection, token_url=MOVED)
        submit(admin_client, connection, client_secret="canary-secret")
        assert Connection.objects.get().status == "ready"
        assert Connection.objects.get().reveal("client_id") == "the-id"

    def test_an_authorization_is_asked_for_and_works(
        self, admin_client: Client, make_connection: Callable[..., Connection]
    ) -> None:
        connection = make_connection(**CODE)
        Token.objects.create(connection=connection, access_token="canary-access")
        page = submit(admin_client, connection, token_url=MOVED, client_secret="canary-secret")
        assert "moved.example:443 (token URL)" in told(page)
        assert "Authorize again" in told(page)
        assert "Type again" not in told(page)
        begun = admin_client.post(reverse("admin:apiconnector_connection_authorize", args=[connection.pk]))
        assert begun["Location"].startswith("https://provider.example/authorize?")

    def test_a_new_value_of_what_is_shown(
        self, admin_client: Client, make_connection: Callable[..., Connection]
    ) -> None:
        connection = make_connection(auth_method="basic", username="ada")
        submit(admin_client, connection, base_url="https://moved.example", username="grace")
        assert Connection.objects.get().reveal("username") == "grace"


class TestNotTyped:
    @pytest.mark.parametrize(
        ("fields", "again"),
        [
            (CLIENT, {"client_id": "client ID", "client_secret": "client secret"}),
            ({"auth_method": "bearer", "api_key": "canary-key"}, {"api_key": "API key or token"}),
            ({"auth_method": "basic", "username": "ada", "password": "canary-pw"}, {"username": "user name", "password": "password"}),
            ({"auth_method": "basic", "username": "ada"}, {"username": "user name"}),
            (
                {"auth_method": "none", "secret_variables": {"s": "canary"}, "default_headers": {"X": "{{ s }}"}},
                {"secret_variables": "secret variables"},
            ),
        ],
        ids=lambda value: value.get("auth_method", "") if isinstance(value, dict) else None,
    )  # fmt: skip  # in rows
    def test_the_page_names_hosts_and_fields_at_the_fields(
        self,
        admin_client: Client,
        make_connection: Callable[..., Connection],
        fields: dict[str, Any],
        again: dict[str, str],
    ) -> None:
        connection = make_connection(**fields)
        stored = {name: getattr(connection, name).stored for name in again}
        page = submit(admin_client, connection, base_url="https://moved.example/v1")
        assert page.redirect_chain == [(change_url(connection), 302)]
        message = told(page)
        assert "moved.example:443 (base URL)" in message
        assert f"Type again: {', '.join(again.values())}." in message
        row = Connection.objects.get()
        assert row.status == "sealed"
        assert {name: getattr(row, name).stored for name in again} == stored
        assert row.status_reason in page.context["panel"]["reason"]
        marked = {
            name for name, text in rows(page).items() if "Sealed: entered before moved.example:443 (base URL)" in text
        }
        assert marked == set(again)
        assert "canary" not in page.content.decode()

    def test_an_unrelated_save_binds_nothing(
        self, admin_client: Client, attacker: Client, make_connection: Callable[..., Connection]
    ) -> None:
        connection = make_connection(**CLIENT)
        submit(attacker, connection, token_url=MOVED)
        before = Connection.objects.get()
        page = submit(admin_client, connection, name="Renamed", timeout="5")
        after = Connection.objects.get()
        assert (after.name, after.status) == ("Renamed", "sealed")
        assert "is sealed" in told(page)
        for name in ("client_id", "client_secret"):
            assert getattr(after, name).stored == getattr(before, name).stored

    def test_a_secret_typed_for_another_method_confirms_nothing(
        self, admin_client: Client, make_connection: Callable[..., Connection]
    ) -> None:
        """The client ID of a bearer connection is not on the page, though the browser sends it."""
        connection = make_connection(auth_method="bearer", api_key="canary-key", client_id="left-over")
        stored = connection.client_id.stored
        submit(admin_client, connection, base_url="https://moved.example", api_key="canary-key")
        row = Connection.objects.get()
        assert (row.status, row.client_id.stored) == ("ready", stored)

    def test_removing_a_secret_confirms_nothing(
        self, admin_client: Client, make_connection: Callable[..., Connection]
    ) -> None:
        connection = make_connection(auth_method="basic", username="ada", password="canary-pw")
        stored = connection.username.stored
        submit(admin_client, connection, base_url="https://moved.example", **{"password-remove": "on"})
        row = Connection.objects.get()
        assert not row.password
        assert (row.status, row.username.stored) == ("sealed", stored)


class TestTheBox:
    """Where nothing but a shown secret is sealed there is nothing to type: a box beside it stands for that."""

    def test_it_is_there_when_it_is_needed(
        self, admin_client: Client, make_connection: Callable[..., Connection]
    ) -> None:
        connection = make_connection(**CODE | {"client_secret": "", "client_auth": "none"})
        assert b"client_id-again" not in admin_client.get(change_url(connection)).content
        page = submit(admin_client, connection, token_url=MOVED)
        assert 'name="client_id-again"' in rows(page)["client_id"]
        assert "again" not in rows(page)["username"]
        submit(admin_client, connection, **{"client_id-again": "on"})
        assert Connection.objects.get().reveal("client_id") == "the-id"
        assert ConnectionEvent.objects.latest("pk").message == "Changed: client ID"

    def test_what_is_not_shown_can_only_be_typed(
        self, admin_client: Client, make_connection: Callable[..., Connection]
    ) -> None:
        """A user name without a password is a key itself."""
        connection = make_connection(auth_method="basic", username="canary-key")
        page = submit(admin_client, connection, base_url="https://moved.example")
        assert "username-again" not in rows(page)["username"]
        assert "Type it again to have it sent there" in rows(page)["username"]
        submit(admin_client, connection, **{"username-again": "on"})
        assert Connection.objects.get().status == "sealed"
        submit(admin_client, connection, username="canary-key")
        assert Connection.objects.get().reveal("username") == "canary-key"

    def test_it_confirms_its_own_field_only(
        self, admin_client: Client, make_connection: Callable[..., Connection]
    ) -> None:
        connection = make_connection(**CLIENT)
        submit(admin_client, connection, token_url=MOVED)
        page = submit(admin_client, connection, **{"client_id-again": "on"})
        assert "Type again: client secret." in told(page)
        assert Connection.objects.get().status == "sealed"

    def test_it_is_nothing_without_the_permission(
        self, attacker: Client, make_connection: Callable[..., Connection]
    ) -> None:
        connection = make_connection(**CODE | {"client_secret": "", "client_auth": "none"})
        page = submit(attacker, connection, token_url=MOVED, client_id="the-id", **{"client_id-again": "on"})
        assert b"client_id-again" not in page.content
        submit(attacker, connection, client_id="eve", client_secret="canary-eve", **{"client_id-again": "on"})
        row = Connection.objects.get()
        assert row.status == "sealed"
        assert row.client_id.reveal() == "the-id"
        assert not row.client_secret


class TestWhoMayNot:
    def test_the_message_says_who_may(self, attacker: Client, make_connection: Callable[..., Connection]) -> None:
        connection = make_connection(**CLIENT)
        page = submit(attacker, connection, revocation_url=MOVED)
        assert "moved.example:443 (revocation URL)" in told(page)
        assert "Only somebody who may enter secrets can type them." in told(page)

    @pytest.mark.parametrize("act", ["test", "authorize", "disconnect"])
    def test_every_act_says_what_is_new(
        self, attacker: Client, make_connection: Callable[..., Connection], act: str
    ) -> None:
        connection = make_connection(**CODE, revocation_url="https://provider.example/revoke")
        Token.objects.create(connection=connection, access_token="canary-access", expires_at=timezone.now())
        submit(attacker, connection, token_url=MOVED)
        page = press(attacker, connection, act)
        if act == "test":  # the token has ended, and there is nothing to refresh it with
            assert "authorization" in told(page)
        else:
            assert "moved.example:443 (token URL)" in told(page)
        assert "canary" not in page.content.decode()

    def test_save_as_new(
        self, attacker: Client, admin_client: Client, make_connection: Callable[..., Connection],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip  # in rows
        """A site may switch Django's button on: a copy has no secrets but those that are typed."""
        monkeypatch.setattr(ConnectionAdmin, "save_as", True)
        connection = make_connection(
            auth_method="basic", username="ada", password="canary-pw", base_url="https://api.example.com"
        )
        for client in (attacker, admin_client):
            sent = {**shown(client, connection), "slug": "copy", "base_url": "https://evil.example", "_saveasnew": "1"}
            client.post(change_url(connection), sent)
            copied = Connection.objects.filter(slug="copy").first()
            assert copied is None or not copied.password
            if copied is not None:  # whoever may enter secrets has sent the user name along
                assert (client, copied.username.reveal()) == (admin_client, "ada")
        assert Connection.objects.filter(slug="copy").exists()


class TestWhatThePageSays:
    def test_where_a_secret_typed_now_may_go(
        self, admin_client: Client, make_connection: Callable[..., Connection]
    ) -> None:
        connection = make_connection(**CLIENT, allowed_hosts=[".files.example", "<i>"])
        page = admin_client.get(change_url(connection)).content.decode()
        assert (
            ", now: .files.example:443 (allowed hosts), api.example.com:443 (base URL), provider.example:443 (token URL), "
            "something that can&#x27;t be read as a host (allowed hosts)." in page
        )
        assert "<i>" not in page
        assert "it has to be typed again" in admin_client.get("/admin/apiconnector/connection/add/").content.decode()

    def test_an_address_that_is_filled_in_is_never_hidden(self, admin_client: Client) -> None:
        """Secrets are bound to its host, whether the method uses it or not: who types one has to see it."""
        sheet = admin_client.get(reverse("admin:apiconnector_connection_fields_css")).content.decode()
        rules = sheet.removesuffix(" { display: none; }\n").split(",\n")
        chosen = 'form:has(#id_auth_method option[value="bearer"]:checked)'
        for name in set(ADDRESS_FIELDS) - {"base_url"}:
            assert f"{chosen} .form-row.field-{name}:not(:has(#id_{name}[value]))" in rules
            assert f"{chosen} .form-row.field-{name}" not in rules
        groups = [rule for rule in rules if rule.startswith(f"{chosen} fieldset")]
        assert len(groups) == 2
        assert all(":not(:has(" in rule for rule in groups)
        used = {name for method in auth.methods() for name in method.fields}
        assert set(ADDRESS_FIELDS) - used == {"base_url"}

    def test_a_sealed_connection_in_the_list(
        self, admin_client: Client, attacker: Client, make_connection: Callable[..., Connection]
    ) -> None:
        connection = make_connection(**CLIENT)
        submit(attacker, connection, token_url=MOVED)
        page = admin_client.get("/admin/apiconnector/connection/", {"status": "sealed"}).content.decode()
        assert "Secrets sealed" in page
        assert "moved.example:443 (token URL)" in page

    def test_a_hostile_address_is_escaped_everywhere(
        self, admin_client: Client, make_connection: Callable[..., Connection]
    ) -> None:
        connection = make_connection(**CLIENT)
        Connection.objects.update(
            token_url="https://u:canary-pw@<script>alert(1)</script>/", revocation_url="https://ok.example"
        )
        for page in (change_url(connection), "/admin/apiconnector/connection/"):
            content = admin_client.get(page).content.decode()
            assert "<script>alert(1)" not in content
        assert "something that can&#x27;t be read as a host (token URL)" in content
        assert "canary-pw" not in content

    def test_json_of_the_form_seals_too(self, attacker: Client, make_connection: Callable[..., Connection]) -> None:
        connection = make_connection(**CLIENT)
        page = submit(attacker, connection, allowed_hosts=json.dumps([".EVIL.example:8443"]))
        assert ".evil.example:8443 (allowed hosts)" in told(page)

    def test_a_site_s_own_form_with_fewer_fields(self, make_connection: Callable[..., Connection]) -> None:
        connection = make_connection(**CLIENT)
        connection.token_url = MOVED

        class Short(ConnectionForm):
            class Meta(ConnectionForm.Meta):
                fields = ("name",)  # type: ignore[assignment]  # a site's own form

        assert Short({"name": "New"}, instance=connection).is_valid()
