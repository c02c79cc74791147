"""Pages of a served studio, for tests: each fails its test for whatever goes wrong in it, seen or not.

@pytest.fixture(scope="module")
def pages(browser):
    with studio_pages(browser, Studio(model, data)) as pages:
        yield pages

def test_it(pages):
    with pages.open("draw", lang="zh", phone=True) as page:
        ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from chainrule.studio.page.assets import VERSION, modules
from chainrule.studio.page.join import join
from chainrule.studio.server.serve import served
from chainrule.studio.session.studio import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

VIOLATIONS = """addEventListener('securitypolicyviolation', (event) => {
  const { effectiveDirective, blockedURI, sample, sourceFile, lineNumber } = event;
  console.error(`policy: ${effectiveDirective} ${blockedURI} ${sample} ${sourceFile}:${lineNumber}`);
});"""
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
DESK = {"viewport": {"width": 1440, "height": 900}}


@contextmanager
def page_of(browser: Browser, entry: str) -> Iterator[Page]:
    """An empty page with modules of the studio. entry: a script that gives the window what the tests call."""
    page = browser.new_page()
    page.set_content("<p>")
    page.add_script_tag(content=join("entry.js", {**modules(), "entry.js": entry}))
    yield page
    page.close()


class Pages:
    """The pages of one studio, in one browser."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser = browser
        parts = urlsplit(address)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.address = address
        self.cookies: Any = None
        self.contexts: dict[str, BrowserContext] = {}
        """by their options, for as long as the pages are: a page finds in its cache what one before it has loaded"""
        self.viewports: dict[BrowserContext, Any] = {}
        self.parked: dict[BrowserContext, tuple[Page, list[str]]] = {}
        """a page that a test has left, with its faults: the next finds its process, and its scripts compiled"""

    @contextmanager
    def open(
        self,
        screen: str = "draw",
        *,
        lang: str = "en",
        theme: str = "light",
        phone: bool = False,
        motion: bool = False,
        state: dict[str, Any] | None = None,
        init: str = "",
        **options: Any,
    ) -> Iterator[Page]:
        """A screen that has settled. state: more keys of the store.  init: a script that runs before those of the page.
        options: of Playwright's new_context.

        Fails for an error of the console or of a script, a request that failed or went elsewhere, a reply of status 400
        or more, and a violation of the page's policy.
        """
        context = self.context(
            (PHONE if phone else DESK) | {"reduced_motion": "no-preference" if motion else "reduce"} | options
        )
        others = context.pages
        page, faults = (not init and self.parked.pop(context, None)) or self.watched(context, init)
        is_whole = False
        try:
            page.goto(
                f"{self.origin}/#{urlencode({'screen': screen, 'lang': lang, 'theme': theme} | (state or {}))}"
            )
            try:
                settle(page)
            except Exception as error:
                error.add_note("\n".join(faults))
                raise
            yield page
            settle(page)
            assert not faults, "\n".join(faults)
            is_whole = True
        finally:
            for each in context.pages:
                if each not in others and each is not page:
                    each.close()
            if is_whole and not init and context not in self.parked and not page.is_closed():
                self.park(context, page, faults)
            else:
                page.close()

    def park(self, context: BrowserContext, page: Page, faults: list[str]) -> None:
        """Have a page of this context wait for the next test, at a file of the studio that runs nothing."""
        viewport = self.viewports[context]
        if page.viewport_size != viewport:
            page.set_viewport_size(viewport)
        page.goto(f"{self.origin}/static/{VERSION}/icon.svg")
        faults.clear()
        self.parked[context] = page, faults

    def context(self, options: dict[str, Any]) -> BrowserContext:
        """The browser's context of these options, with the cookie that lets it in."""
        key = repr(sorted(options.items()))
        if key not in self.contexts:
            made = self.contexts[key] = self.browser.new_context(**options)
            made.add_init_script(VIOLATIONS)
            self.viewports[made] = options["viewport"]
            if self.cookies is None:  # the address lets in once; other contexts have its cookie
                assert made.request.get(self.address).ok
                self.cookies = made.cookies()
            else:
                made.add_cookies(self.cookies)
        return self.contexts[key]

    def watched(self, context: BrowserContext, init: str) -> tuple[Page, list[str]]:
        """A page, and the list that its faults are added to. init: a script that runs before those of the page."""
        faults: list[str] = []

        def gone(url: str) -> None:
            if urlsplit(url).scheme not in ("about", "data", "blob") and not url.startswith(self.origin):
                faults.append(f"went to {url}")

        page = context.new_page()
        if init:
            page.add_init_script(init)
        # The console has requests that failed, replies of status 400 or more, and by VIOLATIONS what the policy
        # refuses, as requests elsewhere. Events of each request would cost half as much as the page.
        page.on("pageerror", lambda error: faults.append(f"script: {error}"))
        page.on(
            "console",
            lambda said: (
                faults.append(f"console: {said.text} {said.location['url']}")
                if said.type == "error"
                else None
            ),
        )
        page.on("framenavigated", lambda frame: gone(frame.url))
        return page, faults


def settle(page: Page) -> None:
    """Wait until the page is up and nothing is under way in it."""
    page.wait_for_function(
        "() => window.chainrule !== undefined", timeout=15_000
    )  # a function: the policy forbids eval
    page.evaluate("window.chainrule.idle()")


@contextmanager
def studio_pages(browser: Browser, studio: Studio) -> Iterator[Pages]:
    """Serve a studio meanwhile, and open its pages."""
    with served(studio) as address:
        pages = Pages(browser, address)
        try:
            yield pages
        finally:
            for context in pages.contexts.values():
                context.close()
