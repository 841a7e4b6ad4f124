"""Keys in real processes: two releases side by side, and a rotation that is killed or stopped in the middle."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.core.management import call_command
from django.db import connection as database

from apiconnector import crypto
from apiconnector.models import Connection

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).parent.parent
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


class Process:
    """A site's process with keys of its own; see ``tests.key_holder``."""

    def __init__(self, *keys: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.key_holder", str(database.settings_dict["NAME"])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "KEYS": " ".join(keys)},
        )  # fmt: skip  # in rows
        assert self._answer() == "ready"

    def ask(self, *order: str) -> Any:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(self._process.communicate()[1])
        return json.loads(line)

    def end(self) -> None:
        out, err = self._process.communicate(timeout=30)
        assert "Traceback" not in err
        assert OLD not in out + err
        assert NEW not in out + err


@pytest.fixture
def crm(settings: Any) -> Connection:
    settings.APICONNECTOR_KEYS = [OLD]
    return Connection.objects.create(
        name="CRM", slug="crm", base_url="https://api.example.com", auth_method="bearer", api_key="first"
    )


class Fleet:
    """The processes of a deployment: while it goes on, those of the release before run beside the new ones."""

    def __init__(self) -> None:
        self.running: list[Process] = []
        self._number = 0

    def deploy(self, *keys: str) -> None:
        """Start the processes of a release beside those there are, use both, then end the old ones."""
        before, self.running = self.running, [*self.running, Process(*keys)]
        self.use()
        for process in before:
            process.end()
            self.running.remove(process)
        self.use()

    def use(self) -> None:
        """Each process writes, and each reads what each wrote."""
        for writer in self.running:
            self._number += 1
            assert writer.ask("write", "crm", f"value-{self._number}") == "written"
            for reader in self.running:
                assert reader.ask("read", "crm") == ["read", f"value-{self._number}"]
                assert reader.ask("status", "crm") == ["ready", ""]


@pytest.fixture
def fleet(crm: Connection) -> Iterator[Fleet]:
    fleet = Fleet()
    yield fleet
    for process in fleet.running:
        process.end()


def test_two_releases_side_by_side_read_what_either_wrote_at_every_step(fleet: Fleet) -> None:
    """The order of docs/keys.md."""
    for keys in ([OLD], [OLD, NEW], [NEW, OLD]):
        fleet.deploy(*keys)
    # A process of the same release, with what an older one wrote: rotated while it is used.
    fleet.running[0].ask("write", "crm", "still there")
    (running,) = fleet.running
    assert running.ask("command", "keys", "verify", "--format", "json")[0] == 0
    status, said = running.ask("command", "keys", "rotate")
    assert status == 0, said
    assert running.ask("read", "crm") == ["read", "still there"]
    status, said = running.ask("command", "keys", "verify", "--format", "json")
    assert (status, json.loads(said)["older_keys_can_go"]) == (0, True)
    fleet.deploy(NEW)


def test_rotating_while_both_orders_run_harms_nobody(fleet: Fleet) -> None:
    """Too early, for processes that write with the old key still run; then it is run again."""
    fleet.deploy(OLD, NEW)
    fleet.running.append(Process(NEW, OLD))
    early, late = fleet.running
    assert late.ask("command", "keys", "rotate")[0] == 0
    fleet.use()
    early.ask("write", "crm", "with the old key")
    status, said = late.ask("command", "keys", "verify", "--format", "json")
    assert (status, json.loads(said)["older_keys_can_go"]) == (0, False)
    assert late.ask("command", "keys", "rotate")[0] == 0
    assert early.ask("read", "crm") == ["read", "with the old key"]
    assert json.loads(late.ask("command", "keys", "verify", "--format", "json")[1])["older_keys_can_go"] is True


@pytest.mark.parametrize(
    ("writer", "reader"),
    [
        pytest.param([NEW, OLD], [OLD], id="the new key first, before everybody knew it"),
        pytest.param([NEW], [OLD], id="replaced instead of added"),
        pytest.param([OLD], [NEW], id="the old key taken out before everything was rotated"),
    ],
)
def test_the_wrong_order_is_a_clear_error_and_nothing_is_lost(
    fleet: Fleet, writer: list[str], reader: list[str]
) -> None:
    fleet.running = [Process(*writer), Process(*reader)]
    writes, reads = fleet.running
    assert writes.ask("write", "crm", "canary") == "written"
    kind, message = reads.ask("read", "crm")
    assert kind == "SecretUnreadable"
    assert "Put the key it was written with at the end of the list" in message
    assert "another release" in message
    assert "canary" not in message
    status, reason = reads.ask("status", "crm")
    assert status == "unreadable"
    assert "API key or token. Put the lost key back" in reason
    for job in ("status", "verify", "rotate"):
        status, said = reads.ask("command", "keys", job)
        assert status == 1
        assert "back at the end of" in said
    # The remedy it names: the missing key at the end of the list.
    mended = Process(*reader, *(key for key in writer if key not in reader))
    fleet.running.append(mended)
    assert mended.ask("read", "crm") == ["read", "canary"]


# Broken off in the middle

ROWS = 3_000


def opened_by() -> Counter[str]:
    """How many secrets each key opens. Each has to hold what was typed there, for the hosts of its row."""
    counts: Counter[str] = Counter()
    keys = {"old": Fernet(OLD), "new": Fernet(NEW)}
    for slug, *secrets in Connection.objects.values_list("slug", "api_key", "password"):
        for name, secret in zip(("api_key", "password"), secrets, strict=True):
            token = secret.stored.removeprefix(crypto.PREFIX).encode()
            with_old = False
            with suppress(InvalidToken):
                envelope, with_old = keys["old"].decrypt(token), True
            envelope = envelope if with_old else keys["new"].decrypt(token)
            counts["old" if with_old else "new"] += 1
            label = f"apiconnector.Connection.{name}"
            assert json.loads(envelope) == {"v": 1, "c": label, "h": ["api.example.com:443"], "s": f"{name}-{slug}"}
    assert counts.total() == 2 * ROWS
    return counts


@pytest.fixture
def many(settings: Any) -> None:
    settings.APICONNECTOR_KEYS = [OLD]
    Connection.objects.bulk_create(
        Connection(
            name=f"C{number}", slug=f"c{number}", base_url="https://api.example.com", auth_method="bearer",
            api_key=f"api_key-c{number}", password=f"password-c{number}",
        )
        for number in range(ROWS)
    )  # fmt: skip  # in rows
    settings.APICONNECTOR_KEYS = [NEW, OLD]


def rotating(*arguments: str) -> subprocess.Popen[str]:
    """A process that encrypts with the newest key, after it has said that its first batch is done."""
    code = (
        "import sys, django; from django.conf import settings;"
        "settings.DATABASES['default']['NAME'] = sys.argv[1]; settings.APICONNECTOR_KEYS = sys.argv[2:4];"
        # Safe from a killed process, if not from a power cut; and ten times as fast.
        "options = {'init_command': 'PRAGMA synchronous=OFF'} if sys.argv[4] == 'sqlite' else {};"
        "settings.DATABASES['default'].setdefault('OPTIONS', {}).update(options);"
        "django.setup(); from django.core.management import call_command;"
        "call_command('apiconnector', 'keys', 'rotate', *sys.argv[5:])"
    )
    name = str(database.settings_dict["NAME"])
    process = subprocess.Popen(
        [sys.executable, "-c", code, name, NEW, OLD, database.vendor, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
    )  # fmt: skip  # in rows
    assert process.stderr
    assert f"of {ROWS} rows" in process.stderr.readline()
    return process


def test_killed_in_the_middle_it_does_what_is_left(many: None) -> None:
    database.close()
    process = rotating("--batch", "10")
    process.kill()
    out, _ = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert out == ""
    found = opened_by()
    assert 0 < found["new"] < 2 * ROWS, found
    again = rotating("--batch", "500", "--format", "json")
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    done = json.loads(out)
    assert (done["rewritten"], done["newest"], done["finished"]) == (found["old"], found["new"], True)
    assert opened_by() == {"new": 2 * ROWS}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_ends_between_two_secrets_and_says_how_far_it_came(many: None, number: signal.Signals) -> None:
    database.close()
    process = rotating("--batch", "10", "--format", "json")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "Stopped. What is encrypted stays so: run it again for the rest."
    done = json.loads(out)
    assert done["finished"] is False
    assert 0 < done["rewritten"] < 2 * ROWS
    assert opened_by()["new"] == done["rewritten"]


def test_memory_does_not_grow_with_the_rows(many: None) -> None:
    def most(batch: int) -> int:
        tracemalloc.start()
        try:
            call_command("apiconnector", "keys", "rotate", "--dry-run", "--batch", str(batch), stdout=io.StringIO())
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    most(ROWS)  # what is imported and compiled once
    assert most(ROWS) / most(20) > 5
