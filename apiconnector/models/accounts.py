"""Whose account a connection uses, and whether another connection uses it, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiconnector.models.validation import is_findable

if TYPE_CHECKING:
    from apiconnector.models.connection import Connection


def sharing(connection: Connection, account_id: str) -> list[Connection]:
    """Other connections to the same provider whose token is of this account.

    The same provider has the same token URL, or where there is none the same base URL.
    """
    if not account_id or not is_findable(account_id):
        return []
    column = "token_url" if connection.token_url else "base_url"
    rows = type(connection).objects.exclude(pk=connection.pk).filter(**{column: getattr(connection, column)})
    found = rows.filter(token__account_id=account_id).select_related("token").order_by("name")
    # MariaDB takes upper and lower case for the same.
    return [row for row in found if row.token.account_id == account_id]


def warning(connection: Connection, account_id: str) -> str:
    """What to know of an account that another connection has already; empty where none has."""
    others = sharing(connection, account_id)
    if not others:
        return ""
    named = ", ".join(f"“{row}”" for row in others[:3]) + (" and others" if len(others) > 3 else "")
    return (
        f"{named} {'uses' if len(others) == 1 else 'use'} this account already: at some providers authorizing it again "
        "ends the older token."
    )
