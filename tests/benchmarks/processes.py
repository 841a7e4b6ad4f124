"""Start the processes of a benchmark, and end them with the block that needs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent.parent
#: Seconds that one benchmark may take in one place.
LONGEST = 1800


def start(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """A module of this package as a process that talks in lines."""
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment,
    )  # fmt: skip  # in rows


@contextmanager
def compiled() -> Iterator[None]:
    """Let the processes of this block keep their bytecode, if not beside the source: compiling is not measured."""
    if not os.environ.get("PYTHONDONTWRITEBYTECODE"):
        yield
        return
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="apiconnector-bytecode-") as folder:
        del os.environ["PYTHONDONTWRITEBYTECODE"]
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def ending(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Close the standard input of a process at the end, which ends it, and wait; one that stays is killed."""
    with process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def tell(process: subprocess.Popen[str], message: Any) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> Any:
    """The next line of a process. ``RuntimeError`` when it has ended: why is on standard error."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"A process ended before it was done: {process.args!r}")
    return json.loads(line)


def measured(module: str, task: Any, environment: Mapping[str, str]) -> Any:
    """Hand a task to a process of its own, and return what it measured. One that hangs is killed."""
    with ending(start(module, environment=environment)) as process:
        timer = threading.Timer(LONGEST, process.kill)
        timer.start()
        try:
            tell(process, task)
            return hear(process)
        finally:
            timer.cancel()


class Server:
    """The server of ``server.py``, seen from outside."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.origin = f"http://127.0.0.1:{port}"

    def reset(self, *, delay: float = 0.0, api_delay: float = 0.0, life: float = 3600.0) -> dict[str, Any]:
        """Begin a new family of tokens and return it; ``Provider.reset`` says what is told, all in seconds."""
        return self._get(f"reset?delay={delay}&api_delay={api_delay}&life={life}")

    def stats(self) -> dict[str, Any]:
        return self._get("stats")

    def _get(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = requests.get(f"{self.origin}/{path}", timeout=10).json()
        return answer


@contextmanager
def serving(addresses: int = 1) -> Iterator[Server]:
    with ending(start("server", str(addresses))) as process:
        yield Server(hear(process))
