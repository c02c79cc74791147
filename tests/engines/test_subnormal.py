"""Features below the smallest normal number of float32, 1.2e-38: measured as 0, as compiled engines take them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule import Dense, MeanSquaredError, Model, Network, PiecewiseLinearEmbedding, Standardize, Tanh
from chainrule.engines.native import REASON

N = 48
RNG = np.random.default_rng(5)
Y = RNG.normal(size=N)
FEATURES = {
    "subnormal": RNG.normal(size=(N, 2)) * 1e-40,
    "of either sign": RNG.choice([1e-45, -1e-45, 0, 1e-38], (N, 2)),
    "beside normal ones": np.where(RNG.random((N, 2)) < 0.4, 1e-40, RNG.normal(size=(N, 2))),
    "one column": RNG.normal(size=(N, 2)) * [1e-40, 1.0],
}
FRONTS = {
    "Standardize": [Standardize()],
    "curves": [PiecewiseLinearEmbedding(3, 8)],
    "curves without ties": [PiecewiseLinearEmbedding(3, 8, ties=1)],
    "curves behind Standardize": [Standardize(), PiecewiseLinearEmbedding(3, 8)],
}


@pytest.mark.skipif(REASON is not None, reason="needs the native engine")
@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("features", FEATURES)
def test_the_engines_agree_on_them(front, features):
    """Parameters, outputs and loss in float32, after some steps."""
    found = []
    for engine in ("native", "reference"):
        model = Model(
            Network(2, [*FRONTS[front], Dense(4), Tanh(), Dense(1)], MeanSquaredError()), dtype="float32"
        )
        loss = model.fit(FEATURES[features], Y, epochs=3, batch_size=16, engine=engine)[-1]["loss"]
        found.append([model.theta, model.outputs(FEATURES[features], engine=engine), loss])
    for native, reference in zip(*found, strict=True):
        assert_allclose(native, reference, atol=1e-5)


@pytest.mark.parametrize(("dtype", "std"), [("float32", [1, 1, 1e-37]), ("float64", [2e-40, 1, 1e-37])])
def test_a_deviation_below_the_smallest_normal_number_is_that_of_a_constant(dtype, std):
    X = np.array([[-2e-40, 7, -1e-37], [2e-40, 7, 1e-37]])
    model = Model(Network(3, [Standardize(), Dense(1)], MeanSquaredError()), dtype=dtype)
    model.fit(X, Y[:2], epochs=0)
    assert_allclose(model.states["standardize_1"].std, std, rtol=1e-6)


def test_curves_have_no_bins_within_subnormal_numbers():
    """The median of 1e-40, 2e-40 and 4 is 0, as the least of them: one bin from 0 to 4. None where all are 0."""
    X = np.array([[1e-40, 1e-40], [2e-40, 3e-40], [4, 2e-40]])
    model = Model(Network(2, [PiecewiseLinearEmbedding(2, 2), Dense(1)], MeanSquaredError()), dtype="float32")
    model.fit(X, Y[:3], epochs=0)
    state = model.states["piecewise_linear_embedding_1"]
    assert_array_equal(state.bins, [1, 0])
    assert_array_equal(state.edges, [[0, 4, 4], [0, 0, 0]])
