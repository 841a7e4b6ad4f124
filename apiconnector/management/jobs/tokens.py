"""``authorize`` and ``refresh``: get tokens."""

from __future__ import annotations

import sys
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from apiconnector import authorize
from apiconnector.exceptions import ApiConnectorError, ConfigurationError
from apiconnector.management.lookup import find_connection, find_connections, wrong_usage
from apiconnector.management.output import add_format, counted, distance
from apiconnector.models import AuthorizationAttempt, Connection
from apiconnector.models.due import FAILED, LEFT, REFRESHED, Outcome, refresh_due
from apiconnector.models.validity import can_refresh

if TYPE_CHECKING:
    from apiconnector.management.output import Output

_WORDS = {REFRESHED: "refreshed", FAILED: "failed", LEFT: "left alone"}


def add_parsers(jobs: Any) -> None:
    """Add the parsers of this group."""
    begin = jobs.add_parser("authorize", help="Authorize a connection with a browser anywhere.")
    begin.add_argument("slug")
    begin.set_defaults(act=authorize_connection)
    refresh = jobs.add_parser("refresh", help="Get new tokens now.")
    refresh.add_argument("slugs", nargs="*", metavar="slug")
    refresh.add_argument("--all", action="store_true", help="Refresh every token that can be, of active connections.")
    refresh.add_argument(
        "--due", action="store_true", help="Refresh what would end if nobody used it, and warn of what ends."
    )
    refresh.add_argument(
        "--confirm-site",
        action="store_true",
        help="Use tokens here, from now on, that were authorized for another site. On a copy of a site that lives on, "
        "authorize anew instead.",
    )
    add_format(refresh)
    refresh.set_defaults(act=refresh_tokens)


def authorize_connection(out: Output, options: dict[str, Any]) -> int:
    """Print the URL to open, take the address the browser was sent back to, and exchange the code."""
    connection = find_connection(options["slug"])
    try:
        begun = authorize.begin(
            connection,
            redirect_uri=authorize.callback_uri(),
            user=None,
            via=AuthorizationAttempt.Via.COMMAND,
        )
    except ValidationError as error:
        named = (f"{Connection.label_of(name)}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        out.fail(f"“{connection}” can't be authorized. {' '.join(named)}")
        return 1
    out.note(f"Open this address in a browser, on any machine, and approve. It sends you to {begun.redirect_uri}")
    out.line(begun.url)
    out.note("Then paste the whole address of the page you land on here, and press Enter:")
    pasted = authorize.paste(begun, sys.stdin.readline())
    if pasted.ok:
        out.line(pasted.message)
        return 0
    if pasted.held is not None:
        out.note(pasted.message)
        return _decide(out, pasted.held)
    # A provider may repeat what was sent to it.
    words = connection.redactor()(": ".join(part for part in (pasted.error, pasted.error_description) if part))
    out.fail(f"{pasted.message} The provider said: {words}" if words else pasted.message)
    return 1


def _decide(out: Output, attempt: AuthorizationAttempt) -> int:
    """Ask whether another account takes the place of the one before; nothing but a yes means yes."""
    out.note("Use the other account instead? [y/N]")
    is_yes = sys.stdin.readline().strip().casefold() in {"y", "yes"}
    # Read again: who is asked may take their time.
    now = AuthorizationAttempt.objects.select_related("connection").filter(pk=attempt.pk).first()
    if now is None:
        out.fail("The attempt was removed in the meantime. Run the command again.")
        return 1
    if not is_yes:
        out.fail(authorize.discard_held(now))
        return 1
    try:
        message = authorize.use_held(now)
    except ConfigurationError as error:
        out.fail(str(error))
        return 1
    out.line(message)
    return 0


def refresh_tokens(out: Output, options: dict[str, Any]) -> int:
    """Refresh the tokens of these connections, of all, or those that are due, and say what happened to each."""
    if [options["due"], options["all"], bool(options["slugs"])].count(True) != 1:
        raise wrong_usage("Name the connections to refresh, or give --due or --all.")
    if options["due"] and options["confirm_site"]:
        # The line of a crontab would confirm on every copy of the site.
        raise wrong_usage("--confirm-site is for a person to decide, once: name the connections, or give --all.")
    if options["due"]:
        outcomes = refresh_due(partial(_report, out))
    else:
        outcomes = _refreshed(out, _all() if options["all"] else find_connections(options["slugs"]), options)
    rows = [
        {
            "slug": outcome.slug,
            "ok": outcome.ok,
            "outcome": outcome.outcome,
            "message": _message(outcome),
            "expires_at": outcome.expires_at,
        }
        for outcome in outcomes
    ]
    if out.as_json:
        out.json(rows)
    elif not rows:
        out.line("No token is due." if options["due"] else "No token can be refreshed.")
    else:
        out.table(
            ("slug", "outcome", "message"), [(each.slug, _WORDS[each.outcome], _message(each)) for each in outcomes]
        )
        if len(rows) > 1:
            out.line("")
            out.line(_summary(outcomes))
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def _refreshed(out: Output, wanted: list[Connection], options: dict[str, Any]) -> list[Outcome]:
    redirect_uri = authorize.callback_uri() if options["confirm_site"] else ""
    outcomes = []
    for number, connection in enumerate(wanted, start=1):
        if redirect_uri:
            out.note(authorize.confirm_site(connection, redirect_uri))
        try:
            token = connection.token_source().refresh()
        except ApiConnectorError as error:
            outcomes.append(Outcome(connection.slug, FAILED, str(error)))
        else:
            outcomes.append(Outcome(connection.slug, REFRESHED, expires_at=token.expires_at))
        _report(out, outcomes[-1], number, len(wanted))
    return outcomes


def _report(out: Output, outcome: Outcome, number: int, count: int) -> None:
    if count > 1:
        out.note(f"{number} of {count}: {outcome.slug} {_WORDS[outcome.outcome]}")


def _message(outcome: Outcome) -> str:
    if outcome.outcome != REFRESHED:
        return outcome.message
    return f"The new token ends {distance(outcome.expires_at)}." if outcome.expires_at else "Its end is not stated."


def _summary(outcomes: list[Outcome]) -> str:
    count = Counter(outcome.outcome for outcome in outcomes)
    left = f", {count[LEFT]} left alone" if count[LEFT] else ""
    return f"{counted(count[REFRESHED], 'token')} refreshed, {count[FAILED]} failed{left}."


def _all() -> list[Connection]:
    """Active connections whose token can be renewed without a person."""
    connections = Connection.objects.select_related("token").filter(is_active=True, token__isnull=False)
    return [row for row in connections.order_by("slug") if _renewable(row)]


def _renewable(connection: Connection) -> bool:
    method = connection.method_or_none
    if method is None or not method.uses_token:
        return False
    try:
        return not method.needs_person or can_refresh(connection, connection.token, timezone.now())
    except ConfigurationError:
        return True  # refreshing it says what is wrong
