"""DeepLIFT and epsilon-LRP of the studio's page: the values that the library has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from chainrule import (
    BatchNorm,
    Dense,
    Dropout,
    MeanSquaredError,
    Model,
    Network,
    ReLU,
    Rescale,
    Residual,
    Sigmoid,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    Standardize,
    Tanh,
)
from chainrule.studio.screens.model import described
from chainrule.trained.persistence import named_tensors
from studio_pages import page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
ENTRY = """import { why } from './play/why.js';
Object.assign(window, { why });
"""
ASK = """([model, kind, x, options]) => {
  for (const [name, values] of Object.entries(model.arrays)) model.arrays[name] = Float64Array.from([values].flat(3));
  const asked = window.why({ needModel: () => model, data: null });
  const found = asked['why.method']({ method: kind, x, ...options });
  return { ...found, values: Array.from(found.values) };
}"""
BLOCK = Residual([Dense(6), BatchNorm(), Tanh(), Dense(6)])
WIDER = Residual([Dense(5), ReLU()])
NETWORKS = {
    "classes": Network(
        4, [Standardize(), Dense(6), ReLU(), BLOCK, Dropout(0.2), WIDER, Dense(3)], SoftmaxCrossEntropy()
    ),
    "two classes": Network(
        4,
        [Rescale(0.5, offset=0.1), Dense(5), Rescale(2, offset=1), Sigmoid(), Dense(1)],
        SigmoidCrossEntropy(),
    ),
    "a number": Network(4, [Dense(6), BatchNorm(), Tanh(), Dense(4), ReLU(), Dense(1)], MeanSquaredError()),
}


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with page_of(browser, ENTRY) as page:
        yield page


def trained(network: Network) -> Model:
    rng = np.random.default_rng(0)
    X = rng.normal(2, 3, (80, 4))
    score = X[:, 0] - X[:, 1] * X[:, 2]
    y: Any = {3: np.digitize(score, [-5, 5]), 1: score > 0}[network.outputs]
    model = Model(network, seed=1, dtype="float64")
    model.fit(X, score if network.loss.targets == "numbers" else y.astype(int), epochs=2, batch_size=8)
    return model


def shown(model: Model) -> dict[str, Any]:
    tensors = named_tensors(model.network, model.theta, model.states)
    return described(model, "own") | {"arrays": {name: values.tolist() for name, values in tensors.items()}}


@pytest.mark.parametrize("kind", ["deep_lift", "epsilon_lrp"])
@pytest.mark.parametrize("name", NETWORKS)
def test_values_are_those_of_the_library(page: Page, name: str, kind: str):
    model = trained(NETWORKS[name])
    asked: list[dict[str, Any]] = [{}, {"target": "0"} if name == "two classes" else {}]
    asked += [{"target": "2", "against": "1"}] if name == "classes" else []
    for row, options in enumerate(asked):
        x = np.random.default_rng(row + 5).normal(2, 3, (1, 4))
        expected = model.attribute(x, kind, **{key: int(label) for key, label in options.items()})
        found = page.evaluate(ASK, [shown(model), kind, x[0].tolist(), options])
        np.testing.assert_allclose(found["values"], expected.values[0], rtol=1e-8, atol=1e-10)
        assert found["sum"] == pytest.approx(found["expected"], rel=1e-8, abs=1e-8) and found["complete"]
        assert found["expected"] == pytest.approx(float(expected.expected[0]), rel=1e-8, abs=1e-10)
        absorbed = {part: float(values[0]) for part, values in expected.absorbed.items()}
        assert found["absorbed"] == pytest.approx(absorbed, rel=1e-7, abs=1e-9)


def test_where_a_neuron_stays_the_derivative_is_taken(page: Page):
    """At x = b every chord has length 0: the values are 0, and the multipliers the gradient."""
    model = trained(NETWORKS["two classes"])
    neutral = np.full((1, 4), -0.2)
    found = page.evaluate(ASK, [shown(model), "deep_lift", neutral[0].tolist(), {}])
    np.testing.assert_allclose(found["values"], 0, atol=1e-15)
    assert found["output"] == pytest.approx(found["baseline_output"])
