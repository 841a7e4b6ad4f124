"""What the app adds to the start of a process, and what a session takes of its memory.

A fresh interpreter for each start: with the app, without it but with the libraries that it stands on imported, and with
both, as where a site's own code imports them anyway.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tracemalloc
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

import requests

from tests.benchmarks.databases import throwaway
from tests.benchmarks.figures import RATIO_COLUMNS, Row, Table, of_ratios
from tests.benchmarks.processes import serving
from tests.benchmarks.sending import PARAMS, TIMEOUT, check
from tests.benchmarks.tasks import Progress, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.processes import Server
    from tests.benchmarks.tasks import Task

GOAL = 1.05
#: Sessions that are made and used to see what one takes.
SESSIONS = 200
APP, LIBRARIES, BOTH, DJANGO = "app", "libraries", "both", "django"
#: One start: what is on the way of ``django.setup()`` counts, importing Django as well. Prints milliseconds and KB. It is
#: the processor's time: nothing is waited for, and other processes matter less.
_START = """
import sys, time
began = time.process_time()
import django
from django.conf import settings
kind, apps = sys.argv[1], sys.argv[2].split(",")
settings.configure(INSTALLED_APPS=apps + ["apiconnector"] * (kind in {"app", "both"}), USE_TZ=True, SECRET_KEY="-")
if kind in {"libraries", "both"}:
    import requests, jmespath
    from cryptography.fernet import Fernet
django.setup()
taken = time.process_time() - began
import resource
print(taken * 1000, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
_BASE = ["django.contrib.auth", "django.contrib.contenttypes"]
_ADMIN = [*_BASE, "django.contrib.admin", "django.contrib.sessions", "django.contrib.messages"]


def started(kind: str, apps: list[str]) -> tuple[float, float]:
    """Milliseconds of the processor until Django is set up in a new interpreter, and the memory of its process in MB."""
    done = subprocess.run(
        [sys.executable, "-c", _START, kind, ",".join(apps)], capture_output=True, text=True, check=True,
        env={key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"},
    )  # fmt: skip  # in rows
    milliseconds, kilobytes = map(float, done.stdout.split())
    return milliseconds, kilobytes / 1024


def starts(task: Task, apps: list[str], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Each kind of start in each round, in an order that changes."""
    found: dict[str, list[tuple[float, float]]] = {DJANGO: [], LIBRARIES: [], APP: [], BOTH: []}
    progress, order = Progress(task.label), [*found]
    for number in range(rounds + 1):
        random.shuffle(order)
        for kind in order:
            start = started(kind, apps)
            if number:  # the first one writes bytecode
                found[kind].append(start)
        progress(number, rounds)
    return found


def start_rows(what: str, found: dict[str, list[tuple[float, float]]]) -> list[Row]:
    """What the app's start takes beside that of the libraries, and what both take beside Django's alone."""

    def ratios(of: str, to: str, figure: int) -> list[float]:
        return [one[figure] / other[figure] for one, other in zip(found[of], found[to], strict=True)]

    compared = [
        (f"{what}: with the app / with its libraries", APP, LIBRARIES, 0, GOAL),
        (f"{what}: with both / with its libraries", BOTH, LIBRARIES, 0, None),
        (f"{what}: with its libraries / alone", LIBRARIES, DJANGO, 0, None),
        (f"{what}, memory: with the app / with its libraries", APP, LIBRARIES, 1, None),
    ]
    rows = []
    for name, of, to, figure, limit in compared:
        row = of_ratios(name, ratios(of, to, figure), limit)
        middle = median(start[figure] for start in found[of])
        rows.append(Row(row.name, [f"{middle:.0f} {('ms', 'MB')[figure]}", *row.cells], row.goals))
    return rows


def memory_of(make: Callable[[], Any], use: Callable[[Any], object]) -> float:
    """KB of Python's memory that one session takes once it has been used, kept open beside others."""
    use(make())  # what is cached for all
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = [make() for _ in range(SESSIONS)]
        for session in kept:
            use(session)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    for session in kept:
        session.close()
    return (after - before) / SESSIONS / 1024


def memory_rows(server: Server) -> list[Row]:
    from apiconnector.shortcuts import connect
    from tests.benchmarks import records

    tokens = server.reset()
    records.connection(server, tokens, life=timedelta(hours=1))
    url, headers = f"{server.origin}/api/{records.PATH}", {"Authorization": f"Bearer {tokens['access_token']}"}
    ours = memory_of(lambda: connect(records.SLUG), lambda session: check(session.get(records.PATH, params=PARAMS)))
    plain = memory_of(
        requests.Session, lambda session: check(session.get(url, params=PARAMS, headers=headers, timeout=TIMEOUT))
    )
    return [Row("memory of an open session: connect() / requests", [f"{ours:.0f} KB", f"{ours / plain:.2f}", ""])]


def measure(task: Task) -> Table:
    rounds = task.rounds_or(short=5, full=25)
    rows = start_rows("django.setup()", starts(task, _BASE, rounds))
    rows += start_rows("the same with the admin", starts(task, _ADMIN, rounds))
    with throwaway() as database, serving() as server:
        rows += memory_rows(server)
    return Table(
        "Footprint", "figure", ["measured", *RATIO_COLUMNS], rows,
        f"{rounds} starts of each kind, in new processes; {SESSIONS} sessions open at once ({database}).",
    )  # fmt: skip  # in rows


if __name__ == "__main__":
    answer(measure)
