"""The quickstart, followed word for word in a new project."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "quickstart.md").read_text(encoding="utf-8")
#: What is to be done with a block stands in a comment before it; blocks without one are for people only.
BLOCK = re.compile(r"<!-- ([a-z]+)(?:: (\S+))? -->\n```\w+\n(.*?)```", re.DOTALL)
#: The only word that is changed, since it may be taken.
PORT = "8001"
#: Far more than it takes: what hangs has to fail the test, a slow machine not.
PATIENCE = 120


class Reader:
    """Somebody at a terminal, in an empty directory and with nothing set that this test run needs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ours = ("DJANGO_", "APICONNECTOR_", "DATABASE_", "PYTHON", "COV_")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        # As in an activated virtual environment; what is imported is the package that is installed there.
        scripts = [str(Path(sys.executable).parent), sysconfig.get_path("scripts"), os.environ["PATH"]]
        self.environment["PATH"] = os.pathsep.join(scripts)

    def run(self, script: str) -> str:
        """Type a block at the shell, and go on with the variables it exported; what it printed."""
        kept = self.directory / ".environment"
        done = self._do(["sh", "-e", "-c", f'{script}\nenv -0 > "{kept}"'])
        pairs = (line.partition("=") for line in kept.read_text(encoding="utf-8").split("\0") if line)
        self.environment = {name: value for name, _, value in pairs}
        return done

    def type_at_prompt(self, code: str) -> str:
        """Type a block at the prompt of ``python manage.py shell``; what it printed."""
        return self._do(["python", "manage.py", "shell", "-c", code])

    def start(self, name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, name], cwd=self.directory, env=self.environment, stderr=subprocess.DEVNULL
        )

    def _do(self, command: list[str]) -> str:
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{command[-1]}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
    return number


def wait_for(port: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < end, "api.py does not answer"
            time.sleep(0.02)
        else:
            return


def test_first_success(tmp_path: Path, port: int) -> None:
    reader = Reader(tmp_path)
    printed = []
    servers = []
    try:
        for act, name, text in BLOCK.findall(PAGE.replace(PORT, str(port))):
            if act == "run":
                printed.append(reader.run(text))
            elif act == "append":
                with (tmp_path / name).open("a", encoding="utf-8") as file:
                    file.write(text)
            elif act == "file":
                (tmp_path / name).write_text(text, encoding="utf-8")
                servers.append(reader.start(name))
                wait_for(port)
            else:
                assert act == "shell"
                printed.append(reader.type_at_prompt(text))
    finally:
        for server in servers:
            server.kill()
            server.wait()

    assert re.search(r"^crm\b.*\b200\b", printed[-2], re.MULTILINE), printed[-2]
    promised = re.search(r"It prints `([^`]+)`", PAGE)
    assert promised
    assert printed[-1].splitlines()[-1] == promised[1]
    # The token is not in the database as text.
    assert b"let-me-in" not in (tmp_path / "db.sqlite3").read_bytes()


def test_nothing_but_installing_is_left_to_people() -> None:
    unmarked = re.findall(r"(?<!-->\n)```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert unmarked == ["python -m pip install apiconnector\n"]
