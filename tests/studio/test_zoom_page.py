"""The zooms of Backpropagation in a browser: loss and derivative of a dragged weight are those that Python computes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from a11y import faults, touch_faults
from chainrule import BatchNorm, Dense, Model, Network, Rescale, Sigmoid, SoftmaxCrossEntropy, Tanh
from chainrule.datasets import Dataset
from chainrule.recipe.data import Data
from chainrule.studio.session.studio import Studio
from studio_pages import Pages, settle, studio_pages

pytestmark = pytest.mark.browser

rng = np.random.default_rng(1)
X, LABELS = rng.random((30, 6)), np.arange(30) % 3
SAMPLE = 4


@pytest.fixture(scope="module")
def studio() -> Studio:
    layers = [Rescale(0.5), Dense(7), BatchNorm(), Tanh(), Dense(5), Sigmoid(), Dense(3)]
    model = Model(Network(6, layers, SoftmaxCrossEntropy()), seed=1, dtype="float64")
    model.fit(X, LABELS, epochs=5)
    return Studio(model, Data("rows", "", "", Dataset(X, LABELS, (6,), "rows")), name="rows")


@pytest.fixture(scope="module")
def pages(browser: Any, studio: Studio) -> Iterator[Pages]:
    with studio_pages(browser, studio) as found:
        yield found


def opened(name: str, i: int, j: int) -> dict[str, Any]:
    weight = f'{{"name":"{name}","i":{i},"j":{j}}}'
    return {"weight": weight, "backprop.sample": SAMPLE, "backprop.source": "one"}


@pytest.mark.parametrize(
    "link", ["dense_1", *(pytest.param(link, marks=pytest.mark.slow) for link in ("dense_2", "dense_3"))]
)
def test_loss_and_derivative_follow(pages: Pages, studio: Studio, link: str):
    with pages.open("backprop", state=opened(f"{link}.W", 3, 2)) as page:
        page.wait_for_selector("[data-test=weight] [data-test=gradient]")
        panel = page.locator("[data-test=zoom]")
        drag = panel.locator("[data-test=zoom-drag]")
        for press in ("", "End", "Home"):
            if press:
                drag.press(press)
            settle(page)
            value = float(drag.input_value())
            model = copy.deepcopy(studio.model)
            if press:
                model.parameters[link].W[3, 2] = value
            trace = model.trace(X[SAMPLE], LABELS[SAMPLE])
            assert_allclose(float(panel.get_attribute("data-loss")), trace.loss, rtol=1e-5)
            derivative = float(panel.get_attribute("data-derivative"))
            assert_allclose(derivative, trace.grads[link].W[3, 2], rtol=1e-4, atol=1e-9)
            factors = panel.locator("[data-test=zoom-formula] .factor").all_inner_texts()
            product = np.prod([float(one.replace("−", "-")) for one in factors])
            assert_allclose(product, derivative, rtol=2e-3)
        page.click("[data-test=zoom-back]")
        settle(page)
        loss = studio.model.trace(X[SAMPLE], LABELS[SAMPLE]).loss
        assert_allclose(float(panel.get_attribute("data-loss")), loss, rtol=1e-5)


def test_the_zooms_by_keys(pages: Pages):
    weight = "window.chainrule.store.get('weight')"
    with pages.open("backprop", state=opened("dense_2.W", 3, 2)) as page:
        page.wait_for_selector("[data-test=zoom-drag]")
        page.locator("[data-test=zoom] [data-level=network]").press("Enter")
        assert page.locator(".zoom-layer").count() == 3
        page.locator(".zoom-layer[data-layer=dense_3]").press("Enter")
        settle(page)
        before = page.evaluate(weight)
        assert before["name"] == "dense_3.W"
        matrix = page.locator("[data-test=zoom-matrix]")
        step = page.evaluate("window.chainrule.store.get('backprop.step')")
        down = before["j"] < 2  # 5 x 3: the longer side lies
        matrix.press("ArrowDown" if down else "ArrowUp")
        settle(page)
        assert page.evaluate(weight) == {**before, "j": before["j"] + (1 if down else -1)}
        assert page.evaluate("document.activeElement.dataset.test") == "zoom-matrix"
        assert page.evaluate("window.chainrule.store.get('backprop.step')") == step
        page.keyboard.press("Enter")
        assert page.locator("[data-test=zoom-drag]").count() == 1


@pytest.mark.parametrize(
    "phone", [pytest.param(False, id="desk", marks=pytest.mark.slow), pytest.param(True, id="phone")]
)
def test_everybody_can_use_it(pages: Pages, phone: bool):
    with pages.open("backprop", phone=phone, theme="dark" if phone else "light") as page:
        page.wait_for_selector("[data-test=zoom-drag]")
        for level in ("network", "matrix", "product"):
            page.click(f"[data-test=zoom] [data-level={level}]")
            assert faults(page, "en") == []
            assert not phone or touch_faults(page) == []
