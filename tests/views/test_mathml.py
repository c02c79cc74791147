"""Derivations in a browser: the formulas have the shape of formulas, and the tree folds and unfolds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chainrule import (
    BatchNorm,
    Dense,
    Dropout,
    MeanSquaredError,
    Model,
    Network,
    PReLU,
    Residual,
    Skip,
    SoftmaxCrossEntropy,
    Tanh,
)
from chainrule.inspection.derivation.derivation import Derivation

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chain() -> Derivation:
    model = Model(Network(1, [Dense(1)] * 4, MeanSquaredError()), dtype="float64")
    for params, w in zip(model.parameters.values(), (0.5, 3, -1, 2), strict=True):
        params.W[...] = w
    return model.trace([2.0], -5.0).derive("dense_1.W[0,0]")


@pytest.fixture(scope="module")
def deep() -> Derivation:
    layers = [
        Dense(6),
        BatchNorm(),
        PReLU(),
        Dropout(0.2),
        Residual([Dense(6), Tanh()]),
        Skip([Dense(3)]),
        Dense(3),
    ]
    model = Model(Network(4, layers, SoftmaxCrossEntropy(), l2=0.01), dtype="float64")
    X = np.random.default_rng(0).normal(size=(8, 4))
    return model.trace(X, np.arange(8) % 3).derive("dense_1.W[2,1]")


def write(folder: Path, body: str) -> str:
    path = folder / "page.html"
    path.write_text(f'<!doctype html><meta charset="utf-8"><title>x</title>{body}', "utf-8")
    return path.as_uri()


SHAPES = """() => [...document.querySelectorAll('mfrac')].map(f => {
    const [top, bottom] = [...f.children].map(c => c.getBoundingClientRect());
    return top.height > 4 && bottom.height > 4 && top.bottom <= bottom.top + 4;
})"""
"""Whether each fraction's top stands above its bottom: only a browser that knows MathML does that."""


def test_formulas_are_laid_out(browser_page, chain, deep, tmp_path):
    for derivation in (chain, deep):
        browser_page.goto(write(tmp_path, derivation.mathml(nodes=20)))
        fractions = browser_page.evaluate(SHAPES)
        assert len(fractions) > 4
        assert all(fractions)
        # no element that the browser does not know as MathML
        unknown = "[...document.querySelectorAll('math *')].filter(e => e.constructor.name !== 'MathMLElement').length"
        assert browser_page.evaluate(unknown) == 0


def test_the_lessons_line_stands_on_one_row(browser_page, chain, tmp_path):
    browser_page.goto(write(tmp_path, chain.mathml()))
    rows = browser_page.locator("mtr")
    assert rows.count() == 4
    assert rows.nth(0).locator("mfrac").count() == 6  # dC/dw3 and five factors
    assert rows.nth(3).text_content() == "=24"
    tops = "[...document.querySelectorAll('mtr')].map(r => r.getBoundingClientRect().top)"
    assert browser_page.evaluate(tops) == sorted(browser_page.evaluate(tops))


def test_the_page_folds_and_unfolds(browser_page, deep, tmp_path):
    path = tmp_path / "derivation.html"
    path.write_text(deep.html(), "utf-8")
    browser_page.goto(path.as_uri())
    assert f"{deep.value:.6g}" in browser_page.locator("h1").inner_text()
    folded = browser_page.locator(".derivation details details").first
    assert not folded.locator("table, mtable").first.is_visible()
    folded.locator("summary").first.click()
    assert folded.locator("table, mtable").first.is_visible()
    was = browser_page.locator("html").get_attribute("data-theme")
    browser_page.locator("#theme").click()  # the page's script runs, though there is no figure to draw
    assert browser_page.locator("html").get_attribute("data-theme") != was
    text = browser_page.locator("main").inner_text()
    assert f"{deep.value:.12g}" in text and f"{deep.numeric:.12g}" in text
    assert "together, 9 terms" in text  # eight samples and the penalty
    browser_page.set_viewport_size({"width": 375, "height": 800})
    browser_page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser_page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert all(browser_page.evaluate(SHAPES))


def test_what_a_notebook_shows(browser_page, deep, tmp_path):
    browser_page.goto(write(tmp_path, deep._repr_html_()))
    assert browser_page.locator(".derivation > details[open] > summary math").count() == 1
    assert all(browser_page.evaluate(SHAPES))
