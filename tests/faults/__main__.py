"""Play the faults and print what happened: ``python -m tests.faults [name…]``. ``DATABASE_URL`` names the database."""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback

from tests.faults.catalogue import FAULTS
from tests.faults.databases import throwaway
from tests.faults.site import opened

NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MariaDB"}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description="Play faults against one database and print a Markdown table of what happened. Exit status 1 when "
        "something did not hold, with why on standard error.",
    )
    parser.add_argument("--share", type=float, default=1.0, help="this part of the rounds of each; 1 is all of them")
    parser.add_argument("names", nargs="*", metavar="name", help="only these, or those that begin so; all")
    options = parser.parse_args()
    begins = tuple(options.names) or ("",)
    chosen = {name: found for name, found in FAULTS.items() if name.startswith(begins)}
    for begin in begins:
        if not any(name.startswith(begin) for name in FAULTS):
            parser.error(f"there is no fault {begin}: choose from {', '.join(FAULTS)}.")
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    failed = 0
    with throwaway() as (vendor, database):
        print(f"| fault | what happened on {NAMES[vendor]} | seconds |\n|---|---|---:|", flush=True)
        for name, found in chosen.items():
            if vendor not in found.databases:
                continue
            began = time.monotonic()
            try:
                with opened(vendor, database, dict(os.environ), options.share) as site:
                    happened = found.play(site)
            except Exception:
                failed += 1
                happened = f"**Does not hold** (`{name}`)"
                traceback.print_exc()
            print(f"| {found.title} | {happened} | {time.monotonic() - began:.0f} |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
