"""``manage.py demo``, as a person starts it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).resolve().parent.parent
STEPS = [
    "Set up and start",
    "Log in to the admin",
    "Authorize",
    "Log in and consent at the CRM",
    "Callback",
    "Submit the contact form",
    "The lead is in the CRM",
    "Let the token expire",
    "Submit again",
    "Refreshed once",
    "Disconnect",
    "Submit after disconnecting",
]
#: Far more than it takes: a demo that hangs has to fail the test, a slow machine not.
PATIENCE = 180


def start(*arguments: str, temporary: Path) -> subprocess.Popen[str]:
    """The demo in a process group of its own, so that what it leaves behind is found."""
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    # Neither somebody's database nor somebody's keys may be used.
    environment |= {"TMPDIR": str(temporary), "DATABASE_URL": "sqlite:////nowhere/x", "APICONNECTOR_KEYS": "bad"}
    return subprocess.Popen(
        [sys.executable, str(TOP / "manage.py"), "demo", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def ports_in(text: str) -> list[int]:
    return [int(port) for port in re.findall(r"http://(?:localhost|127\.0\.0\.1):(\d+)", text)]


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_the_whole_job_is_done_and_nothing_is_left_behind(tmp_path: Path) -> None:
    demo = start("--check", temporary=tmp_path)
    out, err = demo.communicate(timeout=PATIENCE)

    assert demo.returncode == 0, out + err
    assert re.findall(r"^ok +\d+ +([^:]+):", out, re.MULTILINE) == STEPS
    assert "FAIL" not in out
    assert is_gone(demo.pid)
    assert list(tmp_path.iterdir()) == []
    assert [port for port in ports_in(out) if answers(port)] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_the_servers_too(tmp_path: Path, number: signal.Signals) -> None:
    demo = start("--check", temporary=tmp_path)
    assert demo.stdout is not None
    first = demo.stdout.readline()
    ports = ports_in(first)
    assert len(ports) == 2, first
    demo.send_signal(number)
    demo.communicate(timeout=PATIENCE)

    assert demo.returncode != 0
    assert is_gone(demo.pid)
    assert list(tmp_path.iterdir()) == []
    assert [port for port in ports if answers(port)] == []


@pytest.mark.parametrize("option", ["--site-port", "--provider-port"])
@pytest.mark.parametrize("mode", [["--check"], []], ids=["check", "demo"])
def test_a_port_in_use_is_named_with_the_option_that_changes_it(
    tmp_path: Path, busy_port: int, option: str, mode: list[str]
) -> None:
    other = {"--site-port": "--provider-port", "--provider-port": "--site-port"}[option]
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    demo = start(*mode, option, str(busy_port), other, str(free), temporary=tmp_path)
    out, err = demo.communicate(timeout=PATIENCE)

    assert demo.returncode == 1
    assert err.strip() == f"CommandError: Port {busy_port} is already in use. Choose another one with {option}."
    assert out == ""
