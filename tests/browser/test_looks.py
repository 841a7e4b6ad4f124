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
