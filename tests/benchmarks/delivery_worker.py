"""One process that delivers: ``python -m tests.benchmarks.delivery_worker <threads>``.

For each line it reads it sends what is due, and writes how many came to which status.
"""

from __future__ import annotations

import json
import sys

from tests.benchmarks.databases import use_existing


def main() -> None:
    use_existing()
    from apiconnector.feeds import deliver

    print(json.dumps("ready"), flush=True)
    for _ in sys.stdin:
        print(json.dumps(deliver(workers=int(sys.argv[1]))), flush=True)


if __name__ == "__main__":
    main()
