"""PiecewiseLinearEmbedding, with all that the package does to a layer. Its values by hand are in test_layers.py."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as c
from chainrule.engines.native import REASON
from chainrule.inspection.attribution import METHODS
from chainrule.inspection.story import explain
from halves import half

RNG = np.random.default_rng(8)
N = 60
X = RNG.normal(size=(N, 5))
X[:, 2], X[:, 4] = 3.0, RNG.integers(0, 4, N)  # a constant column, and one of four values
Y = np.arange(N) % 3
NAME = "piecewise_linear_embedding_1"
needs_native = pytest.mark.skipif(REASON is not None, reason="needs the native engine")


def made(*layers: c.Layer, dtype: str = "float64", **how: Any) -> c.Model:
    """A model of an embedding of columns 3, 0 and 2, and of other layers than these if they are given."""
    behind = layers or (c.Dense(6), c.BatchNorm(), c.Tanh(), c.Dense(3))
    embedding = c.PiecewiseLinearEmbedding(4, 6, columns=(3, 0, 2))
    return c.Model(c.Network(5, [embedding, *behind], c.SoftmaxCrossEntropy(), **how), seed=2, dtype=dtype)


def fitted(*layers: c.Layer, **how: Any) -> c.Model:
    """The same, trained for a moment: with edges, and weights that are not 0."""
    model = made(*layers, **how)
    model.fit(X, Y, epochs=3, batch_size=20, optimizer=c.Adam(0.05))
    return model


def encoded(x: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The piecewise linear encoding (n, bins) of x (n,), from its definition."""
    bins = len(edges) - 1
    h = (x[:, None] - edges[:-1]) / np.diff(edges)
    low, high = np.where(np.arange(bins) == 0, -np.inf, 0), np.where(np.arange(bins) == bins - 1, np.inf, 1)
    return np.clip(h, low, high)


def test_it_is_a_dense_of_the_encoding():
    """The loss and every gradient are those of a dense layer on [x, 1, h] of each column."""
    model = fitted()
    rows = 2 * X  # beyond the edges too
    trace = model.trace(rows, Y, training=False)
    params, state = model.parameters[NAME], model.states[NAME]
    delta, grads = trace.grad_outputs[NAME], trace.grads[NAME]
    assert_array_equal(state.bins, [6, 6, 0])
    places = {0: slice(0, 4), 2: slice(5, 9), 3: slice(9, 13)}  # 1 and 4 are kept: 4 and 13
    assert_array_equal(trace.z[NAME][:, [4, 13]], rows[:, [1, 4]])
    for t, k in enumerate((3, 0, 2)):
        bins, own = int(state.bins[t]), delta[:, places[k]]
        h = encoded(rows[:, k], state.edges[t, : bins + 1]) if bins else np.empty((N, 0))
        e = rows[:, [k]] * params.w0[t] + params.b0[t] + h @ params.E[t, :bins]
        assert_allclose(trace.z[NAME][:, places[k]], e, atol=1e-12)
        assert_allclose(grads.E[t, :bins], h.T @ own, atol=1e-12)
        assert not grads.E[t, bins:].any()
        assert_allclose(grads.w0[t], rows[:, k] @ own, atol=1e-12)
        assert_allclose(grads.b0[t], own.sum(0), atol=1e-12)


def test_the_start():
    """Linear, with U(-1/4, 1/4) for 16 numbers; no decay of what is linear; no penalty."""
    model = c.Model(c.Network(200, [c.PiecewiseLinearEmbedding()], c.MeanSquaredError()))
    params = model.parameters[NAME]
    assert params.E.shape == (200, 48, 16) and not params.E.any()
    for values in (params.w0, params.b0):
        assert values.shape == (200, 16) and 0.249 < np.abs(values).max() <= 0.25
        assert np.std(values) == pytest.approx(0.5 / 12**0.5, rel=0.05)
    assert [(slot.decays, slot.rate, slot.parameter.is_weight) for slot in model.network.slots] == [
        (0.0, 1.0, False),
        (0.0, 1.0, False),
        (1.0, 1.0, False),
    ]
    layer = c.PiecewiseLinearEmbedding(columns=(0,), rate=0.1, decays=0.5, linear_decays=0.25)
    slots = c.Network(1, [layer], c.MeanSquaredError()).slots
    assert [(slot.decays, slot.rate) for slot in slots] == [(0.25, 0.1), (0.25, 0.1), (0.5, 0.1)]
    x = np.random.default_rng(0).normal(size=(20, 200)).astype(np.float32)
    line = x[:, :, None] * params.w0 + params.b0
    assert_allclose(model.outputs(x), line.reshape(20, -1), rtol=1e-5, atol=1e-6)  # before there are edges


@pytest.mark.parametrize("engine", ["reference", pytest.param("native", marks=needs_native)])
def test_the_edges_are_quantiles_of_what_comes_in(engine: str):
    """Behind what changes units, and of the numbers that an Embedding keeps; measured once."""
    x = X.copy()
    x[:, 4] = RNG.integers(0, 3, N)
    layers = [c.Embedding([(4, 3, 2)]), c.PiecewiseLinearEmbedding(3, 5, columns=(0, 3)), c.Dense(3)]
    model = c.Model(c.Network(5, layers, c.SoftmaxCrossEntropy()), dtype="float64")
    model.fit(x, Y, epochs=1, engine=engine)
    state = model.states[NAME]
    assert_allclose(state.edges, np.quantile(x[:, [0, 3]], np.linspace(0, 1, 6), axis=0).T)
    assert float(state.count) == N
    model.fit(10 * x[:7], Y[:7], epochs=1, engine=engine)
    assert_array_equal(model.states[NAME].edges, state.edges)
    scaled = c.Model(
        c.Network(
            5,
            [c.Rescale(2.0, 1.0), c.Standardize(), c.PiecewiseLinearEmbedding(2, 3), c.Dense(3)],
            c.SoftmaxCrossEntropy(),
        )
    )
    scaled.fit(X, Y, epochs=1, engine=engine)
    edges, bins = scaled.states[NAME].edges, scaled.states[NAME].bins
    standard = (X - X.mean(0)) / np.where(np.arange(5) == 2, 1, X.std(0))
    assert_allclose(
        edges[[0, 1, 3]], np.quantile(standard[:, [0, 1, 3]], np.linspace(0, 1, 4), axis=0).T, atol=1e-5
    )
    assert bins[2] == 0 and bins[4] < 4 and edges.dtype == np.float32


def test_many_samples_are_measured_a_few_columns_at_a_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("chainrule.training.fit.SORTED", 70)
    small = fitted()
    monkeypatch.undo()
    assert_array_equal(small.states[NAME].edges, fitted().states[NAME].edges)


def test_few_samples_have_fewer_bins():
    """Of n samples no more than n - 1 bins; edges that float32 cannot tell apart are one."""
    for n in (1, 2, 5):
        model = c.Model(c.Network(1, [c.PiecewiseLinearEmbedding(2)], c.MeanSquaredError()))
        model.fit(np.arange(n)[:, None], np.zeros((n, 2)), epochs=1)
        assert model.states[NAME].bins[0] == n - 1
    model = c.Model(c.Network(1, [c.PiecewiseLinearEmbedding(2)], c.MeanSquaredError()))
    model.fit(1e8 + np.arange(9)[:, None], np.zeros((9, 2)), epochs=1)
    assert model.states[NAME].bins[0] == 1  # from 1e8 to 1e8 + 8, the next number of float32
    assert np.isfinite(model.theta).all()


def test_equal_numbers_leave_edges_to_the_others():
    """Eighteen zeros, 1 and 2 in 4 bins: by all rows the quantiles are 0, 0, 0, 0, 2; of five zeros 0, 0, 0, 0.5, 2."""
    x = np.array([0.0] * 18 + [1.0, 2.0])[::-1, None]
    for ties, edges in ((None, [0, 2, 2, 2, 2]), (1, [0, 0.5, 2, 2, 2])):
        layer = c.PiecewiseLinearEmbedding(2, 4, ties=ties)
        model = c.Model(c.Network(1, [layer], c.MeanSquaredError()), dtype="float64")
        model.fit(x, np.zeros((20, 2)), epochs=1)
        assert_array_equal(model.states[NAME].edges, [edges])
        assert model.states[NAME].count == 20


def test_gradients_agree_with_central_differences():
    for how in ({}, {"l2": 0.1, "l1": 0.01}):
        assert fitted(**how).check_gradients(X, Y).error < 1e-6


@needs_native
@pytest.mark.parametrize(
    ("optimizer", "batch_size", "how"),
    half(
        [c.SGD(0.01, momentum=0.9), c.AdamW(0.002)],
        [1, 7, 60],
        [{}, {"clip": 0.1}, {"clip": c.Clip(value=0.01)}],
    ),
    ids=str,
)
def test_both_engines_agree(optimizer: c.Optimizer, batch_size: int, how: dict[str, Any]):
    models = [made(c.Dense(6), c.Tanh(), c.Dense(3), l2=0.01) for _ in range(2)]
    for model, engine in zip(models, ("native", "reference"), strict=True):
        model.fit(X, Y, epochs=2, batch_size=batch_size, optimizer=optimizer, engine=engine, **how)
    assert_allclose(models[0].theta, models[1].theta, rtol=1e-9, atol=1e-10)
    native, reference = (models[0].outputs(2 * X, engine=engine) for engine in ("native", "reference"))
    assert_allclose(native, reference, rtol=1e-12, atol=1e-12)
    assert_array_equal(models[0].bind(engine="native").outputs(2 * X[:1]), native[:1])


@needs_native
@pytest.mark.parametrize(("precision", "tolerance"), [(None, 1e-5), ("bf16", 3e-3)])
def test_numbers_stay_whole_in_low_precision(precision: str | None, tolerance: float):
    """bfloat16 cannot tell 1000 from 1003: a number is embedded before anything is rounded."""
    x = np.column_stack([1000 + RNG.permutation(N), RNG.normal(size=N)]).astype(np.float32)
    layers = [
        c.Rescale(1, -1030.0),
        c.PiecewiseLinearEmbedding(4, 20, columns=(0,)),
        c.Dense(16),
        c.Tanh(),
        c.Dense(3),
    ]
    models = [c.Model(c.Network(2, layers, c.SoftmaxCrossEntropy()), seed=2) for _ in range(2)]
    how: dict[str, Any] = {"engine": c.Compute("native", precision=precision)}
    for model, each in zip(models, (how, {"engine": "reference"}), strict=True):
        model.fit(x, Y, epochs=2, batch_size=16, optimizer=c.SGD(1e-4), **each)
    assert_array_equal(models[0].states[NAME].edges, models[1].states[NAME].edges)
    assert_allclose(models[0].theta, models[1].theta, atol=tolerance)


@needs_native
@pytest.mark.parametrize("size", [4, 8, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_vectors_of_four_and_eight_numbers_which_have_loops_of_their_own_are_those_of_the_reference(
    size: int, dtype: str
):
    rng = np.random.default_rng(4)
    rows, y = rng.normal(size=(90, 3)), rng.integers(0, 3, 90)
    layers = [c.PiecewiseLinearEmbedding(size, 9, columns=(2, 0)), c.Dense(7), c.Tanh(), c.Dense(3)]
    models = [c.Model(c.Network(3, layers, c.SoftmaxCrossEntropy()), seed=1, dtype=dtype) for _ in range(2)]
    for model, engine in zip(models, ("native", "reference"), strict=True):
        model.fit(rows, y, epochs=4, batch_size=16, optimizer=c.SGD(0.1), engine=engine)
    tolerance = (
        2e-5 if dtype == "float32" else 1e-12
    )  # of 24 steps, each of which rounds its sums in another order
    assert_allclose(models[0].theta, models[1].theta, atol=tolerance)
    outputs = [
        model.outputs(2 * rows, engine=engine)
        for model, engine in zip(models, ("native", "reference"), strict=True)
    ]
    assert_allclose(*outputs, atol=10 * tolerance)


@needs_native
@pytest.mark.parametrize("batch_size", [64, 2048])
def test_the_bits_depend_on_no_number_of_threads(batch_size: int, monkeypatch: pytest.MonkeyPatch):
    """Batches of rows and of parts."""
    rng = np.random.default_rng(3)
    rows, y, found = rng.normal(size=(4096, 4)), rng.integers(0, 3, 4096), set()
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("CHAINRULE_NUM_THREADS", threads)
        layers = [c.PiecewiseLinearEmbedding(5, 40, columns=(1, 3, 0)), c.Dense(32), c.ReLU(), c.Dense(3)]
        model = c.Model(c.Network(4, layers, c.SoftmaxCrossEntropy()), seed=1)
        model.fit(rows, y, epochs=1, batch_size=batch_size, engine="native")
        found.add(model.theta.tobytes() + model.outputs(rows, engine="native").tobytes())
    assert len(found) == 1


@pytest.mark.parametrize("engine", ["reference", pytest.param("native", marks=needs_native)])
def test_frozen(engine: str):
    model = fitted(c.Dense(6), c.Dropout(0.3), c.Tanh(), c.Dense(3))
    model.freeze(NAME)
    before = np.concatenate([values.ravel() for values in model.parameters[NAME]])
    model.fit(X, Y, epochs=2, batch_size=16, engine=engine)
    assert_array_equal(np.concatenate([values.ravel() for values in model.parameters[NAME]]), before)


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_shapes(data: st.DataObject):
    inputs, size = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 40))
    columns = data.draw(st.none() | st.lists(st.integers(0, inputs - 1), min_size=1, unique=True))
    layer = c.PiecewiseLinearEmbedding(size, data.draw(st.integers(1, 9)), columns)
    model = c.Model(c.Network(inputs, [layer], c.MeanSquaredError()), seed=inputs, dtype="float64")
    x = np.random.default_rng(inputs).normal(size=(8, inputs)).round(1)
    y = np.ones((8, model.network.outputs))
    assert y.shape[1] == inputs + (inputs if columns is None else len(columns)) * (size - 1)
    start, other = model.theta.copy(), c.Model(model.network, seed=inputs, dtype="float64")
    model.fit(x, y, epochs=2, batch_size=3, optimizer=c.SGD(0.01), engine="reference")
    trace = model.trace(x, y)
    for whole, per_sample in zip(trace.grads[NAME], trace.per_sample(NAME), strict=True):
        assert_allclose(per_sample.sum(0), whole, atol=1e-12)
    assert (model.theta != start).any()
    if REASON is None:
        other.fit(x, y, epochs=2, batch_size=3, optimizer=c.SGD(0.01), engine="native")
        assert_allclose(other.theta, model.theta, rtol=1e-9, atol=1e-10)
        assert_allclose(other.outputs(x, engine="native"), model.outputs(x, engine="reference"), atol=1e-9)


@pytest.mark.parametrize("front", [(), (c.Standardize(),)], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_attributions(method: str, front: tuple[c.Layer, ...]):
    """A number has the sum of what its vector has."""
    layers = [*front, c.PiecewiseLinearEmbedding(4, 6, columns=(3, 0, 2)), c.Dense(8), c.ReLU(), c.Dense(3)]
    model = c.Model(c.Network(5, layers, c.SoftmaxCrossEntropy()), seed=2, dtype="float64")
    model.fit(X, Y, epochs=20, optimizer=c.Adam(0.05))
    found = model.attribute(X[:5], method=method)
    assert found.values.shape == X[:5].shape
    assert np.abs(found.values[:, [0, 3]]).max() > 1e-3
    if found.is_complete:
        assert found.relative_error.max() < 1e-5
    if method == "integrated_gradients":  # cut at the edges, on which all is linear: exact
        assert found.relative_error.max() < 1e-12 and max(found.settings["gradients"]) < 2000


def test_derivation():
    model = fitted()
    trace = model.trace(X[:3], Y[:3])
    what = [f"{NAME}.E[0,{b},1]" for b in range(6)]
    what += [
        f"{NAME}.w0[1,3]",
        f"{NAME}.b0[2,0]",
        f"{NAME}.w0[2,2]",
        "x[1,3]",
        "x[0,4]",
        "x[2,2]",
        "dense_1.W[7,1]",
    ]
    for each in what:
        derivation = trace.derive(each)
        assert derivation.value == pytest.approx(derivation.difference.value, rel=1e-6, abs=1e-9)
    found = model.network.layers[0].find(X[:3], model.states[NAME])
    i, b = 1, int(found.bin[1, 0])
    text = str(trace.derive(f"{NAME}.E[0,{b},1]"))
    assert f"{NAME}.h[{i},0,{b}]" in text
    assert f"{NAME}.E[0,{b},1]" in str(trace.derive("x[1,3]").text(nodes=60))
    assert trace.derive(f"{NAME}.E[2,0,0]").value == 0  # the constant column has no bins


@pytest.mark.parametrize("method", ["forward_gradient", "spsa", "cma_es"])
def test_methods_without_backpropagation(method: str):
    model = made(c.Dense(5), c.Tanh(), c.Dense(3))
    before = model.parameters[NAME].w0.copy()
    how = {} if method == "cma_es" else {"optimizer": c.GradientDescent(1e-3)}
    model.fit(X, Y, epochs=1, method=method, **how)
    assert np.isfinite(model.theta).all() and (before != model.parameters[NAME].w0).any()


def test_file_copy_and_pickle(tmp_path: Path):
    model = fitted()
    model.save(tmp_path / "model.safetensors")
    for again in (
        c.load(tmp_path / "model.safetensors"),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
    ):
        assert again.network.layers == model.network.layers and again.theta.tobytes() == model.theta.tobytes()
        assert_array_equal(again.states[NAME].edges, model.states[NAME].edges)
        assert_array_equal(again.outputs(X), model.outputs(X))


def test_a_story_and_a_page():
    model = fitted()
    story = explain(model, X[0])
    assert "dense_1" in story.text() and story.html()
    assert NAME in str(model.summary())
    assert "PiecewiseLinearEmbedding(size=4, bins=6, columns=(3, 0, 2))" in repr(model.network)


def test_where_it_stands():
    numbers = c.PiecewiseLinearEmbedding(columns=(0,))
    with pytest.raises(c.ConfigError, match="must come before all trainable layers except Embedding"):
        c.Network(3, [c.Dense(2), numbers], c.MeanSquaredError())
    with pytest.raises(c.ConfigError, match="PiecewiseLinearEmbedding cannot be in a block"):
        c.Network(3, [c.Skip([numbers])], c.MeanSquaredError())
    codes = c.Embedding([(0, 3, 2), (2, 4, 1)])
    with pytest.raises(
        c.ConfigError, match=r"contains 3, a column of the Embedding before it.* numeric columns: 0\."
    ):
        c.Network(3, [codes, c.PiecewiseLinearEmbedding()], c.MeanSquaredError())
    with pytest.raises(c.ConfigError, match="has no numeric columns"):
        c.Network(1, [c.Embedding([(0, 3, 2)]), numbers], c.MeanSquaredError())
    assert c.Network(3, [codes, numbers], c.MeanSquaredError()).outputs == 19


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            {"size": 0},
            "size of PiecewiseLinearEmbedding must be an integer of at least 1, not 0; 16 is usual",
        ),
        ({"bins": 2.5}, "bins of PiecewiseLinearEmbedding must be an integer of at least 1"),
        ({"bins": 2**16 + 1}, "bins of PiecewiseLinearEmbedding must be at most 65,536"),
        ({"columns": ()}, "columns of PiecewiseLinearEmbedding must be a list of distinct columns"),
        ({"columns": (1, 1)}, "columns of PiecewiseLinearEmbedding must be a list of distinct columns"),
        ({"columns": 1}, "columns of PiecewiseLinearEmbedding must be a list of distinct columns"),
        ({"columns": (-1,)}, "column of PiecewiseLinearEmbedding must be an integer of at least 0"),
        ({"columns": (3,)}, "columns of PiecewiseLinearEmbedding contains 3, but its inputs are 0 to 2"),
        ({"ties": 0}, "ties of PiecewiseLinearEmbedding must be an integer of at least 1, not 0"),
        ({"rate": -1}, "rate of PiecewiseLinearEmbedding must be a finite number of at least 0"),
        ({"linear_decays": np.nan}, "linear_decays of PiecewiseLinearEmbedding must be a finite number"),
    ],
)
def test_settings_that_cannot_be(how: dict[str, Any], message: str):
    with pytest.raises(c.ConfigError, match=message):
        c.Network(3, [c.PiecewiseLinearEmbedding(**how)], c.MeanSquaredError())
