"""What every test shares: how JAX and Hypothesis are set up, and a browser."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

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


# One browser a file of tests: Playwright's event loop would stand in the way of asyncio if it lived longer.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium_path()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


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
