"""A screen as one file: it opens from the disk, asks for nothing, and computes what the model computes."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import Dense, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.errors import ChainruleError
from chainrule.recipe.data import from_arrays
from chainrule.studio.commands import find
from chainrule.studio.page.export import KEPT, SAMPLES, downloaded, offline_page
from chainrule.studio.studio import Studio

pytestmark = pytest.mark.browser


def made(hidden: int = 5, n: int = 100) -> Studio:
    rng = np.random.default_rng(0)
    model = Model(Network(6, [Dense(hidden), ReLU(), Dense(3)], SoftmaxCrossEntropy()), seed=0)
    return Studio(model, from_arrays(rng.random((n, 6), np.float32), np.arange(n) % 3), name="</script> & co")


def opened(page, path, content: bytes):
    """Open a page from the disk; what it asked for beside itself, and what its policy refused."""
    path.write_bytes(content)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(
        "window.refused = []; addEventListener('securitypolicyviolation', e => refused.push(e.violatedDirective))"
    )
    page.goto(path.as_uri())
    page.wait_for_function("window.chainrule")
    page.evaluate("window.chainrule.idle()")
    assert [url for url in asked if url != path.as_uri()] == []
    assert page.evaluate("window.refused") == []


def test_a_page_from_the_disk(browser_page, tmp_path):
    studio = made()
    calls = [
        ["data.samples", {"rows": [99]}],
        ["no.command", {}],
        ["export.page", {"state": {}, "calls": []}],
    ]
    with pytest.raises(ChainruleError, match="no command"):
        offline_page(studio, {}, calls)
    content = offline_page(studio, {"screen": "draw", "lang": "zh", "theme": "dark"}, [calls[0], calls[2]])
    opened(browser_page, tmp_path / "page.html", content)
    assert "手寫" in browser_page.locator("h1").inner_text()
    assert browser_page.evaluate("document.getElementById('app').dataset.theme") == "dark"
    assert browser_page.title() and browser_page.locator("[data-test=export]").count() == 0

    x = studio.data.train.X[7]
    found = browser_page.evaluate(
        "x => Array.from(window.chainrule.store.get('network').forward(x).at(-1).a)", x.tolist()
    )
    assert found == pytest.approx(studio.model.outputs(x[None])[0].tolist(), rel=1e-5)


def test_what_goes_with_it(browser_page, tmp_path):
    """The first samples, the answers that were asked for, and nothing that changes anything."""
    studio = made()
    calls = [["data.samples", {"rows": [99, 98]}], ["export.page", {"state": {}, "calls": []}]]
    opened(
        browser_page, tmp_path / "page.html", offline_page(studio, {"screen": "draw", "lang": "en"}, calls)
    )
    ask = "([name, args]) => window.chainrule.store.call(name, args).then(f => f.X ? Array.from(f.X) : f)"
    for rows in ([99, 98], [3, 1], [SAMPLES - 1]):
        found = browser_page.evaluate(ask, ["data.samples", {"rows": rows}])
        assert found == pytest.approx(studio.data.train.X[rows].ravel().tolist())
    for name, args in (("data.samples", {"rows": [SAMPLES]}), ("export.page", {"state": {}, "calls": []})):
        with pytest.raises(Exception, match="offline"):
            browser_page.evaluate(ask, [name, args])
    can = "names => names.map(name => window.chainrule.store.can(name))"
    assert browser_page.evaluate(can, ["data.samples", "export.page", "model.get"]) == [True, False, False]


def test_a_large_network_goes_in_half_precision(browser_page, tmp_path, monkeypatch):
    studio = made()
    monkeypatch.setattr("chainrule.studio.page.export.EXACT", 10)
    opened(browser_page, tmp_path / "page.html", offline_page(studio, {"screen": "draw"}, []))
    found = browser_page.evaluate("Array.from(window.chainrule.store.get('network').arrays['dense_1.W'])")
    expected = studio.model.parameters["dense_1"].W.astype(np.float16).astype(np.float64).ravel()
    assert found == expected.tolist()


def test_the_newest_pages_can_be_downloaded():
    studio = made(n=3)
    numbers = [
        find("export.page")(studio, {"state": {"screen": "draw"}, "calls": []})["download"]
        for _ in range(KEPT + 1)
    ]
    content, kind = downloaded(studio, {"made": numbers[-1]})
    assert content.startswith(b"<!doctype html>") and kind.startswith("text/html")
    for query in ({"made": numbers[0]}, {"made": "x"}, {}):
        with pytest.raises(ChainruleError, match="not there any more"):
            downloaded(studio, query)
    with pytest.raises(ChainruleError, match="name and its arguments"):
        find("export.page")(studio, {"state": {}, "calls": [["x"]]})
    with pytest.raises(ChainruleError, match="at most 100"):
        find("export.page")(studio, {"state": {}, "calls": [["model.get", {}]] * 101})
