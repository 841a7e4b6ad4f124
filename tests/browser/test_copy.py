"""A token that came here with a copy of another site's database, and what its page offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser import person

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.world import World


def test_the_token_of_another_site_is_confirmed_by_a_button(page: Page, lax: World) -> None:
    person.log_in(page, lax)
    expect(page.locator(".messagelist .warning", has_text="authorized for another site")).to_contain_text("warehouse")
    person.open_connection(page, lax, "Warehouse")
    expect(person.panel(page)).to_contain_text("authorized for the site https://www.example.com, and this site is")
    expect(person.panel(page)).not_to_contain_text("another redirect URI")
    expect(person.panel(page)).to_contain_text("not refreshed here")

    person.panel(page).get_by_role("button", name="Use this token here").click()

    expect(page.locator(".messagelist .success")).to_contain_text(f"refreshed on {lax.place.site} from now on")
    expect(person.status(page)).to_have_text("Authorized")
    expect(person.panel(page).get_by_role("button", name="Use this token here")).to_have_count(0)
    expect(person.panel(page)).to_contain_text("authorized with another redirect URI")
    expect(person.panel(page)).to_contain_text("refreshed by itself")
