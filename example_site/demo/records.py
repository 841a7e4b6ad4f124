"""What the two sites have written down, read from their databases while they run."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


@dataclass(frozen=True)
class Records:
    """The databases of the site and of the CRM, read only."""

    site: Path
    crm: Path

    def leads(self) -> list[tuple[str, str, str]]:
        """Name, e-mail address and message of the CRM's leads, oldest first."""
        return self._read(self.crm, "SELECT name, email, message FROM crm_lead ORDER BY id")

    def token_requests(self) -> list[tuple[str, int]]:
        """Grant type and status of the requests to the CRM's token endpoint, oldest first."""
        return self._read(self.crm, "SELECT grant_type, status_code FROM crm_tokenrequest ORDER BY id")

    def refreshes(self) -> list[int]:
        """The statuses of the CRM's answers to refreshes, oldest first."""
        return [status for grant_type, status in self.token_requests() if grant_type == "refresh_token"]

    def newest_tokens(self) -> tuple[str, str]:
        """The access token and the refresh token that the CRM gave out last."""
        rows = [
            self._read(self.crm, "SELECT token FROM oauth2_provider_accesstoken ORDER BY id DESC LIMIT 1"),
            self._read(self.crm, "SELECT token FROM oauth2_provider_refreshtoken ORDER BY id DESC LIMIT 1"),
        ]
        if not all(rows):
            raise LookupError("The CRM has given out no token.")
        return rows[0][0][0], rows[1][0][0]

    def runs(self) -> list[tuple[str, str, str]]:
        """Status, outcome and error of the site's feed runs, oldest first."""
        return self._read(self.site, "SELECT status, outcome, error FROM apiconnector_feedrun ORDER BY id")

    @staticmethod
    def _read(path: Path, query: str) -> list[Any]:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as database:
            return database.execute(query).fetchall()
