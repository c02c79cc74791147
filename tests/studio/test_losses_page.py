"""The losses of the studio's page, and the derivatives that it makes of them, are those of the library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from chainrule import Dense, MeanSquaredError, Model, Network, SigmoidCrossEntropy, SoftmaxCrossEntropy, Tanh
from chainrule.studio.screens.model import described
from chainrule.trained.persistence import encode, named_tensors
from studio_pages import page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from chainrule import Loss

pytestmark = pytest.mark.browser
ENTRY = """import { lossOf } from './losses.js';
import { createGraph } from './play/graph.js';
import { derived } from './play/derivation.js';
Object.assign(window, { lossOf, createGraph, derived });
"""
DERIVED = """([model, shapes, x, y, name, index]) => {
  for (const [key, shape] of Object.entries(shapes)) {
    model.arrays[key] = Object.assign(Float64Array.from(model.arrays[key].flat()), { shape });
  }
  const graph = window.createGraph(model, Float64Array.from(x.flat()), Float64Array.from(y.flat()), x.length);
  const { value, relative } = window.derived(graph, name, index);
  return { loss: graph.loss, gradient: Array.from(graph.gradientOf(name)), value, relative };
}"""
ALL = """([given, out, y]) => {
  const loss = window.lossOf(given);
  const arrays = [loss.gradient(out, y), loss.predict(out), loss.smooth(y)];
  return [loss.value(out, y), ...arrays.map((all) => Array.from(all))];
}"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with page_of(browser, ENTRY) as page:
        yield page


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (SoftmaxCrossEntropy(), [0, 1, 0]),
        (SoftmaxCrossEntropy(label_smoothing=0.1), [0, 1, 0]),
        (SigmoidCrossEntropy(), [0, 1, 1]),
        (SigmoidCrossEntropy(label_smoothing=0.2), [0, 1, 1]),
        (MeanSquaredError(), [0.5, -2, 30]),
        (MeanSquaredError(half=True), [0.5, -2, 30]),
    ],
)
def test_losses_are_those_of_the_library(page: Page, loss: Loss, y: list[float]):
    out = np.array([[-1.5, 700.0, 3.25]])
    targets = np.array([y], float)
    value, gradient, prediction, smooth = page.evaluate(ALL, [encode(loss), out[0].tolist(), y])
    assert value == pytest.approx(loss.value(out, targets)[0], rel=1e-14)
    np.testing.assert_allclose(gradient, loss.gradient(out, targets)[0], rtol=1e-14, atol=1e-300)
    np.testing.assert_allclose(prediction, loss.predict(out)[0], rtol=1e-14, atol=1e-300)
    np.testing.assert_allclose(smooth, loss.smooth(targets)[0], rtol=1e-14)


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (SoftmaxCrossEntropy(label_smoothing=0.1), np.eye(3)[[1, 2]]),
        (SigmoidCrossEntropy(label_smoothing=0.2), np.array([[0.0, 1, 1], [1, 0, 1]])),
        (MeanSquaredError(half=True), np.array([[0.5, -2, 3], [1, 1, -1]])),
    ],
)
def test_a_derivative_has_the_settings_of_the_loss_and_both_penalties(page: Page, loss: Loss, y: Any):
    model = Model(Network(4, [Dense(5), Tanh(), Dense(3)], loss, l2=0.3, l1=0.02), seed=2, dtype="float64")
    X = np.random.default_rng(0).normal(size=(2, 4))
    trace = model.trace(X, y.argmax(1) if isinstance(loss, SoftmaxCrossEntropy) else y)
    shown = described(model, "own") | {"l2": 0.3, "l1": 0.02}
    arrays = named_tensors(model.network, model.theta, model.states)
    shown["arrays"] = {name: values.tolist() for name, values in arrays.items()}
    shapes = {name: values.shape for name, values in arrays.items()}
    for name, index in (("dense_1.W", (3, 2)), ("dense_2.W", (4, 1)), ("dense_1.b", (0,))):
        link, field = name.split(".")
        expected = getattr(trace.grads[link], field)
        found = page.evaluate(DERIVED, [shown, shapes, X.tolist(), y.tolist(), name, list(index)])
        assert found["loss"] == pytest.approx(trace.loss, rel=1e-12)
        np.testing.assert_allclose(found["gradient"], expected.ravel(), rtol=1e-10, atol=1e-14)
        assert found["value"] == pytest.approx(expected[index], rel=1e-10) and found["relative"] < 1e-7


def test_another_loss_is_not_known(page: Page):
    other: dict[str, Any] = {"kind": "huber", "delta": 1.0}
    assert page.evaluate("(given) => window.lossOf(given)", other) is None
