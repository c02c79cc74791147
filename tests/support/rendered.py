"""What a reader of a page would stumble over, as a browser lays it out: asked in tests of every kind of page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

UNFOLD = "document.querySelectorAll('.fold').forEach(fold => fold.open = true)"
DRAWN = "[...document.querySelectorAll('.figure')].every(figure => figure.querySelector('.main-svg'))"
SIDEWAYS = "document.documentElement.scrollWidth > innerWidth"

CUT = """[...document.querySelectorAll('.figure text')].filter(text => {
  const figure = text.closest('.figure').getBoundingClientRect(), box = text.getBoundingClientRect();
  return box.width && (box.left < figure.left - 2 || box.right > figure.right + 2);
}).map(text => text.textContent)"""
"""Texts of figures that reach beyond the figure."""

OVERLAPS = """[...document.querySelectorAll('.figure')].flatMap(figure => {
  const kinds = '.gtitle, .legendtext, .annotation-text, .xtitle, .ytitle, .xtick text, .ytick text, .cbtitle text';
  const texts = [...figure.querySelectorAll(kinds)].filter(text => text.textContent.trim());
  const boxes = texts.map(text => text.getBoundingClientRect());
  const found = [];
  for (let i = 0; i < boxes.length; i++) for (let k = i + 1; k < boxes.length; k++) {
    const [a, b] = [boxes[i], boxes[k]];
    const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (width > 4 && height > 4) found.push(`${texts[i].textContent} | ${texts[k].textContent}`);
  }
  return found;
})"""
"""Titles, legends, annotations, and names of axes and ticks of a figure that stand one over the other."""

BROKEN = """[...document.querySelectorAll('td.number')].filter(cell => {
  const range = document.createRange();
  range.selectNodeContents(cell);
  return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1;
}).map(cell => cell.textContent)"""
"""Numbers in tables that take more than one line."""


def check(page: Page) -> None:
    """The page as it is drawn: nothing cut, nothing over something else, no number broken, nothing to scroll to.

    Folded sections are opened, and stay so.
    """
    page.evaluate(UNFOLD)
    page.wait_for_function(DRAWN)
    assert not page.evaluate(SIDEWAYS)
    assert page.evaluate(CUT) == []
    assert page.evaluate(OVERLAPS) == []
    assert page.evaluate(BROKEN) == []
