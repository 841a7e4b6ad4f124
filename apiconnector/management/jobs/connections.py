"""``list``, ``show`` and ``disconnect``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from apiconnector import authorize
from apiconnector.fields import EncryptedField, JSONTextField
from apiconnector.management.lookup import find_connection
from apiconnector.management.output import add_format, distance, moment
from apiconnector.models import Connection, endings
from apiconnector.models.connection import MACHINE_FIELDS
from apiconnector.models.status import NEEDS_PERSON
from apiconnector.redaction import looks_secret

if TYPE_CHECKING:
    from apiconnector.management.output import Output
    from apiconnector.models import Token

#: How many events ``show`` prints.
_EVENTS = 10
#: Written by the machine; ``show`` says them in words of its own.
_HIDDEN = MACHINE_FIELDS | {"id", "discovered"}


def add_parsers(jobs: Any) -> None:
    """Add the parsers of this group."""
    listing = jobs.add_parser("list", help="List connections and their status.")
    add_format(listing)
    listing.set_defaults(act=list_connections)
    show = jobs.add_parser("show", help="Show a connection: fields, status, token, last events.")
    show.add_argument("slug")
    add_format(show)
    show.set_defaults(act=show_connection)
    disconnect = jobs.add_parser("disconnect", help="Revoke a connection's token and forget it.")
    disconnect.add_argument("slug")
    disconnect.set_defaults(act=disconnect_connection)


def list_connections(out: Output, options: dict[str, Any]) -> int:
    """Print every connection."""
    del options
    rows = [_row(connection) for connection in Connection.objects.select_related("token").order_by("slug")]
    if out.as_json:
        out.json(rows)
        return 0
    if not rows:
        out.line("There are no connections yet: add one in the admin.")
        return 0
    out.table(
        ("slug", "authentication", "status", "token ends", "name"),
        [
            (row["slug"], row["auth_method"], row["status"], distance(row["token_expires_at"]), row["name"])
            for row in rows
        ],
    )
    waiting = [row["slug"] for row in rows if row["status"] in NEEDS_PERSON]
    if waiting:
        out.note(f"{', '.join(waiting)}: somebody has to act; “apiconnector show <slug>” says why.")
    return 0


def _row(connection: Connection) -> dict[str, Any]:
    token = endings.token_of(connection)
    known = endings.of(connection)
    return {
        "slug": connection.slug,
        "name": connection.name,
        "auth_method": connection.auth_method,
        "base_url": connection.base_url,
        "is_active": connection.is_active,
        "status": str(connection.status),
        "status_reason": connection.status_reason,
        "token_expires_at": token.expires_at if token else None,
        "ends_at": known[0].at if known else None,
        "account_id": token.account_id if token else "",
        "account_label": token.account_label if token else "",
    }


def show_connection(out: Output, options: dict[str, Any]) -> int:
    """Print one connection; of a secret only whether there is one."""
    connection = find_connection(options["slug"])
    redact = connection.redactor()
    fields = {
        "status": str(connection.status),
        "status_reason": connection.status_reason,
        "ends": [ending.reason(timezone.now()) for ending in endings.of(connection)],
        **{name: redact.scrub(value) for name, value in _fields(connection).items()},
    }
    token = endings.token_of(connection)
    events = list(connection.events.select_related("actor")[:_EVENTS])
    if out.as_json:
        out.json(
            {
                **fields,
                "token": _token_fields(token) if token else None,
                "events": [
                    {"at": event.at, "kind": event.kind, "message": event.message, "actor": _name(event.actor)}
                    for event in events
                ],
            }
        )
        return 0
    method = connection.method_or_none
    wanted = {"status", "secret_variables", *(method.fields if method else ())}
    out.fields(
        (name.replace("_", " "), _in_words(name, value))
        for name, value in fields.items()
        if name in wanted or value not in ("", None, "empty", {}, [])
    )
    if token is not None:
        out.line("")
        out.fields(_token_lines(token))
    if events:
        out.line("")
        out.table(
            ("at", "event", "by", "message"),
            [(moment(event.at), event.kind, _name(event.actor), event.message) for event in events],
        )
    return 0


def _in_words(name: str, value: Any) -> Any:
    if name in {"created_at", "updated_at"}:
        return moment(value)
    return " ".join(value) if name == "ends" else value


def _fields(connection: Connection) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in connection._meta.concrete_fields:
        if field.name in _HIDDEN:
            continue
        value = getattr(connection, field.attname)
        if isinstance(field, EncryptedField):
            value = _stored(value)
        elif isinstance(field, JSONTextField):
            value = _without_suspects(value)
        found[field.name] = value
    return found


def _stored(secret: Any) -> str:
    return "stored" if secret else "empty"


def _without_suspects(value: Any) -> Any:
    """JSON without what stands under the name of a credential, unless that is made of placeholders."""
    if isinstance(value, dict):
        return {
            name: "[hidden]" if looks_secret(name) and "{{" not in str(inner) else _without_suspects(inner)
            for name, inner in value.items()
        }
    return [_without_suspects(inner) for inner in value] if isinstance(value, list) else value


def _token_fields(token: Token) -> dict[str, Any]:
    return {
        "access_token": _stored(token.access_token),
        "refresh_token": _stored(token.refresh_token),
        "issued_at": token.issued_at,
        "expires_at": token.expires_at,
        "refresh_expires_at": token.refresh_expires_at,
        "scope": token.scope,
        "account_id": token.account_id,
        "account_label": token.account_label,
        "generation": token.generation,
    }


def _token_lines(token: Token) -> list[tuple[str, str]]:
    ends = f"{moment(token.expires_at)} ({distance(token.expires_at)})" if token.expires_at else "not stated"
    lines = [
        ("access token", _stored(token.access_token)),
        ("refresh token", _stored(token.refresh_token)),
        ("issued", f"{moment(token.issued_at)} ({distance(token.issued_at)})"),
        ("ends", ends),
    ]
    if token.refresh_expires_at:
        lines.append(
            ("refresh token ends", f"{moment(token.refresh_expires_at)} ({distance(token.refresh_expires_at)})")
        )
    rest = (("scope", token.scope), ("account", token.account_label), ("account id", token.account_id))
    return lines + [(name, value) for name, value in rest if value]


def _name(actor: Any) -> str:
    return str(actor.get_username()) if actor else ""


def disconnect_connection(out: Output, options: dict[str, Any]) -> int:
    """Revoke and forget the token of one connection."""
    out.line(authorize.disconnect(find_connection(options["slug"])))
    return 0
