"""The feed's page: its body as a table, the dry run beside it, and a test that is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser import person
from tests.browser.chromium import window

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browser.world import World


def open_feed(page: Page, world: World) -> None:
    person.log_in(page, world)
    page.goto(world.admin("feed/"))
    page.get_by_role("link", name="New lead", exact=True).click()


def test_the_dry_run_follows_what_is_typed(browser: Browser, lax: World) -> None:
    with window(browser) as opened:
        page = opened.page
        open_feed(page, lax)
        result = page.locator("[data-apiconnector-result]")
        expect(result).to_contain_text("POST ")
        page.get_by_label("Sample data").fill('{"name": "Grace", "email": "grace@example.org", "message": "Hi"}')
        expect(result).to_contain_text("grace@example.org")
        rows = page.locator("[data-way=table] tbody tr")
        before = rows.count()
        page.get_by_role("button", name="Add a row").click()
        expect(rows).to_have_count(before + 1)
        rows.last.get_by_label("Target").fill("customer.address[0].city")
        rows.last.get_by_label("Field or value").fill("Lon{{ name }}don")
        expect(result).to_contain_text("LonGracedon")
        made = page.locator("[data-apiconnector-json]")
        expect(made).to_contain_text('"city": "Lon{{ name }}don"')
        rows.last.get_by_label("Target").fill("customer.address[1].city")
        expect(result.locator(".errorlist")).to_contain_text("Row")
        assert opened.errors == []


def test_one_way_at_a_time(browser: Browser, lax: World) -> None:
    with window(browser) as opened:
        page = opened.page
        open_feed(page, lax)
        for chosen in ("JSON", "Text", "Table"):
            page.get_by_role("radiogroup").get_by_label(chosen, exact=True).check()
            for way in ("json", "text", "table"):
                shown = page.locator(f"[data-way={way}]")
                expect(shown).to_be_visible() if way == chosen.lower() else expect(shown).to_be_hidden()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_it_works_with_and_without_scripts(browser: Browser, lax: World, scripts: bool) -> None:
    with window(browser, java_script_enabled=scripts) as opened:
        page = opened.page
        open_feed(page, lax)
        page.get_by_label("Sample data").fill('{"name": "Grace", "email": "grace@example.org", "message": "Hi"}')
        page.get_by_role("button", name="Dry run").click()
        expect(page.locator(".apiconnector-panel")).to_contain_text("grace@example.org")
