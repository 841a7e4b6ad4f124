"""Measure and print: ``python -m tests.benchmarks [sending] [storm]``. Exit status 0 whatever the figures are."""

from __future__ import annotations

import argparse
import os

from tests.benchmarks import databases, peers, report
from tests.benchmarks.processes import measured
from tests.benchmarks.storm import OURS, TOKEN_DELAY

BENCHMARKS = ("sending", "storm")
LEFT_OUT = (
    "PostgreSQL was left out: name a server in BENCHMARK_POSTGRES_URL or DATABASE_URL. A database of its own is made "
    "there, and dropped afterwards."
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure, and print the figures.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"what to measure: {', '.join(BENCHMARKS)}; all")
    parser.add_argument(
        "--database", action="append", choices=[*databases.NAMES], help="only this one; may be repeated"
    )
    parser.add_argument("--short", action="store_true", help="few rounds: shows that it runs, not how fast")
    parser.add_argument("--rounds", type=int, help="rounds of each benchmark (40 of sending, 5 of the storm)")
    parser.add_argument("--calls", type=int, help="calls of each way to send in a round (30)")
    parser.add_argument("--threads", type=int, default=8, help="threads of each process in the storm (8)")
    parser.add_argument("--processes", type=int, default=4, help="processes of the storm (4)")
    parser.add_argument("--no-peers", action="store_true", help="leave requests-oauthlib and Authlib out")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}: choose from {', '.join(BENCHMARKS)}.")
    for name in ("rounds", "calls", "threads", "processes"):
        if (value := getattr(options, name)) is not None and value < (2 if name == "rounds" else 1):
            parser.error(f"--{name} is too small.")
    return options


def main() -> None:
    options = arguments()
    chosen = [databases.NAMES[name] for name in options.database or databases.NAMES]
    if databases.POSTGRESQL in chosen and not databases.postgresql_url():
        chosen.remove(databases.POSTGRESQL)
        print(LEFT_OUT, end="\n\n")
    beside = [] if options.no_peers else peers.installed()
    if missing := [] if options.no_peers else peers.missing():
        print(f"Left out, not installed: {', '.join(missing)}.", end="\n\n")
    if beside:
        print(f"Beside {', '.join(map(peers.described, beside))}.", end="\n\n")
    names = options.names or BENCHMARKS
    if "sending" in names:
        sending(options, chosen, beside)
    if "storm" in names:
        storm(options, chosen, beside)


def sending(options: argparse.Namespace, chosen: list[str], beside: list[str]) -> None:
    task = {
        "rounds": options.rounds or (4 if options.short else 40),
        "calls": options.calls or (5 if options.short else 30),
    }
    for database in chosen:
        with databases.environment(database) as environment:
            found = measured("sending", {"peers": beside, **task}, environment)
        print(report.sending(database, found, **task), end="\n\n", flush=True)


def storm(options: argparse.Namespace, chosen: list[str], beside: list[str]) -> None:
    size = {"threads": options.threads, "processes": options.processes}
    task = {**size, "rounds": options.rounds or (2 if options.short else 5)}
    print(f"In a storm a token request takes {TOKEN_DELAY * 1000:.0f} ms.", end="\n\n")
    for database in chosen:
        with databases.environment(database) as environment:
            found = measured("storm", {"who": OURS, **task}, environment)
        print(report.storm(f"{OURS}, {database}", found, **size), end="\n\n", flush=True)
    for peer in beside:
        found = measured("storm", {"who": peer, **task}, os.environ)
        print(report.storm(f"{peer}, a token file", found, **size), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
