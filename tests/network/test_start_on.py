"""The start on samples: pre-activations with a standard deviation of 1, kinks among the samples, the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as c
from chainrule.core.random import generator
from chainrule.formulas.layers.dense import kinks_among, unit_std
from chainrule.network.start import rows_to_start_on

RNG = np.random.default_rng(4)
X = RNG.normal(3, [1, 20, 0.1, 5], size=(300, 4))


def made(*layers: Any, dtype: str = "float64", seed: int = 1) -> c.Model:
    return c.Model(c.Network(4, [*layers, c.Dense(3)], c.SoftmaxCrossEntropy()), seed=seed, dtype=dtype)


def deep() -> list[c.Layer]:
    block = c.Residual([c.Dense(9), c.Tanh(), c.Dense(6)])
    return [c.Standardize(), c.Scale(), c.Dense(20), c.BatchNorm(), c.PReLU(), c.Dropout(0.5), block, c.SiLU(),
            c.Skip([c.Dense(5, parametrization="ntk"), c.SELU()])]  # fmt: skip


def pre_activations(model: c.Model, X: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """z without b, and b, of each Dense, by the trace of a prediction; a projection has no b."""
    trace = model.trace(X, np.zeros(len(X), np.int64), training=False)
    dense = [link.name for link in model.network.walk() if isinstance(link.layer, c.Dense)]
    found = {name: getattr(model.parameters[name], "b", np.zeros(0)) for name in dense}
    return {
        name: (trace.outputs[name] - b if len(b) else trace.outputs[name], b) for name, b in found.items()
    }


def test_by_hand():
    """a = 0, 2, 4 and W = 3, 0: a W is 0, 6, 12 with std sqrt(24), and 0, which keeps its weight."""
    a = np.array([[0.0], [2], [4]])
    W = unit_std(np.array([[3.0, 0]]), a)
    assert_allclose(W, [[3 / np.sqrt(24), 0]], rtol=1e-15)
    z, drawn = a * [1.0, 10.0], generator(7, "start", 2)
    rows, shares = drawn.integers(3, size=(5, 2)), drawn.standard_exponential((5, 2))
    expected = [-(shares[:, j] * z[rows[:, j], j]).sum() / shares[:, j].sum() for j in range(2)]
    assert_allclose(kinks_among(z, generator(7, "start", 2)), expected, rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_pre_activation_has_std_1_and_its_kink_among_the_samples(dtype: str):
    model = made(*deep(), dtype=dtype).start_on(X)
    found = pre_activations(model, X)
    assert list(found) == ["dense_1", "dense_2", "dense_3", "projection_1", "dense_4", "dense_5"]
    exact = 1e-9 if dtype == "float64" else 1e-4
    for name, (z, b) in found.items():
        assert_allclose(z.std(0), 1, rtol=exact, err_msg=name)
        if name != "projection_1":
            assert ((z.min(0) < -b) & (-b < z.max(0))).all(), name
            assert len(np.unique(b)) == z.shape[1]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 2**31), st.floats(1e-6, 1e6))
def test_std_and_kinks_of_any_samples(n: int, units: int, seed: int, unit: float):
    rng = np.random.default_rng(seed)
    a, W = rng.normal(size=(n, 3)) * unit + rng.normal(), rng.normal(size=(3, units))
    z = a @ unit_std(W, a)
    assert_allclose(z.std(0)[(a @ W).std(0) > 1e-9 * np.abs(a @ W).max(0)], 1, rtol=1e-5)
    b, slack = kinks_among(z, rng), 1e-12 * np.abs(z).max()
    assert ((z.min(0) - slack <= -b) & (-b <= z.max(0) + slack)).all()


def test_constant_inputs_and_a_single_sample():
    for rows in (np.full((20, 4), 7.0), np.zeros((20, 4)), X[:1]):
        model, drawn = made(c.Dense(5), c.ReLU()), made(c.Dense(5), c.ReLU())
        model.start_on(rows)
        assert_array_equal(model.parameters["dense_1"].W, drawn.parameters["dense_1"].W)
        assert np.isfinite(model.theta).all()
        assert_allclose(
            model.parameters["dense_1"].b, -rows[0] @ drawn.parameters["dense_1"].W, rtol=1e-12, atol=1e-15
        )


def test_the_start_depends_on_seed_and_samples_alone():
    one, again, other = made(*deep()), made(*deep()), made(*deep(), seed=2)
    for model in (one, again, other):
        model.start_on(X)
    assert one.theta.tobytes() == again.theta.tobytes()
    assert again.start_on(X).theta == pytest.approx(one.theta, rel=1e-12)  # a second time changes nothing
    assert not np.allclose(one.theta, other.theta)
    sparse, samples = made(*deep()), made(*deep())
    sparse.start_on(scipy.sparse.csr_matrix(X))
    samples.start_on(samples.check_samples(X, np.arange(300) % 3))
    assert sparse.theta.tobytes() == samples.theta.tobytes() == one.theta.tobytes()
    in_float32 = made(*deep(), dtype="float32").start_on(X)
    assert_allclose(in_float32.theta, one.theta, rtol=1e-4, atol=1e-5)


def test_frozen_links_and_layers_without_a_start_keep_theirs():
    drawn, model = made(*deep()), made(*deep())
    model.freeze("dense_2", "scale_1").start_on(X)
    for name in ("dense_2", "scale_1", "batch_norm_1", "prelu_1"):
        for mine, theirs in zip(model.parameters[name], drawn.parameters[name], strict=True):
            assert_array_equal(mine, theirs)
    found = pre_activations(model, X)
    assert not np.allclose(found.pop("dense_2")[0].std(0), 1, rtol=0.01)
    for z, _ in found.values():
        assert_allclose(z.std(0), 1, rtol=1e-9)


def test_memory_bounds_the_rows():
    network = made(c.Dense(5), c.ReLU()).network  # 4 + 5 + 5 + 3 numbers a row
    rows = rows_to_start_on(network, 300, 1, 100 * 8 * 17)
    assert len(rows) == 100 and (np.diff(rows) > 0).all() and rows[-1] > 200
    assert len(rows_to_start_on(network, 300, 1, 1)) == 1
    assert_array_equal(rows_to_start_on(network, 300, 1), np.arange(300))
    model = made(c.Dense(5), c.ReLU()).start_on(X, memory=100 * 8 * 17)
    z, _ = pre_activations(model, X[rows])["dense_1"]
    assert_allclose(z.std(0), 1, rtol=1e-9)
    assert_array_equal(model.theta, made(c.Dense(5), c.ReLU()).start_on(X[rows]).theta)


def test_it_trains_from_there_and_is_a_model_like_any_other(tmp_path: Path):
    y = np.arange(300) % 3
    model = made(*deep()).start_on(X)
    start = model.theta.copy()
    model.save(tmp_path / "start.safetensors")
    assert_array_equal(c.load(tmp_path / "start.safetensors").theta, start)
    model.fit(X, y, epochs=1)
    assert (model.theta != start).any()
    with pytest.raises(c.ConfigError, match="start_on is for an untrained model"):
        model.start_on(X)
    for bad, error, sentence in (
        (X[:, :3], c.ShapeError, "X has 3 features but the network takes 4"),
        (np.full((3, 4), np.nan), c.DataError, "X contains nan at row 0"),
        (X[:0], c.ShapeError, "X has no samples"),
    ):
        with pytest.raises(error, match=sentence):
            made(c.Dense(5)).start_on(bad)
    with pytest.raises(c.ConfigError, match="memory must be a finite number above 0"):
        made(c.Dense(5)).start_on(X, memory=0)
