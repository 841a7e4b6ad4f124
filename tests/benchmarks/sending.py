"""Requests sent in different ways, in turn, against the same server. A process of its own for each database.

Reads a task (``{"rounds": …, "calls": …, "peers": […]}``) and writes what it measured: the median of the plain request in milliseconds,
and for each way one ratio a round. The ratio is that of the medians of one round, in which every way had its turn.
"""

from __future__ import annotations

import json
import random
import sys
import time
from contextlib import ExitStack
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

import requests

from tests.benchmarks import peers
from tests.benchmarks.databases import throwaway
from tests.benchmarks.processes import serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.processes import Server

BASELINE = "requests, one session"
SESSION, CONNECT, FEED = "connect(), one session", "connect() per call", "run_feed()"
TIMEOUT = 10
PARAMS = {"email": "ada@example.org"}


def ways(
    server: Server, tokens: dict[str, Any], beside: list[str], stack: ExitStack
) -> dict[str, Callable[[], object]]:
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
        **peer_ways(beside, server, url, tokens, stack),
    }


def peer_ways(
    names: list[str], server: Server, url: str, tokens: dict[str, Any], stack: ExitStack
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

    for name in names:
        found[f"{name}, one session"] = one_session(name)
        found[f"{name}, a session per call"] = per_call(name)
    return found


def check(response: requests.Response) -> None:
    if response.status_code != 200 or not response.content:
        raise RuntimeError(f"The server answered {response.status_code}.")


def measure(ways: dict[str, Callable[[], object]], *, rounds: int, calls: int) -> dict[str, Any]:
    """Let every way have its turn in each round, in an order that changes."""
    ratios: dict[str, list[float]] = {name: [] for name in ways if name != BASELINE}
    baselines = []
    order = list(ways)
    for number in range(-1, rounds):
        random.shuffle(order)
        taken = {name: median(timed(ways[name]) for _ in range(calls)) for name in order}
        if number < 0:
            continue  # the first round opens connections and fills caches
        baselines.append(taken[BASELINE] * 1000)
        for name, values in ratios.items():
            values.append(taken[name] / taken[BASELINE])
    return {"baseline_ms": median(baselines), "ratios": ratios}


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> None:
    task = json.loads(sys.stdin.readline())
    with throwaway(), serving() as server, ExitStack() as stack:
        beside = task.pop("peers")
        found = measure(ways(server, server.reset(), beside, stack), **task)
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
