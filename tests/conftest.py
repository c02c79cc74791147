"""What every test shares: how JAX and Hypothesis are set up, and a browser."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright, Route

# Read when JAX is first imported. With 64 bits allowed, float64 stays float64 and float32 stays float32, as in NumPy.
os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

# No deadline: the first call of a jitted function compiles. On a server, the same examples in every run.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

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


CHROMIUM = Chromium()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser"):
        CHROMIUM.file = item.path
    elif item.path != CHROMIUM.file:
        CHROMIUM.end()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    CHROMIUM.end()


@pytest.fixture(scope="module")
def playwright() -> Playwright:
    return CHROMIUM.started()


@pytest.fixture(scope="module")
def browser() -> Browser:
    """The same one for all files: a test that opens contexts closes them."""
    return CHROMIUM.launched()


@pytest.fixture
def browser_page(browser: Browser) -> Iterator[Page]:
    """A page that reaches this machine only. The test fails if the page asked for more, or if its scripts failed."""
    yield from guarded_page(browser, viewport={"width": 1280, "height": 900})


@pytest.fixture
def phone_page(browser: Browser) -> Iterator[Page]:
    """The same on a phone: its viewport, which obeys the page's own, its dense pixels, its touch."""
    yield from guarded_page(
        browser,
        viewport={"width": 390, "height": 844},
        device_scale_factor=2,
        is_mobile=True,
        has_touch=True,
    )


def guarded_page(browser: Browser, **options: Any) -> Iterator[Page]:
    faults: list[str] = []

    def guard(route: Route) -> None:
        if is_local(route.request.url):
            route.continue_()
        else:
            faults.append(f"asked the network for {route.request.url}")
            route.abort()

    context = browser.new_context(reduced_motion="reduce", **options)
    context.route("**/*", guard)
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(f"script error: {error}"))
    page.on(
        "console",
        lambda message: faults.append(f"console: {message.text}") if message.type == "error" else None,
    )
    yield page
    context.close()
    assert not faults, "\n".join(faults)


LONGEST = ("training", "browser", "gradient", "engines", "property", "cli", "estimators")
"""Folders whose files take longest for each of their tests, in the order in which they are run."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no worker is left with it at the end; a file's tests stay together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    places = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (item.path not in slow, places.get(item.path.parent.name, len(LONGEST))))


# What collection makes stays to the end: no look for garbage goes through it, while it grows or during the tests.
@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many combinations the gradient checks went through, also where they were spread over workers."""
    passed = terminalreporter.getreports("passed")
    properties = [dict(report.user_properties) for report in passed if report.when == "call"]
    count = sum(found.get("gradient_checks", 0) for found in properties)
    if count:
        terminalreporter.write_line(
            f"gradient check: {count:,} combinations of layer x activation x loss x outputs x weighting x penalty "
            "agree with central differences to 1e-6 in float64"
        )
