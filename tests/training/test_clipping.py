"""Clipping changes the numbers it should, on every engine, through `Model.fit`, an estimator and the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from safetensors.numpy import load_file

import chainrule as c
from chainrule.engines.native import REASON
from commands import invoke

NAMES = ["reference", *(["native"] if REASON is None else [])]
RNG = np.random.default_rng(2)
X = RNG.normal(size=(48, 5))
Y = np.arange(48) % 3
BOUNDS: dict[str, tuple[float, Any]] = {
    "norm": (0.25, lambda g, bound: g * (bound / np.linalg.norm(g))),
    "value": (0.02, lambda g, bound: np.clip(g, -bound, bound)),
}
"""a bound below the gradient, and the gradient clipped by it"""
every_bound = pytest.mark.parametrize("name", BOUNDS)


def made(**settings: Any) -> c.Model:
    layers = [c.Dense(12), c.Tanh(), c.Dense(3)]
    return c.Model(c.Network(5, layers, c.SoftmaxCrossEntropy(), **settings), seed=3, dtype="float64")


def gradient(model: c.Model) -> np.ndarray:
    grads = model.loss_and_gradients(X, Y)[1]
    return np.concatenate([getattr(grads[s.link.name], s.field).ravel() for s in model.network.slots])


@every_bound
@pytest.mark.parametrize("l2", [0.0, 0.5])
@pytest.mark.parametrize("engine", NAMES)
def test_a_step_is_the_rate_times_the_clipped_gradient(engine: str, l2: float, name: str):
    bound, clipped = BOUNDS[name]
    model = made(l2=l2)
    start, g = model.theta.copy(), gradient(model)
    assert np.linalg.norm(g) > 2 * 0.25 and (np.abs(g) > 0.02).any()
    model.fit(
        X,
        Y,
        epochs=1,
        batch_size=None,
        optimizer=c.GradientDescent(0.1),
        engine=engine,
        clip=c.Clip(**{name: bound}),
    )
    assert_allclose(model.theta - start, -0.1 * clipped(g, bound), rtol=1e-9, atol=1e-14)


@every_bound
@pytest.mark.parametrize(
    "optimizer", [c.SGD(0.05, momentum=0.9), c.Adam(0.01), c.AdamW(0.01), c.RMSprop()], ids=repr
)
@pytest.mark.parametrize("batch_size", [1, 16, 48])
@pytest.mark.parametrize("engine", NAMES)
def test_a_run_with_a_bound_is_another_run(engine: str, batch_size: int, optimizer: c.Optimizer, name: str):
    """Unless the bound is above every gradient: then it is the same run, to the bit or to rounding."""
    thetas = {}
    for bound in (None, BOUNDS[name][0] / 5, 1e6):
        model = made()
        settings = {"epochs": 2, "batch_size": batch_size, "optimizer": optimizer, "engine": engine}
        model.fit(X, Y, **settings, clip=c.Clip(**{name: bound}))
        thetas[bound] = model.theta
    plain, bounded, loose = thetas.values()
    assert_allclose(loose, plain, rtol=1e-9, atol=1e-12)
    assert np.abs(bounded - plain).max() > 1e-4


@every_bound
@pytest.mark.parametrize("method", ["spsa", "forward_gradient"])
def test_estimates_of_the_gradient_are_clipped_too(method: str, name: str):
    steps = []
    for bound in (None, BOUNDS[name][0] / 5):
        model = made()
        start = model.theta.copy()
        model.fit(
            X,
            Y,
            epochs=1,
            batch_size=None,
            optimizer=c.GradientDescent(0.1),
            method=method,
            clip=c.Clip(**{name: bound}),
        )
        steps.append(model.theta - start)
    plain, bounded = steps
    assert_allclose(bounded, -0.1 * BOUNDS[name][1](plain / -0.1, BOUNDS[name][0] / 5), rtol=1e-9, atol=1e-14)
    assert np.abs(bounded).max() < np.abs(plain).max() / 2


@pytest.mark.parametrize("kind", [c.MLPClassifier, c.MLPRegressor])
@pytest.mark.parametrize("engine", NAMES)
def test_an_estimator_passes_the_bound_on(engine: str, kind: Any):
    def theta(bound: float | None) -> np.ndarray:
        net = kind(
            hidden_layer_sizes=(8,), solver="sgd", max_iter=2, random_state=0, engine=engine, clip_norm=bound
        )
        with pytest.warns(UserWarning, match="Maximum iterations"):
            return net.fit(X, Y).model_.theta

    plain = theta(None)
    assert_allclose(theta(1e6), plain, rtol=1e-5, atol=1e-7)
    assert np.abs(theta(1e-3) - plain).max() > 1e-4


def test_the_command_passes_the_bound_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", X=X, y=Y)
    thetas = {}
    for bound in ("", "1e6", "1e-3"):
        words = [
            "train",
            "data.npz",
            "--epochs",
            "2",
            "--quiet",
            "--optimizer",
            "sgd",
            "--out",
            f"run{bound}",
        ]
        done = invoke([*words, *(["--clip-norm", bound] if bound else [])])
        assert done.exit_code == 0, done.output
        thetas[bound] = load_file(f"run{bound}/model.safetensors")["dense_1.W"]
    assert_allclose(thetas["1e6"], thetas[""], rtol=1e-5, atol=1e-7)
    assert np.abs(thetas["1e-3"] - thetas[""]).max() > 1e-4
