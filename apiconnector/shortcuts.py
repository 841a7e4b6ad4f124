"""The face of the package: what a site's own code calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiconnector.exceptions import ConnectionNotFound
from apiconnector.feeds import run_feed, submit, submit_many
from apiconnector.models.due import refresh_due
from apiconnector.models.finding import find_connection

if TYPE_CHECKING:
    from apiconnector.client import ApiSession

__all__ = ["connect", "refresh_due", "run_feed", "submit", "submit_many"]


def connect(slug: str) -> ApiSession:
    """A ``requests.Session`` for an active connection: base URL, authentication, time-out and allowed hosts are set.

    It may be used from one thread at a time; closing it keeps the process's pool of connections. Synchronous: use
    ``sync_to_async`` in async views.

    Raises ``ConnectionNotFound``, and nothing else: what is wrong with the connection surfaces at the request.
    """
    connection = find_connection(slug)
    if connection is None:
        raise ConnectionNotFound(f"There is no active connection {slug!r}.")
    return connection.session()
