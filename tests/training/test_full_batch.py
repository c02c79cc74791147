"""The objective of all samples by an engine's steps is that by the formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule import Dense, GradientDescent, MeanSquaredError, Network, SoftmaxCrossEntropy, Tanh
from chainrule.data.samples import Samples
from chainrule.engines import Plan, native, select
from chainrule.training import trainers
from chainrule.training.trainers import ByEngine, ByFormulas

pytestmark = pytest.mark.skipif(native.REASON is not None, reason=f"{native.REASON}")
N = 50


@pytest.mark.parametrize("chunk", [N, 16], ids=["at once", "in pieces"])
@pytest.mark.parametrize("is_weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_engine_and_formulas_agree(task: str, is_weighted: bool, chunk: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trainers, "CHUNK", chunk)
    rng = np.random.default_rng(0)
    loss: Any = SoftmaxCrossEntropy() if task == "classes" else MeanSquaredError()
    network = Network(5, [Dense(7), Tanh(), Dense(3)], loss, l2=0.1, l1=0.01)
    y = rng.integers(0, 3, N) if task == "classes" else rng.normal(size=(N, 3))
    weight = rng.integers(0, 3, N).astype(float) if is_weighted else np.ones(N)
    samples = Samples(rng.normal(size=(N, 5)), y, weight, 3)
    theta = rng.normal(size=network.size)
    plan = Plan(network=network, optimizer=GradientDescent(), batch_size=N, dtype=theta.dtype)
    by_formulas = ByFormulas(plan, theta, {})
    by_engine = ByEngine(select("native", plan._replace(optimizer=trainers.SPY)), plan, theta, {}, N)
    for _ in range(2):
        found, expected = by_engine(samples), by_formulas(samples)
        np.testing.assert_allclose(found[:2], expected[:2], 1e-12)
        np.testing.assert_allclose(found[2], expected[2], 1e-10, 1e-12)
        theta += 0.1 * rng.normal(size=network.size)  # in place, as a solver moves it
    assert np.abs(found[2]).max() > 1e-3


def test_an_objective_that_is_not_finite_is_given_as_it_is():
    network = Network(2, [Dense(3), Tanh(), Dense(1)], MeanSquaredError())
    samples = Samples(np.ones((4, 2)), np.ones((4, 1)), np.ones(4), 1)
    theta = np.full(network.size, 1e200)
    plan = Plan(network=network, optimizer=GradientDescent(), batch_size=4, dtype=theta.dtype)
    loss, _, g = ByEngine(select("native", plan._replace(optimizer=trainers.SPY)), plan, theta, {}, 4)(
        samples
    )
    assert loss == np.inf and g.shape == theta.shape
