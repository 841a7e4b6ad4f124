"""One process with a database of connections: ``python -m tests.benchmarks.connections_worker <port> <connections>``.

For each line it reads, it does what that says and writes what it measured.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import tracemalloc
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.benchmarks.databases import throwaway
from tests.benchmarks.sending import check, timed
from tests.benchmarks.server import address

if TYPE_CHECKING:
    from collections.abc import Callable

#: Threads that use connections at the same time.
THREADS = 4
#: The first family of the server has it.
ACCESS_TOKEN = "access-1-1"


class Worker:
    """What can be asked for, by name."""

    def __init__(self, port: int, number: int) -> None:
        from django.conf import settings

        from tests.benchmarks import records

        settings.APICONNECTOR_TRUSTED_HOSTS = ["127.0.0.0/8"]
        self.records, self.port, self.number = records, port, number
        self.fill(range(number))

    def fill(self, numbers: range) -> None:
        # Beyond those that are used it does not matter that addresses repeat.
        self.records.crowd(lambda number: f"http://{address(number)}:{self.port}/api", ACCESS_TOKEN, numbers)

    def look_up(self, *, calls: int, is_random: bool = False) -> float:
        """Seconds that ``connect()`` takes, without a request."""
        from apiconnector.shortcuts import connect

        def call() -> None:
            number = random.randrange(self.number) if is_random else self.number // 2
            connect(self.records.slug_of(number)).close()

        return median(timed(call) for _ in range(calls))

    def use(self, *, first: int, last: int) -> dict[str, float]:
        """Call over each of these connections.

        Returns the sockets to them that are open afterwards, and KB: what Python has allocated since the first use, and
        what the process has. The latter alone would hide what fits into the memory that making the rows has left.
        """
        from django.db import connections

        from apiconnector.shortcuts import connect

        def call(number: int) -> None:
            try:
                with connect(self.records.slug_of(number)) as api:
                    check(api.get(self.records.PATH))
            finally:
                connections.close_all()

        if not tracemalloc.is_tracing():
            tracemalloc.start()
        with ThreadPoolExecutor(THREADS) as pool:
            deque(pool.map(call, range(first, last)), maxlen=0)
        gc.collect()
        allocated = tracemalloc.get_traced_memory()[0] / 1024
        return {"allocated": allocated, "resident": resident(), "sockets": sockets(self.port)}

    def list_page(self, *, number: int) -> dict[str, float]:
        """Statements and seconds of the list in the admin, with so many connections."""
        from django.urls import reverse

        if number > self.number:
            self.fill(range(self.number, number))
        tracemalloc.stop()
        browser, url = self.records.staff(), reverse("admin:apiconnector_connection_changelist")

        def page() -> None:
            self.records.page(browser, url)

        page()
        return {"statements": self.records.statements(page), "seconds": median(timed(page) for _ in range(5))}


def resident() -> int:
    """The memory of this process in KB. Linux."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def sockets(port: int) -> int:
    """The connections to this port that this process has open. Linux."""
    names = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            names.append(str(entry.readlink()))
        except OSError:  # the one that lists
            continue
    own = {name.removeprefix("socket:[").rstrip("]") for name in names if name.startswith("socket:[")}
    lines = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return sum(line[9] in own and int(line[2].partition(":")[2], 16) == port for line in lines)


def main() -> None:
    port, number = map(int, sys.argv[1:])
    with throwaway() as database:
        worker = Worker(port, number)
        print(json.dumps(database), flush=True)
        for line in sys.stdin:
            task: dict[str, Any] = json.loads(line)
            act: Callable[..., Any] = getattr(worker, task.pop("do"))
            print(json.dumps(act(**task)), flush=True)


if __name__ == "__main__":
    main()
