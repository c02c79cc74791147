"""The documentation as it is built: its pages ask the network for nothing, and formulas are laid out by the browser."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from needs import needs

pytestmark = [pytest.mark.browser, pytest.mark.slow, needs("sphinx")]
DOCS = Path(__file__).parents[2] / "docs"
FORMULAS = """[...document.querySelectorAll('math')].map(formula => {
  const box = formula.getBoundingClientRect();
  return [formula.textContent, box.width, box.height];
})"""
UNRENDERED = """[...document.querySelectorAll('article *')].filter(element => !element.closest('pre, code, annotation'))
  .flatMap(element => [...element.childNodes]).filter(node => node.nodeType === 3)
  .map(node => node.data).filter(text => /\\\\[a-z]{2,}|\\$/.test(text))"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pages, without those of the reference, which take most of the time and have no formulas."""
    built = tmp_path_factory.mktemp("site")
    options = (
        "--fail-on-warning",
        "--quiet",
        "--builder",
        "html",
        "--define",
        "suppress_warnings=toc,myst,ref",
    )
    subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            *options,
            "--define",
            "exclude_patterns=_build,api.md,reference",
            ".",
            built,
        ],
        cwd=DOCS,
        check=True,
        capture_output=True,
        timeout=300,
    )
    return built


def test_no_page_asks_the_network_for_anything(browser_page, site):
    for page in sorted(site.glob("*.html")):
        browser_page.goto(page.as_uri())  # the fixture fails where a request leaves this machine
        assert "Chainrule" in browser_page.title()


@pytest.mark.parametrize(("page", "least"), [("notation", 30), ("tutorial", 25), ("laboratory", 1)])
def test_formulas_are_laid_out_without_a_script(browser_page, site, page, least):
    browser_page.goto((site / f"{page}.html").as_uri())
    formulas = browser_page.evaluate(FORMULAS)
    assert len(formulas) >= least
    assert all(width > 4 and height > 4 for _, width, height in formulas)
    assert browser_page.evaluate(UNRENDERED) == []
    assert browser_page.locator("math mfrac").count() or page == "laboratory"


def test_no_page_scrolls_sideways_on_a_phone(browser_page, site):
    browser_page.set_viewport_size({"width": 390, "height": 844})
    for page in sorted(site.glob("*.html")):
        browser_page.goto(page.as_uri())
        assert browser_page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.name
