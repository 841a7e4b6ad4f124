"""The two servers, as processes of their own that end with this one."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from example_site.demo.place import TOP, DemoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from example_site.demo.place import Place

_SITE_SETTINGS = "example_site.settings"
_CRM_SETTINGS = "example_site.crm.settings"
_START_SECONDS = 30
_STOP_SECONDS = 5


def prepare(place: Place) -> None:
    """Migrate both databases and fill in what the demo begins with. ``DemoError`` says what went wrong."""
    for command, settings in (("prepare_crm", _CRM_SETTINGS), ("prepare_site", _SITE_SETTINGS)):
        done = subprocess.run(  # noqa: S603 - our own command
            _manage(command, settings),
            env=place.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise DemoError(f"“manage.py {command}” failed:\n{_tail(done.stderr)}")


@contextmanager
def running(place: Place) -> Iterator[Callable[[], None]]:
    """Both servers, answering. However the block is left, they are gone afterwards.

    Gives a callable that stays until one of them ends, which is a ``DemoError``, as is one that does not start.
    """
    with ExitStack() as stack:
        servers = [
            stack.enter_context(_process(place, settings, port, log))
            for settings, port, log in (
                (_CRM_SETTINGS, place.crm_port, crm_log(place)),
                (_SITE_SETTINGS, place.site_port, site_log(place)),
            )
        ]
        for process, port, log in zip(servers, (place.crm_port, place.site_port), logs(place), strict=True):
            _wait_until_ready(process, port, log)

        def watch() -> None:
            while all(process.poll() is None for process in servers):
                time.sleep(0.5)
            raise DemoError(f"A server ended by itself.\n{log_tails(place)}")

        yield watch


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind this process as SIGINT does, so that what it started is ended too."""

    def leave(number: int, _: object) -> None:
        sys.exit(128 + number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def crm_log(place: Place) -> Path:
    """What the CRM prints."""
    return place.home / "crm.log"


def site_log(place: Place) -> Path:
    """What the site prints."""
    return place.home / "site.log"


def logs(place: Place) -> tuple[Path, Path]:
    """Both logs."""
    return crm_log(place), site_log(place)


def log_tails(place: Place) -> str:
    """The ends of both logs, as far as there are any."""
    return "\n".join(f"--- the end of {log.name}\n{_tail(log.read_text())}" for log in logs(place) if log.exists())


@contextmanager
def _process(place: Place, settings: str, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            # --insecure serves static files although DEBUG is off; this is a demo, on one machine.
            [*_manage("runserver", settings), "--noreload", "--insecure", f"127.0.0.1:{port}"],
            env=place.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up:
        if process.poll() is not None:
            raise DemoError(f"A server ended at once:\n{_tail(log.read_text())}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise DemoError(f"A server did not answer within {_START_SECONDS} seconds:\n{_tail(log.read_text())}")


def _manage(command: str, settings: str) -> list[str]:
    return [sys.executable, str(TOP / "manage.py"), command, "--settings", settings]


def _tail(text: str, lines: int = 25) -> str:
    return "\n".join(text.rstrip().splitlines()[-lines:])
