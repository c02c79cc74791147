"""A browser for tests: started once a process, and pages of it that reach this machine only."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright, Request

CHROMIUM_NAMES = (
    "chromium-headless-shell",  # draws the same pages without a window, in two thirds of the processor time
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
)
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    "--renderer-process-limit=1",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE ::1, EXCLUDE localhost",
)


def chromium_path() -> str:
    """The system's Chromium. Without one the test is skipped, but on a server (CI is set) it fails."""
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        reason = f"no browser found: install one of {', '.join(CHROMIUM_NAMES)}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def is_local(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in ("http", "https", "ws", "wss") or parts.hostname in (
        "127.0.0.1",
        "::1",
        "localhost",
    )


class Chromium:
    """The browser of this process: from its first test that opens a page to the next file's first test that does not.

    Playwright's event loop, which runs meanwhile, would stand in the way of asyncio there.
    """

    def __init__(self) -> None:
        self.ending = ExitStack()
        self.playwright: Playwright | None = None
        self.browser: Browser | None = None
        self.file: Path | None = None
        """of the last test that opened a page; the pages of a file may be open to its end"""

    def started(self) -> Playwright:
        if self.playwright is None:
            chromium_path()
            from playwright.sync_api import sync_playwright

            self.playwright = self.ending.enter_context(sync_playwright())
        return self.playwright

    def launched(self) -> Browser:
        if self.browser is None or not self.browser.is_connected():
            self.browser = self.started().chromium.launch(
                executable_path=chromium_path(), headless=True, args=CHROMIUM_ARGUMENTS
            )
            self.ending.callback(self.browser.close)
        return self.browser

    def end(self) -> None:
        self.playwright = self.browser = None
        self.ending.close()


def guarded_page(browser: Browser, **options: Any) -> Iterator[Page]:
    faults: list[str] = []

    def guard(request: Request) -> None:
        if not is_local(request.url):
            faults.append(f"asked the network for {request.url}")

    context = browser.new_context(reduced_motion="reduce", **options)
    context.on(
        "request", guard
    )  # to route each one through this process would leave the browser without a cache
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(f"script error: {error}"))
    page.on(
        "console",
        lambda message: faults.append(f"console: {message.text}") if message.type == "error" else None,
    )
    yield page
    context.close()
    assert not faults, "\n".join(faults)
