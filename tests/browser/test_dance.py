"""Add a connection, authorize it, send a form: with each kind of session cookie that admins use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser import person

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.chromium import Window
    from tests.browser.world import World

LEAD = {"name": "Ada Lovelace", "email": "ada@example.org", "message": "Do you deliver?\nOn Sundays, too?"}


def test_from_an_empty_form_to_a_lead_in_the_crm(page: Page, anywhere: World, same_site: str) -> None:
    person.log_in(page, anywhere)
    assert person.session_cookie(page)["sameSite"] == same_site
    person.add_connection(page, anywhere, "Sales CRM")
    connection_url = page.url

    person.ask_for_consent(page, anywhere)
    page.get_by_role("button", name="Allow").click()

    # The landing page, and on by itself to the connection, still logged in.
    page.wait_for_url(f"{anywhere.place.site}/oauth/callback?**")
    expect(page.get_by_role("heading")).to_have_text("Authorized")
    page.wait_for_url(connection_url)
    expect(person.status(page)).to_have_text("Authorized")

    person.panel(page).get_by_role("button", name="Test").click()
    expect(page.locator(".messagelist .success")).to_contain_text("crm")
    expect(person.panel(page).get_by_text("leads:read leads:write", exact=True)).to_be_visible()

    person.choose_connection(page, anywhere, "New lead", "Sales CRM")
    person.send_contact_form(page, anywhere, LEAD)

    page.goto(f"{anywhere.place.crm}/")
    expect(page.get_by_role("row", name="ada@example.org")).to_contain_text("On Sundays, too?")
    page.goto(anywhere.admin("feedrun/"))
    expect(page.locator("#result_list tbody tr").first).to_contain_text("Succeeded")
    page.locator("#result_list tbody tr").first.get_by_role("link").first.click()
    expect(page.locator("#content")).to_contain_text("ada@example.org")
    expect(page.locator("#content")).to_contain_text("Sales CRM")
    assert anywhere.client_secret not in page.content()


def test_a_denied_consent_is_a_page_to_read(opened: Window, anywhere: World) -> None:
    page = opened.page
    person.log_in(page, anywhere)
    person.open_connection(page, anywhere, "Demo CRM")
    connection_url = page.url
    person.ask_for_consent(page, anywhere)
    page.get_by_role("button", name="Cancel").click()

    page.wait_for_url(f"{anywhere.place.site}/oauth/callback?**")
    expect(page.get_by_role("heading")).to_have_text("Not authorized")
    expect(page.get_by_text("access_denied")).to_be_visible()
    opened.expect_answer(400)
    page.get_by_role("link", name="Go to the connection").click()
    page.wait_for_url(connection_url)
    expect(person.status(page)).to_have_text("Not authorized")


def test_two_tabs_do_not_disturb_each_other(opened: Window, anywhere: World) -> None:
    first = opened.page
    person.log_in(first, anywhere)
    person.add_connection(first, anywhere, "In two tabs")
    second = opened.context.new_page()
    second.goto(first.url)
    person.ask_for_consent(first, anywhere)
    person.ask_for_consent(second, anywhere)

    for page in (first, second):
        page.get_by_role("button", name="Allow").click()
        page.wait_for_url(f"{anywhere.place.site}/oauth/callback?**")
        expect(page.get_by_role("heading")).to_have_text("Authorized")
