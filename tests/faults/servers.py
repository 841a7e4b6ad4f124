"""A database server of its own, in a temporary folder, that a fault may crash and start again."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from tests.faults.fault import POSTGRESQL
from tests.faults.site import HANG


class Server:
    """PostgreSQL or MariaDB. Data that was committed survives a crash, not one of the machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.has_tables = False

    def run(self, *command: str) -> None:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=HANG, check=False, cwd=self.folder, **self.account()
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def account(self) -> dict[str, Any]:
        """Servers refuse to run as root."""
        return {"user": self.user, "group": self.user} if os.geteuid() == 0 else {}

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.folder, **self.account())
        until = time.monotonic() + HANG
        while not self.answers():
            assert self.process.poll() is None, (self.folder / "log").read_text(errors="replace")
            assert time.monotonic() < until, "the server does not start"
            time.sleep(0.05)

    def crash(self) -> None:
        assert self.process is not None
        self.process.send_signal(self.kill)
        self.process.wait(HANG)

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.crash()

    user: str
    kill: signal.Signals
    url: str

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError


class PostgreSQL(Server):
    user = "postgres"
    #: An immediate shutdown: what it wrote is recovered from its log, as after a crash. SIGKILL would leave its children.
    kill = signal.SIGQUIT

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.programs = found("initdb", *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        self.run(f"{self.programs}/initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "postgres", "--no-sync")

    def command(self) -> list[str]:
        options = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder}",
            "fsync=off",
        ]
        return [f"{self.programs}/postgres", "-D", f"{self.folder}/data", *(f"--{option}" for option in options)]

    def answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


class MariaDB(Server):
    user = "mysql"
    kill = signal.SIGKILL

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.programs = found("mariadbd", Path("/usr/sbin"))
        self.url = f"mysql://root@127.0.0.1:{self.port}/test"
        install = str(found("mariadb-install-db", Path("/usr/bin")) / "mariadb-install-db")
        self.run(install, "--no-defaults", f"--datadir={folder}/data", "--auth-root-authentication-method=normal")

    def command(self) -> list[str]:
        return [
            f"{self.programs}/mariadbd", "--no-defaults", f"--datadir={self.folder}/data", f"--port={self.port}",
            "--bind-address=127.0.0.1", f"--socket={self.folder}/socket", f"--pid-file={self.folder}/pid",
            "--innodb-flush-log-at-trx-commit=2",
        ]  # fmt: skip  # in rows

    def answers(self) -> bool:
        import MySQLdb  # type: ignore[import-untyped]  # it ships no types

        try:
            MySQLdb.connect(host="127.0.0.1", port=self.port, user="root", connect_timeout=2).close()
        except MySQLdb.OperationalError:
            return False
        return True


def found(program: str, *folders: Path) -> Path:
    """The folder that has a program."""
    on_path = shutil.which(program)
    for folder in (*folders, *([Path(on_path).parent] if on_path else [])):
        if (folder / program).exists():
            return folder
    raise FileNotFoundError(f"{program} is needed: install the database server on this machine, too.")


@cache
def of_this_run(vendor: str) -> Server:
    """A server that answers, with an empty database. It is gone when the process ends."""
    stack = ExitStack()
    atexit.register(stack.close)
    kind: type[Server] = PostgreSQL if vendor == POSTGRESQL else MariaDB
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="apiconnector-server-"))
    if os.geteuid() == 0:
        shutil.chown(folder, kind.user, kind.user)
    server = kind(Path(folder))
    stack.callback(server.end)
    server.start()
    return server
