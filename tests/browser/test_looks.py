"""What can be measured of the pages' looks; the rest is looked at: ``python -m tests.browser.screenshots folder``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser import person
from tests.browser.chromium import window

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.world import World

#: Narrow as a telephone, and as wide as the window of a small laptop. Pixels.
WIDTHS = [390, 1200]
PAGES = [
    *(
        "connection/",
        "connection/add/",
        "connection/add/?preset=shopify",
        "connection/1/change/",
        "feed/",
        "feed/add/",
        "feed/1/change/",
    ),
    *("feedrun/", "feedrun/1/change/", "connectionevent/"),
]
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_is_wider_than_the_window(browser: Browser, lax: World, width: int) -> None:
    with window(browser, viewport={"width": width, "height": 800}) as opened:
        person.log_in(opened.page, lax)
        for path in PAGES:
            opened.page.goto(lax.admin(path))
            assert opened.page.evaluate(TOO_WIDE) <= 0, path
        assert opened.errors == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", ["connection/", "feedrun/"])
def test_the_status_is_seen_without_scrolling_sideways(browser: Browser, lax: World, path: str, width: int) -> None:
    with window(browser, viewport={"width": width, "height": 800}) as opened:
        person.log_in(opened.page, lax)
        opened.page.goto(lax.admin(path))
        table = opened.page.locator("#changelist-form .results").bounding_box()
        badges = [badge.bounding_box() for badge in opened.page.locator("#result_list .apiconnector-badge").all()]

        assert table is not None
        assert len(badges) > 4
        for badge in badges:
            assert badge is not None
            assert badge["x"] + badge["width"] <= table["x"] + table["width"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", ["connection/add/", "connection/1/change/", "feedrun/1/change/"])
def test_what_stands_above_a_form_is_as_wide_as_it(browser: Browser, lax: World, path: str, width: int) -> None:
    """Django 6.1 puts it into the row of the title, where it would stand beside that, and as narrow as is left."""
    with window(browser, viewport={"width": width, "height": 800}) as opened:
        person.log_in(opened.page, lax)
        opened.page.goto(lax.admin(path))
        below = opened.page.locator("#content form[id$='_form']").bounding_box()
        title = opened.page.locator("#content h1").bounding_box()
        assert below is not None
        assert title is not None
        blocks = opened.page.locator(":is(.apiconnector-panel, .apiconnector-presets):not(form *)").all()
        assert blocks
        for block in blocks:
            box = block.bounding_box()
            assert box is not None
            assert (box["x"], box["width"]) == pytest.approx((below["x"], below["width"]), abs=1)
            assert title["y"] + title["height"] <= box["y"] < box["y"] + box["height"] <= below["y"]
