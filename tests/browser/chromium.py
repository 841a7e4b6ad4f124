"""A Chromium without a window, and what its console says."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from playwright.sync_api import Error, expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: How long to wait for what should be there at once, on a slow machine. Milliseconds.
PATIENCE = 20_000


class BrowserMissingError(Exception):
    """There is no browser, or it does not start: the tests fail, they are not skipped."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of ``CHROMIUM`` or of the path, until the block is left. ``BrowserMissingError`` says what to do."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        raise BrowserMissingError("Install Chromium (Debian: apt-get install chromium), or name it in CHROMIUM.")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        except Error as error:
            raise BrowserMissingError(f"{path} does not start: {error.message}") from None
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Window:
    """A browser with cookies of its own, and the errors of its pages."""

    context: BrowserContext
    page: Page
    errors: list[str] = field(default_factory=list)

    def told(self) -> list[str]:
        """What each page says is wrong or done, with its address and what has the focus, for whoever reads a failure."""
        script = """() => [location.href, document.readyState, document.activeElement?.outerHTML.slice(0, 80),
            ...[...document.querySelectorAll('.errornote, .errorlist, .messagelist, h1')].map(e => e.innerText)]
            .join(' | ')"""
        said = [*self.errors]
        for page in self.context.pages:
            try:
                said.append(str(page.evaluate(script)))
            except Error as error:  # it is about to become another page, or has crashed
                said.append(f"{page.url} | {error.message}")
        return said

    def expect_answer(self, status: int) -> None:
        """Forget the one line with which Chromium reports that a page was answered with this status."""
        line = next((error for error in self.errors if f"status of {status}" in error), None)
        assert line is not None, self.errors
        self.errors.remove(line)


@contextmanager
def window(browser: Browser, **options: object) -> Iterator[Window]:
    """A window that collects errors; ``options`` are those of ``Browser.new_context``."""
    context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})  # type: ignore[arg-type]  # handed on
    try:
        context.set_default_timeout(PATIENCE)
        opened = Window(context, context.new_page())
        context.on("console", lambda message: opened.errors.extend(_error(message)))
        context.on("weberror", lambda error: opened.errors.append(str(error.error)))
        yield opened
    finally:
        context.close()


def _error(message: ConsoleMessage) -> list[str]:
    # Not a fault of the pages: Chromium asks for an icon that the admin does not have, and has advice for login forms.
    where = message.location.get("url", "")
    harmless = where.endswith("/favicon.ico") or message.text.startswith("[DOM] Multiple forms")
    return [f"{message.text} ({where})"] if message.type in {"error", "warning"} and not harmless else []
