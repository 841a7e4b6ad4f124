"""One process of a site: ``python -m tests.faults.worker <database> <slug> <seconds its clock is ahead>``.

It does what each line of its standard input says (a list: the act, its arguments and its options) and answers with a line
of JSON. ``DATABASE_URL`` names the server. Faults are put around the app's functions here and only here.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import django

if TYPE_CHECKING:
    from collections.abc import Callable

SLUG = sys.argv[2] if len(sys.argv) > 2 else "provider"


def migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def create(origin: str, left: float, fields: dict[str, Any]) -> None:
    """A connection that a person has authorized, in place of any other; its token has ``left`` seconds."""
    from apiconnector.models import Connection, Token
    from apiconnector.models.clock import DatabaseNow

    Connection.objects.filter(slug=SLUG).delete()
    connection = Connection.objects.create(
        name="Provider", slug=SLUG, base_url=f"{origin}/api", auth_method="oauth2_authorization_code",
        client_id="id", client_secret="secret", token_url=f"{origin}/token", authorization_url=f"{origin}/authorize",
        **fields,
    )  # fmt: skip  # in rows
    Token.objects.create(connection=connection, access_token="access-1", refresh_token="refresh-1", generation=1)
    Token.objects.filter(connection=connection).update(
        issued_at=DatabaseNow() - timedelta(hours=1), expires_at=DatabaseNow() + timedelta(seconds=left)
    )


def state() -> dict[str, Any]:
    """What the tables say of the connection."""
    from apiconnector.models import Connection, Token

    connection = Connection.objects.get(slug=SLUG)
    token = Token.objects.get(connection=connection)
    return {
        "status": str(connection.status),
        "reason": connection.problem_reason,
        "generation": token.generation,
        "access_token": token.access_token.reveal(),
        "refresh_token": token.refresh_token.reveal(),
        "is_leased": bool(token.lease_owner),
        "is_begun": token.refresh_started_at is not None,
        "failures": token.failures,
        "failed": list(connection.events.filter(kind="failed").values_list("message", flat=True)),
    }


def expire(left: float = -1) -> None:
    """Let the token have ``left`` seconds."""
    from apiconnector.models import Token
    from apiconnector.models.clock import DatabaseNow

    Token.objects.filter(connection__slug=SLUG).update(expires_at=DatabaseNow() + timedelta(seconds=left))


def one_call() -> str:
    """The status of one call as a request of a site makes it, or the error."""
    from apiconnector.shortcuts import connect

    try:
        with connect(SLUG) as api:
            return str(api.get("contacts").status_code)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def call(*, times: int = 1, pause: float = 0.0) -> list[str]:
    outcomes = []
    for number in range(times):
        if number:
            time.sleep(pause)
        outcomes.append(one_call())
    return outcomes


def call_until(seconds: float, pause: float) -> dict[str, int]:
    """Call for so many seconds; how often which outcome came."""
    until, outcomes = time.monotonic() + seconds, Counter[str]()
    while time.monotonic() < until:
        outcomes[one_call()] += 1
        time.sleep(pause)
    return outcomes


def inside(write: str = "", *, rolls_back: bool = True) -> list[str]:
    """Two calls inside of a transaction that has written a row itself, if one is named, and what it does then."""
    from django.db import transaction

    from apiconnector.models import Connection, Token

    with transaction.atomic():
        if write == "connection":
            Connection.objects.filter(slug=SLUG).update(name="Renamed")
        elif write == "token":
            Token.objects.filter(connection__slug=SLUG).update(account_label="Renamed")
        outcomes = [one_call(), one_call()]
        transaction.set_rollback(rolls_back)
    return [*outcomes, one_call()]


def request(fails: bool) -> int:
    """The status of a request to the site, whose view calls the API inside of ``ATOMIC_REQUESTS``, and fails then."""
    from django.conf import settings
    from django.db import connections
    from django.test import Client

    connections["default"].settings_dict["ATOMIC_REQUESTS"] = True
    settings.ROOT_URLCONF = "tests.faults.urls"
    client = Client(raise_request_exception=False)
    return client.get(f"/{'fails' if fails else 'works'}/{SLUG}").status_code


def threads(number: int, *, is_inside: bool = False) -> dict[str, int]:
    """Calls of so many threads at once; how often which outcome came."""
    from django.db import connection, transaction

    barrier, outcomes = threading.Barrier(number), list[str]()

    def run() -> None:
        try:
            barrier.wait()
            with transaction.atomic() if is_inside else ExitStack():
                outcomes.append(one_call())
        except Exception as error:
            outcomes.append(f"{type(error).__name__} in the caller's transaction: {error}")
        finally:
            connection.close()

    running = [threading.Thread(target=run) for _ in range(number)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return Counter(outcomes)


def interrupt(point: str, kind: str) -> None:
    """Let this process stop (``SIGSTOP``) or die (``SIGKILL``) at a point of the next renewal."""
    from apiconnector.models import ConnectionEvent, token_requests
    from apiconnector.models.token import TokenQuerySet

    owners: dict[str, tuple[Any, str]] = {
        "before the request": (token_requests, "refresh"),
        "before the save": (TokenQuerySet, "store"),
        # What comes next; the save itself is part of a transaction on some databases.
        "after the save": (ConnectionEvent, "record"),
    }
    owner, name = owners[point]
    real: Callable[..., Any] = getattr(owner, name)

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        setattr(owner, name, real)
        os.kill(os.getpid(), signal.Signals[kind])
        return real(*args, **kwargs)

    setattr(owner, name, interrupted)


def settle() -> bool:
    """Wait until nothing is renewed in the background, and nothing is kept in memory only."""
    from apiconnector.models import ahead

    done = ahead.wait(30)
    for thread in threading.enumerate():
        if thread.name == "apiconnector-unsaved":
            thread.join(30)
            done &= not thread.is_alive()
    return done


def lock(seconds: float) -> None:
    """Keep everybody else from writing for a while (SQLite)."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("BEGIN EXCLUSIVE")
        print(json.dumps("locked"), flush=True)
        time.sleep(seconds)
        cursor.execute("COMMIT")


def authorize() -> int:
    """A person authorizes the connection again; the status of the callback."""
    from django.contrib.auth.models import User
    from django.test import Client

    from apiconnector.models import Connection

    client = Client(headers={"host": "testserver"})
    user = User.objects.filter(username=SLUG).first()
    client.force_login(user or User.objects.create_superuser(SLUG, "admin@example.org", "secret"))
    pk = Connection.objects.get(slug=SLUG).pk
    sent = client.post(f"/admin/apiconnector/connection/{pk}/authorize/")
    asked = parse_qs(urlsplit(sent["Location"]).query)["state"][0]
    return client.get("/oauth/callback", {"code": "code", "state": asked}).status_code


ACTS = (migrate, create, state, expire, call, call_until, inside, request, threads, interrupt, settle, lock, authorize)


def set_clock(ahead: float) -> None:
    """Let the clock of this machine be wrong. The database's, which is another machine's, is not."""
    from django.utils import timezone

    real_time, real_now = time.time, timezone.now
    time.time = lambda: real_time() + ahead
    timezone.now = lambda: real_now() + timedelta(seconds=ahead)


def main(*more: Callable[..., Any]) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = sys.argv[1]
    logging.disable()  # what goes wrong here is meant to
    if float(sys.argv[3]):
        set_clock(float(sys.argv[3]))
    django.setup()
    from django.db import close_old_connections

    known: tuple[Callable[..., Any], ...] = (*ACTS, *more)
    acts = {act.__name__: act for act in known}
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        name, arguments, options = json.loads(line)
        close_old_connections()  # as at the beginning of a request
        print(json.dumps(acts[name](*arguments, **options)), flush=True)
        close_old_connections()


if __name__ == "__main__":
    main()
