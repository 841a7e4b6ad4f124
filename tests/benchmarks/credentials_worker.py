"""One process under load: ``python -m tests.benchmarks.credentials_worker <threads> <calls a second> <limit>``.

Each thread calls at its rate. For each line it reads, a number of seconds, it calls for so long and writes what it saw:
how many calls, how they failed, how long the longest took, and how many took as long as the limit, in seconds.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.benchmarks.databases import use_existing
from tests.benchmarks.storm_worker import outcome


def load(seconds: float, rate: float, *, is_kept: bool) -> tuple[list[float], Counter[str]]:
    """Call at a rate for a while: with one session, or with a new one each time. Returns how long each call took."""
    from apiconnector.shortcuts import connect
    from tests.benchmarks.records import PATH, SLUG

    kept = connect(SLUG)

    def once() -> int:
        if is_kept:
            return kept.get(PATH).status_code
        with connect(SLUG) as api:
            return api.get(PATH).status_code

    taken: list[float] = []
    failures: Counter[str] = Counter()
    began = time.perf_counter()
    due = began + random.random() / rate
    while due < began + seconds:
        time.sleep(max(due - time.perf_counter(), 0))
        # From when it is begun and not from when it is due: a thread that comes late has waited for its turn.
        start = time.perf_counter()
        if kind := outcome(once):
            failures[kind] += 1
        taken.append(time.perf_counter() - start)
        due += 1 / rate
    return taken, failures


def main() -> None:
    threads, rate, limit = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    use_existing()
    barrier = threading.Barrier(threads)

    def run(seconds: float, number: int) -> tuple[list[float], Counter[str]]:
        barrier.wait()  # also gives each thread of the pool one of them
        return load(seconds, rate, is_kept=number % 2 == 0)

    with ThreadPoolExecutor(threads) as pool:

        def together(seconds: float) -> tuple[list[float], Counter[str]]:
            futures = [pool.submit(run, seconds, number) for number in range(threads)]
            found = [future.result() for future in futures]
            failures = Counter[str]()
            for _, failed in found:
                failures.update(failed)
            return [each for taken, _ in found for each in taken], failures

        print(json.dumps("ready"), flush=True)
        for line in sys.stdin:
            taken, failures = together(json.loads(line))
            slow = sum(each >= limit for each in taken)
            print(
                json.dumps({"calls": len(taken), "failures": failures, "longest": max(taken), "slow": slow}), flush=True
            )


if __name__ == "__main__":
    main()
