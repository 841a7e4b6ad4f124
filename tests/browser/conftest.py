"""One browser for all tests, one pair of servers for each kind of session cookie, a new window for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import chromium, window
from tests.browser.world import world

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from playwright.sync_api import Browser, Page

    from tests.browser.chromium import Window
    from tests.browser.world import World


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say of a failed test what its pages showed: the tree of roles that playwright prints is cut short."""
    report = yield
    opened = getattr(item, "funcargs", {}).get("opened")
    if report.failed and opened is not None:
        report.sections += [("page", said) for said in opened.told()]
    return report


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="session", params=["Lax", "Strict"])
def same_site(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def anywhere(same_site: str) -> Iterator[World]:
    """The servers, with a session cookie of each kind."""
    with world(same_site) as running:
        yield running


@pytest.fixture(scope="session")
def lax() -> Iterator[World]:
    """The servers, furnished, for what has nothing to do with cookies."""
    with world(furnished=True) as running:
        yield running


@pytest.fixture
def opened(browser: Browser) -> Iterator[Window]:
    """A window; what its pages write to the console as an error fails the test."""
    with window(browser) as one:
        yield one
        assert one.errors == []


@pytest.fixture
def page(opened: Window) -> Page:
    return opened.page
