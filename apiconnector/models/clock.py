"""The database's clock, which all machines of a site share: leases and the lives of tokens go by it.

Two machines whose own clocks differ would else not agree on whether a token has ended, and one of them would refresh
what the other one has just refreshed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

#: A query that took longer, in seconds, says nothing of the time.
_SLOW: Final = 0.5
#: How much the database's clock is ahead of this machine's, as measured last.
_ahead = timedelta(0)


class DatabaseNow(Now):
    """The database's clock, as its columns hold times: machines need not agree on the time to agree on a lease."""

    def as_mysql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """MariaDB's ``CURRENT_TIMESTAMP`` follows the server's zone."""
        template = f"(UTC_TIMESTAMP(6) + INTERVAL {_offset(connection)} SECOND)"
        return self.as_sql(compiler, connection, template=template, **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """SQLite knows UTC, and the operating system's zone."""
        template = f"STRFTIME('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f', 'NOW', '{_offset(connection)} SECONDS')"
        return self.as_sql(compiler, connection, template=template, **extra)


def _offset(connection: Any) -> int:
    """How far the times in columns without a zone are ahead of UTC now, in seconds."""
    offset = (datetime.now(connection.timezone) if settings.USE_TZ else datetime.now().astimezone()).utcoffset()
    return round(offset.total_seconds()) if offset else 0


def now() -> datetime:
    """The time by the database's clock, as far as this process has seen it; by its own until then."""
    return timezone.now() + _ahead


def measured(moment: datetime | None, *, took: float) -> None:
    """Take note of what ``DatabaseNow`` has just given, in a query that ``took`` so many seconds."""
    global _ahead  # noqa: PLW0603 - one clock for the process
    # What came late would make this machine's clock look fast.
    if moment is not None and took < _SLOW:
        _ahead = moment - timezone.now()
