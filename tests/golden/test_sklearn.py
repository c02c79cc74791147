"""Fifty training steps, loss by loss, as scikit-learn's MLPs take them from the same start: to 1e-9 in float64.

The stored curves and the settings of each case are in sklearn.npz; make_sklearn.py made it. What scikit-learn means by
its settings is converted here, in `build` and `optimizer`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as c

STORED = dict(np.load(Path(__file__).with_name("sklearn.npz")))
ABOUT = json.loads(str(STORED["about"]))
CASES: dict[str, dict[str, Any]] = ABOUT["cases"]
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
ACTIVATIONS = {"tanh": c.Tanh, "logistic": c.Sigmoid, "relu": c.ReLU, "identity": c.Identity}
LOSSES: dict[str, c.Loss] = {
    "iris": c.SoftmaxCrossEntropy(),
    "versicolor": c.SigmoidCrossEntropy(),
    "labels": c.SigmoidCrossEntropy(),
    "diabetes": c.MeanSquaredError(half=True),  # "squared_error" of scikit-learn is half of it
}
OUTPUTS = {"iris": 3, "versicolor": 1, "labels": 3, "diabetes": 1}


class Steps(c.Callback):
    """The loss of every step: what the step added to the sums of its epoch."""

    every_steps = 1

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.before = np.zeros(3)

    def on_steps(self, run: Any) -> None:
        loss, weight, _ = run.session.sums - self.before
        self.before = run.session.sums.copy()
        self.losses.append(loss / weight)

    def on_epoch_end(self, run: Any) -> None:
        self.on_steps(run)
        self.before = np.zeros(3)


def build(case: dict[str, Any], inputs: int) -> c.Model:
    hidden: list[c.Layer] = []
    for units in case["hidden_layer_sizes"]:
        hidden += [c.Dense(units), ACTIVATIONS[case["activation"]]()]
    # scikit-learn adds alpha / 2 ||W||^2 / n to the loss of a batch of n; the penalty here is l2 / 2 ||W||^2.
    l2 = case["alpha"] / case["batch_size"]
    network = c.Network(inputs, [*hidden, c.Dense(OUTPUTS[case["data"]])], loss=LOSSES[case["data"]], l2=l2)
    return c.Model(network, dtype="float64")


def optimizer(case: dict[str, Any]) -> c.Optimizer:
    # Its velocity contains the learning rate, here it does not: the same for a constant rate.
    if case["solver"] == "sgd":
        return c.SGD(case["learning_rate_init"], case["momentum"], case["nesterovs_momentum"])
    return c.Adam(case["learning_rate_init"], eps=case["epsilon"])


@pytest.mark.parametrize("name", CASES)
def test_fifty_steps(name: str):
    case = CASES[name]
    X, y = STORED[f"data/{case['data']}/X"], STORED[f"data/{case['data']}/y"]
    model, steps = build(case, X.shape[1]), Steps()
    model.theta[...] = STORED[f"{name}/start"]
    model.fit(
        X,
        y,
        epochs=ABOUT["steps"] // -(-len(X) // case["batch_size"]),
        batch_size=case["batch_size"],
        optimizer=optimizer(case),
        sample_weight=STORED[f"{name}/weight"],
        shuffle=False,
        callbacks=[steps],
    )
    losses = STORED[f"{name}/losses"]
    assert len(losses) == 50 and losses[-5:].mean() < losses[:5].mean()  # it was learning
    np.testing.assert_allclose(steps.losses, losses, **CLOSE)
    np.testing.assert_allclose(model.theta, STORED[f"{name}/theta"], **CLOSE)
    found = model.predict(X) if case["data"] == "diabetes" else model.predict_proba(X)
    np.testing.assert_allclose(found, STORED[f"{name}/outputs"], **CLOSE)


def test_the_cases_cover_what_is_promised():
    ways = {(case["solver"], case.get("momentum"), case.get("nesterovs_momentum")) for case in CASES.values()}
    assert ways == {("sgd", 0.0, False), ("sgd", 0.9, False), ("sgd", 0.9, True), ("adam", None, None)}
    assert {case["alpha"] > 0 for case in CASES.values()} == {True, False}
    assert {case["activation"] for case in CASES.values()} == set(ACTIVATIONS)
    assert ABOUT["versions"].keys() == {"python", "numpy", "scikit-learn"}
