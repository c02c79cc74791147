"""A screen as one file: it opens from the disk, asks for nothing, and computes what the model computes."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import ChainruleError, Dense, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.recipe.data import from_arrays
from chainrule.studio import screens
from chainrule.studio.page.export import downloaded, offline_page
from chainrule.studio.screens.train.desk import desk_of
from chainrule.studio.session.commands import find
from chainrule.studio.session.studio import Studio

assert screens.__name__, "its import registers the commands"

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
    assert "試一列" in browser_page.locator("h1").inner_text()  # six numbers are no picture
    assert browser_page.evaluate("document.getElementById('app').dataset.theme") == "dark"
    assert browser_page.title() and browser_page.locator("[data-test=export]").count() == 0

    x = studio.data.train.X[7]
    found = browser_page.evaluate(
        "x => Array.from(window.chainrule.store.get('network').forward(x).at(-1).a)", x.tolist()
    )
    assert found == pytest.approx(studio.model.outputs(x[None])[0].tolist(), rel=1e-5)


def test_a_page_in_a_frame_of_its_own_origin(browser_page):
    """As JupyterLab shows an HTML file: sandboxed, without an address and an origin."""
    studio = made()
    content = offline_page(studio, {"screen": "draw", "lang": "en"}, [])
    browser_page.set_content("<iframe sandbox='allow-scripts' width=1200 height=800></iframe>")
    browser_page.evaluate("(page) => { document.querySelector('iframe').srcdoc = page; }", content.decode())
    shown = browser_page.frame_locator("iframe")
    shown.locator("[data-test=features] input[type=number]").nth(1).fill("0.75")
    frame = browser_page.frames[1]
    frame.evaluate("window.chainrule.idle()")
    x = np.array(frame.evaluate("[...window.chainrule.store.get('sample').x]"))
    assert x[1] == 0.75
    assert shown.locator("[data-test=prediction]").inner_text() == str(studio.model.outputs(x[None]).argmax())


def test_what_goes_with_it(browser_page, tmp_path):
    """The first samples, the answers that were asked for, and nothing that changes anything."""
    studio = made()
    calls = [["data.samples", {"rows": [99, 98]}], ["export.page", {"state": {}, "calls": []}]]
    opened(
        browser_page, tmp_path / "page.html", offline_page(studio, {"screen": "draw", "lang": "en"}, calls)
    )
    ask = "([name, args]) => window.chainrule.store.call(name, args).then(f => f.X ? Array.from(f.X) : f)"
    for rows in ([99, 98], [3, 1], [64 - 1]):
        found = browser_page.evaluate(ask, ["data.samples", {"rows": rows}])
        assert found == pytest.approx(studio.data.train.X[rows].ravel().tolist())
    for name, args in (("data.samples", {"rows": [64]}), ("export.page", {"state": {}, "calls": []})):
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
        for _ in range(4 + 1)
    ]
    content, kind = downloaded(studio, {"made": numbers[-1]})
    assert content.startswith(b"<!doctype html>") and kind.startswith("text/html")
    for query in ({"made": numbers[0]}, {"made": "x"}, {}):
        with pytest.raises(ChainruleError, match="no longer exists"):
            downloaded(studio, query)
    with pytest.raises(ChainruleError, match="name and its arguments"):
        find("export.page")(studio, {"state": {}, "calls": [["x"]]})
    with pytest.raises(ChainruleError, match="at most 100"):
        find("export.page")(studio, {"state": {}, "calls": [["model.get", {}]] * 101})


def said(page) -> str:
    """What a page has for its reader, who must not read there that something is missing."""
    text = page.locator("body").inner_text()
    assert "offline page" not in text and "離線網頁" not in text
    return text


@pytest.mark.slow
def test_backpropagation_walks_through_every_sample_of_its_page(browser_page, tmp_path):
    studio = made(n=70)
    walk = find("backprop.walk")(studio, {"sample": 68, "n": 1})["walk"]
    weight = {"name": "dense_1.W", "index": [2, 1], "terms": 3, "nodes": 8}
    calls = [
        ["backprop.walk", {"sample": 68, "n": 1}],
        ["backprop.weight", {"walk": walk, **weight}],
        ["backprop.neuron", {"walk": walk, "link": "dense_1", "index": 1}],
    ]
    state = {
        "screen": "backprop",
        "lang": "zh",
        "backprop.sample": 68,
        "weight": {"name": "dense_1.W", "i": 2, "j": 1},
        "neuron": {"link": "dense_1", "index": 1},
    }
    opened(browser_page, tmp_path / "page.html", offline_page(studio, state, calls))
    page = browser_page
    gradient = page.locator("[data-test=weight] [data-test=gradient]")

    def expected(row: int) -> float:
        number = find("backprop.walk")(studio, {"sample": row, "n": 1})["walk"]
        return find("backprop.weight")(studio, {"walk": number, **weight})["value"]

    # The sample that was looked at is beyond the page's 64: it has the place of the last of them.
    assert float(gradient.get_attribute("data-value")) == pytest.approx(expected(68), rel=1e-6)
    seen = set()
    for place in (0, 5, 62):
        page.locator("[data-test=sample]").fill(str(place))
        page.keyboard.press("Enter")
        page.evaluate("window.chainrule.idle()")
        seen.add(gradient.get_attribute("data-value"))
        assert float(gradient.get_attribute("data-value")) == pytest.approx(expected(place), rel=1e-6)
    assert len(seen) == 3
    for _ in range(5):
        page.click("[data-test=another]")
        page.evaluate("window.chainrule.idle()")
        said(page)
    page.click("[data-test=apply]")
    page.wait_for_selector("[data-test=loss-after]")
    assert page.locator("[data-test=target], [data-key=batch], [data-test=keep]").count() == 0
    said(page)


def test_train_shows_the_run_it_had(browser_page, tmp_path):
    studio = made()
    form = {"epochs": 3, "batch_size": 20, "layers": [{"kind": "dense", "units": 7}, {"kind": "tanh"}]}
    find("train.start")(studio, {"form": form, "versus": {"seed": 1}})
    desk = desk_of(studio)
    while desk.queue or desk.current().phase == "running":
        desk.current().thread.join()
    calls = [["train.options", {}], ["train.state", {}], ["train.check", {"form": form}]]
    state = {"screen": "train", "lang": "zh", "train.form": form}
    opened(browser_page, tmp_path / "page.html", offline_page(studio, state, calls))
    page, run = browser_page, desk.current()
    value = page.locator("[data-test=val_loss]").get_attribute("data-value")
    assert float(value) == pytest.approx(run.records[-1]["val_loss"], rel=1e-6)
    blank = "(c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.every((v) => v === 0)"
    for chart in page.locator("canvas.chart").all():
        assert not chart.evaluate(blank)
    assert page.locator(".compare tbody tr").count() == 2
    text = said(page)
    assert "全連接層 7" in text and "批次大小\n20" in text and "完成" in text
    for test in ("start", "step", "file", "save", "timeline", "both"):
        assert page.locator(f"[data-test={test}]").count() == 0
    studio.close()


@pytest.mark.parametrize(
    ("lab", "given"),
    [
        ("vanishing", {"arms": ["relu"], "depth": 2, "budget": 0.02}),
        ("without_backprop", {"arms": ["spsa"], "passes": 100}),
    ],
)
def test_a_lab_keeps_its_results(browser_page, tmp_path, lab, given):
    """Exported right behind the start, it waits for something to see."""
    studio = made()
    calls = [[f"{lab}.get", {}]]
    find(f"{lab}.start")(studio, given)
    content = offline_page(studio, {"screen": lab, "lang": "en"}, calls)
    opened(browser_page, tmp_path / "page.html", content)
    run = browser_page.evaluate(
        f"window.chainrule.store.call('{lab}.get', {{}}).then(({{ run }}) => run.arms)"
    )
    assert all(len(arm["loss"]) > 0 for arm in run)
    said(browser_page)
    assert browser_page.locator(".legend span").count() >= len(run)
    assert browser_page.locator("[data-test=start], .lab-arm").count() == 0
    studio.close()
    other = made()
    opened(browser_page, tmp_path / "none.html", offline_page(other, {"screen": lab, "lang": "en"}, calls))
    assert "no run yet" in browser_page.locator("[data-test=ending]").inner_text()


def test_a_page_without_a_model(browser_page, tmp_path):
    content = offline_page(Studio(), {"screen": "glossary", "lang": "en"}, [])
    opened(browser_page, tmp_path / "page.html", content)
    assert browser_page.title().startswith("Glossary")
