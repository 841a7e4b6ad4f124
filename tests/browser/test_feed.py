"""The feed's page: its body as a table, the dry run beside it, and a test that is sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser import person
from tests.browser.chromium import window

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

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
        # It makes no JSON now, and none is beside it.
        expect(made).to_be_empty()
        assert opened.errors == []


def way(page: Page, label: str) -> Locator:
    return page.get_by_role("radiogroup").get_by_label(label, exact=True)


def test_what_was_typed_goes_along_to_another_way(browser: Browser, lax: World) -> None:
    with window(browser) as opened:
        page = opened.page
        open_feed(page, lax)
        rows = page.locator("[data-way=table] tbody tr")
        typed = page.get_by_label("Body as JSON")
        rows.first.get_by_label("Target").fill("customer.nickname")
        way(page, "JSON").click()
        expect(typed).to_be_visible()
        expect(typed).to_have_value(re.compile(r'"customer": \{\s*"nickname"'))
        typed.fill('{"note": "Line 1\\nLine 2 {{ name }}", "n": 12.50}')
        way(page, "Table").click()
        expect(rows.first.get_by_label("Target")).to_have_value("note")
        expect(rows.first.get_by_label("Field or value")).to_have_value('"Line 1\\nLine 2 {{ name }}"')
        expect(rows.nth(1).get_by_label("Field or value")).to_have_value("12.5")
        page.get_by_role("button", name="Add a row").click()
        rows.last.get_by_label("Target").fill("a..b")
        way(page, "JSON").click()
        # What can't be read stays, and counts.
        expect(page.locator("[data-apiconnector-stays]")).to_contain_text("can't be read")
        expect(way(page, "Table")).to_be_checked()
        expect(rows.last).to_be_visible()
        rows.last.get_by_label("Target").fill("")
        # An object is no text; what was typed is there when one comes back.
        way(page, "Text").click()
        expect(page.get_by_label("Body as text")).to_be_visible()
        expect(page.locator("[data-apiconnector-stays]")).to_contain_text("would not be sent")
        way(page, "Table").click()
        expect(page.locator("[data-apiconnector-stays]")).to_be_empty()
        expect(rows.first.get_by_label("Target")).to_have_value("note")
        expect(page.locator("[data-apiconnector-json]")).to_contain_text("Line 1\\nLine 2")
        assert opened.errors == []


def test_a_line_break_survives_the_table(browser: Browser, lax: World) -> None:
    with window(browser) as opened:
        page = opened.page
        open_feed(page, lax)
        way(page, "JSON").click()
        page.get_by_label("Body as JSON").fill('{"email": "{{ email }}", "note": "Line 1\\nLine 2"}')
        for _ in range(2):  # as JSON, then as the table that it is shown as
            page.get_by_role("button", name="Save and continue editing").click()
            expect(page.locator(".messagelist .success")).to_be_visible()
            expect(way(page, "Table")).to_be_checked()
            expect(page.locator("[data-apiconnector-json]")).to_contain_text("Line 1\\nLine 2")


def test_enter_saves(browser: Browser, lax: World) -> None:
    with window(browser) as opened:
        page = opened.page
        open_feed(page, lax)
        page.locator("#id_name").press("Enter")
        expect(page.locator(".messagelist .success")).to_be_visible()


def test_a_test_is_sent_once_and_its_answer_stays(browser: Browser, lax: World) -> None:
    with window(browser) as opened:
        page = opened.page
        open_feed(page, lax)
        sent = page.locator("[data-apiconnector-sent]")
        page.get_by_role("button", name="Send test").dblclick()
        expect(sent).to_contain_text("Run #")
        number = sent.get_by_role("link").inner_text()
        page.get_by_label("Sample data").fill('{"name": "Grace", "email": "g@example.org", "message": "Hi"}')
        expect(page.locator("[data-apiconnector-result]")).to_contain_text("g@example.org")
        expect(sent.get_by_role("link")).to_have_text(number)
        page.goto(lax.admin("feedrun/"))
        first = page.locator("#result_list tbody tr").first
        expect(first).to_contain_text(number.removeprefix("Run "))


def test_who_is_logged_out_keeps_what_was_typed(browser: Browser, lax: World) -> None:
    with window(browser) as opened:
        page = opened.page
        open_feed(page, lax)
        result = page.locator("[data-apiconnector-result]")
        expect(result).to_contain_text("POST ")
        page.context.clear_cookies()
        page.get_by_label("Sample data").fill('{"name": "Grace"}')
        expect(result).to_contain_text("not logged in any more")
        page.get_by_role("button", name="Send test").click()
        expect(page.locator("[data-apiconnector-sent]")).to_contain_text("this may have been sent")
        expect(page.get_by_label("Password")).to_have_count(0)
        expect(page.get_by_label("Sample data")).to_have_value('{"name": "Grace"}')


def test_one_way_at_a_time(browser: Browser, lax: World) -> None:
    with window(browser) as opened:
        page = opened.page
        open_feed(page, lax)
        for chosen in ("JSON", "Text", "Table"):
            way(page, chosen).click()
            for other in ("json", "text", "table"):
                shown = page.locator(f"[data-way={other}]")
                expect(shown).to_be_visible() if other == chosen.lower() else expect(shown).to_be_hidden()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_it_works_with_and_without_scripts(browser: Browser, lax: World, scripts: bool) -> None:
    with window(browser, java_script_enabled=scripts) as opened:
        page = opened.page
        open_feed(page, lax)
        page.get_by_label("Sample data").fill('{"name": "Grace", "email": "grace@example.org", "message": "Hi"}')
        page.get_by_role("button", name="Dry run").click()
        expect(page.locator(".apiconnector-panel")).to_contain_text("grace@example.org")


def test_sample_data_is_there_after_saving(browser: Browser, lax: World) -> None:
    typed = '{"name": "Grace", "email": "grace@example.org", "message": "Hi"}'
    with window(browser) as opened:
        page = opened.page
        open_feed(page, lax)
        sample = page.get_by_label("Sample data")
        sample.fill(typed)
        page.get_by_role("button", name="Save and continue editing").click()
        expect(page.locator(".messagelist .success")).to_be_visible()
        expect(sample).to_have_value(typed)
        expect(page.locator("[data-apiconnector-result]")).to_contain_text("grace@example.org")
        page.locator("#id_slug").fill("no slug")
        sample.fill("{}")
        page.get_by_role("button", name="Save and continue editing").click()
        expect(page.locator(".errornote")).to_be_visible()
        expect(sample).to_have_value("{}")
