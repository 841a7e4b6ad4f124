"""Many threads of several processes find the same expired token at the same moment.

Reads a task (``{"who": …, "threads": …, "processes": …, "rounds": …}``) and writes for each round the token requests, the
calls that failed and why, and the seconds it took. Who is measured is ``apiconnector`` or one of the peers.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.databases import throwaway
from tests.benchmarks.peers import TokenFile
from tests.benchmarks.processes import ending, hear, serving, start, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.processes import Server

OURS = "apiconnector"
#: What the token endpoint takes to answer, in seconds: long enough for everybody to find the token expired.
TOKEN_DELAY = 0.1


def storm(
    who: str, server: Server, prepare: Callable[[dict[str, Any]], None], keep: str, *,
    threads: int, processes: int, rounds: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """Let ``rounds`` storms happen in the same processes. ``prepare`` puts an expired token where ``who`` reads it."""
    found = []
    with ExitStack() as stack:
        workers = [
            stack.enter_context(ending(start("storm_worker", who, server.origin, keep, str(threads))))
            for _ in range(processes)
        ]
        for worker in workers:
            hear(worker)
        for _ in range(rounds):
            prepare(server.reset(delay=TOKEN_DELAY))
            began = time.perf_counter()
            for worker in workers:
                tell(worker, "go")
            failures: Counter[str] = Counter()
            for worker in workers:
                failures.update(hear(worker))
            seconds = time.perf_counter() - began
            found.append({**server.stats(), "failures": failures, "seconds": seconds})
    return found


def of_ours(server: Server, task: dict[str, Any]) -> list[dict[str, Any]]:
    with throwaway():
        from tests.benchmarks import records

        def prepare(tokens: dict[str, Any]) -> None:
            records.connection(server, tokens, life=timedelta(seconds=-1))

        return storm(server=server, prepare=prepare, keep="", **task)


def of_peer(server: Server, task: dict[str, Any]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="apiconnector-benchmark-") as folder:
        file = TokenFile(str(Path(folder) / "token.json"))

        def prepare(tokens: dict[str, Any]) -> None:
            del tokens["expires_in"]  # counted from when it is read, which would make it new
            file.write({**tokens, "expires_at": time.time() - 1})

        return storm(server=server, prepare=prepare, keep=str(file.path), **task)


def main() -> None:
    task = json.loads(sys.stdin.readline())
    with serving() as server:
        found = of_ours(server, task) if task["who"] == OURS else of_peer(server, task)
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
