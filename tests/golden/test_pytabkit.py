"""The layers of RealMLP as pytabkit has them, value by value, to 1e-9 in float64, on both engines.

The stored values are in pytabkit.npz; make_pytabkit.py made it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as c
from chainrule.engines.native import REASON

STORED = dict(np.load(Path(__file__).with_name("pytabkit.npz")))
EMBEDDINGS = json.loads(str(STORED["about"]))["embeddings"]
LAYERS: dict[str, c.Layer] = {
    "scale": c.Scale(),
    "selu": c.ParametricActivation(c.SELU()),
    "mish": c.ParametricActivation(c.Mish()),
    "relu": c.ParametricActivation(c.ReLU()),
}
CLOSE = {"rtol": 1e-9, "atol": 1e-10}
ENGINES = [
    "reference",
    pytest.param("native", marks=pytest.mark.skipif(REASON is not None, reason="not built")),
]


class Given(NamedTuple):
    """A stored case in Chainrule's shapes."""

    layer: c.Layer
    X: np.ndarray
    delta: np.ndarray
    out: np.ndarray
    of_X: np.ndarray
    theta: np.ndarray
    of_theta: np.ndarray


def stored(name: str) -> Given:
    """pytabkit has the learned numbers of all columns first, and then the columns; here each stands with its own."""
    of = {part: STORED[f"{name}/{part}"] for part in ("X", "delta", "out", "dX")}
    if name not in EMBEDDINGS:
        field = "s" if name == "scale" else "alpha"
        theta = (STORED[f"{name}/{field}"].ravel(), STORED[f"{name}/d{field}"].ravel())
        return Given(LAYERS[name], of["X"], of["delta"], of["out"], of["dX"], *theta)
    columns, frequencies, sums = STORED[f"{name}/weight_2"].shape
    order = [
        place for k in range(columns) for place in (*range(k * sums, (k + 1) * sums), columns * sums + k)
    ]
    fields = ("weight_1", "bias_1", "weight_2", "bias_2")
    theta = (np.concatenate([STORED[f"{name}/{d}{field}"].ravel() for field in fields]) for d in ("", "d"))
    layer = c.PeriodicEmbedding(frequencies, sums + 1)
    return Given(layer, of["X"], of["delta"][:, order], of["out"][:, order], of["dX"], *theta)


@pytest.mark.parametrize("name", [*LAYERS, *EMBEDDINGS])
@pytest.mark.parametrize("engine", ENGINES)
def test_outputs_and_gradients(name: str, engine: str):
    """The loss of outputs out and targets out - n delta / 2 has the gradient delta; a step of rate 1 takes it away.

    The gradient of X is that of a Scale in front, whose factors are all 1: dL/ds = sum_i x_i dL/dx_i.
    """
    given = stored(name)
    model = c.Model(c.Network(given.X.shape[1], [given.layer], c.MeanSquaredError()), dtype="float64")
    model.theta[:] = given.theta
    np.testing.assert_allclose(model.outputs(given.X, engine=engine), given.out, **CLOSE)
    y = given.out - len(given.X) * given.delta / 2
    how: dict[str, Any] = {
        "epochs": 1,
        "batch_size": None,
        "optimizer": c.GradientDescent(1.0),
        "engine": engine,
    }
    np.testing.assert_allclose(model.trace(given.X, y).grad_x, given.of_X, **CLOSE)
    model.fit(given.X, y, **how)
    np.testing.assert_allclose(given.theta - model.theta, given.of_theta, **CLOSE)
    front = c.Model(
        c.Network(given.X.shape[1], [c.Scale(), given.layer], c.MeanSquaredError()), dtype="float64"
    )
    front.theta[:] = np.concatenate([np.ones(given.X.shape[1]), given.theta])
    front.fit(given.X, y, **how)
    np.testing.assert_allclose(1 - front.theta[: given.X.shape[1]], (given.X * given.of_X).sum(0), **CLOSE)
