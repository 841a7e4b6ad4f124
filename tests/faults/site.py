"""The site under test, seen from outside: its processes, and its provider."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults.provider import Provider
from tests.token_server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
#: Nothing here takes longer, in seconds.
HANG = 120.0


class Process:
    """One process of the site; see ``worker.py``."""

    def __init__(self, arguments: list[str], environment: dict[str, str], module: str = "tests.faults.worker") -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment,
        )  # fmt: skip  # in rows

    def tell(self, act: str, *arguments: Any, **options: Any) -> None:
        """Let it begin something; ``hear()`` returns the result."""
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps([act, arguments, options]) + "\n")
        self.child.stdin.flush()

    def hear(self) -> Any:
        """The next line it writes. ``EOFError`` when it has died."""
        assert self.child.stdout is not None
        # It writes one line for each it is told, so nothing waits in the buffer of the file.
        ready, _, _ = select.select([self.child.stdout], [], [], HANG)
        assert ready, "a process hangs"
        if not (line := self.child.stdout.readline()):
            raise EOFError
        return json.loads(line)

    def ask(self, act: str, *arguments: Any, **options: Any) -> Any:
        self.tell(act, *arguments, **options)
        return self.hear()

    def send(self, number: signal.Signals) -> None:
        self.child.send_signal(number)

    def wait_until_stopped(self) -> None:
        _, status = os.waitpid(self.child.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "it was to stop, and ended"

    def wait_until_dead(self) -> None:
        assert self.child.wait(HANG) == -signal.SIGKILL, "it was to be killed"

    def leave(self) -> None:
        """Let it end by itself."""
        assert self.child.stdin is not None
        self.child.stdin.close()

    def close(self) -> None:
        with self.child:
            self.child.kill()


@dataclass
class Site:
    """A database with processes, a connection, and its provider.

    ``share`` is how much of a fault is played: all of it is 1.
    """

    provider: Provider
    vendor: str
    database: str
    environment: dict[str, str]
    share: float
    slug: str
    stack: ExitStack = field(default_factory=ExitStack)

    def processes(self, *ahead: float, module: str = "tests.faults.worker") -> list[Process]:
        """Processes of the site, each with a clock so many seconds ahead. They start at the same time."""
        processes = []
        for seconds in ahead:
            process = Process([self.database, self.slug, str(seconds)], self.environment, module)
            self.stack.callback(process.close)
            processes.append(process)
        for process in processes:
            assert process.hear() == "ready"
        return processes

    def amount(self, of_all: int) -> int:
        """How often something is done in this run, of so many times in a whole one."""
        return max(1, round(of_all * self.share))

    def begin(self, process: Process, *, left: float = -1, **fields: Any) -> None:
        """Make the connection anew, and the provider's tokens; the first token has ``left`` seconds."""
        self.provider.newest, self.provider.is_revoked = 1, False
        self.provider.requests.clear()
        self.provider.plans.clear()
        self.provider.refused.clear()
        process.ask("create", self.provider.origin, left, fields)


@contextmanager
def opened(vendor: str, database: str, environment: dict[str, str], share: float) -> Iterator[Site]:
    with serving(Provider()) as provider, ExitStack() as stack:
        # Several may be played at once in the same database.
        slug = f"provider-{provider.server_port}"
        yield Site(provider, vendor, database, environment, share, slug, stack)
