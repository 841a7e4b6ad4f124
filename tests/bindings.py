"""What the tests of secrets and their hosts share."""

from __future__ import annotations

from typing import Any

from apiconnector.models import Connection, status

CANARY = "canary-s3cret"
CODE = {
    "auth_method": "oauth2_authorization_code",
    "client_id": "canary-id",
    "client_secret": CANARY,
    "authorization_url": "https://provider.example/authorize",
    "token_url": "https://provider.example/token",
}
ELSEWHERE = "https://elsewhere.example/v1"


def found_in_sql() -> dict[str, str]:
    """The status that lists filter by, of each connection."""
    rows: Any = Connection.objects.annotate(found=status.in_sql(Connection))
    return {row.slug: row.found for row in rows}
