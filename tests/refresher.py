"""A process of its own that uses a connection once: run by the tests of the lease, as ``python -m tests.refresher``."""

import os
import sys

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = sys.argv[1]
    django.setup()
    from apiconnector.shortcuts import connect

    # Ready, and then go together: the other process waits for the same line.
    print("ready", flush=True)
    sys.stdin.readline()
    with connect("provider") as api:
        print(api.get("x").status_code, flush=True)
