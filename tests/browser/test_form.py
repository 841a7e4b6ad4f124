"""The connection form: which fields are seen for which method, and the Copy button."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser import person
from tests.browser.chromium import window

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browser.chromium import Window
    from tests.browser.world import World

ALWAYS = ["name", "slug", "base_url", "auth_method"]
VISIBLE = {
    "none": [],
    "basic": ["username", "password"],
    "bearer": ["api_key"],
    "api_key": ["api_key"],
    "oauth2_client_credentials": ["client_id", "client_secret", "token_url", "scope"],
    "oauth2_authorization_code": ["client_id", "client_secret", "authorization_url", "token_url", "scope"],
    "oauth2_password": ["client_id", "client_secret", "username", "password", "token_url", "scope"],
    "login": ["client_id", "client_secret", "username", "password", "api_key"],
}
#: The groups that are folded, but offered.
GROUPS = {
    "none": [],
    "basic": [],
    "bearer": ["Where the credential goes"],
    "api_key": ["Where the credential goes"],
    "oauth2_client_credentials": ["OAuth details", "Where the credential goes"],
    "oauth2_authorization_code": ["OAuth details", "Where the credential goes"],
    "oauth2_password": ["OAuth details", "Where the credential goes"],
    "login": ["Where the credential goes"],
}
FOR_ALL = ["Every request", "Test request", "How this provider differs"]


def visible_fields(page: Page) -> list[str]:
    """The names of the form's fields that one sees, from top to bottom."""
    fields = page.locator("#connection_form :is(input, select, textarea):visible").all()
    names = [field.get_attribute("name") or "" for field in fields if field.get_attribute("type") != "submit"]
    return [name for name in names if not name.startswith("_")]


def visible_groups(page: Page) -> list[str]:
    return [summary.inner_text().strip() for summary in page.locator("#connection_form summary:visible").all()]


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_the_method_decides_which_fields_are_seen(browser: Browser, lax: World, scripts: bool) -> None:
    with window(browser, java_script_enabled=scripts) as opened:
        page = opened.page
        person.log_in(page, lax)
        page.goto(lax.admin("connection/add/"))
        for method, fields in VISIBLE.items():
            page.locator("#id_auth_method").select_option(method)
            assert visible_fields(page) == [*ALWAYS, *fields], method
            # A legacy method, which stores a person's password beside the client's own, has one more.
            assert len(visible_fields(page)) < 10 + (method == "oauth2_password"), method
            assert visible_groups(page) == [*GROUPS[method], *FOR_ALL], method
        assert opened.errors == []


def test_all_offered_methods_are_looked_at(page: Page, lax: World) -> None:
    person.log_in(page, lax)
    page.goto(lax.admin("connection/add/"))
    options = page.locator("#id_auth_method option").all()

    assert {option.get_attribute("value") for option in options} - {""} == set(VISIBLE)


def test_a_folded_group_opens_without_scripts(browser: Browser, lax: World) -> None:
    with window(browser, java_script_enabled=False) as opened:
        person.log_in(opened.page, lax)
        opened.page.goto(lax.admin("connection/add/"))
        expect(opened.page.locator("#id_test_path")).to_be_hidden()
        person.open_group(opened.page, "Test request")

        expect(opened.page.locator("#id_test_path")).to_be_visible()


def test_what_is_missing_is_said_at_its_field(page: Page, lax: World) -> None:
    person.log_in(page, lax)
    page.goto(lax.admin("connection/add/"))
    page.locator("#id_name").fill("Half a connection")
    page.locator("#id_base_url").fill("https://api.example.com")
    page.locator("#id_auth_method").select_option("bearer")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator(".field-api_key .errorlist")).to_be_visible()
    assert visible_fields(page) == [*ALWAYS, "api_key"]


def test_a_stored_secret_is_not_in_the_page(page: Page, lax: World) -> None:
    person.log_in(page, lax)
    person.open_connection(page, lax, "Demo CRM")

    expect(page.locator(".field-client_secret")).to_contain_text("Leave blank to keep it")
    assert lax.client_secret not in page.content()


def test_copy_puts_the_redirect_uri_on_the_clipboard(opened: Window, lax: World) -> None:
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=lax.place.site)
    page = opened.page
    person.log_in(page, lax)
    page.goto(lax.admin("connection/add/"))
    button = page.locator("[data-apiconnector-copy]")
    button.click()

    expect(button).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == f"{lax.place.site}/oauth/callback"
    expect(button).to_have_text("Copy")


@pytest.mark.parametrize(
    "clipboard",
    ["undefined", "{ writeText: () => Promise.reject(new DOMException('no', 'NotAllowedError')) }"],
    ids=["not there", "not permitted"],
)
def test_copy_works_without_the_clipboard(page: Page, lax: World, clipboard: str) -> None:
    """On plain http there is none, elsewhere a person may refuse it: the text is selected, and copied in the old way."""
    page.add_init_script(f"Object.defineProperty(navigator, 'clipboard', {{ value: {clipboard} }})")
    person.log_in(page, lax)
    person.open_connection(page, lax, "Demo CRM")
    button = page.locator("[data-apiconnector-copy]")
    button.click()

    expect(button).to_have_text("Copied")
    assert page.evaluate("getSelection().toString()") == f"{lax.place.site}/oauth/callback"


def test_copy_asks_the_person_where_nothing_else_works(page: Page, lax: World) -> None:
    page.add_init_script(
        "Object.defineProperty(navigator, 'clipboard', { value: undefined }); document.execCommand = () => false"
    )
    person.log_in(page, lax)
    person.open_connection(page, lax, "Demo CRM")
    button = page.locator("[data-apiconnector-copy]")
    button.click()

    expect(button).to_have_text("Press Ctrl+C")
    assert page.evaluate("getSelection().toString()") == f"{lax.place.site}/oauth/callback"
