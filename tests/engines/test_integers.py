"""Chains of dense layers in 8-bit integers: the native engine gives the bits of the graph that is its specification."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import (
    ELU,
    BatchNorm,
    ConfigError,
    DataError,
    Dense,
    Embedding,
    Ensemble,
    FormatError,
    LeakyReLU,
    MeanSquaredError,
    Model,
    Network,
    ReLU,
    Rescale,
    Residual,
    ShapeError,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
)
from native_runs import SETS, native

ACTIVATIONS = (ReLU, Tanh, Sigmoid, LeakyReLU, ELU)


def chain(widths: list[int], functions: list[type], seed: int) -> Model:
    layers: list[Any] = []
    for width, function in zip(widths[1:-1], functions, strict=True):
        layers += [Dense(width), function()]
    return Model(Network(widths[0], [*layers, Dense(widths[-1])], MeanSquaredError()), seed=seed)


@st.composite
def chains(draw: st.DrawFn) -> tuple[Model, np.ndarray]:
    widths = draw(st.lists(st.integers(1, 150), min_size=2, max_size=4))
    functions = [draw(st.sampled_from(ACTIVATIONS)) for _ in widths[1:-1]]
    seed, rows = draw(st.integers(0, 2**16)), draw(st.integers(1, 75))
    scale = draw(st.sampled_from([1e-3, 1.0, 300.0]))
    X = np.random.default_rng(seed).normal(draw(st.sampled_from([0.0, 5.0])), 1, (rows, widths[0])) * scale
    return chain(widths, functions, seed), X


@pytest.mark.parametrize("isa", SETS)
@given(chains())
def test_native_has_the_bits_of_the_graph(isa: str, drawn: tuple[Model, np.ndarray]):
    model, X = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAINRULE_ISA", isa)
        found = model.bind(precision="int8", rows=X[: len(X) // 2 + 1], engine="native")
    expected = model.bind(precision="int8", rows=X[: len(X) // 2 + 1], engine="reference").outputs(X)
    assert found.outputs(X).dtype == np.float32 and np.isfinite(expected).all()
    for given_as in (X, X.astype(np.float32), np.asfortranarray(X), X[:, ::-1].copy()[:, ::-1]):
        exact = given_as if given_as.dtype == np.float64 else given_as.astype(np.float64)
        assert np.array_equal(found.outputs(exact), expected if exact is not given_as else found.outputs(X))
        assert np.array_equal(found.outputs(given_as), found.outputs(exact))
    assert np.array_equal(found.outputs(X), expected)
    assert np.array_equal(found.outputs(X[-1:]), expected[-1:])


@pytest.mark.parametrize("isa", SETS)
def test_many_rows_wide_layers_and_pixels(isa: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CHAINRULE_ISA", isa)
    X = np.random.default_rng(0).integers(0, 256, (700, 300)).astype(np.uint8)
    layers = [Rescale(1 / 255), Dense(517), ReLU(), Dense(96), ReLU(), Dense(10)]
    model = Model(Network(300, layers, SoftmaxCrossEntropy()), seed=1)
    expected = model.bind(precision="int8", rows=X, engine="reference").outputs(X)
    for threads in ("1", "2"):
        monkeypatch.setenv("CHAINRULE_NUM_THREADS", threads)
        found = model.bind(precision="int8", rows=X, engine="native")
        assert np.array_equal(found.outputs(X), expected)
        assert np.array_equal(found.outputs(X.astype(np.float32)), expected)
    assert np.abs(expected - model.outputs(X)).max() < 0.05 * np.abs(model.outputs(X)).max()


def test_halves_and_ends_by_hand(monkeypatch: pytest.MonkeyPatch):
    # Rows from -128 to 127: scale 1, zero 0. W = 1 is 127 steps of 1/127, so a sum is 127 q, and the result is q again,
    # of the inputs' scale.
    model = chain([1, 1], [], 0)
    model.theta[:] = [1.0, 0.0]
    rows = np.array([[-128.0], [127.0]])
    x = np.array([[0.49], [0.5], [1.5], [-0.5], [-2.5], [126.6], [300.0], [-1e30], [3e38]])
    for isa in SETS:
        monkeypatch.setenv("CHAINRULE_ISA", isa)
        out = model.bind(precision="int8", rows=rows).outputs(x)[:, 0]
        assert out.tolist() == [0, 1, 2, -1, -3, 127, 127, -128, 127], isa


def test_other_networks_are_computed_by_the_graph():
    X = np.random.default_rng(2).normal(size=(60, 6))
    layers = [Dense(8), Residual([Dense(8), Tanh(), Dense(8)]), ReLU(), BatchNorm(), Dense(3)]
    model = Model(Network(6, layers, SoftmaxCrossEntropy()), seed=2)
    model.fit(X, np.arange(60) % 3, epochs=1)
    found, expected = (
        model.bind(precision="int8", rows=X),
        model.bind(precision="int8", rows=X, engine="reference"),
    )
    assert np.array_equal(found.predict_proba(X), expected.predict_proba(X))
    assert np.abs(found.predict_proba(X) - model.predict_proba(X)).max() < 0.05


def test_a_model_predicts_by_its_ranges_until_it_is_trained_again(tmp_path: Path):
    X = np.random.default_rng(4).normal(size=(300, 6)).astype(np.float32)
    model = Model(Network(6, [Dense(32), ReLU(), Dense(3)], SoftmaxCrossEntropy()))
    model.fit(X, np.arange(300) % 3, epochs=1)
    exact, found = model.predict_proba(X), model.quantize(X).predict_proba(X, precision="int8")
    assert 0 < np.abs(found - exact).max() < 0.02
    np.testing.assert_array_equal(found, model.bind(precision="int8", rows=X).predict_proba(X))
    np.testing.assert_array_equal(found[7:8], model.bind(precision="int8").predict_proba(X[7]))
    np.testing.assert_array_equal(model.predict_proba(X), exact)
    model.save(tmp_path / "net.safetensors")
    for copied in (Model.load(tmp_path / "net.safetensors"), pickle.loads(pickle.dumps(model))):
        assert copied.ranges == model.ranges and len(model.ranges) == 4
        np.testing.assert_array_equal(copied.predict_proba(X, precision="int8"), found)
    model.theta[:] *= 2  # in place, which any call must see
    assert not np.array_equal(model.predict_proba(X, precision="int8"), found)
    model.fit(X, np.arange(300) % 3, epochs=1)
    with pytest.raises(ConfigError, match=r"since its last training; call quantize\(X_train\)"):
        model.predict(X, precision="int8")


@pytest.mark.parametrize("wrong", ["[]", "[[0.0, 1]]", "[[1.0, 200]]", "[[1.0]]", "3", "[[1e999, 0]]"])
def test_ranges_that_a_file_cannot_have(tmp_path: Path, wrong: str):
    X, path = np.eye(4), tmp_path / "net.safetensors"
    model = chain([4, 3, 2], [ReLU], 0)
    model.save(path, extra={"ranges": json.loads(wrong)})
    if wrong == "[]":
        with pytest.raises(ConfigError, match="call quantize"):
            Model.load(path).predict(X, precision="int8")
    else:
        with pytest.raises(FormatError, match="the ranges of its 8-bit integers are malformed"):
            Model.load(path)
    members = Ensemble(model.network, 2)
    members.save(path, extra={"ranges": [None]})
    with pytest.raises(FormatError, match="ranges of 2 members"):
        Ensemble.load(path)


def test_members_and_networks_side_by_side(tmp_path: Path):
    X = np.random.default_rng(5).normal(size=(200, 6))
    members = Ensemble(Network(6, [Dense(16), Tanh(), Dense(2)], MeanSquaredError()), 3)
    members.fit(X, X[:, :2], epochs=3)
    found = members.quantize(X).predict(X, precision="int8")
    each = [member.predict(X, precision="int8") for member in members]
    np.testing.assert_allclose(found, np.mean(each, 0), rtol=1e-6, atol=1e-7)
    assert 0 < np.abs(found - members.predict(X)).max() < 0.05
    members.save(tmp_path / "net.safetensors")
    again = Ensemble.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(again.predict(X, precision="int8"), found)
    for engine in ("native", "reference"):
        packed = members.pack().bind(engine=engine, precision="int8", rows=X)
        assert np.abs(packed.outputs(X).reshape(200, 3, 2).mean(1) - found).max() < 0.05
        each.append(packed.outputs(X))
    np.testing.assert_array_equal(*each[-2:])


def test_the_front_of_a_network_stays_in_float32():
    X = np.random.default_rng(6).normal(size=(2100, 5)).astype(np.float32)
    X[:, 0] = np.arange(2100) % 50
    layers = [Embedding([(0, 50, 3)]), Dense(20), ReLU(), Residual([Dense(20), Tanh()]), Dense(2)]
    model = Model(Network(5, layers, MeanSquaredError()), seed=1).quantize(X)
    found = model.outputs(X, precision="int8")
    assert 0 < np.abs(found - model.outputs(X)).max() < 0.05 * np.abs(found).max()
    np.testing.assert_array_equal(model.outputs(X, precision="int8", engine="reference"), found)
    np.testing.assert_array_equal(model.outputs(X[-1:], precision="int8"), found[-1:])


def test_labels_scales_and_the_effect():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 4))
    model = Model(Network(4, [Dense(16), Tanh(), Dense(2)], SoftmaxCrossEntropy()))
    model.fit(X, np.where(X[:, 0] > 0, "yes", "no"), epochs=5)
    bound = model.bind(precision="int8", rows=X)
    assert (bound.predict(X) == model.predict(X)).mean() >= 0.98 and set(bound.predict(X)) == {"no", "yes"}
    assert bound.effect.rows == 200 and 0 < bound.effect.difference < 0.02
    numbers = Model(Network(4, [Dense(16), Tanh(), Dense(1)], MeanSquaredError()))
    numbers.fit(X, 1e6 + 10 * X[:, 0], epochs=5, scale_targets=True)
    found = numbers.bind(precision="int8", rows=X).predict(X)
    assert found.shape == (200,) and np.abs(found - numbers.predict(X)).max() < 3


def test_bad_input_is_one_sentence():
    X = np.zeros((5, 4))
    model = chain([4, 3, 2], [ReLU], 0)
    with pytest.raises(ConfigError, match=r"none since its last training; call quantize\(X_train\)"):
        model.bind(precision="int8")
    with pytest.raises(ConfigError, match="pass precision='int8', or omit them"):
        model.bind(rows=X)
    with pytest.raises(ConfigError, match=r"call quantize\(X_train\)"):
        model.predict(X, precision="int8")
    with pytest.raises(ShapeError, match="rows"):
        model.bind(precision="int8", rows=X[:, :3])
    with pytest.raises(DataError, match="contains nan"):
        model.bind(precision="int8", rows=X + np.nan)
    bound = model.bind(precision="int8", rows=X)
    with pytest.raises(DataError, match="contains inf"):
        bound.outputs(np.full((1, 4), np.inf))
    with pytest.raises(ConfigError, match="dense layers, and the model has none"):
        Model(Network(4, [ReLU()], MeanSquaredError())).bind(precision="int8", rows=X)


def test_layers_that_do_not_fit_are_refused():
    W, of = np.zeros((3, 2), np.int8), np.zeros(2, np.int32)
    layer = (W, of, of, of, 0, 0, -128, np.empty(0, np.int8))
    numbers = np.zeros(256, np.float32)
    make = native._native.Integers
    make(isa=SETS[0], scale=1.0, layers=[layer], numbers=numbers)
    for place, wrong in (
        (0, np.zeros((0, 2), np.int8)),
        (1, of[:1]),
        (3, of + 31),
        (4, 128),
        (7, np.zeros(255, np.int8)),
    ):
        with pytest.raises(ValueError, match="do not fit each other"):
            changed = (*layer[:place], wrong, *layer[place + 1 :])
            make(isa=SETS[0], scale=1.0, layers=[changed], numbers=numbers)
    with pytest.raises(ValueError, match="do not fit each other"):
        make(isa=SETS[0], scale=1.0, layers=[layer, layer], numbers=numbers)
    with pytest.raises(ValueError, match="do not fit each other"):
        make(isa=SETS[0], scale=1.0, layers=[layer], numbers=numbers[:9])
    made = make(isa=SETS[0], scale=1.0, layers=[layer], numbers=numbers)
    with pytest.raises(ValueError, match="does not fit"):
        made.predict(np.zeros((4, 3), np.float32), np.zeros((4, 3), np.float32), 1)
