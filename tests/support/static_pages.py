"""The studio's page without a server, built once for the tests of a file and served as plain files below a path."""

from __future__ import annotations

import dataclasses
import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import numpy as np

from chainrule.datasets import Dataset, load_mnist
from chainrule.studio.page.static import build
from studio_pages import DESK, PHONE, VIOLATIONS
from web_engine import built

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TRAIN, TEST = 4000, 1000
"""The images of the page that tests open: few, so that it is packed and trained within a second or two."""
BELOW = "site/play"
"""The path of the page on its server: none of its files may be asked for at the root."""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Plain files, without a line for each request."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def first(part: Dataset, n: int) -> Dataset:
    return dataclasses.replace(part, X=np.asarray(part.X[:n]), y=part.y[:n])


def built_page(folder: Path) -> Path:
    """The folder to serve, with the page below BELOW."""
    train, test = load_mnist()
    build(folder / BELOW, built(), (first(train, TRAIN), first(test, TEST)))
    return folder


class StaticPages:
    """Pages of a folder: each fails its test for an error, a request elsewhere, and what the policy refuses."""

    def __init__(self, browser: Browser, origin: str) -> None:
        self.browser, self.origin = browser, origin

    @contextmanager
    def open(
        self,
        screen: str = "play",
        *,
        phone: bool = False,
        lang: str = "en",
        theme: str = "light",
        **state: str,
    ) -> Iterator[Page]:
        """A page whose network has been trained. state: more of its address."""
        context = self.browser.new_context(**((PHONE if phone else DESK) | {"reduced_motion": "reduce"}))
        faults: list[str] = []
        try:
            page = context.new_page()
            page.add_init_script(VIOLATIONS)
            page.on("pageerror", lambda error: faults.append(f"script: {error}"))
            page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
            page.on("request", lambda request: self.check(request.url, faults))
            words = {"screen": screen, "lang": lang, "theme": theme} | state
            address = "&".join(f"{key}={quote(value)}" for key, value in words.items())
            page.goto(f"{self.origin}/{BELOW}/#{address}")
            page.wait_for_function("() => window.chainrule")
            page.evaluate(TRAINED)
            yield page
            page.evaluate("window.chainrule.idle()")
            assert not faults, "\n".join(faults)
        finally:
            context.close()

    def check(self, url: str, faults: list[str]) -> None:
        if urlsplit(url).scheme not in ("data", "blob") and not url.startswith(f"{self.origin}/{BELOW}/"):
            faults.append(f"went to {url}")


TRAINED = """async () => {
  const { store } = window.chainrule;
  for (let k = 0; k < 600; ++k) {
    const run = await store.call('train.state');
    if (store.get('play.failed')) throw new Error(store.get('play.failed'));
    if (run.state === 'done') return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the network was not trained within 30 seconds');
}"""

ASK = """async ([name, args]) => {
  const numbers = (values) => Array.from(values, (v) => (Number.isFinite(v) ? v : null));
  const each = (value) => Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  const plain = (value) => {
    if (ArrayBuffer.isView(value)) return { array: numbers(value), shape: value.shape ?? null };
    if (Array.isArray(value)) return value.map(plain);
    return value && typeof value === 'object' ? each(value) : value;
  };
  return plain(await window.chainrule.store.call(name, args));
}"""


def ask(page: Page, command: str, /, **arguments: Any) -> Any:
    """What the page's worker answers; arrays are {array, shape}, without NaN and infinity."""
    return page.evaluate(ASK, [command, arguments])


@contextmanager
def static_pages(browser: Browser, folder: Path) -> Iterator[StaticPages]:
    """Serve a folder meanwhile, and open the pages in it."""
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield StaticPages(browser, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
