"""What seals a connection, what ends that, and for whom a secret is stored however it is saved."""

from __future__ import annotations

import copy
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import responses
from django.core.management import call_command
from django.utils import timezone

from apiconnector import crypto
from apiconnector.exceptions import ConfigurationError, SecretSealed
from apiconnector.models import Connection, Token
from apiconnector.shortcuts import connect
from tests.bindings import CANARY, CODE, ELSEWHERE, found_in_sql

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.django_db
class TestSealing:
    @pytest.mark.parametrize(
        "change",
        [
            {"base_url": "http://api.example.com:443/v1"},
            {"base_url": "https://api.example.com:8443"},
            {"base_url": "https://api.example.com@evil.example/"},
            {"authorization_url": ELSEWHERE},
            {"refresh_url": ELSEWHERE},
            {"allowed_hosts": [".example.com"]},
            {"allowed_hosts": {"evil.example": 1}},
            {"allowed_hosts": ["evil.example"]},
        ],
        ids=str,
    )
    def test_what_is_new_seals_and_is_named(self, bearer: Connection, change: dict[str, Any]) -> None:
        for name, value in change.items():
            setattr(bearer, name, value)
        bearer.save()
        (column,) = change
        row = Connection.objects.get()
        assert row.status == "sealed"
        assert Connection.label_of(column) in row.status_reason
        assert "Type again: API key or token." in row.status_reason
        assert "canary" not in row.status_reason
        assert found_in_sql() == {"crm": "sealed"}
        with pytest.raises(SecretSealed, match=Connection.label_of(column)):
            row.reveal("api_key")

    @pytest.mark.parametrize(
        "change",
        [
            {"base_url": "HTTPS://API.EXAMPLE.COM.:443/v2?a#b"},
            {"token_url": "https://api.example.com/token"},
            {"allowed_hosts": ["API.example.com", "api.example.com.:443"]},
            {"name": "New", "timeout": 5, "scope": "more", "variables": {"a": "evil.example"}},
            {"issuer": ELSEWHERE},
        ],
        ids=str,
    )
    def test_what_is_not_new_seals_nothing(self, bearer: Connection, change: dict[str, Any]) -> None:
        for name, value in change.items():
            setattr(bearer, name, value)
        bearer.save()
        assert Connection.objects.get().reveal("api_key") == "canary-bearer-key"
        assert found_in_sql() == {"crm": "ready"}

    def test_the_host_taken_out_again_seals_no_more(self, bearer: Connection) -> None:
        for base_url, state in ((ELSEWHERE, "sealed"), ("https://api.example.com", "ready")):
            bearer.base_url = base_url
            bearer.save()
            assert bearer.status == state
            assert found_in_sql() == {"crm": state}

    def test_the_errors_hold_no_secret(self, bearer: Connection) -> None:
        bearer.base_url = "https://user:canary-password@evil.example/"
        with pytest.raises(SecretSealed) as refused:
            bearer.reveal("api_key")
        shown = "".join(traceback.TracebackException.from_exception(refused.value, capture_locals=True).format())
        assert "canary-bearer-key" not in shown
        assert "canary-password" not in str(refused.value)

    def test_a_token_is_sealed_and_the_reason_says_authorize(self, make_connection: Callable[..., Connection]) -> None:
        connection = make_connection(**CODE)
        Token.objects.create(connection=connection, access_token="canary-a", refresh_token="canary-r")
        connection.token_url = ELSEWHERE
        connection.save()
        assert "Type again: client ID, client secret; then authorize again." in connection.status_reason
        connection.client_id, connection.client_secret = "canary-id", CANARY
        connection.save()
        assert connection.status == "sealed"
        assert "Type again" not in connection.status_reason
        assert "Authorize again" in connection.status_reason
        assert found_in_sql() == {"crm": "sealed"}
        Connection.objects.get().token.delete()
        assert Connection.objects.get().status == "not_authorized"
        assert found_in_sql() == {"crm": "not_authorized"}

    def test_a_secret_that_nobody_names_stops_no_request(self, make_connection: Callable[..., Connection]) -> None:
        """It is not on the form either: nobody could type it again."""
        connection = make_connection(
            auth_method="bearer", api_key=CANARY, password="canary-left-over", default_headers={"X-Version": "3"}
        )
        connection.base_url, connection.api_key = ELSEWHERE, CANARY
        connection.save()
        assert connection.status == "ready"
        with responses.RequestsMock() as api, connect("crm") as session:
            api.get(f"{ELSEWHERE}/x")
            assert session.get("x").ok
        connection.default_headers = {"X-Password": "{{ password }}"}
        connection.save()
        assert connection.status == "sealed"
        assert "Type again: password." in connection.status_reason
        with connect("crm") as session, pytest.raises(SecretSealed):
            session.get("x")

    def test_a_misspelt_name_still_lists_what_there_is(self, bearer: Connection) -> None:
        bearer.default_headers = {"X": "{{ api_kye }}"}
        bearer.variables = {"tenant": "t"}
        bearer.save()
        with connect("crm") as session, pytest.raises(ConfigurationError, match="available are: api_key, tenant"):
            session.get("x")


@pytest.mark.django_db
class TestTyping:
    def test_assigning_the_same_text_binds_anew(self, bearer: Connection) -> None:
        bearer.base_url = ELSEWHERE
        bearer.save()
        bearer.api_key = "canary-bearer-key"
        bearer.save()
        assert Connection.objects.get().reveal("api_key") == "canary-bearer-key"

    def test_assigning_what_was_read_does_not(self, bearer: Connection) -> None:
        bearer.base_url, bearer.api_key = ELSEWHERE, Connection.objects.get().api_key
        bearer.save()
        assert Connection.objects.get().status == "sealed"

    def test_a_secret_of_another_connection_stays_bound(self, make_connection: Callable[..., Connection]) -> None:
        bank = make_connection(slug="bank", auth_method="bearer", api_key=CANARY)
        evil = make_connection(slug="evil", auth_method="bearer", base_url=ELSEWHERE, api_key=bank.api_key)
        assert (evil.status, found_in_sql()) == ("sealed", {"bank": "ready", "evil": "sealed"})
        evil.api_key = bank.client_secret = bank.api_key
        evil.save()
        assert evil.status == "sealed"
        same = make_connection(slug="same", auth_method="bearer", api_key=bank.api_key)
        assert same.status == "ready"

    def test_a_copy_of_a_row_keeps_what_it_is_bound_to(self, make_connection: Callable[..., Connection]) -> None:
        original = make_connection(**CODE)
        Token.objects.create(connection=original, access_token="canary-a")
        for slug, base_url, expected in (
            ("same", original.base_url, "not_authorized"), ("evil", ELSEWHERE, "sealed")
        ):  # fmt: skip  # in rows
            for adding in (True, False):
                row = Connection.objects.select_related("token").get(pk=original.pk)
                row.pk, row.slug, row.base_url = None, f"{slug}-{adding}", base_url
                row._state.adding = adding
                row.save()
                assert row.status == expected
                assert found_in_sql()[row.slug] == expected
        assert Token.objects.count() == 1

    @pytest.mark.parametrize("order", ["url first", "secret first"])
    @pytest.mark.parametrize(
        ("saved", "after"),
        [
            (["api_key"], {"old": "sealed", "new": "sealed"}),
            (["base_url"], {"old": "ready", "new": "sealed"}),
            (["base_url", "api_key"], {"old": "sealed", "new": "ready"}),
            (["name"], {"old": "ready", "new": "sealed"}),
            (None, {"old": "sealed", "new": "ready"}),
        ],
    )
    def test_partial_saves(
        self, bearer: Connection, saved: list[str] | None, after: dict[str, str], order: str
    ) -> None:
        """Never bound to a host that was not saved together with the secret."""
        old = bearer.base_url
        if order == "url first":
            bearer.base_url, bearer.api_key = ELSEWHERE, CANARY
        else:
            bearer.api_key, bearer.base_url = CANARY, ELSEWHERE
        bearer.save(update_fields=saved)
        row = Connection.objects.get()
        for url, expected in ((old, after["old"]), (ELSEWHERE, after["new"])):
            row.base_url = url
            assert row.status == expected, url
        assert found_in_sql() == {"crm": Connection.objects.get().status}

    def test_a_partial_save_of_what_is_as_stored(self, bearer: Connection) -> None:
        bearer.api_key = CANARY
        bearer.save(update_fields=["api_key"])
        assert Connection.objects.get().reveal("api_key") == CANARY
        (row,) = Connection.objects.only("slug", "api_key")
        row.api_key = f"{CANARY}-2"
        row.save()
        assert Connection.objects.get().reveal("api_key") == f"{CANARY}-2"

    def test_two_stale_copies_the_secret_last(self, bearer: Connection) -> None:
        """One changes the address, the other saves a secret with the old address in memory."""
        typist, attacker = Connection.objects.get(), Connection.objects.get()
        attacker.base_url = ELSEWHERE
        attacker.save()
        typist.api_key = CANARY
        typist.save(update_fields=["api_key"])
        row = Connection.objects.get()
        assert row.base_url == ELSEWHERE
        assert (row.status, found_in_sql()) == ("sealed", {"crm": "sealed"})
        typist = copy.copy(bearer)
        typist.api_key = CANARY
        typist.save()
        row = Connection.objects.get()
        assert row.base_url == bearer.base_url
        assert row.reveal("api_key") == CANARY

    def test_two_stale_copies_the_address_last(self, bearer: Connection) -> None:
        typist, attacker = Connection.objects.get(), Connection.objects.get()
        typist.api_key = CANARY
        typist.save()
        attacker.base_url = ELSEWHERE
        attacker.save(update_fields=["base_url"])
        assert (Connection.objects.get().status, found_in_sql()) == ("sealed", {"crm": "sealed"})

    def test_a_row_written_by_its_key_alone(self, bearer: Connection) -> None:
        Connection(pk=bearer.pk, slug="crm", base_url=ELSEWHERE).save(update_fields=["base_url"])
        assert (Connection.objects.get().status, found_in_sql()) == ("sealed", {"crm": "sealed"})

    def test_update_or_create(self, bearer: Connection) -> None:
        Connection.objects.update_or_create(slug="crm", defaults={"base_url": ELSEWHERE})
        assert (Connection.objects.get().status, found_in_sql()) == ("sealed", {"crm": "sealed"})
        Connection.objects.update_or_create(slug="crm", defaults={"api_key": CANARY})
        assert (Connection.objects.get().status, found_in_sql()) == ("ready", {"crm": "ready"})

    def test_a_refresh_with_an_old_address_in_memory(self, make_connection: Callable[..., Connection]) -> None:
        """The token goes where the connection that asked for it could send, and nowhere else."""
        make_connection(**CODE)
        running = Connection.objects.get()
        now = timezone.now()
        Token.objects.create(connection=running, access_token="canary-a", refresh_token="canary-r", expires_at=now)
        changed = Connection.objects.get()
        changed.token_url, changed.client_id, changed.client_secret = ELSEWHERE, "canary-id", CANARY
        changed.save()
        with responses.RequestsMock() as provider:
            provider.post(CODE["token_url"], json={"access_token": "canary-b", "refresh_token": "canary-s"})
            running.token_source().refresh()
        row = Connection.objects.get()
        for secret in (row.token.access_token, row.token.refresh_token):
            assert secret.reveal() in {"canary-b", "canary-s"}
            with pytest.raises(SecretSealed):
                row.open(secret, "token")
        assert (row.status, found_in_sql()) == ("sealed", {"crm": "sealed"})


@pytest.mark.django_db
def test_a_stale_save_puts_no_old_secret_back(make_connection: Callable[..., Connection], settings: Any) -> None:
    """Somebody saves a form that was opened before another one typed a new secret, and before the keys were rotated."""
    make_connection(auth_method="api_key", api_key="old", password="other")
    stale = Connection.objects.get()
    typed = Connection.objects.get()
    typed.api_key, typed.client_secret = "new", "typed meanwhile"
    typed.save()
    settings.APICONNECTOR_KEYS = [crypto.generate_key(), *settings.APICONNECTOR_KEYS]
    call_command("apiconnector", "keys", "rotate")
    settings.APICONNECTOR_KEYS = settings.APICONNECTOR_KEYS[:1]
    stale.name = "Renamed"
    for _ in range(2):
        stale.save()
    row = Connection.objects.get()
    assert row.name == "Renamed"
    assert [row.api_key.reveal(), row.client_secret.reveal(), row.password.reveal()] == [
        "new",
        "typed meanwhile",
        "other",
    ]
    # What was assigned is written, also where it is the old one, and what was removed is gone.
    stale.password = ""
    stale.api_key = "assigned"
    stale.save()
    row = Connection.objects.get()
    assert (row.api_key.reveal(), bool(row.password), row.client_secret.reveal()) == (
        "assigned",
        False,
        "typed meanwhile",
    )
