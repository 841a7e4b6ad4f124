"""Many threads send at once, each over a session of its own: against a server that answers at once, and a slow one.

Throughput: calls answered in a stretch of time. Every client has such a stretch in each round, in an order that changes.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import requests
from django.db import connections

from tests.benchmarks import peers
from tests.benchmarks.databases import throwaway
from tests.benchmarks.figures import Row, Table, of_ratios
from tests.benchmarks.processes import serving
from tests.benchmarks.sending import PARAMS, TIMEOUT, check
from tests.benchmarks.tasks import Progress, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.processes import Server
    from tests.benchmarks.tasks import Task

BASELINE, OURS = "requests.Session per thread", "connect(), a session per thread"
#: What no client can be faster than.
BARE = "bytes over a bare socket"
#: What the slow server takes to answer, in seconds.
SLOW = 0.02
#: At least so many times what plain sessions do at once, and so much of what waiting alone would allow.
GOAL_INSTANT, GOAL_SLOW = 1.1, 0.88


@dataclass(frozen=True)
class Client:
    """How a client makes the session of one thread, and calls with it."""

    session: Callable[[], Any]
    call: Callable[[Any], object]


def clients(task: Task, server: Server, tokens: dict[str, Any]) -> dict[str, Client]:
    from apiconnector.shortcuts import connect
    from tests.benchmarks import records

    records.connection(server, tokens, life=timedelta(hours=1))
    url = f"{server.origin}/api/{records.PATH}"
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    token = {**tokens, "expires_at": time.time() + 3600}

    def of_peer(name: str) -> Client:
        return Client(
            lambda: peers.session_of(name, token, f"{server.origin}/token", save=lambda _: None),
            lambda session: check(session.get(url, params=PARAMS, timeout=TIMEOUT)),
        )

    return {
        BASELINE: Client(
            requests.Session,
            lambda session: check(session.request("GET", url, params=PARAMS, headers=headers, timeout=TIMEOUT)),
        ),
        BARE: bare_sockets(server, tokens),
        OURS: Client(lambda: connect(records.SLUG), lambda session: check(session.get(records.PATH, params=PARAMS))),
        **{name: of_peer(name) for name in task.peers if not task.is_short},
    }


def bare_sockets(server: Server, tokens: dict[str, Any]) -> Client:
    """What is left of a client when it does nothing but write the same bytes and read what comes."""
    from tests.benchmarks import records

    parts = urlsplit(server.origin)
    message = (
        f"GET /api/{records.PATH}?{urlencode(PARAMS)} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Authorization: Bearer {tokens['access_token']}\r\n\r\n"
    ).encode()

    def connected() -> socket.socket:
        opened = socket.create_connection((str(parts.hostname), parts.port or 80), TIMEOUT)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

    def call(opened: socket.socket) -> None:
        opened.sendall(message)
        if not opened.recv(65536).startswith(b"HTTP/1.1 200 "):
            raise RuntimeError("The server did not answer 200.")

    return Client(connected, call)


class Crowd:
    """The threads of one client, each with a session it keeps over all rounds."""

    def __init__(self, client: Client, threads: int) -> None:
        self.client, self.threads = client, threads
        self.sessions = [client.session() for _ in range(threads)]
        self.pool = ThreadPoolExecutor(threads)

    def throughput(self, seconds: float) -> float:
        """Calls answered in a second, of all threads together."""
        barrier = threading.Barrier(self.threads + 1)

        def run(session: Any) -> tuple[int, float]:
            barrier.wait()
            until, calls = time.perf_counter() + seconds, 0
            while time.perf_counter() < until:
                self.client.call(session)
                calls += 1
            return calls, time.perf_counter()

        futures = [self.pool.submit(run, session) for session in self.sessions]
        barrier.wait()
        began = time.perf_counter()
        found = [future.result() for future in futures]
        return sum(calls for calls, _ in found) / (max(ended for _, ended in found) - began)

    def close(self) -> None:
        barrier = threading.Barrier(self.threads)

        def end(session: Any) -> None:
            barrier.wait()  # gives each thread one of them
            session.close()
            connections.close_all()

        for future in [self.pool.submit(end, session) for session in self.sessions]:
            future.result()
        self.pool.shutdown()


def in_rounds(
    found: dict[str, Client], *, threads: int, rounds: int, seconds: float, progress: Progress
) -> dict[str, list[float]]:
    """The throughput of each client in each round, of a stretch of ``seconds``."""
    crowds = {name: Crowd(client, threads) for name, client in found.items()}
    throughputs: dict[str, list[float]] = {name: [] for name in found}
    order = list(found)
    try:
        for number in range(rounds + 1):
            random.shuffle(order)
            for name in order:
                value = crowds[name].throughput(seconds if number else seconds / 4)
                if number:  # the first round opens connections and fills caches
                    throughputs[name].append(value)
            progress(number, rounds)
    finally:
        for crowd in crowds.values():
            crowd.close()
    return throughputs


def rows_of(
    throughputs: dict[str, list[float]],
    where: str,
    beside: list[float],
    goals: dict[str, float],
) -> list[Row]:
    """A row for each client: its calls a second, and its ratio to what was ``beside`` in each round."""
    rows = []
    for name, values in throughputs.items():
        ratios = [value / other for value, other in zip(values, beside, strict=True)]
        row = of_ratios(f"{where}: {name}", ratios, goals.get(name), least=True)
        rows.append(Row(row.name, [f"{median(values):.0f}", *row.cells], row.goals))
    return rows


def measure(task: Task) -> Table:
    threads, rounds = task.threads or 32, task.rounds_or(short=5, full=12)
    seconds = 0.6 if task.is_short else 1.0
    with throwaway() as database, serving() as server:
        instant = in_rounds(
            clients(task, server, server.reset()), threads=threads, rounds=rounds, seconds=seconds,
            progress=Progress(f"{task.label}, at once"),
        )  # fmt: skip  # in rows
        slow = in_rounds(
            clients(task, server, server.reset(api_delay=SLOW)), threads=threads, rounds=rounds, seconds=seconds,
            progress=Progress(f"{task.label}, {SLOW * 1000:.0f} ms"),
        )  # fmt: skip  # in rows
    return Table(
        f"{threads} threads, {database}", "server: client", ["calls a second", "ratio", "middle half"],
        [
            *rows_of(instant, "at once", instant[BASELINE], {OURS: GOAL_INSTANT}),
            *rows_of(slow, f"{SLOW * 1000:.0f} ms", [threads / SLOW] * rounds, {OURS: GOAL_SLOW}),
        ],
        f"{rounds} rounds of {seconds:.1f} s for each client. Where the server answers at once, {BASELINE} is 1; where it takes "
        f"{SLOW * 1000:.0f} ms, 1 is what threads that do nothing but wait would reach: {threads / SLOW:.0f} calls a second.",
    )  # fmt: skip  # in rows


if __name__ == "__main__":
    answer(measure)
