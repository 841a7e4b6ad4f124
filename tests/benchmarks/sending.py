"""Requests sent in different ways, in turn, against the same server.

One ratio a round: that of the medians of one round, in which every way had its turn.
"""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

import requests

from tests.benchmarks import peers
from tests.benchmarks.databases import POSTGRESQL, SQLITE, throwaway
from tests.benchmarks.figures import RATIO_COLUMNS, Table, of_ratios
from tests.benchmarks.processes import serving
from tests.benchmarks.tasks import Progress, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.processes import Server
    from tests.benchmarks.tasks import Task

BASELINE = "requests, one session"
SESSION, CONNECT, FEED = "connect(), one session", "connect() per call", "run_feed()"
#: The ratios to reach, by way and database.
GOALS = {
    SESSION: {SQLITE: 0.85, POSTGRESQL: 0.85},
    CONNECT: {SQLITE: 1.0, POSTGRESQL: 1.5},
    FEED: {SQLITE: 1.4, POSTGRESQL: 2.8},
}
TIMEOUT = 10
PARAMS = {"email": "ada@example.org"}


def ways(task: Task, server: Server, tokens: dict[str, Any], stack: ExitStack) -> dict[str, Callable[[], object]]:
    """Each way to send the same request; one that is not answered 200 raises ``RuntimeError``."""
    from apiconnector.shortcuts import connect, run_feed
    from tests.benchmarks import records

    url = f"{server.origin}/api/{records.PATH}"
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    records.feed(records.connection(server, tokens, life=timedelta(hours=1)))
    plain = stack.enter_context(requests.Session())
    api = stack.enter_context(connect(records.SLUG))

    def one_session() -> None:
        check(api.get(records.PATH, params=PARAMS))

    def per_call() -> None:
        with connect(records.SLUG) as own:
            check(own.get(records.PATH, params=PARAMS))

    def feed() -> None:
        run = run_feed(records.FEED, PARAMS)
        if not run.ok or run.values != {"id": "1"}:
            raise RuntimeError(f"The feed ended as {run.status}: {run.error_message}")

    def plain_per_call() -> None:
        with requests.Session() as own:
            check(own.request("GET", url, params=PARAMS, headers=headers, timeout=TIMEOUT))

    return {
        BASELINE: lambda: check(plain.request("GET", url, params=PARAMS, headers=headers, timeout=TIMEOUT)),
        SESSION: one_session,
        CONNECT: per_call,
        FEED: feed,
        "requests, a session per call": plain_per_call,
        **peer_ways(task, server, url, tokens, stack),
    }


def peer_ways(
    task: Task, server: Server, url: str, tokens: dict[str, Any], stack: ExitStack
) -> dict[str, Callable[[], object]]:
    token = {**tokens, "expires_at": time.time() + 3600}
    found: dict[str, Callable[[], object]] = {}

    def session(name: str) -> Any:
        return peers.session_of(name, token, f"{server.origin}/token", save=lambda _: None)

    def one_session(name: str) -> Callable[[], object]:
        kept = stack.enter_context(session(name))
        return lambda: check(kept.get(url, params=PARAMS, timeout=TIMEOUT))

    def per_call(name: str) -> Callable[[], object]:
        def call() -> None:
            with session(name) as own:
                check(own.get(url, params=PARAMS, timeout=TIMEOUT))

        return call

    for name in task.peers:
        found[f"{name}, one session"] = one_session(name)
        if not task.is_short:  # a session of httpx takes 50 ms to make
            found[f"{name}, a session per call"] = per_call(name)
    return found


def check(response: Any) -> None:
    if response.status_code != 200 or not response.content:
        raise RuntimeError(f"The server answered {response.status_code}.")


def in_rounds(
    ways: dict[str, Callable[[], object]], *, rounds: int, calls: int, progress: Progress
) -> tuple[list[float], dict[str, list[float]]]:
    """Let every way have its turn in each round, in an order that changes.

    Returns what the plain request took in each round, in seconds, and the ratios to it of the other ways.
    """
    ratios: dict[str, list[float]] = {name: [] for name in ways if name != BASELINE}
    baselines = []
    order = list(ways)
    for number in range(rounds + 1):
        random.shuffle(order)
        taken = {name: median(timed(ways[name]) for _ in range(calls)) for name in order}
        if not number:
            continue  # the first round opens connections and fills caches
        progress(number, rounds)
        baselines.append(taken[BASELINE])
        for name, values in ratios.items():
            values.append(taken[name] / taken[BASELINE])
    return baselines, ratios


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def measure(task: Task) -> Table:
    rounds, calls = task.rounds_or(short=8, full=40), task.calls or (10 if task.is_short else 30)
    with throwaway() as database, serving() as server, ExitStack() as stack:
        found = ways(task, server, server.reset(), stack)
        baselines, ratios = in_rounds(found, rounds=rounds, calls=calls, progress=Progress(task.label))
    return Table(
        f"Sending, {database}", "way to send", RATIO_COLUMNS,
        [
            of_ratios(name, values, GOALS.get(name, {}).get(task.database))
            for name, values in ratios.items()
        ],
        f"{rounds} rounds of {calls} calls each; one `requests.Session.request()` takes "
        f"{median(baselines) * 1000:.2f} ms and is 1.",
    )  # fmt: skip  # in rows


if __name__ == "__main__":
    answer(measure)
