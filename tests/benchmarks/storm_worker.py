"""One process of a storm: ``python -m tests.benchmarks.storm_worker <who> <origin> <token file> <threads>``.

For each line it reads, all its threads make one call at once, and it writes how many failed and how.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.benchmarks import peers
from tests.benchmarks.databases import use_existing
from tests.benchmarks.storm import OURS

if TYPE_CHECKING:
    from collections.abc import Callable


def caller(who: str, origin: str, path: str) -> Callable[[], int]:
    """One call as a request of a site would make it: the token is read, and used. Returns the status."""
    if who == OURS:
        use_existing()
        from apiconnector.shortcuts import connect

        def call() -> int:
            with connect("provider") as api:
                return api.get("contacts").status_code

    else:
        file = peers.TokenFile(path)

        def call() -> int:
            with peers.session_of(who, file.read(), f"{origin}/token", file.write) as session:
                status: int = session.get(f"{origin}/api/contacts", timeout=10).status_code
                return status

    return call


def outcome(call: Callable[[], int]) -> str:
    """Why a call failed: the status, or the kind of error; empty when it did not."""
    try:
        status = call()
    except Exception as error:
        return type(error).__name__
    return "" if status == 200 else str(status)


def main() -> None:
    who, origin, path, threads = sys.argv[1:]
    call = caller(who, origin, path)
    barrier = threading.Barrier(int(threads))

    def run() -> str:
        barrier.wait()  # also keeps every thread of the pool at one call a round
        return outcome(call)

    with ThreadPoolExecutor(int(threads)) as pool:
        print(json.dumps("ready"), flush=True)
        for _ in sys.stdin:
            outcomes = [future.result() for future in [pool.submit(run) for _ in range(int(threads))]]
            print(json.dumps(Counter(filter(None, outcomes))), flush=True)


if __name__ == "__main__":
    main()
