"""Measure and print: ``python -m tests.benchmarks [name …]``.

Exit status 0 whatever the figures are; with ``--short`` 1 where one misses its goal by more than is tolerated.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import databases, peers, report
from tests.benchmarks.databases import MARIADB, POSTGRESQL, SQLITE
from tests.benchmarks.figures import TOLERANCE, Table
from tests.benchmarks.processes import compiled, measured
from tests.benchmarks.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Each benchmark is a module of this name; and the databases it is measured on unless somebody says otherwise. Where it
#: is one, the database has next to no part in the figures.
BENCHMARKS = {
    "sending": (SQLITE, POSTGRESQL),
    "reads": (SQLITE, POSTGRESQL),
    "storm": (SQLITE, POSTGRESQL, MARIADB),
    "credentials": (SQLITE, POSTGRESQL),
    "threads": (SQLITE,),
    "footprint": (SQLITE,),
    "connections": (SQLITE, POSTGRESQL),
    "log": (SQLITE, POSTGRESQL),
    "delivery": (SQLITE, POSTGRESQL),
}
#: How often ``--short`` measures what misses its goal, for twice as long from the second time on, before it says so.
TRIES = 3


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure, and print the figures.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"what to measure: {', '.join(BENCHMARKS)}")
    parser.add_argument(
        "--database", action="append", choices=[*databases.NAMES], help="only this one; may be repeated"
    )
    parser.add_argument(
        "--short",
        action="store_true",
        help=f"few rounds; ends with 1 where a ratio misses its goal by more than {TOLERANCE:.0%}, or a count at all",
    )
    parser.add_argument("--rounds", type=int, help="rounds of each benchmark")
    parser.add_argument("--calls", type=int, help="calls of each way to send in a round")
    parser.add_argument("--threads", type=int, help="threads, of each process in the storm")
    parser.add_argument("--processes", type=int, help="processes of the storm")
    parser.add_argument("--no-peers", action="store_true", help="leave the other clients out")
    parser.add_argument(
        "--write", type=Path, metavar="page", help="put the tables between the markers of this page, too"
    )
    options = parser.parse_args(given)
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}: choose from {', '.join(BENCHMARKS)}.")
    for name in ("rounds", "calls", "threads", "processes"):
        if (value := getattr(options, name)) is not None and value < (2 if name == "rounds" else 1):
            parser.error(f"--{name} is too small.")
    if options.write is not None and not options.write.is_file():
        parser.error(f"there is no page {options.write}.")
    return options


def main() -> None:
    with compiled():
        run(arguments())


def run(options: argparse.Namespace) -> None:
    names = [name for name in BENCHMARKS if name in (options.names or BENCHMARKS)]
    places = {name: chosen(name, options.database) for name in names}
    for database in dict.fromkeys(database for found in places.values() for database in found):
        if not databases.is_there(database):
            print(databases.why_left_out(database), end="\n\n")
    beside = [] if options.no_peers else peers.installed()
    if missing := [] if options.no_peers else peers.missing():
        print(f"Left out, not installed: {', '.join(missing)}.", end="\n\n")
    said = report.machine() + (f" Beside {', '.join(map(peers.described, beside))}." if beside else "")
    print(said, end="\n\n", flush=True)
    sections, missed = {}, []
    for name in names:
        texts = []
        for database in filter(databases.is_there, places[name]):
            table, misses, notes = tried(name, database, options, beside)
            texts.append(report.written(table))
            print(texts[-1], *notes, sep="\n\n", end="\n\n", flush=True)
            missed += [f"{table.title}: {miss}" for miss in misses]
        sections[name] = "\n\n".join([*texts, said])
    if options.write is not None:
        report.write(options.write, sections)
    if options.short and missed:
        print("Goals missed by more than is tolerated:", *missed, sep="\n- ")
        sys.exit(1)


def chosen(name: str, wanted: list[str] | None) -> list[str]:
    """The databases a benchmark is measured on."""
    if not wanted:
        return [*BENCHMARKS[name]]
    return [databases.NAMES[database] for database in dict.fromkeys(wanted)]


def tried(
    name: str, database: str, options: argparse.Namespace, beside: list[str]
) -> tuple[Table, list[str], list[str]]:
    """The table of a benchmark, the rows that miss their goal, and what to say about how often it was measured.

    With ``--short`` a ratio misses its goal only if it does in each try: a shared machine is slow at times.
    """
    missed: set[str] | None = None
    notes: list[str] = []
    for attempt in range(1, TRIES + 1):
        task = Task(
            label=f"{name}, {database}", database=database, is_short=options.short, attempt=attempt,
            rounds=options.rounds, calls=options.calls, threads=options.threads, processes=options.processes,
            # They were shown at the first try, and have no goals.
            peers=beside if attempt == 1 else [],
        )  # fmt: skip  # in rows
        print(f"{task.label}: begins", file=sys.stderr, flush=True)
        with databases.environment(database) as environment:
            table = Table.load(measured(name, asdict(task), environment))
        now = {row.name for row in table.rows if row.is_missed()}
        missed = now if missed is None else missed & now
        wrong = [row.name for row in table.rows if row.is_missed_for_good()]
        if wrong or not missed or not options.short:
            return table, wrong or [row.name for row in table.rows if row.name in missed], notes
        notes = [f"Measured {attempt} times: {', '.join(sorted(missed))} missed the goal each time."]
        print(f"{task.label}: {', '.join(sorted(missed))} missed the goal", file=sys.stderr, flush=True)
    return table, [row.name for row in table.rows if row.name in (missed or ())], notes


if __name__ == "__main__":
    main()
