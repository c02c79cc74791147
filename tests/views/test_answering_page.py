"""A page that answers computes in a browser what the graph does, from a form with the table's columns."""

from __future__ import annotations

from collections import Counter, defaultdict
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

from chainrule import MLPClassifier, MLPRegressor
from chainrule.export.javascript import module
from chainrule.views import words
from chainrule.views.report.answering import answering_page
from exported import table

WICKED = "</script><img src=x onerror='a()'>&lt;\""
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Read(HTMLParser):
    """The tags of a page, the texts of its labels, the names of its fields, and the values and texts to choose from."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.inside = Counter[str](), ""
        self.said: dict[str, list[str]] = defaultdict(list)
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.inside = tag
        given = dict(attrs)
        assert not [name for name in given if name.startswith("on")]
        if tag in ("input", "select", "textarea"):
            self.said["field"].append(given["name"] or "")
        if tag == "option":
            self.said["value"].append(given.get("value") or "")

    def handle_data(self, data: str) -> None:
        self.said[self.inside].append(data)


@pytest.mark.parametrize("levels", [3, 61])
def test_names_with_markup_are_texts(levels: int):
    """Of columns of every kind, of categories to choose and to type, and of the model: with plain names the page is
    the same but for them."""

    def page_with(mark: str) -> Read:
        X, y = table(122)
        X["city"] = [f"{mark}{k % levels}" for k in range(122)]
        X.columns = [f"{mark}{name}" for name in X.columns]
        made = MLPClassifier((2,), preprocess="auto", max_iter=1, random_state=0)
        graph = made.fit(X, np.where(y > 4, f"{mark}yes", f"{mark}no")).graph()
        return Read(answering_page(graph, mark, module(graph)))

    wicked, plain = (page_with(mark) for mark in (WICKED, "plain"))
    assert wicked.tags == plain.tags
    for inside in ("field", "label", "value", "option", "title", "h1"):
        assert wicked.said[inside] == [text.replace("plain", WICKED) for text in plain.said[inside]]
    assert sum(WICKED in text for text in wicked.said["label"]) == sum(map(bool, wicked.said["field"])) == 9
    assert sum(WICKED in text for text in wicked.said["option"]) >= levels


@pytest.mark.browser
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


@pytest.mark.browser
def test_names_that_mean_something_to_a_browser(tmp_path: Path, browser_page: Page):
    """A comment in which a script begins, and ends of lines, which attributes have as one character."""
    wicked = "<!--<script>\r\n"
    X = {f"{wicked}a": np.arange(60.0), "city": [f"{wicked}{k % 3}" for k in range(60)]}
    labels = np.where(np.arange(60) > 20, f"{wicked}yes", "no")
    made = MLPClassifier((4,), preprocess="auto", n_members=1, max_iter=2, random_state=0).fit(X, labels)
    code = module(made.graph())
    assert "<!--" not in code and "\\u003c!--" in code
    (tmp_path / "page.html").write_text(answering_page(made.graph(), wicked, code), "utf-8", newline="")
    page = browser_page
    page.goto((tmp_path / "page.html").as_uri())
    page.fill("input", "30")
    page.select_option("select", index=2)  # the first one is a missing value
    expected = made.graph().run({f"{wicked}a": [30.0], "city": [f"{wicked}1"]})["probabilities"][0]
    shares = page.locator(".share").all_inner_texts()
    assert shares == [f"{100 * share:.1f} %" for share in sorted(expected, reverse=True)]
    assert page.inner_text("#problem") == ""


@pytest.mark.browser
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
