"""Embedding, the layer that looks up a learned vector for each code, with all that the package does to a layer."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
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
X[:, 1], X[:, 4] = RNG.integers(0, 4, N), RNG.integers(0, 7, N)
Y = np.arange(N) % 3
COLUMNS = [(4, 7, 3), (1, 4, 2)]
needs_native = pytest.mark.skipif(REASON is not None, reason="needs the native engine")


def made(*layers: c.Layer, dtype: str = "float64", **settings) -> c.Model:
    """A model of an embedding, and of other layers than these if they are given."""
    behind = layers or (c.Dense(6), c.BatchNorm(), c.Tanh(), c.Dense(3))
    network = c.Network(5, [c.Embedding(COLUMNS), *behind], c.SoftmaxCrossEntropy(), **settings)
    return c.Model(network, seed=2, dtype=dtype)


def test_the_start():
    params = made().parameters["embedding_1"]
    assert (params.E1.shape, params.E2.shape) == ((7, 3), (4, 2))
    assert not params.E1[0].any() and not params.E2[0].any()  # what is unknown says nothing
    start = c.Model(c.Network(1, [c.Embedding([(0, 5001, 4)], std=0.1)], c.MeanSquaredError())).theta[4:]
    assert np.std(start) == pytest.approx(0.1, rel=0.02) and abs(np.mean(start)) < 0.003


def test_it_is_a_dense_of_one_hot_columns():
    """The loss and every gradient are those of a dense layer without bias on the columns that one-hot makes."""
    model, given = made(), X.copy()
    given[:4, 4] = [-1, 7, 2.5, 0]  # no codes: as 0
    trace = model.trace(given, Y, training=False)
    codes = [np.where(np.arange(N) < 3, 0, given[:, 4]).astype(int), X[:, 1].astype(int)]
    hot = [np.eye(7)[codes[0]], np.eye(4)[codes[1]]]
    E, delta = model.parameters["embedding_1"], trace.grad_outputs["embedding_1"]
    assert_array_equal(trace.z["embedding_1"], np.hstack([X[:, [0, 2, 3]], hot[0] @ E.E1, hot[1] @ E.E2]))
    assert_allclose(trace.grads["embedding_1"].E1, hot[0].T @ delta[:, 3:6], atol=1e-15)
    assert_allclose(trace.grads["embedding_1"].E2, hot[1].T @ delta[:, 6:], atol=1e-15)
    assert_array_equal(trace.grad_x[:, [0, 2, 3]], delta[:, :3])
    assert not trace.grad_x[:, [1, 4]].any()


@pytest.mark.parametrize("settings", [{}, {"l2": 0.1, "l1": 0.01}])
def test_gradients_agree_with_central_differences(settings):
    assert made(**settings).check_gradients(X, Y).error < 1e-6


def test_no_penalty_and_no_bound_touches_the_vectors():
    model = made(c.Dense(3), l2=0.5, l1=0.1, max_norm=0.1)
    assert [slot.parameter.is_weight for slot in model.network.slots] == [False, False, True, False]
    before = model.parameters["embedding_1"].E1.copy()
    model.fit(X, Y, epochs=1, optimizer=c.GradientDescent(1e-9))
    assert_allclose(model.parameters["embedding_1"].E1, before, atol=1e-8)


@needs_native
@pytest.mark.parametrize(
    ("optimizer", "batch_size", "how"),
    half(
        [c.SGD(0.01, momentum=0.9), c.Adam(0.01), c.AdamW(0.01)],
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
    native, reference = (models[0].outputs(X, engine=engine) for engine in ("native", "reference"))
    assert_allclose(native, reference, rtol=1e-12, atol=1e-12)
    assert_array_equal(models[0].bind(engine="native").outputs(X[:1]), native[:1])


@needs_native
@pytest.mark.parametrize(("precision", "tolerance"), [(None, 1e-5), ("bf16", 1e-3)])
def test_codes_stay_whole_in_low_precision(precision: str | None, tolerance: float):
    """bfloat16 has no 257: a code is looked up before anything is rounded."""
    x = np.column_stack([np.arange(1, N + 1) * 17, RNG.normal(size=(N, 2))])
    layers = [c.Embedding([(0, 1100, 3)]), c.Dense(16), c.Tanh(), c.Dense(3)]
    models = [c.Model(c.Network(3, layers, c.SoftmaxCrossEntropy()), seed=2) for _ in range(2)]
    start = models[0].parameters["embedding_1"].E1.copy()
    how: dict[str, Any] = {"engine": c.Compute("native", precision=precision)}
    for model, each in zip(models, (how, {"engine": "reference"}), strict=True):
        model.fit(x, Y, epochs=2, batch_size=16, optimizer=c.SGD(0.01), **each)
    assert_allclose(models[0].theta, models[1].theta, atol=tolerance)
    changed = (start != models[0].parameters["embedding_1"].E1).any(1)
    assert_array_equal(np.flatnonzero(changed), x[:, 0])


@needs_native
@pytest.mark.parametrize("batch_size", [64, 2048])
def test_the_bits_depend_on_no_number_of_threads(batch_size: int, monkeypatch: pytest.MonkeyPatch):
    """Batches of rows and of parts, with tables of more than one task."""
    rng = np.random.default_rng(3)
    rows = np.column_stack(
        [rng.integers(0, 3000, 4096), rng.integers(0, 9, 4096), rng.normal(size=(4096, 2))]
    )
    y, found = rng.integers(0, 3, 4096), set()
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("CHAINRULE_NUM_THREADS", threads)
        layers = [c.Embedding([(0, 3000, 5), (1, 9, 2)]), c.Dense(32), c.ReLU(), c.Dense(3)]
        model = c.Model(c.Network(4, layers, c.SoftmaxCrossEntropy()), seed=1)
        model.fit(rows, y, epochs=1, batch_size=batch_size, engine="native")
        found.add(model.theta.tobytes())
    assert len(found) == 1


@needs_native
def test_any_samples_are_read():
    """CSR matrices, whose gaps are code 0, bytes and Fortran arrays: the same bits."""
    rows = np.abs(np.rint(X)).astype(np.uint8)  # of 0 many
    thetas = set()
    for given_as in (
        rows,
        scipy.sparse.csr_matrix(rows),
        rows.astype(np.float32),
        np.asfortranarray(rows, float),
    ):
        model = made(dtype="float32")
        model.fit(given_as, Y, epochs=2, batch_size=16, engine="native")
        thetas.add(model.theta.tobytes())
    assert len(thetas) == 1


@pytest.mark.parametrize("engine", ["reference", pytest.param("native", marks=needs_native)])
def test_frozen(engine: str):
    model = made(c.Dense(6), c.Dropout(0.3), c.Tanh(), c.Dense(3))
    model.freeze("embedding_1")
    before = model.parameters["embedding_1"].E1.copy()
    model.fit(X, Y, epochs=2, batch_size=16, engine=engine)
    assert_array_equal(model.parameters["embedding_1"].E1, before)


@pytest.mark.parametrize("engine", ["reference", pytest.param("native", marks=needs_native)])
def test_what_is_no_code_is_unknown(engine: str):
    model = made(dtype="float32")
    model.parameters["embedding_1"].E1[0] = 3
    bad = np.repeat(X[:1], 7, axis=0)
    bad[:, 4] = [0, -1, 7, 2.5, 1e30, -1e30, 1e-30]
    out = model.outputs(bad, engine=engine)
    assert_array_equal(out, np.repeat(out[:1], 7, axis=0))


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_shapes(data: st.DataObject):
    inputs = data.draw(st.integers(1, 6))
    places = data.draw(st.lists(st.integers(0, inputs - 1), min_size=1, unique=True))
    columns = [(k, data.draw(st.integers(1, 5)), data.draw(st.integers(1, 70))) for k in places]
    model = c.Model(c.Network(inputs, [c.Embedding(columns)], c.MeanSquaredError()), dtype="float64")
    x = np.random.default_rng(inputs).integers(-1, 6, (4, inputs)).astype(float)
    out = model.outputs(x, engine="reference")
    assert out.shape == (4, inputs - len(columns) + sum(size for *_, size in columns))
    if REASON is None:
        assert_array_equal(model.outputs(x, engine="native"), out)
    trace = model.trace(x, np.zeros(out.shape))
    for table, per_sample in zip(trace.grads["embedding_1"], trace.per_sample("embedding_1"), strict=True):
        assert_allclose(per_sample.sum(0), table, atol=1e-12)
    if REASON is None:
        other = c.Model(model.network, dtype="float64")
        for each, engine in ((model, "reference"), (other, "native")):
            each.fit(x, np.ones(out.shape), epochs=1, batch_size=3, optimizer=c.Adam(0.1), engine=engine)
        assert_allclose(other.theta, model.theta, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_attributions(method: str):
    """A code has the sum of what its vector has, from the vector of the baseline's code on."""
    found = made().attribute(X[:5], method=method)
    assert found.values.shape == X[:5].shape
    assert np.abs(found.values[:, [1, 4]]).max() > 1e-3
    if found.is_complete:
        assert found.relative_error.max() < 1e-5


def test_attributions_by_hand():
    """A linear network: the value of a code is (E[code] - E[baseline's code]) w, of every other column x w."""
    model = c.Model(
        c.Network(2, [c.Embedding([(0, 3, 2)]), c.Dense(1)], c.MeanSquaredError()), dtype="float64"
    )
    model.theta[:] = [0, 0, 1, 2, 3, 5, 7, 10, 100, 0]  # E1, then W of x[1] and of the vector, and b
    for method in ("input_x_gradient", "integrated_gradients", "deep_lift", "occlusion"):
        assert_allclose(model.attribute([[2, 4]], method=method).values, [[530, 28]])
        assert_allclose(model.attribute([[2, 4]], method=method, baseline=[1, 0]).values, [[320, 28]])
    assert_allclose(model.attribute([[2, 4]], method="saliency").values, [[110, 7]])


def test_derivation():
    trace = made().trace(X[:3], Y[:3])
    code = int(X[1, 1])
    for what in (f"embedding_1.E2[{code},1]", "embedding_1.E1[6,2]", "x[1,3]", "x[0,4]", "dense_1.W[7,1]"):
        derivation = trace.derive(what)
        assert derivation.value == pytest.approx(derivation.difference.value, rel=1e-6, abs=1e-9)
    rows = np.flatnonzero(X[:3, 1] == code)
    text = str(trace.derive(f"embedding_1.E2[{code},1]"))
    assert all(f"embedding_1.z[{i},7]" in text for i in rows)
    assert r"E2" in trace.derive(f"embedding_1.E2[{code},1]").latex()
    assert trace.derive("x[0,4]").value == 0


@pytest.mark.parametrize("method", ["forward_gradient", "feedback_alignment", "spsa", "cma_es"])
def test_methods_without_backpropagation(method: str):
    model = made(c.Dense(5), c.Tanh(), c.Dense(3))
    before = model.parameters["embedding_1"].E2.copy()
    settings = {} if method == "cma_es" else {"optimizer": c.GradientDescent(1e-3)}
    model.fit(X, Y, epochs=1, method=method, **settings)
    assert np.isfinite(model.theta).all() and (before != model.parameters["embedding_1"].E2).any()


def test_file_copy_and_pickle(tmp_path: Path):
    model = made()
    model.save(tmp_path / "model.safetensors")
    for again in (
        c.load(tmp_path / "model.safetensors"),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
    ):
        assert again.network.layers == model.network.layers and again.theta.tobytes() == model.theta.tobytes()
        assert_array_equal(again.parameters["embedding_1"].E2, model.parameters["embedding_1"].E2)


def test_a_story_and_a_page():
    model = made()
    model.fit(X, Y, epochs=1)
    story = explain(model, X[0])
    assert "dense_1" in story.text() and story.html()
    assert "embedding_1" in str(model.summary()) and "Embedding([(4, 7, 3), (1, 4, 2)])" in repr(
        model.network
    )


def test_it_stands_first():
    embedding = c.Embedding([(0, 3, 2)])
    for layers in (
        [c.Rescale(0.5), embedding],
        [c.Standardize(), embedding],
        [c.Skip([embedding])],
        [embedding] * 2,
    ):
        with pytest.raises(
            c.ConfigError,
            match="Embedding must be the first layer, because it reads codes in the columns of X",
        ):
            c.Network(3, layers, c.MeanSquaredError())
    with pytest.raises(c.ConfigError, match="Standardize must come before all trainable layers"):
        c.Network(3, [embedding, c.Standardize()], c.MeanSquaredError())


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([], "columns of Embedding must be a list of .column, codes, size."),
        (3, "columns of Embedding must be a list of .column, codes, size."),
        ([(0, 3)], "columns of Embedding must be a list of .column, codes, size."),
        ([(0, 3, 2), (0, 4, 2)], "with distinct columns"),
        ([(-1, 3, 2)], "column of Embedding must be an integer of at least 0"),
        ([(0, 0, 2)], "codes of Embedding must be an integer of at least 1"),
        ([(0, 3, 0.5)], "size of Embedding must be an integer of at least 1"),
        ([(0, 2**24 + 1, 1)], "codes of Embedding must be at most 16,777,216"),
        ([(3, 3, 2)], "columns of Embedding contains 3, but the network's inputs are 0 to 2"),
    ],
)
def test_columns_that_cannot_be(columns: object, message: str):
    with pytest.raises(c.ConfigError, match=message):
        c.Network(3, [c.Embedding(columns)], c.MeanSquaredError())  # type: ignore[arg-type]


def test_a_start_that_cannot_be():
    with pytest.raises(c.ConfigError, match="std of Embedding must be a finite number above 0"):
        c.Embedding([(0, 3, 2)], std=0.0)
