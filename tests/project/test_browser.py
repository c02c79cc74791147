"""The page that tests open says so when it asks the network for anything, and reaches nothing there."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from chromium import guarded_page

pytestmark = pytest.mark.browser


@pytest.mark.slow
@pytest.mark.parametrize("host", ["example.org", "192.0.2.1"])  # a name, and an address that is nobody's
def test_a_page_that_asks_the_network_is_found(host: str, browser: Any):
    opened = guarded_page(browser)
    page = next(opened)
    answer = page.evaluate(f"fetch('http://{host}/there').then(() => 'an answer', () => 'none')")
    with pytest.raises(AssertionError, match=f"asked the network for http://{host}/there"):
        next(opened)
    assert answer == "none"


def closed(opened: Any) -> None:
    with pytest.raises(StopIteration):
        next(opened)


def test_a_page_has_nothing_of_the_one_before(contexts: Any, page_file: Path):
    """No storage, no other page, and none of its faults."""
    page_file.write_text("<p>", "utf-8")
    for _ in range(2):
        opened = guarded_page(contexts)
        page = next(opened)
        assert len(page.context.pages) == 2
        page.goto(page_file.as_uri())
        assert page.evaluate("localStorage.length") == 0
        page.evaluate("() => { localStorage.kept = 'a'; window.open('about:blank'); }")
        page.evaluate("fetch('http://example.org/there').catch(() => {})")
        with pytest.raises(AssertionError) as caught:
            next(opened)
        assert str(caught.value).count("asked the network") == 1


def test_a_page_whose_process_ended_leaves_nothing_to_the_next(contexts: Any, browser: Any):
    opened = guarded_page(contexts)
    page = next(opened)
    page.goto("data:text/html,<p>")
    with page.context.pages[0].expect_event("crash"):
        for process in browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]:
            if process["type"] == "renderer":
                os.kill(process["id"], signal.SIGKILL)
    closed(opened)
    opened = guarded_page(contexts)
    assert next(opened).evaluate("1 + 1") == 2
    closed(opened)
