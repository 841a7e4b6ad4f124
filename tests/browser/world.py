"""The example site and the CRM, running: two origins that are cross-site for a browser."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from example_site.demo.place import TOP, Place, free_ports, require_free
from example_site.demo.records import Records
from example_site.demo.servers import prepare, running

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Longer than the tests take: that tokens are refreshed is the matter of other tests.
_TOKEN_SECONDS = 3600


@dataclass(frozen=True)
class World:
    """Where the servers are, what they have written down, and how the site is registered at the CRM."""

    place: Place
    records: Records
    client_id: str
    # A failed test prints what it was given.
    client_secret: str = field(repr=False)

    def admin(self, path: str = "") -> str:
        """An address in the admin of the app."""
        return f"{self.place.site}/admin/apiconnector/{path}"


@contextmanager
def world(same_site: str = "Lax", *, furnished: bool = False, ports: tuple[int, int] | None = None) -> Iterator[World]:
    """Both servers in a folder of their own; the session cookie of the site is ``Lax`` or ``Strict``.

    With ``furnished`` the site has a connection in each state and a run of each kind. ``ports`` are those of the site
    and of the CRM, free ones if not said; ``DemoError`` if they are in use.
    """
    with tempfile.TemporaryDirectory(prefix="apiconnector-browser-") as folder:
        site_port, crm_port = ports or free_ports()
        require_free({"the site": site_port, "the CRM": crm_port})
        place = Place(Path(folder), site_port, crm_port, token_seconds=_TOKEN_SECONDS)
        values = place.furnish()
        with (place.home / "env").open("a") as file:
            file.write(f"SESSION_COOKIE_SAMESITE={same_site}\n")
        prepare(place)
        if furnished:
            _furnish(place)
        records = Records(site=place.home / "site.sqlite3", crm=place.home / "crm.sqlite3")
        with running(place):
            yield World(place, records, values["CRM_CLIENT_ID"], values["CRM_CLIENT_SECRET"])


def _furnish(place: Place) -> None:
    environment = {**place.environment(), "DJANGO_SETTINGS_MODULE": "example_site.settings"}
    subprocess.run([sys.executable, "-m", "tests.browser.states"], env=environment, cwd=TOP, check=True)
