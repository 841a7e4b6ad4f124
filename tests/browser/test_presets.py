"""From a provider in the picker to a token; the picker without scripts, and by keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from apiconnector.presets import presets
from tests.browser import person
from tests.browser.chromium import window
from tests.browser.test_looks import TOO_WIDE, WIDTHS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

    from tests.browser.chromium import Window
    from tests.browser.world import World


def cards(page: Page) -> list[str]:
    """The names of the providers that one sees."""
    return [card.inner_text() for card in page.locator("#apiconnector-preset-list strong:visible").all()]


def test_from_the_picker_to_a_token(opened: Window, lax: World) -> None:
    page = opened.page
    person.log_in(page, lax)
    person.choose_preset(page, lax, "WP OAuth Server")
    expect(page.locator("#id_name")).to_have_value("WP OAuth Server")
    expect(page.locator("#id_slug")).to_have_value("wp-oauth-server")
    expect(page.locator(".apiconnector-guide ol")).to_contain_text(f"Enter {lax.place.site}/oauth/callback as the")
    page.locator("#id_client_id").fill(lax.client_id)
    page.locator("#id_client_secret").fill(lax.client_secret)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".field-variable_site .errorlist")).to_contain_text("This is needed")

    # The CRM of the demo answers under other paths than the plugin, and in plain http.
    page.locator("#id_client_secret").fill(lax.client_secret)
    page.get_by_label("Address of the site").fill(lax.place.crm)
    for field, path in {"base_url": "/api/", "authorization_url": "/o/authorize/", "token_url": "/o/token/"}.items():
        page.locator(f"#id_{field}").fill("{{ site }}" + path)
    page.locator("#id_scope").fill("leads:read leads:write")
    rest = page.locator("#id_dialect")
    rest.fill(rest.input_value().replace("https://", "http://"))
    person.open_group(page, "OAuth details")
    page.locator("#id_revocation_url").fill("")
    person.open_group(page, "Test request")
    page.locator("#id_test_path").fill("me")
    page.locator("#id_label_template").fill("{{ body.name }}")
    page.locator("#id_account_id_path").fill("")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(person.status(page)).to_have_text("Not authorized")
    connection_url = page.url.partition("?")[0]

    person.ask_for_consent(page, lax)
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(f"{lax.place.site}/oauth/callback?**")
    expect(page.get_by_role("heading")).to_have_text("Authorized")
    page.wait_for_url(connection_url)
    expect(person.status(page)).to_have_text("Authorized")
    person.panel(page).get_by_role("button", name="Test").click()
    expect(page.locator(".messagelist .success")).to_contain_text("crm")
    page.get_by_text("What to do at WP OAuth Server").click()
    expect(page.locator(".apiconnector-guide ol")).to_be_visible()
    assert lax.client_secret not in page.content()


def test_the_picker_is_filtered_as_one_types(page: Page, lax: World) -> None:
    person.log_in(page, lax)
    page.goto(lax.admin("connection/add/"))
    assert cards(page) == [preset.name for preset in presets()]
    box = page.get_by_label("Search")
    box.fill("  CRM ")
    assert "Zoho CRM" in cards(page)
    assert "GitHub" not in cards(page)
    box.fill("github")
    assert cards(page) == ["GitHub"]
    expect(page.locator(".apiconnector-presets [role=status]")).to_have_text(f"1 of {len(presets())}")
    box.fill("nobody has this")
    assert cards(page) == []
    expect(page.get_by_role("link", name="Another API")).to_be_visible()
    box.fill("")
    assert len(cards(page)) == len(presets())


def test_the_picker_by_keyboard(page: Page, lax: World) -> None:
    person.log_in(page, lax)
    page.goto(lax.admin("connection/add/"))
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("s")
    page.keyboard.press("Enter")  # there are several: nothing happens
    page.keyboard.type("hopify")
    page.keyboard.press("Tab")
    expect(page.locator("#apiconnector-preset-list").get_by_role("link", name="Shopify")).to_be_focused()
    page.get_by_label("Search").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/add/?preset=shopify")
    expect(page.locator("#id_name")).to_have_value("Shopify")


def test_a_page_that_is_long_in_loading_leaves_a_person_where_he_is(page: Page, lax: World) -> None:
    """Focus that moves to the picker under the mouse would scroll the button away from it, and the click is lost."""
    person.log_in(page, lax)
    held: list[Route] = []
    page.route("**/held.png", lambda route: held.append(route))  # noqa: PLW0108 - playwright marks the function it is given
    page.add_init_script(
        "addEventListener('DOMContentLoaded', () => { document.body.append(new Image()); "
        "document.body.lastChild.src = '/held.png'; })"
    )
    page.goto(lax.admin("connection/add/"), wait_until="domcontentloaded")
    expect(page.locator("#id_name, #apiconnector-search").and_(page.locator(":focus"))).to_be_visible()
    person.open_group(page, "Test request")
    before = page.evaluate("scrollY")
    assert before > 0
    assert page.evaluate("document.readyState") == "interactive"
    held[0].fulfill(content_type="image/svg+xml", body="<svg xmlns='http://www.w3.org/2000/svg'/>")
    page.wait_for_load_state("load")
    page.wait_for_timeout(100)
    assert page.evaluate("scrollY") == before
    expect(page.get_by_label("Search")).not_to_be_focused()


def test_the_picker_is_a_list_without_scripts(browser: Browser, lax: World) -> None:
    with window(browser, java_script_enabled=False) as opened:
        page = opened.page
        person.log_in(page, lax)
        page.goto(lax.admin("connection/add/"))
        assert len(cards(page)) == len(presets())
        expect(page.locator("#apiconnector-search")).to_be_hidden()
        page.locator("#apiconnector-preset-list").get_by_role("link", name="Notion").click()
        expect(page.locator("#id_dialect_token_request_format")).to_have_value("json")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_pages_of_a_preset_fit_the_window(browser: Browser, lax: World, width: int) -> None:
    with window(browser, viewport={"width": width, "height": 800}) as opened:
        page = opened.page
        person.log_in(page, lax)
        for preset in presets():
            page.goto(lax.admin(f"connection/add/?preset={preset.slug}"))
            assert page.evaluate(TOO_WIDE) <= 0, preset.slug
        person.open_connection(page, lax, "Shop")
        page.locator("details.apiconnector-guide summary").click()
        assert page.evaluate(TOO_WIDE) <= 0
        assert opened.errors == []


def test_the_buttons_of_another_account(page: Page, lax: World) -> None:
    person.log_in(page, lax)
    person.open_connection(page, lax, "Shop")
    block = page.get_by_role("region", name="Another account Which one is to be used?")
    expect(block).to_contain_text("Ada's shop")
    expect(block.get_by_role("button", name="Use Grace's shop")).to_be_visible()
    block.get_by_role("button", name="Keep Ada's shop").click()
    expect(page.locator(".messagelist .success")).to_contain_text("The other account (Grace's shop) is not used.")
    expect(block).to_have_count(0)
