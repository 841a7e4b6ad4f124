"""A process of its own whose threads all find the same trouble: run as ``python -m tests.health_worker``.

Arguments: the name of the database, and how many threads. For each line it reads, all of them do at once what it names,
and it writes which signals were heard.
"""

import os
import sys
import threading

import django


def do(what: str) -> None:
    from apiconnector.models import Connection, health
    from apiconnector.shortcuts import refresh_due

    connection = Connection.objects.select_related("token").get(slug="provider")
    together.wait(30)
    if what == "works":
        health.works_again(connection)
    elif what == "due":
        refresh_due()
    else:
        health.needs_attention(connection, what, what)


def act(what: str) -> None:
    from django.db import connection as database

    try:
        do(what)
    except Exception as error:
        heard.append(f"{what}: {type(error).__name__}: {error}")
    finally:
        database.close()


def attention(reason: str, **_: object) -> None:
    heard.append(f"attention: {reason}")


def recovered(**_: object) -> None:
    heard.append("recovered")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = sys.argv[1]
    django.setup()
    from apiconnector import signals

    signals.connection_needs_attention.connect(attention)
    signals.connection_recovered.connect(recovered)
    count = int(sys.argv[2])
    together = threading.Barrier(count)
    heard: list[str] = []
    print("ready", flush=True)
    for line in sys.stdin:
        threads = [threading.Thread(target=act, args=(line.strip(),)) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print("; ".join(sorted(heard)), flush=True)
        heard.clear()
