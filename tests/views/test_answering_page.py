"""A page that answers computes in a browser what the graph does, from a form with the table's columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

from chainrule import MLPClassifier, MLPRegressor
from chainrule.export.javascript import module
from chainrule.views import words
from chainrule.views.report.answering import answering_page
from exported import table

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def test_a_row_is_typed_into_the_page(tmp_path: Path, phone_page: Page):
    X, y = table(120)
    estimator = MLPClassifier((6,), preprocess="auto", max_iter=5, random_state=0).fit(X, y > 4)
    graph = estimator.graph()
    (tmp_path / "page.html").write_text(answering_page(graph, "</script>members", module(graph)), "utf-8")
    page = phone_page
    page.goto((tmp_path / "page.html").as_uri())
    page.fill("[name=age]", "41")
    page.select_option("[name=city]", "Wien")
    page.select_option("[name=member]", "True")
    page.fill("[name=seen]", "2022-03-04T10:00:00")
    page.fill("[name=paid]", "1200")
    row = {name: [np.nan] for name in X.columns if name not in ("city", "street", "member", "rare", "seen")}
    row |= {"age": [41.0], "paid": [1200.0], "seen": [1646388000.0]}
    row |= {"city": ["Wien"], "street": [None], "member": ["True"], "rare": [None]}
    expected = estimator.graph().run(row)["probabilities"][0]
    shares = page.locator(".share").all_inner_texts()
    assert shares == [f"{100 * share:.1f} %" for share in sorted(expected, reverse=True)]
    assert page.inner_text("#answer .number") == ("true" if expected[1] > expected[0] else "false")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_numbers_of_a_matrix(tmp_path: Path, browser_page: Page):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    several = MLPRegressor(hidden_layer_sizes=(4,), max_iter=5, random_state=0).fit(X, X[:, :2])
    with words.spoken_in("zh"):
        text = answering_page(several.graph(), "three", module(several.graph()))
    (tmp_path / "page.html").write_text(text, "utf-8")
    page = browser_page
    page.goto((tmp_path / "page.html").as_uri())
    page.fill("[name=X]", "0.5, -1\n2")
    expected = several.graph().run([[0.5, -1.0, 2.0]])["predictions"][0]
    found = [text.split()[-1] for text in page.locator("#answer .number").all_inner_texts()]
    assert np.allclose([float(text) for text in found], expected, rtol=1e-5)
    page.fill("[name=X]", "1 2")
    assert "the row has 2 numbers, and the network reads 3" in page.inner_text("#problem")
    assert page.get_attribute("html", "lang") == "zh-Hant-TW" and "預測" in page.inner_text("main")
