"""Be the gradient, in a browser: the right number and each usual mistake, computed in Python, get their own marks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from a11y import faults, touch_faults
from chainrule import Dense, MeanSquaredError, Model, Network, Tanh
from chainrule.datasets import Dataset
from chainrule.recipe.data import Data
from chainrule.studio.session.studio import Studio
from studio_pages import Pages, settle, studio_pages

pytestmark = pytest.mark.browser

rng = np.random.default_rng(2)
X = rng.normal(size=(12, 4))
Y = np.sin(X[:, :1]) + X[:, 1:2]
I, J, RATE = 2, 1, 0.05


@pytest.fixture(scope="module")
def studio() -> Studio:
    layers = [Dense(5), Tanh(), Dense(5), Tanh(), Dense(1)]
    model = Model(Network(4, layers, MeanSquaredError()), seed=3, dtype="float64")
    return Studio(model, Data("sums", "", "", Dataset(X, Y[:, 0], (4,), "sums")), name="sums")


@pytest.fixture(scope="module")
def pages(browser: Any, studio: Studio) -> Iterator[Pages]:
    with studio_pages(browser, studio) as found:
        yield found


def numbers(model: Model) -> dict[str, dict[str, float]]:
    """What each task asks for, and what each mistake gives, for dense_1.W[I, J] and the first sample."""
    trace = model.trace(X[0], Y[0, 0])
    W, delta = model.parameters["dense_2"].W, trace.grad_outputs["dense_2"][0]
    z, a = trace.outputs["dense_1"][0], trace.outputs["tanh_1"][0]
    w, slope, x = model.parameters["dense_1"].W[I, J], 1 - a[J] ** 2, X[0, I]
    outer = float(W[J] @ delta)
    outers = {
        "right": outer,
        "transposed": float(W[:, J] @ delta),
        "new_weight": float((W[J] - RATE * a[J] * delta) @ delta),
        "single": float((W[J] * delta)[np.abs(W[J] * delta).argmax()]),
        "sign": -outer,
        "wrong": 7 * outer,
    }
    g = outer * slope * x
    assert g == pytest.approx(trace.grads["dense_1"].W[I, J], rel=1e-9)
    product = {
        "right": g,
        "no_slope": outer * x,
        "no_input": outer * slope,
        "transposed": outers["transposed"] * slope * x,
        "new_weight": outers["new_weight"] * slope * x,
        "double": 2 * g,
        "half": g / 2,
        "near": 1.05 * g,
    }
    middle = {"right": slope, "output": a[J], "sum": z[J], "at_output": 1 - np.tanh(a[J]) ** 2}
    update = {
        "right": w - RATE * g,
        "uphill": w + RATE * g,
        "no_rate": w - g,
        "change": -RATE * g,
        "gradient": g,
    }
    return {
        "product": product,
        "outer": outers,
        "middle": middle,
        "inner": {"right": x, "own_output": a[J], "own_sum": z[J], "weight": w},
        "update": update,
    }


@pytest.mark.slow
def test_mistakes_are_told_apart(pages: Pages, studio: Studio):
    state = {
        "weight": f'{{"name":"dense_1.W","i":{I},"j":{J}}}',
        "backprop.sample": 0,
        "backprop.source": "one",
        "backprop.rate": RATE,
    }
    with pages.open("backprop", state=state) as page:
        page.wait_for_selector("[data-test=weight] [data-test=gradient]")
        settle(page)
        panel = page.locator("[data-test=exercise]")
        for task, marks in numbers(studio.model).items():
            panel.locator(f"[data-key={task}]").click()
            for mark, number in marks.items():
                panel.locator("[data-test=exercise-guess]").fill(f"{number:.7g}".replace("-", "−"))
                page.keyboard.press("Enter")
                verdict = panel.locator("[data-test=exercise-verdict]")
                assert verdict.get_attribute("data-mark") == mark, task
                agrees = verdict.inner_text().count("would make") == 0
                assert agrees == (mark == "right")
        panel.locator("[data-test=exercise-guess]").fill("two")
        page.keyboard.press("Enter")
        assert panel.locator("[data-test=exercise-verdict]").get_attribute("data-mark") == "number"


def test_a_sum_is_worked_out(pages: Pages):
    cases = [
        ("0.5 × 2 − 3 × (1 + 1)", -5),
        ("−0,25", -0.25),
        ("6 ÷ 4 · 2", 3),
        ("1e−3*2", 0.002),
        ("-(2-5)", 3),
        ("12", 12),
    ]
    with pages.open("glossary") as page:
        path = page.evaluate("document.querySelector('script[src]').getAttribute('src')").rpartition("/")[0]
        worked = page.evaluate(
            "async ([path, texts]) => texts.map((await import(`${path}/arithmetic.js`)).numberOf)",
            [path, [text for text, _ in cases]],
        )
        assert worked == pytest.approx([value for _, value in cases])
        nothing = page.evaluate(
            "async (path) => (await import(`${path}/arithmetic.js`)).numberOf('alert(1)')", path
        )
        assert np.isnan(nothing)


@pytest.mark.parametrize(
    "phone", [pytest.param(False, id="desk", marks=pytest.mark.slow), pytest.param(True, id="phone")]
)
def test_everybody_can_use_it(pages: Pages, phone: bool):
    with pages.open("backprop", phone=phone, lang="zh") as page:
        page.wait_for_selector("[data-test=exercise-guess]")
        page.fill("[data-test=exercise-guess]", "1")
        page.click("[data-test=exercise-mark]")
        assert faults(page, "zh-Hant-TW") == []
        assert not phone or touch_faults(page) == []
