"""Fifty training steps, loss by loss, as PyTorch takes them from the same start: to 1e-9 in float64.

The stored curves and the settings of each case are in pytorch.npz; make_pytorch.py made it and says where PyTorch was
asked for another convention than its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as c
from chainrule import Residual
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.formulas.losses import LOSSES
from chainrule.formulas.optimizers import OPTIMIZERS

STORED = dict(np.load(Path(__file__).with_name("pytorch.npz")))
ABOUT = json.loads(str(STORED["about"]))
CASES: dict[str, dict[str, Any]] = ABOUT["cases"]
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


class Steps(c.Callback):
    """The loss of every step: what the step added to the sums of its epoch."""

    every_steps = 1

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.rates: list[float] = []
        self.before = np.zeros(3)

    def on_steps(self, run: Any) -> None:
        loss, weight, _ = run.session.sums - self.before
        self.before = run.session.sums.copy()
        self.losses.append(loss / weight)

    def on_epoch_end(self, run: Any) -> None:
        self.on_steps(run)
        self.before = np.zeros(3)


def layer(text: Any) -> c.Layer:
    if isinstance(text, list):
        return Residual([layer(inner) for inner in text[1:]])
    if text.startswith("dense"):
        return c.Dense(int(text.split()[1]))
    return c.BatchNorm() if text == "batch_norm" else ACTIVATIONS[text]()


def build(case: dict[str, Any], inputs: int) -> c.Model:
    settings = {name: case[name] for name in ("label_smoothing", "half", "delta") if name in case}
    network = c.Network(
        inputs,
        [layer(text) for text in case["layers"]],
        loss=LOSSES[case["loss"]](**settings),
        l2=case.get("l2", 0.0),
    )
    return c.Model(network, dtype="float64")


def optimizer(case: dict[str, Any]) -> Any:
    settings = dict(case["optimizer"])
    return OPTIMIZERS[settings.pop("kind")](**settings)


@pytest.mark.parametrize("name", CASES)
def test_fifty_steps(name: str):
    case = CASES[name]
    X, y = STORED[f"data/{case['data']}/X"], STORED[f"data/{case['data']}/y"]
    model, steps = build(case, X.shape[1]), Steps()
    model.theta[...] = STORED[f"{name}/start"]
    weights = case.get("class_weight")
    model.fit(
        X,
        y,
        epochs=ABOUT["steps"] // -(-len(X) // ABOUT["batch_size"]),
        batch_size=ABOUT["batch_size"],
        optimizer=optimizer(case),
        schedule=c.OneCycle() if case.get("one_cycle") else None,
        class_weight=None if weights is None else dict(enumerate(weights)),
        clip=c.Clip(case.get("clip_norm"), case.get("clip_value")),
        shuffle=False,
        callbacks=[steps],
    )
    losses = STORED[f"{name}/losses"]
    assert len(losses) == 50 and losses[-5:].mean() < losses[:5].mean()  # it was learning
    np.testing.assert_allclose(steps.losses, losses, **CLOSE)
    np.testing.assert_allclose(model.theta, STORED[f"{name}/theta"], **CLOSE)
    statistics = [part for state in model.states.values() for part in (state.mean, state.var)]
    np.testing.assert_allclose(np.concatenate([*statistics, []]), STORED[f"{name}/statistics"], **CLOSE)
    np.testing.assert_allclose(model.outputs(X), STORED[f"{name}/outputs"], **CLOSE)


OWN = {
    "quantile",
    "gamma",
    "tweedie",
    "focal_cross_entropy",
    "ordinal_cross_entropy",
    "survival_cross_entropy",
}
"""Losses that PyTorch does not have."""


def test_the_cases_cover_what_is_promised():
    kinds = {case["optimizer"]["kind"] for case in CASES.values()}
    assert kinds == set(OPTIMIZERS) - {"gradient_descent", "lbfgs"}  # GradientDescent is SGD without momentum
    used = {key for case in CASES.values() for key in case}
    assert used >= {"class_weight", "label_smoothing", "l2", "clip_norm", "clip_value", "one_cycle"}
    assert {case["loss"] for case in CASES.values()} == set(LOSSES) - OWN
    assert ABOUT["versions"].keys() == {"python", "numpy", "scikit-learn", "torch"}


def test_plain_gradient_descent_is_sgd():
    case = CASES["sgd"]
    X, y = STORED["data/iris/X"], STORED["data/iris/y"]
    model = build(case, X.shape[1])
    model.theta[...] = STORED["sgd/start"]
    model.fit(X, y, epochs=10, batch_size=32, optimizer=c.GradientDescent(0.1), shuffle=False)
    np.testing.assert_allclose(model.theta, STORED["sgd/theta"], **CLOSE)
