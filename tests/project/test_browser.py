"""The page that tests open says so when it asks the network for anything, and reaches nothing there."""

from __future__ import annotations

from typing import Any

import pytest

from chromium import guarded_page

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("host", ["example.org", "192.0.2.1"])  # a name, and an address that is nobody's
def test_a_page_that_asks_the_network_is_found(host: str, browser: Any):
    opened = guarded_page(browser)
    page = next(opened)
    answer = page.evaluate(f"fetch('http://{host}/there').then(() => 'an answer', () => 'none')")
    with pytest.raises(AssertionError, match=f"asked the network for http://{host}/there"):
        next(opened)
    assert answer == "none"
