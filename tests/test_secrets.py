"""Keys, envelopes, the Secret type and the encrypted columns."""

from __future__ import annotations

import copy
import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet
from django.core import serializers
from django.core.exceptions import ValidationError
from django.db import connection as database
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Concat, Upper

from apiconnector import crypto
from apiconnector.crypto import Secret
from apiconnector.exceptions import ConfigurationError, SecretSealed, SecretUnreadable
from apiconnector.models import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

CANARY = "canary-s3cret"
HOSTS = {"api.example.com:443"}


def raw(column: str) -> str:
    with database.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM apiconnector_connection")
        return str(cursor.fetchone()[0])


def test_a_secret_shows_itself_only_to_reveal() -> None:
    secret = Secret(CANARY)
    assert secret.reveal() == CANARY
    assert secret
    assert not Secret("")
    for shown in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>20}",
        "%s" % secret,
        repr([secret]),
        repr({"a": secret}),
    ):
        assert CANARY not in shown
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError, match="pickled") as refused:
        pickle.dumps(secret)
    assert CANARY not in str(refused.value)
    assert copy.deepcopy(secret) is secret
    assert secret != CANARY
    assert secret == Secret(CANARY)
    with pytest.raises(TypeError):
        hash(secret)


def test_an_envelope_opens_for_its_column_only() -> None:
    stored = crypto.seal(CANARY, column="a.B.c", hosts=HOSTS)
    opened = crypto.unseal(stored, column="a.B.c")
    assert (opened.value, opened.hosts) == (CANARY, frozenset(HOSTS))
    with pytest.raises(SecretUnreadable) as refused:
        crypto.unseal(stored, column="a.B.d")
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize("stored", ["", "fernet:", "fernet:garbage", "plain text", "fernet:ünï"])
def test_what_is_no_envelope_is_unreadable(stored: str) -> None:
    with pytest.raises(SecretUnreadable):
        crypto.unseal(stored, column="a.B.c")


def test_the_newest_key_encrypts_and_every_key_decrypts(settings: Any) -> None:
    old, new = crypto.generate_key(), crypto.generate_key()
    settings.APICONNECTOR_KEYS = [old]
    stored = crypto.seal(CANARY, column="a.B.c", hosts=HOSTS)
    settings.APICONNECTOR_KEYS = [new, old]
    assert crypto.unseal(stored, column="a.B.c").value == CANARY
    settings.APICONNECTOR_KEYS = [new]
    with pytest.raises(SecretUnreadable):
        crypto.unseal(stored, column="a.B.c")


def keys_for_test() -> list[str]:
    return [Fernet.generate_key().decode()]


@pytest.mark.parametrize(
    "keys",
    [None, [], "", [""], ["short"], "a-key-that-is-no-list", "no.such.path", [None], {"a": 1}, 5],
    ids=repr,
)
def test_no_usable_key_is_an_error_and_never_plain_text(settings: Any, keys: Any) -> None:
    settings.APICONNECTOR_KEYS = keys
    with pytest.raises(ConfigurationError):
        crypto.seal(CANARY, column="a.B.c", hosts=HOSTS)


def test_keys_may_come_from_a_callable(settings: Any) -> None:
    settings.APICONNECTOR_KEYS = "tests.test_secrets.keys_for_test"
    assert crypto.seal(CANARY, column="a.B.c", hosts=HOSTS).startswith("fernet:")


@pytest.mark.django_db
class TestColumns:
    def test_every_way_of_writing_encrypts(self) -> None:
        Connection.objects.create(name="A", slug="a", base_url="https://a.example", api_key=CANARY)
        assert raw("api_key").startswith("fernet:gAAAA")
        loaded = Connection.objects.get()
        assert loaded.api_key.reveal() == CANARY
        loaded.api_key = CANARY + "2"
        assert isinstance(loaded.api_key, Secret)
        loaded.save()
        assert CANARY not in raw("api_key")
        assert Connection.objects.get().api_key.reveal() == CANARY + "2"
        Connection.objects.all().delete()
        Connection.objects.bulk_create(
            [Connection(name="B", slug="b", base_url="https://b.example", api_key=Secret(CANARY))]
        )
        assert CANARY not in raw("api_key")
        assert Connection.objects.get().api_key.reveal() == CANARY

    def test_a_query_never_stores_plain_text(self, make_connection: Callable[..., Connection]) -> None:
        connection = make_connection(api_key="old")
        before = raw("api_key")
        with pytest.raises(TypeError, match="encrypted") as refused, transaction.atomic():
            Connection.objects.update(api_key=CANARY)
        assert CANARY not in str(refused.value)
        connection.api_key = CANARY
        with pytest.raises(TypeError, match="encrypted"), transaction.atomic():
            Connection.objects.bulk_update([connection], ["api_key"])
        for expression in (Value(CANARY), Concat("name", Value(CANARY)), F("name"), Upper(Value(CANARY))):
            with pytest.raises(TypeError, match="encrypted"), transaction.atomic():
                Connection.objects.update(api_key=expression)
            with pytest.raises(TypeError, match="encrypted"):
                connection.api_key = expression
        with pytest.raises(TypeError, match="encrypted"):
            Connection.objects.filter(api_key=CANARY).exists()
        assert raw("api_key") == before

    def test_bulk_update_writes_what_is_encrypted_already(self, make_connection: Callable[..., Connection]) -> None:
        first = make_connection(slug="a", api_key="one")
        second = make_connection(slug="b", api_key="two")
        first.api_key, second.api_key = second.api_key, ""
        Connection.objects.bulk_update([first, second], ["api_key"])
        assert Connection.objects.get(slug="a").api_key.reveal() == "two"
        assert not Connection.objects.get(slug="b").api_key

    def test_emptiness_can_be_asked_for(self, make_connection: Callable[..., Connection]) -> None:
        make_connection(api_key="x")
        assert not Connection.objects.filter(api_key="").exists()
        assert Connection.objects.exclude(api_key="").exists()
        assert Connection.objects.filter(password="").exists()

    def test_saving_again_keeps_the_ciphertext(self, make_connection: Callable[..., Connection]) -> None:
        make_connection(api_key=CANARY)
        before = raw("api_key")
        loaded = Connection.objects.get()
        loaded.name = "Renamed"
        loaded.save()
        assert raw("api_key") == before

    def test_json_comes_back_as_an_object(self, make_connection: Callable[..., Connection]) -> None:
        make_connection(secret_variables={"tenant": CANARY, "n": [1, 2.5, None]})
        assert CANARY not in raw("secret_variables")
        assert Connection.objects.get().secret_variables.reveal() == {"tenant": CANARY, "n": [1, 2.5, None]}
        assert not make_connection(slug="empty").secret_variables
        assert make_connection(slug="empty2").secret_variables.reveal() == {}

    @pytest.mark.parametrize("value", [[1], 5, "no json", "[1]", "[" * 100_000], ids=lambda value: str(value)[:9])
    def test_json_of_another_kind_is_refused(self, value: Any) -> None:
        with pytest.raises(ValidationError):
            Connection(secret_variables=value)

    def test_a_fixture_holds_ciphertext_and_loads_again(self, make_connection: Callable[..., Connection]) -> None:
        make_connection(api_key=CANARY)
        text = serializers.serialize("json", Connection.objects.all())
        assert CANARY not in text
        Connection.objects.all().delete()
        for item in serializers.deserialize("json", text):
            item.save()
        assert Connection.objects.get().api_key.reveal() == CANARY

    def test_a_ciphertext_in_another_column_does_not_open(self, make_connection: Callable[..., Connection]) -> None:
        make_connection(password=CANARY)
        with database.cursor() as cursor:
            cursor.execute("UPDATE apiconnector_connection SET username = password")
        with pytest.raises(SecretUnreadable):
            Connection.objects.get().username.reveal()

    def test_a_ciphertext_in_another_row_stays_bound_to_its_hosts(
        self, make_connection: Callable[..., Connection]
    ) -> None:
        bank = make_connection(slug="bank", api_key=CANARY)
        evil = make_connection(slug="evil", base_url="https://evil.example", auth_method="bearer", api_key=bank.api_key)
        with pytest.raises(SecretSealed):
            evil.reveal("api_key")

    def test_a_secret_moved_between_columns_stays_bound_too(self, make_connection: Callable[..., Connection]) -> None:
        bank = make_connection(slug="bank", password=CANARY)
        evil = make_connection(slug="evil", base_url="https://evil.example", api_key=bank.password)
        with pytest.raises(SecretSealed):
            Connection.objects.get(pk=evil.pk).reveal("api_key")

    def test_pickling_a_connection_gives_no_plain_text(self, make_connection: Callable[..., Connection]) -> None:
        connection = make_connection(api_key=CANARY)
        connection.reveal("api_key")
        assert CANARY.encode() not in pickle.dumps(connection)
        assert pickle.loads(pickle.dumps(connection)).api_key.reveal() == CANARY

    def test_a_deleted_default_is_empty(self) -> None:
        assert not Connection(name="x").api_key
        assert Connection(name="x", api_key=None).api_key.reveal() == ""


@pytest.mark.django_db
class TestALostKey:
    @pytest.fixture
    def lost(self, make_connection: Callable[..., Connection], settings: Any) -> Connection:
        make_connection(auth_method="bearer", api_key=CANARY, secret_variables={"a": "b"})
        settings.APICONNECTOR_KEYS = [crypto.generate_key()]
        return Connection.objects.get()

    def test_the_row_loads_and_says_what_to_type_again(self, lost: Connection) -> None:
        assert lost.status == "unreadable"
        assert "API key or token" in lost.status_reason
        with pytest.raises(SecretUnreadable, match="type the secret again"):
            lost.api_key.reveal()

    def test_the_admin_shows_list_and_form(self, lost: Connection, admin_client: Any) -> None:
        assert b"Secrets unreadable" in admin_client.get("/admin/apiconnector/connection/").content
        page = admin_client.get(f"/admin/apiconnector/connection/{lost.pk}/change/")
        assert page.status_code == 200
        assert b"API key or token" in page.content

    def test_typing_it_again_mends_it(self, lost: Connection) -> None:
        lost.api_key = "new"
        lost.secret_variables = {}
        lost.save()
        assert lost.status == "ready"

    def test_without_any_key_pages_still_load(self, lost: Connection, admin_client: Any, settings: Any) -> None:
        settings.APICONNECTOR_KEYS = []
        assert Connection.objects.get().status == "unreadable"
        assert admin_client.get("/admin/apiconnector/connection/").status_code == 200
        assert admin_client.get(f"/admin/apiconnector/connection/{lost.pk}/change/").status_code == 200
