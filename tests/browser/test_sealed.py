"""A sealed connection, and addresses that secrets are bound to, as one sees them on the form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.browser import person

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.world import World


def test_what_is_new_is_said_above_the_form_and_at_the_field(page: Page, lax: World) -> None:
    person.log_in(page, lax)
    person.open_connection(page, lax, "Support desk")
    expect(person.status(page)).to_have_text("Secrets sealed")
    new = "elsewhere.example.org:443 (base URL)"
    expect(person.panel(page)).to_contain_text(f"{new}. Nothing is sent until that is confirmed. Type again: API key")
    expect(page.locator(".field-api_key")).to_contain_text(f"Sealed: entered before {new}.")
    expect(page.locator(".field-api_key")).not_to_contain_text("Leave blank to keep it")
    expect(page.locator("fieldset", has=page.locator("#id_api_key"))).to_contain_text(f"now: {new}")


def test_an_address_that_is_filled_in_is_seen_with_every_method(page: Page, lax: World) -> None:
    person.log_in(page, lax)
    person.open_connection(page, lax, "Payments")
    for method in ("bearer", "basic", "none"):
        page.locator("#id_auth_method").select_option(method)
        expect(page.locator("#id_token_url")).to_be_visible()
        expect(page.locator("#id_scope")).to_be_hidden()
        expect(page.locator("#id_authorization_url")).to_be_visible()
