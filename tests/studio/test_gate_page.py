"""The studio's gate as a browser meets it: how it opens, what it keeps, and what pages of other servers can reach."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from chainrule.studio.server.serve import served
from chainrule.studio.session.studio import Studio

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser
OPENED = "window.chainrule !== undefined && window.chainrule.store.get('connection') === 'open'"
SOCKET = """(address) => new Promise((resolve) => {
  const socket = new WebSocket(address);
  socket.onopen = () => resolve('open');
  socket.onerror = () => resolve('refused');
})"""


@pytest.fixture
def address() -> Iterator[str]:
    """A one-time address of a studio that is served meanwhile."""
    with served(Studio()) as address:
        yield address


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of another server on this machine, with an empty page."""

    class Empty(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def let_in(context: BrowserContext, address: str) -> tuple[Page, str]:
    """A page that the printed address opened, and the server's origin."""
    page = context.new_page()
    reply = page.goto(f"{address}#screen=draw&lang=zh")
    assert reply is not None and reply.status == 200
    page.wait_for_function(OPENED)
    parts = urlsplit(address)
    return page, f"{parts.scheme}://{parts.netloc}"


def test_the_address_opens_the_page_and_leaves_nothing_behind(context: BrowserContext, address: str):
    page, origin = let_in(context, address)
    assert page.url.startswith(f"{origin}/#") and "lang=zh" in page.url and "token" not in page.url
    assert page.evaluate("document.cookie") == ""
    (cookie,) = context.cookies()
    assert cookie["name"] == f"chainrule-{urlsplit(origin).port}"
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["expires"] == -1
    page.reload()
    page.wait_for_function(OPENED)
    page.goto(address)  # again, in the browser that has been let in
    page.wait_for_function(OPENED)
    assert "token" not in page.url


def test_the_page_may_do_what_it_needs(context: BrowserContext, address: str):
    """The headers that the browser gives a fetch, an upload, a socket and a download are let through."""
    page, origin = let_in(context, address)
    upload = "async () => (await fetch('/upload/a.csv', {method: 'POST', body: 'a,b'})).status"
    assert page.evaluate(upload) == 200
    assert page.evaluate("async () => (await fetch('/download/nothing')).status") == 404
    assert page.evaluate(SOCKET, f"{origin.replace('http', 'ws')}/ws") == "open"
    refused = """(size) => window.chainrule.store.upload(new File([new Uint8Array(size)], 'a.csv'))
        .catch((error) => error.message)"""
    assert page.evaluate(refused, 100 << 20) == "The request has more than 64 MiB; send a smaller file."
    context.clear_cookies()
    assert "open the address that chainrule studio printed" in page.evaluate(refused, 1)


def test_another_browser_is_not_let_in(browser: Browser, context: BrowserContext, address: str):
    _, origin = let_in(context, address)
    other = browser.new_context()
    page = other.new_page()
    for target in (address, origin, f"{origin}/ws", f"{origin}/static/x/main.js"):
        reply = page.goto(target)
        assert reply is not None and reply.status == 403
        assert "open the address that chainrule studio printed" in page.inner_text("body")
    other.close()


def test_a_page_of_another_server_reaches_nothing(context: BrowserContext, address: str, elsewhere: str):
    """Though the browser has the cookie, and the other server is on the same machine, that is, the same site."""
    _, origin = let_in(context, address)
    for foreign in (elsewhere, elsewhere.replace("127.0.0.1", "localhost")):
        page = context.new_page()
        page.goto(foreign)
        assert page.evaluate(SOCKET, f"{origin.replace('http', 'ws')}/ws") == "refused"
        for options in (
            "{}",
            "{credentials: 'include'}",
            "{method: 'POST', body: 'a', credentials: 'include'}",
        ):
            failed = f"(address) => fetch(address, {options}).then(() => 'read', () => 'failed')"
            assert page.evaluate(failed, f"{origin}/upload/a.csv") == "failed"
        opaque = "(address) => fetch(address, {mode: 'no-cors', credentials: 'include'}).then(() => 1, () => 'failed')"
        assert page.evaluate(opaque, f"{origin}/") == "failed"  # as Cross-Origin-Resource-Policy says
        image = """(address) => new Promise((resolve) => {
          const image = new Image();
          image.onload = () => resolve('shown');
          image.onerror = () => resolve('failed');
          image.src = address;
        })"""
        assert page.evaluate(image, f"{origin}/static/x/icon.svg") == "failed"
        script = image.replace("new Image()", "document.head.appendChild(document.createElement('script'))")
        assert page.evaluate(script, f"{origin}/static/x/main.js") == "failed"
        with page.expect_response(lambda reply: reply.url == f"{origin}/") as found:
            page.evaluate("(address) => { location.href = address; }", f"{origin}/")
        assert found.value.status == 403  # a link from there, too
        page.close()


def test_a_page_of_another_server_cannot_frame_it(context: BrowserContext, address: str, elsewhere: str):
    _, origin = let_in(context, address)
    page = context.new_page()
    page.goto(elsewhere)
    with page.expect_response(lambda reply: reply.url == f"{origin}/") as found:
        page.evaluate(
            "(address) => { document.body.appendChild(document.createElement('iframe')).src = address; }",
            f"{origin}/",
        )
    assert found.value.status == 403
