"""What every test shares: how JAX and Hypothesis are set up, and a browser."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from chromium import Chromium, guarded_page
from full import FULL

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

# Read when JAX is first imported. With 64 bits allowed, float64 stays float64 and float32 stays float32, as in NumPy.
os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Most programs run once, and to compile them takes longest: two thirds of it without LLVM's expensive passes.
if not FULL:
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

# No deadline: the first call of a jitted function compiles. On a server, the same examples in every run. As many as
# Hypothesis draws by itself, or half of them.
EXAMPLES = 100 if FULL else 50
settings.register_profile("default", deadline=None, max_examples=EXAMPLES)
settings.register_profile("ci", deadline=None, max_examples=EXAMPLES, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

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


LONGEST = ("distributed", "training", "lab", "formulas", "engines", "cli", "estimators")
"""Rooms whose files take longest for each of their tests, in the order in which they are run, after the pages."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no worker is left with it at the end; a file's tests stay together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    pages = {item.path for item in items if item.get_closest_marker("browser")}
    places = {name: i for i, name in enumerate(LONGEST)}

    def place(item: pytest.Item) -> tuple[bool, bool, int]:
        return item.path not in slow, item.path not in pages, places.get(item.path.parent.name, len(LONGEST))

    items.sort(key=place)


# What collection makes stays to the end: no look for garbage goes through it, while it grows or during the tests. These
# look at each 20,000 new objects, not at each 700.
@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        gc.set_threshold(20_000)


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
