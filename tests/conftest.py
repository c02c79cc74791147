"""What every test shares: how JAX and Hypothesis are set up, a browser, and pages of it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from chromium import Chromium, guarded_page
from full import FULL

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

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


class Lasting:
    """A context in place of a new one for each test: closed, it stays, without the test's pages, listeners and storage.

    So does the process of its pages, by a page that nobody sees. There Chromium has compiled what the page of a test
    before had in it, if it had the same address: the page of a report, with Plotly in it, takes 0.4 seconds of a
    processor in place of 1.3.
    """

    def __init__(self, context: BrowserContext, place: Path) -> None:
        self.context, self.heard, self.is_whole = context, [], True
        self.first = context.new_page()
        self.first.on("crash", self.lost)
        (place / "first.html").write_text("<p>", "utf-8")
        self.first.goto((place / "first.html").as_uri())

    def on(self, event: Any, listener: Any) -> None:
        self.context.on(event, listener)
        self.heard.append((event, listener))

    def lost(self, page: Page) -> None:
        self.is_whole = False

    def new_page(self) -> Page:
        return self.context.new_page()

    def close(self) -> None:
        for page in self.context.pages:
            if page is not self.first:
                page.close()
        while self.heard:
            self.context.remove_listener(*self.heard.pop())
        self.context.clear_cookies()
        if self.is_whole:
            self.first.evaluate("localStorage.clear()")


class Contexts:
    """The contexts of a browser by their options, for `guarded_page`."""

    def __init__(self, browser: Browser, place: Path) -> None:
        self.browser, self.place = browser, place
        self.known: dict[str, Lasting] = {}

    def new_context(self, **options: Any) -> Lasting:
        key = repr(sorted(options.items()))
        if key not in self.known or not self.known[key].is_whole:
            self.known[key] = Lasting(self.browser.new_context(**options), self.place)
        return self.known[key]


CONTEXTS: list[Contexts] = []
"""of the browser of this process, the last"""


@pytest.fixture
def contexts(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    if not CONTEXTS or CONTEXTS[-1].browser is not browser:
        CONTEXTS[:] = [Contexts(browser, tmp_path_factory.mktemp("pages"))]
    return CONTEXTS[-1]


@pytest.fixture
def page_file(contexts: Contexts) -> Path:
    """Where a test writes the page that it opens: the same place for all tests, see `Lasting`."""
    path = contexts.place / "page.html"
    path.unlink(missing_ok=True)
    return path


@pytest.fixture
def browser_page(contexts: Any) -> Iterator[Page]:
    """A page that reaches this machine only. The test fails if the page asked for more, or if its scripts failed."""
    yield from guarded_page(contexts, viewport={"width": 1280, "height": 900})


@pytest.fixture
def phone_page(contexts: Any) -> Iterator[Page]:
    """The same on a phone: its viewport, which obeys the page's own, its dense pixels, its touch."""
    yield from guarded_page(
        contexts,
        viewport={"width": 390, "height": 844},
        device_scale_factor=2,
        is_mobile=True,
        has_touch=True,
    )


@pytest.fixture
def race_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function: let these candidates race alone, whatever the number of rows."""
    from chainrule.race import candidates

    def only(*few: candidates.Candidate) -> None:
        monkeypatch.setattr(candidates, "CANDIDATES", few)
        monkeypatch.setattr(candidates, "OF_FEW_ROWS", ())

    return only


LONGEST = (
    "distributed",
    "training",
    "lab",
    "formulas",
    "engines",
    "cli",
    "race",
    "fitting",
    "trust",
    "tables",
    "estimators",
)
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
