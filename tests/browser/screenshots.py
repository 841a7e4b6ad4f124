"""Pictures of the app's pages, light, dark and narrow: ``python -m tests.browser.screenshots [folder]``.

Without a folder only the pictures of the docs are made, into ``docs/img``.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from example_site.demo.place import TOP
from tests.browser import person
from tests.browser.chromium import chromium, window
from tests.browser.world import world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    from tests.browser.world import World

    #: Saves a picture of the open page under a name.
    Shoot = Callable[[Page, str], None]

DOCS = TOP / "docs" / "img"
#: The pages that the docs show, by the names of their pictures: 1200 x 900, on the demo's own ports.
IN_DOCS = {
    "connection": "connection",
    "landing": "landing",
    "run": "run",
    "run-refused": "feed-run",
    "feed": "mapping",
    "feed-dry-run": "dry-run",
    "connection-add": "picker",
}
#: Of these the lower part matters, too.
IN_DOCS_TALL = {"run-refused": 1600}
#: What is in the middle of others.
IN_VIEW = {"feed": ".field-body", "feed-dry-run": "[data-apiconnector-try]"}
DOCS_PORTS = (8000, 8001)
LOOKS: dict[str, dict[str, object]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}
#: What the table of a feed gets beside what is there.
MAPPED = [
    ("customer.address[0].name", "text", "{{ name }}"),
    ("customer.tags[0]", "text", "website"),
    ("customer.newsletter", "json", "true"),
]
LEAD = {"name": "Ada Lovelace", "email": "ada@example.org", "message": "Do you deliver on Sundays, too?"}


def make(folder: Path, *, in_docs: bool = False) -> list[Path]:
    """Make the pictures, return their paths. With ``in_docs`` only those of the docs, as big as the window."""
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    with chromium() as browser, world(furnished=True, ports=DOCS_PORTS if in_docs else None) as running:
        for look, options in LOOKS.items():
            if in_docs and look != "light":
                continue

            def shoot(page: Page, name: str, look: str = look) -> None:
                if in_docs and name not in IN_DOCS:
                    return
                path = folder / (f"{IN_DOCS[name]}.png" if in_docs else f"{name}-{look}.png")
                # Icons and the choices made by scripts come after the page itself.
                page.wait_for_load_state("networkidle")
                if in_docs and name == "run":
                    page.locator(".field-shown_attempts").scroll_into_view_if_needed()
                if in_docs and name in IN_VIEW:
                    page.locator(IN_VIEW[name]).evaluate("element => element.scrollIntoView({block: 'center'})")
                if in_docs and name in IN_DOCS_TALL:
                    page.set_viewport_size({"width": 1200, "height": IN_DOCS_TALL[name]})
                page.screenshot(path=path, scale="css", full_page=not in_docs, animations="disabled")
                if in_docs and name in IN_DOCS_TALL:
                    page.set_viewport_size({"width": 1200, "height": 900})
                made.append(path)

            _visit(browser, running, options, shoot)
    return made


def _visit(browser: Browser, running: World, options: dict[str, object], shoot: Shoot) -> None:
    """Go through all pages once."""
    with window(browser, **options) as opened:
        page = opened.page
        person.log_in(page, running)
        _connect(page, running, shoot)
        for name, path in {
            "connections": "connection/",
            "runs": "feedrun/",
            "events": "connectionevent/",
            "feeds": "feed/",
            "feed-add": "feed/add/",
        }.items():
            page.goto(running.admin(path))
            shoot(page, name)
        for name in _states(page, running):
            shoot(page, name)
        _replaying(page, running, shoot)
        person.open_connection(page, running, "Warehouse")
        shoot(page, "connection-of-another-site")
        _forms(page, running, shoot)


def _connect(page: Page, running: World, shoot: Shoot) -> None:
    """The consent denied, then given; the connection tested, a form sent."""
    person.open_connection(page, running, "Demo CRM")
    person.ask_for_consent(page, running)
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_url(f"{running.place.site}/oauth/callback?**")
    shoot(page, "landing-denied")
    page.goto(f"{running.place.site}/oauth/callback?code=x&state={'x' * 40}")
    shoot(page, "landing-unknown")
    person.open_connection(page, running, "Demo CRM")
    person.ask_for_consent(page, running)
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(f"{running.place.site}/oauth/callback?**")
    shoot(page, "landing")
    person.open_connection(page, running, "Demo CRM")
    person.panel(page).get_by_role("button", name="Test").click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    shoot(page, "connection")
    page.locator(".messagelist summary").click()
    shoot(page, "connection-tested")
    page.locator(".apiconnector-events summary").click()
    shoot(page, "connection-history")
    person.send_contact_form(page, running, LEAD)
    page.goto(running.admin("feedrun/"))
    page.locator("#result_list tbody tr", has_text="Succeeded").first.get_by_role("link").first.click()
    shoot(page, "run")


def _replaying(page: Page, running: World, shoot: Shoot) -> None:
    """A run that was refused, and the page that asks before many are replayed."""
    page.goto(running.admin("feedrun/?q=1"))
    page.get_by_role("link", name="#1", exact=True).click()
    shoot(page, "run-refused")
    page.goto(running.admin("feedrun/"))
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option("replay_chosen")
    shoot(page, "runs-chosen")
    page.locator(".actions button[type=submit]").click()
    expect(page.get_by_role("button", name="Replay")).to_be_visible()
    shoot(page, "runs-replay")


def _states(page: Page, running: World) -> Iterator[str]:
    """Open a connection in each state and a run of each kind; give a name for the picture."""
    for path, prefix in (("connection/", "connection"), ("feedrun/", "run")):
        page.goto(running.admin(path))
        rows = page.locator("#result_list tbody tr").all()
        links: dict[str, str | None] = {}
        for row in rows:
            state = row.locator(".apiconnector-badge").inner_text()
            links.setdefault(state, row.locator("th a").first.get_attribute("href"))
        for state, link in links.items():
            page.goto(f"{running.place.site}{link}")
            yield f"{prefix}-is-{re.sub('[^a-z]+', '-', state.lower())}"


def _forms(page: Page, running: World, shoot: Shoot) -> None:
    """The form of a new connection for two methods, with everything unfolded, and with what is missing named."""
    page.goto(running.admin("connection/add/"))
    shoot(page, "connection-add")
    page.locator("#id_auth_method").select_option(person.AUTHORIZATION_CODE)
    shoot(page, "connection-add-oauth")
    for summary in page.locator("#connection_form summary:visible").all():
        summary.click()
    shoot(page, "connection-add-unfolded")
    page.locator("#id_name").fill("CRM")
    page.locator("#id_base_url").fill("https://api.example.com")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".errornote")).to_be_visible()
    shoot(page, "connection-add-errors")
    person.choose_preset(page, running, "Shopify")
    shoot(page, "connection-add-preset")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".errornote")).to_be_visible()
    shoot(page, "connection-add-preset-errors")
    page.goto(running.admin("connection/add/"))
    page.locator("#id_auth_method").select_option(person.AUTHORIZATION_CODE)
    person.open_group(page, "How this provider differs")
    shoot(page, "connection-add-dialect")
    person.open_connection(page, running, "Shop")
    shoot(page, "connection-of-another-account")
    page.locator("details.apiconnector-guide summary").click()
    shoot(page, "connection-guide")
    page.goto(running.admin("feed/"))
    page.get_by_role("link", name="New lead", exact=True).click()
    rows = page.locator("[data-way=table] tbody tr")
    expect(rows.first).to_be_visible()
    for row, (target, kind, value) in zip(rows.all()[-3:], MAPPED, strict=True):
        row.get_by_label("Target").fill(target)
        row.get_by_label("Kind").select_option(kind)
        row.get_by_label("Field or value").fill(value)
    page.get_by_label("Sample data").fill(json.dumps(LEAD, indent=2))
    expect(page.locator("[data-apiconnector-result]")).to_contain_text('"newsletter": true')
    shoot(page, "feed")
    shoot(page, "feed-dry-run")


if __name__ == "__main__":
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    for picture in make(chosen or DOCS, in_docs=chosen is None):
        print(picture)
