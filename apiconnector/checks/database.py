"""What only the database can tell: runs that nobody sends, connections whose method is gone, tokens of another site.

Django runs these for the databases of ``--database`` only. The admin shows them above its lists.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's own name
from django.db import DatabaseError, router
from django.utils import timezone

from apiconnector import auth
from apiconnector.models import Connection, FeedRun, Token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from django.db.models import Model

#: How long after its time a run counts as overdue: a cron job every few minutes is in time.
LATE = timedelta(minutes=15)
#: Counting stops here, so that a list with a million rows of arrears still opens.
MOST = 1000
#: So many connections are named.
NAMED = 5


def check_overdue(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """``apiconnector.W041``: runs wait that should have been sent at least 15 minutes ago."""
    return _on_each(databases, FeedRun, _overdue)


def check_methods(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """``apiconnector.W042``: active connections have an authentication method that no installed app registers."""
    return _on_each(databases, Connection, _without_method)


def check_sites(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """``apiconnector.W043``: tokens of active connections were authorized for another site, and are not refreshed."""
    return _on_each(databases, Token, _of_other_sites)


def _on_each(
    databases: Iterable[str] | None, model: type[Model], find: Callable[[str], list[CheckMessage]]
) -> list[CheckMessage]:
    """Ask those databases that hold a model's table. One that can't answer is no finding: it is not migrated yet.

    Without a savepoint: commands check outside a transaction, and the admin's lists have read the table already.
    """
    found: list[CheckMessage] = []
    for alias in databases or ():
        if not router.allow_migrate_model(alias, model):
            continue
        try:
            found += find(alias)
        except DatabaseError:
            continue
    return found


def _overdue(alias: str) -> list[CheckMessage]:
    runs = FeedRun.objects.using(alias).due(timezone.now() - LATE)
    count = runs.order_by()[: MOST + 1].count()
    if not count:
        return []
    # Each status by itself: that is one step in the index, however many there are.
    times = [
        at
        for status in (FeedRun.Status.PENDING, FeedRun.Status.RUNNING)
        for at in runs.filter(status=status).values_list("next_attempt_at", flat=True)[:1]
        if at is not None
    ]
    since = f", the oldest since {_local(min(times))}" if times else ""
    return [
        Warning(
            f"{_count(count)} overdue{since}. Nobody sends them: no worker runs, or it has stopped.",
            hint="Run “manage.py apiconnector deliver” every few minutes by cron, or keep “deliver --loop” running.",
            id="apiconnector.W041",
        )
    ]


def _count(count: int) -> str:
    if count > MOST:
        return f"More than {MOST} feed runs are"
    return "1 feed run is" if count == 1 else f"{count} feed runs are"


def _local(at: datetime) -> str:
    if timezone.is_aware(at):
        return f"{timezone.localtime(at):%Y-%m-%d %H:%M %Z}"
    return f"{at:%Y-%m-%d %H:%M}"


def _without_method(alias: str) -> list[CheckMessage]:
    known = [method.name for method in auth.methods()]
    rows = Connection.objects.using(alias).filter(is_active=True).exclude(auth_method__in=known).order_by("slug")
    found = list(rows.values_list("slug", "auth_method")[: NAMED + 1])
    if not found:
        return []
    named = ", ".join(f"{slug} ({method})" for slug, method in found[:NAMED])
    more = " and more" if len(found) > NAMED else ""
    return [
        Warning(
            f"No installed app registers the authentication method of these connections: {named}{more}. Their "
            "requests fail.",
            hint="Put the app that calls apiconnector.auth.register() back into INSTALLED_APPS, choose another "
            "method, or switch the connections off.",
            id="apiconnector.W042",
        )
    ]


def _of_other_sites(alias: str) -> list[CheckMessage]:
    from apiconnector.models import site

    tokens = Token.objects.using(alias).filter(connection__is_active=True).exclude(refresh_token="")
    others = site.others(tokens)
    if not others:
        return []
    slugs = tokens.filter(site__in=others).order_by("connection__slug").values_list("connection__slug", flat=True)
    found = list(slugs[: NAMED + 1])
    more = " and more" if len(found) > NAMED else ""
    return [
        Warning(
            f"These connections were authorized for another site ({', '.join(others)}), and their tokens are not "
            f"refreshed here: {', '.join(found[:NAMED])}{more}.",
            hint="If this is a copy of that site, authorize here anew what is used here. If this site has moved here "
            "from there, run “manage.py apiconnector refresh --all --confirm-site”. If it is the same site, give all "
            "its processes the same APICONNECTOR_BASE_URL.",
            id="apiconnector.W043",
        )
    ]
