"""Keys: from a callable, which of them opens what, encrypting everything with the newest, proving that it opens."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import OperationalError, models, transaction
from django.db import connection as database
from django.test import override_settings
from django.test.utils import CaptureQueriesContext, isolate_apps

from apiconnector import conf, crypto
from apiconnector.exceptions import ConfigurationError, SecretUnreadable
from apiconnector.fields import EncryptedJSONField, EncryptedTextField
from apiconnector.management import rotation, stored
from apiconnector.models import AuthorizationAttempt, Connection, Token
from apiconnector.models.binding import SECRET_FIELDS
from apiconnector.models.token_requests import Granted
from apiconnector.oauth import TokenAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CANARY = "canary-s3cret"
#: Keys whose text would be recognised anywhere.
OLD, NEW, OTHER = (urlsafe_b64encode(name.ljust(32, b"-")).decode() for name in (b"old", b"new", b"other"))
HERE = __name__
PAGE = Path(__file__).parent.parent / "docs" / "keys.md"


@dataclass
class Done:
    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


def call(*arguments: str) -> Done:
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command("apiconnector", "keys", *arguments, stdout=out, stderr=err, no_color=True)
    except SystemExit as ended:
        status = int(str(ended.code))
    except CommandError as error:
        status = error.returncode
        err.write(str(error))
    for hidden in ("canary", "fernet:", "gAAAA", OLD, NEW, OTHER):
        assert hidden not in out.getvalue() + err.getvalue()
    return Done(status, out.getvalue(), err.getvalue())


def locals_of(error: BaseException) -> str:
    """What a page on an error shows of the frames it passed; the first is the test's own."""
    assert error.__traceback__
    frame, shown = error.__traceback__.tb_next, []
    while frame is not None:
        shown.append(repr(frame.tb_frame.f_locals))
        frame = frame.tb_next
    return "\n".join(shown)


# Keys from a callable


class Store:
    """Where a site's callable gets its keys from."""

    def __init__(self) -> None:
        self.calls = 0
        self.answer: Any = [OLD]
        self.now = 1000.0
        self.takes = 0.0
        self.open = threading.Event()
        self.open.set()

    def read(self) -> Any:
        self.calls += 1
        self.now += self.takes
        assert self.open.wait(10)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer() if callable(self.answer) else self.answer


the_store = Store()


def keys_of_the_site() -> Any:
    return the_store.read()


NO_CALLABLE = [OLD]


class TestCallable:
    @pytest.fixture
    def store(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Store:
        monkeypatch.setitem(globals(), "the_store", Store())
        monkeypatch.setattr(conf, "monotonic", lambda: the_store.now)
        settings.APICONNECTOR_KEYS = f"{HERE}.keys_of_the_site"
        return the_store

    def test_it_is_called_once_a_minute(self, store: Store) -> None:
        text = crypto.seal(CANARY, column="a.B.c", hosts=["a:443"])
        for _ in range(3):
            assert crypto.unseal(text, column="a.B.c").value == CANARY
        assert store.calls == 1
        store.answer = [NEW, OLD]
        store.now += 59
        assert conf.keys() == (OLD,)
        store.now += 2
        assert conf.keys() == (NEW, OLD)
        assert store.calls == 2

    def test_the_child_of_a_fork_does_not_wait_for_a_thread_it_has_not(self) -> None:
        """Workers are forked while another thread may be asking for the keys."""
        script = f"""
import os, signal, sys, threading, types
from django.conf import settings
settings.configure(APICONNECTOR_KEYS="kept.keys")
asked, go, parent = threading.Event(), threading.Event(), os.getpid()

def keys():
    if os.getpid() == parent:
        asked.set()
        go.wait(10)
    return ["{OLD}"]

sys.modules["kept"] = types.SimpleNamespace(keys=keys)
from apiconnector import conf
thread = threading.Thread(target=conf.keys)
thread.start()
asked.wait(10)
child = os.fork()
if child == 0:
    signal.alarm(5)
    os._exit(0 if conf.keys() == ("{OLD}",) else 1)
ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
go.set()
thread.join()
sys.exit(0 if ended == 0 else f"the child ended with {{ended}}")
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def test_a_changed_setting_forgets_what_it_returned(self, store: Store) -> None:
        assert conf.keys() == (OLD,)
        store.answer = [NEW]
        with override_settings(APICONNECTOR_TIMEOUT=3):
            assert conf.keys() == (OLD,)
        with override_settings(APICONNECTOR_KEYS=[OTHER]):
            assert conf.keys() == (OTHER,)
        assert conf.keys() == (NEW,)

    @pytest.mark.parametrize(
        "answer",
        [
            RuntimeError(f"{CANARY} {OLD}"), ConfigurationError(CANARY), ImportError(CANARY), KeyError(OLD), [], None,
            "", OLD, [CANARY], [OLD, CANARY], {OLD: 1}, 7, (key for key in [OLD]), [None], conf.keys,
        ],
        ids=lambda answer: type(answer).__name__,
    )  # fmt: skip  # in rows
    def test_what_is_no_list_of_keys_is_our_own_error_and_not_kept(self, store: Store, answer: Any) -> None:
        store.answer = answer
        with pytest.raises(ConfigurationError, match="APICONNECTOR_KEYS") as refused:
            conf.keys()
        error = refused.value
        assert error.__cause__ is None
        assert error.__context__ is None
        for shown in (str(error), repr(error), locals_of(error)):
            assert "canary" not in shown
            assert OLD not in shown
        store.answer = [OLD]
        assert conf.keys() == (OLD,)

    @pytest.mark.parametrize("path", ["no.such.module", f"{HERE}.nothing", f"{HERE}.NO_CALLABLE", f"{CANARY}.x"])
    def test_a_path_that_leads_nowhere(self, settings: Any, path: str) -> None:
        settings.APICONNECTOR_KEYS = path
        with pytest.raises(ConfigurationError, match="neither a list of keys nor the path of a callable") as refused:
            conf.keys()
        assert "canary" not in str(refused.value)

    def test_a_module_that_breaks(self, settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "broken_keys.py").write_text(f"raise RuntimeError({CANARY!r})", encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        settings.APICONNECTOR_KEYS = "broken_keys.keys"
        with pytest.raises(ConfigurationError, match="RuntimeError") as refused:
            conf.keys()
        assert "canary" not in str(refused.value)
        assert refused.value.__context__ is None

    def test_the_keys_it_gave_before_are_used_while_it_fails(
        self, store: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert conf.keys() == (OLD,)
        for number, answer in enumerate([RuntimeError(CANARY), [], RuntimeError(CANARY)]):
            store.answer = answer
            store.now += 100
            assert conf.keys() == (OLD,)
            # Asked again soon, but not by each secret of a page; and it is not said again each time.
            assert conf.keys() == (OLD,)
            assert store.calls == 2 + 2 * number
            store.now += 10
            assert conf.keys() == (OLD,)
            assert len(caplog.records) == 1 + number
        assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
        assert "RuntimeError" in caplog.text
        assert "canary" not in caplog.text
        assert all(record.exc_info is None for record in caplog.records)
        store.answer = [NEW, OLD]
        store.now += 10
        assert conf.keys() == (NEW, OLD)

    def test_one_that_is_slow_to_fail_is_not_called_for_each_secret(self, store: Store) -> None:
        store.answer, store.takes = RuntimeError(), 0.05
        with pytest.raises(ConfigurationError):
            conf.keys()
        with pytest.raises(ConfigurationError):
            conf.keys()
        assert store.calls == 2
        store.calls, store.takes = 0, 5.0
        for _ in range(10):
            with pytest.raises(ConfigurationError):
                conf.keys()
        assert store.calls == 1
        store.now += 5
        store.answer = [OLD]
        assert conf.keys() == (OLD,)

    def in_threads(self, number: int) -> tuple[list[threading.Thread], list[Any]]:
        found: list[Any] = []
        threads = [threading.Thread(target=lambda: found.append(conf.keys())) for _ in range(number)]
        for thread in threads:
            thread.start()
        return threads, found

    def test_one_thread_calls_it_and_the_others_wait_for_the_first_keys(self, store: Store) -> None:
        store.open.clear()
        threads, found = self.in_threads(8)
        time.sleep(0.1)
        assert found == []
        store.open.set()
        for thread in threads:
            thread.join(10)
        assert found == [(OLD,)] * 8
        assert store.calls == 1

    def test_who_has_earlier_keys_does_not_wait(self, store: Store) -> None:
        conf.keys()
        store.now += 61
        store.answer = [NEW]
        store.open.clear()
        (caller,), found = self.in_threads(1)
        while store.calls < 2:
            time.sleep(0.01)
        assert conf.keys() == (OLD,)
        store.open.set()
        caller.join(10)
        assert found == [(NEW,)]
        assert conf.keys() == (NEW,)


def test_an_unusable_list_shows_no_key_where_it_is_refused(settings: Any) -> None:
    settings.APICONNECTOR_KEYS = [OLD, CANARY]
    with pytest.raises(ConfigurationError, match=r"APICONNECTOR_KEYS\[1\]") as refused:
        conf.keys()
    assert OLD not in locals_of(refused.value)
    assert "canary" not in locals_of(refused.value)


def test_what_belongs_elsewhere_is_not_shown_where_it_is_refused(settings: Any) -> None:
    text = crypto.seal(CANARY, column="a.B.c", hosts=["a:443"])
    with pytest.raises(SecretUnreadable) as refused:
        crypto.unseal(text, column="a.B.d")
    assert "canary" not in locals_of(refused.value)


@pytest.mark.django_db
@pytest.mark.parametrize("keys", [[], [CANARY], f"{HERE}.NO_CALLABLE"], ids=["none", "spoilt", "no callable"])
def test_a_secret_that_can_not_be_kept_is_not_shown_where_it_is_refused(
    make_connection: Callable[..., Connection], settings: Any, keys: Any
) -> None:
    connection = make_connection()
    settings.APICONNECTOR_KEYS = keys
    connection.api_key = CANARY
    with pytest.raises(ConfigurationError) as refused, transaction.atomic():
        connection.save()
    assert "canary" not in str(refused.value) + locals_of(refused.value)
    assert not Connection.objects.get().api_key


# What is stored, and what becomes of it


def encrypted(key: str, envelope: Any) -> str:
    return crypto.PREFIX + Fernet(key).encrypt(json.dumps(envelope).encode()).decode()


def opened(text: str, key: str) -> tuple[bytes, int]:
    """Envelope and time of what is stored, opened with one key."""
    token = text.removeprefix(crypto.PREFIX).encode()
    return Fernet(key).decrypt(token), Fernet(key).extract_timestamp(token)


def rows(model: type[models.Model]) -> list[dict[str, Any]]:
    """Every row as it is stored."""
    with database.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {model._meta.db_table} ORDER BY id")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def put(model: type[models.Model], pk: Any, column: str, text: str) -> None:
    """Write into a column past the app."""
    with database.cursor() as cursor:
        cursor.execute(f"UPDATE {model._meta.db_table} SET {column} = %s WHERE id = %s", [text, pk])


@pytest.fixture
def site(make_connection: Callable[..., Connection], settings: Any) -> dict[str, Connection]:
    """A connection of each kind, with token and attempt, all written with the old key; the new one is there now."""
    settings.APICONNECTOR_KEYS = [OLD]
    made = {
        "crm": make_connection(auth_method="bearer", api_key=CANARY, password=CANARY),
        "shop": make_connection(
            slug="shop", auth_method="basic", username=CANARY, password=CANARY, secret_variables={"a": CANARY}
        ),
        "mail": make_connection(
            slug="mail", auth_method="oauth2_authorization_code", client_id=CANARY, client_secret=CANARY,
            authorization_url="https://api.example.com/a", token_url="https://api.example.com/t",
        ),
        "bank": make_connection(
            slug="bank", auth_method="oauth2_client_credentials", client_id=CANARY, client_secret=CANARY,
            token_url="https://api.example.com/t",
        ),
    }  # fmt: skip  # in rows
    for slug in ("mail", "bank"):
        Token.objects.create(connection=made[slug], access_token=CANARY, refresh_token=CANARY)
    AuthorizationAttempt.objects.create(connection=made["mail"], state="x", verifier=CANARY)
    settings.APICONNECTOR_KEYS = [NEW, OLD]
    return made


#: Of the site above.
SECRETS = 14


@pytest.mark.django_db
class TestRotate:
    def test_everything_is_written_with_the_newest_key_and_nothing_else_changes(
        self, site: dict[str, Connection], settings: Any
    ) -> None:
        before = {model: rows(model) for model in (Connection, Token, AuthorizationAttempt)}
        dry = call("rotate", "--dry-run")
        assert dry.status == 0
        assert dry.out == f"Would encrypt {SECRETS} secrets with the newest key; 0 had it already, 0 can't be read.\n"
        assert {model: rows(model) for model in before} == before
        done = call("rotate")
        assert done.status == 0
        assert done.out == f"Encrypted {SECRETS} secrets with the newest key; 0 had it already, 0 can't be read.\n"
        changed = 0
        for model, old_rows in before.items():
            for old, new in zip(old_rows, rows(model), strict=True):
                for name, value in old.items():
                    if isinstance(value, str) and value.startswith(crypto.PREFIX):
                        assert opened(new[name], NEW) == opened(value, OLD)
                        changed += 1
                    else:
                        assert new[name] == value
        assert changed == SECRETS
        settings.APICONNECTOR_KEYS = [NEW]
        assert Connection.objects.get(slug="crm").reveal("api_key") == CANARY
        assert Token.objects.get(connection__slug="mail").refresh_token.reveal() == CANARY
        assert call("verify").status == 0

    def test_again_there_is_nothing_left_to_do(self, site: dict[str, Connection]) -> None:
        call("rotate")
        before = rows(Connection)
        assert f"Encrypted 0 secrets with the newest key; {SECRETS} had it already" in call("rotate").out
        assert rows(Connection) == before

    def test_batches_are_read_by_key_and_each_secret_is_written_by_itself(self, site: dict[str, Connection]) -> None:
        with CaptureQueriesContext(
            database,
        ) as queries:
            done = call("rotate", "--batch", "2", "--format", "json")
        assert done.data["rewritten"] == SECRETS
        selects = [query["sql"] for query in queries if query["sql"].startswith("SELECT") and "LIMIT 2" in query["sql"]]
        # Four connections, two tokens, one attempt: and the empty batch after the last.
        assert len(selects) == 3 + 2 + 2
        assert sum(query["sql"].startswith("UPDATE") for query in queries) == SECRETS

    def test_how_far_it_is_goes_to_standard_error(self, site: dict[str, Connection]) -> None:
        done = call("rotate", "--batch", "3")
        first, last = (line for line in done.err.splitlines() if "Connection:" in line)
        assert re.fullmatch(r"apiconnector\.Connection: 3 of 4 rows, \d+ a second, about 0 s left", first)
        assert last == "apiconnector.Connection: 4 of 4 rows"
        assert len(done.out.splitlines()) == 1

    def test_what_no_key_opens_is_named_and_the_rest_is_done(self, site: dict[str, Connection], settings: Any) -> None:
        settings.APICONNECTOR_KEYS = [OTHER]
        site["crm"].api_key = CANARY
        site["crm"].save()
        settings.APICONNECTOR_KEYS = [NEW, OLD]
        before = rows(Connection)[0]
        done = call("rotate")
        assert done.status == 1
        assert f"Encrypted {SECRETS - 1} secrets with the newest key; 0 had it already, 1 can't be read." in done.out
        assert (
            f"apiconnector.Connection {site['crm'].pk} (crm), api_key: No key in APICONNECTOR_KEYS opens it."
            in done.out
        )
        assert "type the API key or token of “crm” again in the admin" in done.out
        assert rows(Connection)[0]["api_key"] == before["api_key"]
        done = call("rotate", "--format", "json", "--dry-run")
        assert done.status == 1
        assert [(row["model"], row["pk"], row["column"], row["connection"]) for row in done.data["unreadable"]] == [
            ("apiconnector.Connection", site["crm"].pk, "api_key", "crm")
        ]
        assert (done.data["dry_run"], done.data["finished"], done.data["newest"]) == (True, True, SECRETS - 1)

    def test_what_a_key_opens_is_kept_readable_whatever_is_in_it(self, site: dict[str, Connection]) -> None:
        """A secret in a wrong column is named; with the old key gone nobody could move it back."""
        text = rows(Connection)[0]["api_key"]
        put(Connection, site["crm"].pk, "username", text)
        done = call("rotate")
        assert done.status == 1
        assert "username: It was written for another column" in done.out
        assert opened(rows(Connection)[0]["username"], NEW) == opened(text, OLD)

    def test_a_row_loaded_before_and_saved_after_is_found_by_verify(self, site: dict[str, Connection]) -> None:
        loaded = Connection.objects.get(slug="crm")
        secrets = [name for name in SECRET_FIELDS if getattr(loaded, name)]
        call("rotate")
        loaded.save()
        assert call("verify", "--format", "json").data["older_keys_can_go"] is True
        loaded.save(update_fields=secrets)
        assert call("verify", "--format", "json").data["older_keys_can_go"] is False
        assert call("rotate", "--format", "json").data["rewritten"] == 2
        assert call("verify", "--format", "json").data["older_keys_can_go"] is True

    def test_without_a_key_it_says_what_to_do(self, site: dict[str, Connection], settings: Any) -> None:
        for keys in ([], [CANARY], f"{HERE}.NO_CALLABLE"):
            settings.APICONNECTOR_KEYS = keys
            for job in ("rotate", "verify", "status"):
                done = call(job)
                assert done.status == 1
                assert "APICONNECTOR_KEYS" in done.err
                assert len(done.err.splitlines()) == 1
                assert done.out == ""

    @pytest.mark.parametrize("batch", ["0", "-1", "x", "1.5"])
    def test_a_batch_is_a_number_of_rows(self, site: dict[str, Connection], batch: str) -> None:
        done = call("rotate", "--batch", batch)
        assert "--batch" in done.err
        assert done.status
        assert done.out == ""

    def test_a_database_that_breaks_off(self, site: dict[str, Connection], monkeypatch: pytest.MonkeyPatch) -> None:
        write = rotation.Rotation._write
        written: list[str] = []

        def broken(self: Any, stored: Any, text: str) -> bool:
            if len(written) == 5:
                raise OperationalError(CANARY)
            written.append(text)
            return write(self, stored, text)

        with monkeypatch.context() as patched:
            patched.setattr(rotation.Rotation, "_write", broken)
            done = call("rotate", "--format", "json")
        assert done.status == 1
        assert "OperationalError" in done.err
        assert (done.data["rewritten"], done.data["finished"]) == (5, False)
        assert f"Encrypted {SECRETS - 5} secrets with the newest key; 5 had it already" in call("rotate").out


class Site(models.Model):
    """Common to the tables of other apps below."""

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return "a row of the site's own"

    def secret_hosts(self) -> frozenset[str]:
        return frozenset({"api.example.com:443"})


@pytest.fixture
def own_model(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Iterator[type[models.Model]]:
    """A table of the site's own with encrypted columns, a manager that hides rows, and keys that are no numbers."""

    class Fewer(models.Manager[Any]):
        def get_queryset(self) -> models.QuerySet[Any]:
            return super().get_queryset().filter(is_hidden=False)

    with isolate_apps("apiconnector"):

        class Vault(Site):
            id = models.CharField(max_length=40, primary_key=True)
            note = EncryptedTextField()
            options = EncryptedJSONField(db_column="opts")
            is_hidden = models.BooleanField(default=True)
            objects = Fewer()

            class Meta:
                app_label = "apiconnector"

        class Copy(Vault):
            class Meta:
                app_label = "apiconnector"
                proxy = True

        own = [Vault, Copy]

    class Both:
        def get_models(self) -> list[type[models.Model]]:
            return [Connection, *own]

    monkeypatch.setattr(stored, "apps", Both())
    with database.schema_editor() as editor:
        editor.create_model(Vault)
    yield Vault
    with database.schema_editor() as editor:
        editor.delete_model(Vault)


def test_columns_of_every_app_are_found_by_their_class(own_model: Any, settings: Any) -> None:
    settings.APICONNECTOR_KEYS = [OLD]
    names = [f"{number:x}-{number * 7919 % 101}" for number in range(25)]
    own_model._base_manager.bulk_create(own_model(id=name, note=CANARY, options={"a": CANARY}) for name in names)
    settings.APICONNECTOR_KEYS = [NEW, OLD]
    done = call("rotate", "--batch", "4", "--format", "json")
    assert done.data["rewritten"] == 50
    settings.APICONNECTOR_KEYS = [NEW]
    assert {row.options.reveal()["a"] for row in own_model._base_manager.all()} == {CANARY}
    settings.APICONNECTOR_KEYS = [OTHER]
    done = call("verify", "--format", "json")
    assert done.status == 1
    assert len(done.data["unreadable"]) == 50
    assert {row["remedy"].partition(", or ")[2] for row in done.data["unreadable"]} == {
        "type the note again.",
        "type the options again.",
    }
    assert {row["pk"] for row in done.data["unreadable"]} == set(names)


@pytest.mark.django_db(transaction=True)
class TestWhileOthersWrite:
    """What another process writes between reading a secret and writing it is never overwritten."""

    @pytest.fixture
    def between(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object], int], None]:
        """Has something done by another connection after a secret was read and before it is written."""

        def arrange(act: Callable[[], object], times: int = 1) -> None:
            left = [times]

            def reencrypt(text: str) -> str:
                new = crypto.reencrypt(text)
                if left[0] and new != text:
                    left[0] -= 1
                    self.elsewhere(act)
                return new

            monkeypatch.setattr(rotation, "reencrypt", reencrypt)

        return arrange

    def elsewhere(self, act: Callable[[], object]) -> None:
        failures: list[BaseException] = []

        def run() -> None:
            try:
                act()
            except BaseException as error:
                failures.append(error)
            finally:
                database.close()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(30)
        assert failures == []

    @pytest.fixture
    def crm(self, make_connection: Callable[..., Connection], settings: Any) -> Connection:
        settings.APICONNECTOR_KEYS = [OLD]
        connection = make_connection(auth_method="bearer", api_key="canary-before")
        settings.APICONNECTOR_KEYS = [NEW, OLD]
        return connection

    def typed(self, value: str) -> None:
        connection = Connection.objects.get(slug="crm")
        connection.api_key = value
        connection.save()

    def test_a_secret_typed_meanwhile_stays(self, crm: Connection, between: Any) -> None:
        between(lambda: self.typed("canary-typed"))
        done = call("rotate", "--format", "json")
        assert done.status == 0
        assert (done.data["rewritten"], done.data["newest"]) == (0, 1)
        assert Connection.objects.get().reveal("api_key") == "canary-typed"

    def test_one_that_an_old_release_wrote_meanwhile_is_encrypted_anew(self, crm: Connection, between: Any) -> None:
        text = encrypted(OLD, {"v": 1, "c": "apiconnector.Connection.api_key", "h": [], "s": "canary-old-release"})
        between(lambda: put(Connection, crm.pk, "api_key", text))
        done = call("rotate", "--format", "json")
        assert (done.data["rewritten"], done.data["newest"]) == (1, 0)
        assert opened(rows(Connection)[0]["api_key"], NEW) == opened(text, OLD)

    def test_one_that_is_changed_each_time_is_left_for_the_next_run(self, crm: Connection, between: Any) -> None:
        def change() -> None:
            envelope = {"v": 1, "c": "apiconnector.Connection.api_key", "h": [], "s": "canary"}
            put(Connection, crm.pk, "api_key", encrypted(OLD, envelope))

        between(change, times=100)
        done = call("rotate", "--format", "json")
        assert done.status == 1
        assert (done.data["busy"], done.data["rewritten"]) == (1, 0)
        assert "run it again" in done.err
        assert Connection.objects.get().api_key.reveal() == "canary"

    def test_one_emptied_or_deleted_meanwhile_is_not_written_again(self, crm: Connection, between: Any) -> None:
        between(lambda: Connection.objects.update(api_key=""))
        assert call("rotate").status == 0
        assert not Connection.objects.get().api_key
        put(Connection, crm.pk, "api_key", encrypted(OLD, {}))
        between(lambda: Connection.objects.all().delete())
        assert call("rotate").status == 0
        assert not Connection.objects.exists()

    def test_a_refreshed_token_stays_whole(self, crm: Connection, between: Any, settings: Any) -> None:
        settings.APICONNECTOR_KEYS = [OLD]
        Token.objects.create(connection=crm, access_token="canary-a1", refresh_token="canary-r1")
        settings.APICONNECTOR_KEYS = [NEW, OLD]
        call("rotate")
        settings.APICONNECTOR_KEYS = [OTHER, NEW]
        hosts = crm.secret_hosts()

        def refreshed() -> None:
            names = {"access_token": "canary-a2", "refresh_token": "canary-r2"}
            sealed = {name: Token._sealed(name, value, hosts) for name, value in names.items()}
            Token.objects.update(**sealed, generation=2)

        between(refreshed, times=2)
        assert call("rotate").status == 0
        token = Token.objects.get()
        assert (token.access_token.reveal(), token.refresh_token.reveal()) == ("canary-a2", "canary-r2")
        assert token.generation == 2

    def test_a_refresh_under_way_does_not_put_the_old_text_back(self, crm: Connection, settings: Any) -> None:
        """The provider answers after the rotation, without another refresh token, and the old key is taken out."""
        settings.APICONNECTOR_KEYS = [OLD]
        Token.objects.all().delete()
        token = Token.objects.create(connection=crm, access_token="access-1", refresh_token="refresh-1")
        assert Token.objects.acquire_lease(token, owner="me", seconds=60)
        settings.APICONNECTOR_KEYS = [NEW, OLD]
        assert call("rotate").status == call("verify").status == 0
        answer = TokenAnswer("access-2", "", "Bearer", None, None, None, {})
        assert Token.objects.store(token, token.renewed_by(Granted(answer, {}), scope=""))
        settings.APICONNECTOR_KEYS = [NEW]
        stored_now = Token.objects.get()
        assert stored_now.access_token.reveal() == "access-2"
        assert stored_now.refresh_token.reveal() == "refresh-1"

    def test_saves_in_a_storm_are_all_kept(self, crm: Connection, settings: Any) -> None:
        settings.APICONNECTOR_KEYS = [OLD, NEW]  # they go on writing with the old key
        stop, last = threading.Event(), [""]

        def save() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                self.typed(f"canary-{number}")
                last[0] = f"canary-{number}"
                # Or nobody else comes to write, on SQLite.
                time.sleep(0.005)

        thread = threading.Thread(target=lambda: self.elsewhere(save))
        thread.start()
        try:
            keys = {"APICONNECTOR_KEYS": [NEW, OLD]}
            for _ in range(30):
                # One process has one setting: what is stored by turns with either key is the worst case.
                with override_settings(**keys):
                    assert call("rotate").status in {0, 1}
        finally:
            stop.set()
            thread.join(30)
        assert last[0]
        assert Connection.objects.get().reveal("api_key") == last[0]


@pytest.mark.django_db
class TestVerify:
    def test_everything_opens_but_older_keys_are_needed(self, site: dict[str, Connection]) -> None:
        done = call("verify")
        assert done.status == 0
        first, second = done.out.splitlines()
        assert first == f"{SECRETS} secrets: {SECRETS} open, 0 do not."
        assert second.startswith(f"{SECRETS} secrets can be read only with an older key: keep it in APICONNECTOR_KEYS")
        assert call("verify", "--format", "json").data == {
            "total": SECRETS, "older": SECRETS, "older_keys_can_go": False, "unreadable": [],
        }  # fmt: skip  # in rows
        call("rotate")
        done = call("verify")
        assert "The newest key alone opens everything: the older keys can be taken out" in done.out
        assert call("verify", "--format", "json").data["older_keys_can_go"] is True

    def test_with_one_key_there_is_none_to_take_out(self, bearer: Connection) -> None:
        assert call("verify").out == "1 secret: 1 open, 0 do not.\nThe newest key alone opens everything.\n"

    def test_a_lost_key_names_each_and_what_to_do(self, site: dict[str, Connection], settings: Any) -> None:
        settings.APICONNECTOR_KEYS = [OTHER]
        done = call("verify", "--format", "json")
        assert done.status == 1
        assert done.data["older_keys_can_go"] is False
        assert {row["problem"] for row in done.data["unreadable"]} == {"No key in APICONNECTOR_KEYS opens it."}
        named = {
            (row["model"].partition(".")[2], row["connection"], row["column"]): row["remedy"].partition(", or ")[2]
            for row in done.data["unreadable"]
        }
        assert len(named) == SECRETS
        assert named["Connection", "crm", "api_key"] == "type the API key or token of “crm” again in the admin."
        assert (
            named["Connection", "shop", "secret_variables"] == "type the secret variables of “shop” again in the admin."
        )
        assert named["Token", "mail", "refresh_token"] == "authorize “mail” again."
        assert "is fetched when it is used" in named["Token", "bank", "access_token"]
        assert "begin to authorize “mail” again" in named["AuthorizationAttempt", "mail", "verifier"]
        # What it says of a secret that no form shows works.
        remedy = named["Connection", "crm", "password"]
        exec(remedy.partition("in a shell: ")[2], {"Connection": Connection})  # noqa: S102 - what a person would type
        assert not Connection.objects.get(slug="crm").password
        assert done.data["total"] - call("verify", "--format", "json").data["total"] == 1
        lines = call("verify").out.splitlines()
        assert len(lines) == SECRETS - 1 + 2
        assert lines[-2:] == [
            f"{SECRETS - 1} secrets: 0 open, {SECRETS - 1} do not.",
            "Leave all keys in APICONNECTOR_KEYS until this is put right.",
        ]

    @pytest.mark.parametrize(
        ("column", "envelope", "problem"),
        [
            ("password", {"c": "apiconnector.Connection.api_key"}, "written for another column"),
            ("password", {"v": 2}, "by a newer release"),
            ("password", {"c": None}, "damaged"),
            ("password", {"h": 5}, "damaged"),
            ("password", {"h": "api.example.com:443"}, "The hosts it may be sent to can't be read"),
            ("password", {"h": [1]}, "The hosts it may be sent to can't be read"),
            ("password", {"s": {"a": CANARY}}, "something else than this column is for"),
            ("password", {"s": None}, "something else than this column is for"),
            ("secret_variables", {"s": CANARY}, "something else than this column is for"),
            ("secret_variables", {"s": [CANARY]}, "something else than this column is for"),
        ],
    )
    def test_the_right_key_is_not_all(
        self, bearer: Connection, settings: Any, column: str, envelope: dict[str, Any], problem: str
    ) -> None:
        whole = {"v": 1, "c": f"apiconnector.Connection.{column}", "h": ["api.example.com:443"], "s": CANARY}
        put(Connection, bearer.pk, column, encrypted(settings.APICONNECTOR_KEYS[0], {**whole, **envelope}))
        done = call("verify", "--format", "json")
        assert done.status == 1
        (found,) = done.data["unreadable"]
        assert found["column"] == column
        assert problem in found["problem"]
        assert found["remedy"][0].isupper()

    @pytest.mark.parametrize("text", ["plain canary", "fernet:", "fernet:canary", "fernet:ünï", " "])
    def test_what_is_no_ciphertext(self, bearer: Connection, text: str) -> None:
        put(Connection, bearer.pk, "password", text)
        done = call("verify")
        assert done.status == 1
        assert f"apiconnector.Connection {bearer.pk} (crm), password: No key" in done.out

    def test_it_reads_in_batches(self, bearer: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stored, "BATCH", 2)
        rest = [Connection(slug=f"c{number}", base_url="https://a.example", password="x") for number in range(6)]
        Connection.objects.bulk_create(rest)
        with CaptureQueriesContext(database) as queries:
            assert "7 secrets: 7 open" in call("verify").out
        assert max(query["sql"].count("LIMIT") for query in queries) == 1
        assert not [
            query
            for query in queries
            if "SELECT" in query["sql"] and "LIMIT" not in query["sql"] and "COUNT" not in query["sql"]
        ]

    def test_nothing_stored(self, db: None) -> None:
        assert call("verify").out.startswith("0 secrets: 0 open, 0 do not.")
        assert call("rotate").out.startswith("Encrypted 0 secrets")


# The page of the docs

EXAMPLES = dict(re.findall(r"<!-- keys: (\w+) -->\n```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))


class FakeKms:
    """What boto3 gives."""

    def client(self, name: str, **_: Any) -> FakeKms:
        assert name == "kms"
        return self

    def decrypt(self, *, CiphertextBlob: bytes, KeyId: str) -> dict[str, Any]:  # noqa: N803 - Amazon's names
        assert KeyId
        return {"Plaintext": CiphertextBlob.removeprefix(b"encrypted ") + b"\n"}


class FakeVault:
    """What hvac gives."""

    def __init__(self, *, url: str, token: str, timeout: int) -> None:
        assert (url, token) == ("https://vault.example", "a-token")
        assert timeout
        self.secrets = self.kv = self.v2 = self

    def read_secret_version(self, *, path: str, mount_point: str, raise_on_deleted_version: bool) -> dict[str, Any]:
        return {"data": {"data": {"keys": f"{NEW} {OLD}"}, "metadata": {}}}


@pytest.mark.parametrize("name", ["file", "kms", "vault"])
def test_the_callables_of_the_docs_return_keys(
    name: str, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module, fake in (
        ("boto3", FakeKms()),
        ("botocore", object()),
        ("botocore.config", SimpleNamespace(Config=dict)),
        ("hvac", SimpleNamespace(Client=FakeVault)),
    ):
        monkeypatch.setitem(sys.modules, module, fake)
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example")
    blobs = [b64encode(f"encrypted {key}".encode()).decode() for key in (NEW, OLD)]
    monkeypatch.setenv("APICONNECTOR_ENCRYPTED_KEYS", " ".join(blobs))
    written = tmp_path / "keys"
    written.write_text(f"{NEW}\n{OLD}\n", encoding="ascii")
    monkeypatch.setenv("APICONNECTOR_KEYS_FILE", str(written))
    token = tmp_path / "token"
    token.write_text("a-token\n", encoding="ascii")
    code = EXAMPLES[name].replace("/run/vault/token", str(token))
    (tmp_path / f"keys_from_{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    settings.APICONNECTOR_KEYS = f"keys_from_{name}.from_{name}"
    assert conf.keys() == (NEW, OLD)


def test_the_order_of_steps_in_the_docs_is_the_one_that_is_tried() -> None:
    steps = re.findall(r"^\| \d \| `\[(.*?)\]` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [keys for keys, _ in steps] == ["old, new", "new, old", "new, old", "new"]
    assert [("rotate" in then, "deploy" in then) for _, then in steps] == [
        (False, True), (False, True), (True, False), (False, True),
    ]  # fmt: skip  # in rows
