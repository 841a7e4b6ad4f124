"""What a person does, by what is written on the pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playwright.sync_api import Locator, Page

    from tests.browser.world import World

AUTHORIZATION_CODE = "oauth2_authorization_code"


def log_in(page: Page, world: World) -> None:
    """Log in to the admin; the list of connections is open afterwards."""
    page.goto(world.admin("connection/"))
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("admin")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("link", name="Demo CRM")).to_be_visible()


def session_cookie(page: Page) -> Mapping[str, object]:
    """The admin's session cookie, as the browser keeps it."""
    return next(dict(cookie) for cookie in page.context.cookies() if cookie.get("name") == "site_sessionid")


def add_connection(page: Page, world: World, name: str) -> None:
    """Click Add, fill in what the form asks for, and save. The new connection's page is open afterwards."""
    page.get_by_role("link", name=re.compile("^Add connection", re.IGNORECASE)).first.click()
    page.wait_for_url("**/add/**")  # until it is loaded: a script of Django's moves the focus, and so the page
    page.locator("#id_name").fill(name)
    page.locator("#id_base_url").fill(f"{world.place.crm}/api/")
    page.locator("#id_auth_method").select_option(AUTHORIZATION_CODE)
    page.locator("#id_client_id").fill(world.client_id)
    page.locator("#id_client_secret").fill(world.client_secret)
    page.locator("#id_authorization_url").fill(f"{world.place.crm}/o/authorize/")
    page.locator("#id_token_url").fill(f"{world.place.crm}/o/token/")
    page.locator("#id_scope").fill("leads:read leads:write")
    open_group(page, "Test request")
    page.locator("#id_test_path").fill("me")
    page.locator("#id_label_template").fill("{{ body.name }}")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(status(page)).to_have_text("Not authorized")


def choose_preset(page: Page, world: World, name: str) -> None:
    """Click Add and choose a provider; the form that it fills in is open afterwards."""
    page.goto(world.admin("connection/"))
    page.get_by_role("link", name=re.compile("^Add connection", re.IGNORECASE)).first.click()
    page.get_by_label("Search").fill(name)
    page.locator("#apiconnector-preset-list").get_by_role("link", name=name).click()
    page.wait_for_url("**/add/?preset=*")  # until it is loaded, as above
    expect(page.locator(".apiconnector-guide h2")).to_contain_text(name)


def open_connection(page: Page, world: World, name: str) -> None:
    """Open a connection from the list."""
    page.goto(world.admin("connection/"))
    page.get_by_role("link", name=name, exact=True).click()
    expect(panel(page)).to_be_visible()


def ask_for_consent(page: Page, world: World) -> None:
    """Press Authorize and sign in to the CRM if it asks; its consent page is open afterwards."""
    panel(page).get_by_role("button", name=re.compile("authorize$", re.IGNORECASE)).click()
    page.wait_for_url(f"{world.place.crm}/**")
    if page.url.startswith(f"{world.place.crm}/login/"):
        page.get_by_label("Username").fill("crm")
        page.get_by_label("Password").fill("crm")
        page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading")).to_contain_text("Allow access")


def choose_connection(page: Page, world: World, feed: str, connection: str) -> None:
    """Let a feed use another connection."""
    page.goto(world.admin("feed/"))
    page.get_by_role("link", name=feed, exact=True).click()
    page.locator(".field-connection .select2-selection").click()
    page.locator(".select2-search__field").fill(connection)
    page.locator(".select2-results__option", has_text=connection).click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist .success")).to_be_visible()


def send_contact_form(page: Page, world: World, values: Mapping[str, str]) -> None:
    """Write to the site as a visitor does."""
    page.goto(f"{world.place.site}/")
    for name, value in values.items():
        page.locator(f"#id_{name}").fill(value)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading")).to_have_text("Thank you")


def panel(page: Page) -> Locator:
    """What is above the connection's form: status, buttons, redirect URI."""
    return page.locator(".apiconnector-panel")


def status(page: Page) -> Locator:
    """The connection's status, in words."""
    return panel(page).locator(".apiconnector-badge")


def open_group(page: Page, title: str) -> None:
    """Unfold a group of the form."""
    page.locator("fieldset details", has_text=title).locator("summary").first.click()
