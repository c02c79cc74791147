"""The outputs of a notebook in a browser: on a phone and on a desk, on a light ground and on a dark one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as c
from chainrule.datasets import load_mnist
from chainrule.inspection.story import explain

pytestmark = pytest.mark.browser
GROUNDS = {"light": ("#ffffff", "#111111"), "dark": ("#111111", "#e3e3e3")}
# The contrast of two colors by WCAG 2, and that of each element with text of its own against the page's ground.
CONTRAST = """ground => {
  const light = color => color.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const pair = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const below = light(getComputedStyle(document.body).backgroundColor);
  return Math.min(...[...document.querySelectorAll('.chainrule *')]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) && e.tagName !== 'STYLE')
    .map(e => getComputedStyle(e)).map(s => pair(below, light(s.fill !== 'rgb(0, 0, 0)' ? s.fill : s.color))));
}"""


@pytest.fixture(scope="module")
def outputs() -> str:
    train, test = load_mnist()
    block = c.Residual([c.Dense(24), c.ReLU()])
    net = c.Network(
        784, [c.Rescale(1 / 255), c.Dense(24), c.ReLU(), block, c.Dense(10)], c.SoftmaxCrossEntropy()
    )
    model = c.Model(net)
    model.fit(train.X[:1000], train.y[:1000], epochs=4, validation_data=(test.X[:500], test.y[:500]))
    X, y = test.X[:8], test.y[:8]
    trace = model.trace(X, y)
    results: tuple[Any, ...] = (
        *(model, model.history, model.summary(), trace, model.gradient_flow(X, y)),
        *(model.attribute(X), model.check_gradients(X, y), explain(model, X[0], int(y[0]))),
        c.History([{"loss": float(v)} for v in np.geomspace(1, 1e-4, 3000)]),
    )
    return "<hr>".join(result._repr_html_() for result in results)


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("width", [390, 1280])
def test_outputs_fit_and_can_be_read(browser_page: Any, outputs: str, ground: str, width: int):
    paper, ink = GROUNDS[ground]
    browser_page.set_viewport_size({"width": width, "height": 900})
    browser_page.set_content(
        f"<!doctype html><meta name=viewport content='width=device-width'><style>body {{ background: {paper}; "
        f"color: {ink}; font: 14px sans-serif; margin: 8px }}</style>{outputs}"
    )
    browser_page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= width
    assert browser_page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert browser_page.locator("svg polyline").count() == 5
    assert browser_page.evaluate(CONTRAST) >= 3
