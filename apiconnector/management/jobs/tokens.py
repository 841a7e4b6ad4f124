"""``authorize`` and ``refresh``: get tokens."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db.models import F
from django.utils import timezone

from apiconnector import authorize
from apiconnector.exceptions import ApiConnectorError, ConfigurationError
from apiconnector.management.lookup import find_connection, find_connections, wrong_usage
from apiconnector.management.output import add_format, counted, distance
from apiconnector.models import AuthorizationAttempt, Connection, Token, health, site
from apiconnector.models.renewal import can_refresh, is_due

if TYPE_CHECKING:
    from datetime import datetime

    from apiconnector.management.output import Output


def add_parsers(jobs: Any) -> None:
    """Add the parsers of this group."""
    begin = jobs.add_parser("authorize", help="Authorize a connection with a browser anywhere.")
    begin.add_argument("slug")
    begin.set_defaults(act=authorize_connection)
    refresh = jobs.add_parser("refresh", help="Get new tokens now.")
    refresh.add_argument("slugs", nargs="*", metavar="slug")
    refresh.add_argument("--all", action="store_true", help="Refresh every token that can be, of active connections.")
    refresh.add_argument("--due", action="store_true", help="Refresh every token that has ended or is about to.")
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
    wanted = _wanted(out, options)
    redirect_uri = authorize.callback_uri() if options["confirm_site"] else ""
    rows = []
    for connection in wanted:
        if redirect_uri:
            out.note(authorize.confirm_site(connection, redirect_uri))
        rows.append(_refreshed(connection))
        if len(wanted) > 1:
            outcome = "refreshed" if rows[-1]["ok"] else "failed"
            out.note(f"{len(rows)} of {len(wanted)}: {connection.slug} {outcome}")
    if out.as_json:
        out.json(rows)
    elif not rows:
        out.line("No token is due." if options["due"] else "No token can be refreshed.")
    else:
        out.table(
            ("slug", "outcome", "message"),
            [(row["slug"], "refreshed" if row["ok"] else "failed", row["message"]) for row in rows],
        )
        failed = sum(not row["ok"] for row in rows)
        if len(rows) > 1:
            out.line("")
            out.line(f"{counted(len(rows) - failed, 'token')} refreshed, {failed} failed.")
    return 0 if all(row["ok"] for row in rows) else 1


def _wanted(out: Output, options: dict[str, Any]) -> list[Connection]:
    if [options["due"], options["all"], bool(options["slugs"])].count(True) != 1:
        raise wrong_usage("Name the connections to refresh, or give --due or --all.")
    if options["due"] and options["confirm_site"]:
        # The line of a crontab would confirm on every copy of the site.
        raise wrong_usage("--confirm-site is for a person to decide, once: name the connections, or give --all.")
    if options["due"]:
        return _own(_due(), out)
    return _all() if options["all"] else find_connections(options["slugs"])


def _due() -> list[Connection]:
    """Active connections whose token has ended, or is about to, and can be renewed without a person."""
    now = timezone.now()
    connections = (
        Connection.objects.select_related("token")
        .filter(is_active=True, token__expires_at__isnull=False)
        .exclude(problem=health.NEEDS_REAUTHORIZATION)
        .order_by(F("token__expires_at"), "slug")
    )
    return [row for row in connections if _renewable(row) and _is_due(row, now)]


def _is_due(connection: Connection, now: datetime) -> bool:
    try:
        return is_due(connection, connection.token, now)
    except ConfigurationError:
        return True  # refreshing it says what is wrong


def _all() -> list[Connection]:
    """Active connections whose token can be renewed without a person."""
    connections = Connection.objects.select_related("token").filter(is_active=True, token__isnull=False)
    return [row for row in connections.order_by("slug") if _renewable(row)]


def _own(connections: list[Connection], out: Output) -> list[Connection]:
    """Those whose token is this site's to refresh; the others are named, and wait for a person."""
    others = [row for row in connections if site.is_other(row.token.site)]
    if others:
        out.note(f"Left out, since the token was authorized for another site: {', '.join(row.slug for row in others)}.")
    return [row for row in connections if row not in others]


def _renewable(connection: Connection) -> bool:
    method = connection.method_or_none
    if method is None or not method.uses_token:
        return False
    try:
        return not method.needs_person or can_refresh(connection, connection.token, timezone.now())
    except ConfigurationError:
        return True  # refreshing it says what is wrong


def _refreshed(connection: Connection) -> dict[str, Any]:
    token: Token | None = None
    try:
        token = connection.token_source().refresh()
    except ApiConnectorError as error:
        message = str(error)
    else:
        message = f"The new token ends {distance(token.expires_at)}." if token.expires_at else "Its end is not stated."
    return {
        "slug": connection.slug,
        "ok": token is not None,
        "message": message,
        "expires_at": token.expires_at if token else None,
    }
