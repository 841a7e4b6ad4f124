"""``demo --check``: the whole job in a temporary folder, one line a step."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from example_site.demo.browser import Browser
from example_site.demo.journey import Journey
from example_site.demo.place import DemoError, Place
from example_site.demo.records import Records
from example_site.demo.servers import log_tails, prepare, running

if TYPE_CHECKING:
    from collections.abc import Callable

#: Long enough to send the first form with the first token, short enough to wait for its end.
_TOKEN_SECONDS = 4


def check(site_port: int, crm_port: int, say: Callable[[str], object]) -> bool:
    """Do the main job; true if all of it happened. Neither a process nor a file is left behind."""
    began = time.monotonic()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="apiconnector-demo-"))
        place = Place(Path(folder), site_port, crm_port, token_seconds=_TOKEN_SECONDS)
        values = place.furnish()
        browser = stack.enter_context(Browser())
        records = Records(site=place.home / "site.sqlite3", crm=place.home / "crm.sqlite3")

        def start() -> str:
            prepare(place)
            stack.enter_context(running(place))
            return f"the site at {place.site}, the CRM at {place.crm}"

        journey = Journey(place, browser, records, (values["CRM_CLIENT_ID"], values["CRM_CLIENT_SECRET"]))
        steps = [("Set up and start", start), *journey.steps()]
        for number, (title, step) in enumerate(steps, 1):
            try:
                seen = step()
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the step failed
                say(f"FAIL {number:2}  {title}: {error or type(error).__name__}")
                if not isinstance(error, DemoError):  # that one brings them
                    say(log_tails(place))
                return False
            say(f"ok   {number:2}  {title}: {seen}")
    say(f"All {len(steps)} steps happened, in {time.monotonic() - began:.0f} seconds.")
    return True
