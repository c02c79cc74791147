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

from chainrule.studio.server.serve import served
from chainrule.studio.studio import Studio

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
        page, faults = self.watched(context, init)
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
        finally:
            for each in context.pages:
                if each not in others:
                    each.close()

    def context(self, options: dict[str, Any]) -> BrowserContext:
        """The browser's context of these options, with the cookie that lets it in."""
        key = repr(sorted(options.items()))
        if key not in self.contexts:
            made = self.contexts[key] = self.browser.new_context(**options)
            made.add_init_script(VIOLATIONS)
            if self.cookies is None:  # the address lets in once; other contexts have its cookie
                assert made.request.get(self.address).ok
                self.cookies = made.cookies()
            else:
                made.add_cookies(self.cookies)
        return self.contexts[key]

    def watched(self, context: BrowserContext, init: str) -> tuple[Page, list[str]]:
        """A page, and the list that its faults are added to. init: a script that runs before those of the page."""
        faults: list[str] = []

        def asked(url: str) -> None:
            parts = urlsplit(url)
            if parts.scheme not in ("data", "blob") and parts.netloc != urlsplit(self.origin).netloc:
                faults.append(f"asked {url}")

        def failed(url: str, why: str | None) -> None:
            if not (url.endswith("/icon.svg") and why == "net::ERR_ABORTED"):  # a reload drops the tab's icon
                faults.append(f"failed: {url} {why}")

        page = context.new_page()
        if init:
            page.add_init_script(init)
        page.on("request", lambda request: asked(request.url))
        page.on("websocket", lambda socket: asked(socket.url))
        page.on("requestfailed", lambda request: failed(request.url, request.failure))
        page.on(
            "response",
            lambda reply: faults.append(f"{reply.status}: {reply.url}") if reply.status >= 400 else None,
        )
        page.on("pageerror", lambda error: faults.append(f"script: {error}"))
        page.on(
            "console", lambda said: faults.append(f"console: {said.text}") if said.type == "error" else None
        )
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
