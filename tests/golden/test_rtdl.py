"""Vectors of numbers, and all gradients, as rtdl_num_embeddings computes them: to 1e-9 in float64, on both engines.

The stored values are in rtdl.npz; make_rtdl.py made it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as c
from chainrule.engines.native import REASON
from chainrule.formulas.layers.piecewise_linear_embedding import PiecewiseLinearState

STORED = dict(np.load(Path(__file__).with_name("rtdl.npz")))
CASES: dict[str, dict[str, int]] = json.loads(str(STORED["about"]))["cases"]
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
NAME = "piecewise_linear_embedding_1"


def stored(case: str) -> dict[str, Any]:
    return {name.partition("/")[2]: value for name, value in STORED.items() if name.startswith(f"{case}/")}


def model(case: str, of: dict[str, Any]) -> c.Model:
    """A model of the embedding alone, with the case's parameters and edges."""
    size, bins = CASES[case]["size"], CASES[case]["bins"]
    k = len(of["bins"])
    layer = c.PiecewiseLinearEmbedding(size, bins, linear_decays=1.0)
    made = c.Model(c.Network(k, [layer], c.MeanSquaredError(half=True)), dtype="float64")
    params = made.parameters[NAME]
    params.w0[:], params.b0[:], params.E[:] = of["w0"], of["b0"], of["E"]
    edges, first = np.empty((k, bins + 1)), 0
    for t, count in enumerate(of["bins"]):
        own = of["edges"][first : first + count + 1]
        edges[t], edges[t, : count + 1] = own[-1], own
        first += count + 1
    made.states = {NAME: PiecewiseLinearState(edges, of["bins"].astype(float), np.asarray(1.0))}
    return made


ENGINES = [
    "reference",
    pytest.param("native", marks=pytest.mark.skipif(REASON is not None, reason=str(REASON))),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", CASES)
def test_the_vectors(case: str, engine: str):
    of = stored(case)
    out = model(case, of).outputs(of["x"], engine=engine)
    assert_allclose(out.reshape(of["out"].shape), of["out"], **CLOSE)


@pytest.mark.filterwarnings("ignore:y has mean")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", CASES)
def test_the_gradients(case: str, engine: str):
    """Of a step of gradient descent, theta - 1 g, on the loss whose dL/d out are the stored ones."""
    of = stored(case)
    made, n = model(case, of), len(of["x"])
    y = (of["out"] - of["delta"] * n).reshape(n, -1)  # L = 1/n sum_i |out_i - y_i|^2 / 2
    before = made.theta.copy()
    made.fit(of["x"], y, epochs=1, batch_size=n, optimizer=c.GradientDescent(1.0), engine=engine)
    expected = np.concatenate([np.ravel(of[name]) for name in ("dw0", "db0", "dE")])
    assert_allclose(before - made.theta, expected, **CLOSE)


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_of_the_input(case: str):
    of = stored(case)
    made, n = model(case, of), len(of["x"])
    trace = made.trace(of["x"], (of["out"] - of["delta"] * n).reshape(n, -1))
    assert_allclose(trace.grad_x, of["dx"], **CLOSE)


@pytest.mark.parametrize("case", CASES)
def test_the_edges(case: str):
    of, given = stored(case), model(case, stored(case))
    fresh = c.Model(given.network, dtype="float64")
    fresh.fit(of["fitted"], np.zeros((len(of["fitted"]), fresh.network.outputs)), epochs=1)
    assert_array_equal(fresh.states[NAME].bins, of["bins"])
    assert_allclose(fresh.states[NAME].edges, given.states[NAME].edges, **CLOSE)
