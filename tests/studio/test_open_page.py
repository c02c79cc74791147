"""Files that are dropped on the page without a server: a network is drawn, lit up by rows and walked back through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import chainrule as c
from chainrule.datasets import load_mnist
from dropped import cross, digits, drop
from static_pages import TEST, StaticPages, built_page, first, static_pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

OUTPUT = """(x) => {
  const network = window.chainrule.store.get('network');
  return Array.from(network.answer(network.forward(x).at(-1).a));
}"""


@pytest.fixture(scope="module")
def pages(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StaticPages]:
    with static_pages(browser, built_page(tmp_path_factory.mktemp("page"))) as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize(("phone", "lang", "theme"), [(False, "en", "light"), (True, "zh", "dark")])
def test_a_network_of_pictures(pages: StaticPages, tmp_path: Path, phone: bool, lang: str, theme: str):
    """Its answers are the file's, also where the page has to find out its pixels and its activation."""
    made, test = digits(tmp_path, c.Tanh()), first(load_mnist()[1], TEST)
    wanted = made.predict_proba(test.X[:3] / np.float32(255))
    with pages.open(phone=phone, lang=lang, theme=theme) as page:
        for file, guesses in (
            ("digits.onnx", {"pixels": "unit"}),
            ("state.safetensors", {"activation": "tanh", "pixels": "unit", "answers": "classes"}),
        ):
            drop(page, tmp_path / file)
            opened = page.evaluate("window.chainrule.store.get('opened').network")
            assert {each["key"]: each["value"] for each in opened["guesses"]} == guesses
            assert opened["trial"]["right"] > 0.85 * opened["trial"]["n"]
            assert page.evaluate("window.chainrule.store.get('screen')") == "draw"
            for row, answer in zip(test.X[:3].tolist(), wanted, strict=True):
                np.testing.assert_allclose(page.evaluate(OUTPUT, row), answer, atol=1e-5)
        page.locator("[data-guess=pixels]").select_option("bytes")
        page.wait_for_function("() => window.chainrule.store.get('network').links[0].kind === 'dense'")
        page.locator("[data-guess=pixels]").select_option("unit")
        page.wait_for_function("() => window.chainrule.store.get('network').links[0].kind === 'rescale'")
        page.locator("nav [data-screen=backprop]").click()
        page.locator("[data-test=relative]").wait_for()
        assert float(page.locator("[data-test=relative]").get_attribute("data-value") or 1) < 1e-5
        (tmp_path / "net.pt").write_bytes(b"PK\3\4")
        drop(page, tmp_path / "net.pt")
        said = page.locator("[data-test=opened] .error").inner_text()
        assert said.startswith("net.pt") and ("neither ONNX" in said) == (lang == "en")


@pytest.mark.slow
@pytest.mark.parametrize(("phone", "theme"), [(False, "dark"), (True, "light")])
def test_rows_that_are_typed_and_dropped(pages: StaticPages, tmp_path: Path, phone: bool, theme: str):
    """They light the neurons up and are walked back through, with a target or with the network's own answer."""
    made = cross(tmp_path)
    with pages.open(phone=phone, theme=theme) as page:
        drop(page, tmp_path / "cross.onnx")
        model = page.evaluate("window.chainrule.store.get('model')")
        assert model["classes"] == ["ant", "bee", "cat"] and model["features"] is None
        boxes = page.locator("[data-test=features] input[type=number]")
        for k, value in enumerate((2, -1, 0.5, 0, 0, 1)):
            boxes.nth(k).fill(str(value))
        page.evaluate("window.chainrule.idle()")
        wanted = made.predict(np.array([[2, -1, 0.5, 0, 0, 1]], np.float32))[0]
        assert page.locator("[data-test=prediction]").get_attribute("data-value") == wanted
        for file, assumed in (("rows.csv", False), ("bare.csv", True)):
            drop(page, tmp_path / file)
            assert page.evaluate("window.chainrule.store.get('opened').rows.n") == 80
            page.locator("[data-test=sample]").first.click()
            page.evaluate("window.chainrule.idle()")
            page.locator("nav [data-screen=backprop]").click()
            page.locator("[data-test=relative]").wait_for()
            assert float(page.locator("[data-test=relative]").get_attribute("data-value") or 1) < 1e-5
            walk = page.evaluate("window.chainrule.store.get('shown.backprop').walk")
            assert walk["assumed"] is assumed and walk["rows"] is not None
            page.locator("nav [data-screen=neurons]").click()
            page.evaluate("window.chainrule.idle()")
            assert page.locator("[data-test=lacking]").count() == 0
        drop(page, tmp_path / "wrong.csv")
        assert "takes 6 inputs" in page.locator("[data-test=opened] .error").inner_text()
