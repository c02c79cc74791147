"""Members side by side in one network: it predicts their average, whatever their layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as c
from chainrule.engines import native
from chainrule.formulas.layers import Context
from chainrule.network.side_by_side import joined_theta, side_by_side
from chainrule.trained.persistence import LAYERS

RNG = np.random.default_rng(8)
X = RNG.normal(size=(60, 4))
X[:, 2], X[:, 3] = RNG.integers(0, 3, 60), RNG.integers(0, 2, 60)
Y = RNG.integers(0, 3, 60)
CHAINS: dict[str, list[c.Layer]] = {
    "by columns": [c.Dense(8), c.BatchNorm(), c.PReLU(), c.Dropout(0.1), c.Scale(), c.Dense(3)],
    "standardized": [c.Rescale(0.5), c.Standardize(), c.Dense(8), c.ReLU(), c.Dense(3)],
    "embedded": [c.Embedding([(2, 3, 2), (3, 2, 3)]), c.Dense(5), c.Tanh(), c.Dense(3)],
    "embedded alone": [c.Embedding([(0, 3, 2), (1, 3, 2), (2, 3, 1), (3, 3, 2)]), c.Dense(3)],
    "residual": [c.Dense(6), c.Residual([c.Dense(6), c.ReLU()]), c.Dense(3)],
    "projected": [c.Residual([c.Dense(5), c.Tanh()]), c.Dense(3)],
    "skip": [c.Skip([c.Dense(5), c.ReLU(), c.Skip([c.Dense(2)])]), c.ReLU(), c.Dense(3)],
    "taken": [c.Take([1, 0, 3]), c.Dense(4), c.ReLU(), c.Take([3, 3, 0]), c.Dense(3)],
    "numbers": [c.PiecewiseLinearEmbedding(3, 4, [1, 0]), c.Scale(), c.Dense(5), c.ReLU(), c.Dense(3)],
    "all numbers": [c.PiecewiseLinearEmbedding(2, 8), c.Dense(5), c.ReLU(), c.Dense(3)],
    "waves": [c.PeriodicEmbedding(5, 3, [0, 3]), c.Dense(5), c.Tanh(), c.Dense(3)],
    "all waves": [c.Standardize(), c.PeriodicEmbedding(4), c.Dense(3)],
    "codes and numbers": [
        *(c.Embedding([(2, 3, 2), (3, 2, 3)]), c.PiecewiseLinearEmbedding(4, 5, [1]), c.Scale()),
        *(c.Dense(5), c.ReLU(), c.Dense(3)),
    ],
    "codes and waves": [c.Embedding([(2, 3, 2)]), c.PeriodicEmbedding(5, 3, [1]), c.Dense(3)],
    "numbers and waves": [c.PiecewiseLinearEmbedding(2, 4, [1]), c.PeriodicEmbedding(3, 2, [3]), c.Dense(3)],
    "inside": [c.Residual([c.PeriodicEmbedding(3, 2), c.Dense(4)]), c.Dense(3)],
    "grouped": [c.Take([0, 1] * 2), c.GroupedDense(3, 2), c.GroupedDense(2, 2, shared=True), c.Dense(3)],
}
MADE: dict[str, c.Layer] = {
    "rescale": c.Rescale(0.5),
    "dense": c.Dense(3),
    "grouped_dense": c.GroupedDense(2, 2),
    "embedding": c.Embedding([(2, 3, 2)]),
    "take": c.Take([3, 0]),
    "parametric_activation": c.ParametricActivation(c.Mish()),
    "residual": c.Residual([c.Dense(4)]),
    "skip": c.Skip([c.Dense(2)]),
}
"""Layers that need arguments, by kind."""
REFUSED = {"softmax"}
"""Kinds of layers without a form in which the members stand side by side."""
engines = pytest.mark.parametrize(
    "engine",
    [
        "reference",
        pytest.param("native", marks=pytest.mark.skipif(native.REASON is not None, reason="not built")),
    ],
)


def fitted(
    layers: list[c.Layer], n: int = 3, loss: c.Loss | None = None, y: Any = Y, **more: Any
) -> c.Ensemble:
    net = c.Network(4, layers, loss or c.SoftmaxCrossEntropy(), **more)
    ensemble = c.Ensemble(net, n, dtype="float64")
    ensemble.fit(X, y, epochs=2, batch_size=16)
    return ensemble


@engines
@pytest.mark.filterwarnings("ignore:column . of X contains .*, which is not a code")
@pytest.mark.parametrize("name", CHAINS)
def test_the_packed_model_predicts_the_average(name: str, engine: str):
    ensemble = fitted(CHAINS[name])
    packed = ensemble.pack()
    expected = ensemble.predict_proba(X)
    assert_allclose(packed.predict_proba(X, engine=engine), expected, rtol=1e-12, atol=1e-15)
    assert_array_equal(packed.predict(X, engine=engine), ensemble.predict(X))
    assert_allclose(packed.bind(engine=engine).predict_proba(X[0]), expected[:1], rtol=1e-12, atol=1e-15)
    alone = [member.outputs(X) for member in ensemble]
    assert_allclose(packed.outputs(X, engine=engine), np.hstack(alone), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (c.SigmoidCrossEntropy(), Y > 0),
        (c.MeanSquaredError(), X[:, 0]),
        (c.Poisson(), Y),
        (c.Quantile((0.1, 0.5, 0.9)), np.repeat(X[:, :1], 3, 1)),
    ],
    ids=("binary", "real", "counts", "quantiles"),
)
def test_every_task(loss: c.Loss, y: Any):
    outputs = 3 if isinstance(loss, c.Quantile) else 1
    ensemble = fitted([c.Dense(5), c.ReLU(), c.Dense(outputs)], loss=loss, y=y)
    assert_allclose(ensemble.pack().predict(X), ensemble.predict(X), rtol=1e-12)
    assert ensemble.pack().task == ensemble.task


def test_standardize_stays_where_it_is_shared():
    ensemble = fitted(CHAINS["standardized"])
    kinds = [layer.kind for layer in ensemble.pack().network.layers]
    assert kinds == ["rescale", "standardize", "take", "grouped_dense", "relu", "grouped_dense"]


def test_standardize_of_other_samples_is_refused():
    net = c.Network(4, CHAINS["standardized"], c.SoftmaxCrossEntropy())
    models = [c.Model(net, seed=i, dtype="float64") for i in range(2)]
    for model, rows in zip(models, (slice(0, 30), slice(30, 60)), strict=True):
        model.fit(X[rows], Y[rows], epochs=1)
    with pytest.raises(c.ConfigError, match="Standardize was measured on different samples in each member"):
        c.Ensemble.of(models).pack()


@pytest.mark.filterwarnings("ignore:column . of X contains .*, which is not a code")
@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_every_kind_of_layer_is_packed_or_refused(kind: str):
    ensemble = fitted([MADE.get(kind) or LAYERS[kind](), c.Dense(3)], 2)
    if kind in REFUSED:
        with pytest.raises(c.ConfigError, match="cannot be packed for networks side by side"):
            ensemble.pack()
    else:
        assert_allclose(ensemble.pack().predict_proba(X), ensemble.predict_proba(X), rtol=1e-12, atol=1e-15)


@engines
@pytest.mark.filterwarnings("ignore:column . of X contains .*, which is not a code")
@pytest.mark.parametrize("name", ["numbers", "all numbers", "codes and numbers"])
def test_edges_of_other_samples(name: str, engine: str):
    net = c.Network(4, CHAINS[name], c.SoftmaxCrossEntropy())
    models = [c.Model(net, seed=i, dtype="float64") for i in range(2)]
    for model, rows in zip(models, (slice(0, 30), slice(30, 60)), strict=True):
        model.fit(X[rows], Y[rows], epochs=1)
    ensemble = c.Ensemble.of(models)
    assert_allclose(
        ensemble.pack().predict_proba(X, engine=engine), ensemble.predict_proba(X), rtol=1e-12, atol=1e-15
    )


def test_edges_of_the_same_samples_are_looked_up_once():
    packed = fitted(CHAINS["codes and numbers"]).pack()
    numbers = packed.network.layers[1]
    assert isinstance(numbers, c.PiecewiseLinearEmbedding)
    assert (numbers.size, numbers.columns) == (12, (1,))


@pytest.mark.filterwarnings("ignore:column . of X contains .*, which is not a code")
@pytest.mark.parametrize("name", sorted(CHAINS.keys() - {"grouped", "projected"}))
def test_the_gradient_is_that_of_each_member(name: str):
    """That of its own loss, divided by the members: L is their mean. Shared weights and projections have others too."""
    layers = [layer for layer in CHAINS[name] if layer.kind not in ("dropout", "batch_norm")]
    ensemble = fitted(layers)
    packed = ensemble.pack()
    gradients = [gradient(member) / len(ensemble) for member in ensemble]
    expected = joined_theta(ensemble.network, packed.network, gradients)
    assert_allclose(gradient(packed), expected, rtol=1e-9, atol=1e-13)


def gradient(model: c.Model) -> Any:
    """Return dL/dtheta (size,) on all samples."""
    network, y = model.network, np.eye(3)[Y]
    params = network.unflatten(model.theta)
    found = network.objective(params, X, y, np.ones(len(X)), Context(states=model.states))
    return network.flatten(found.grads)


@pytest.mark.parametrize("name", ["codes and numbers", "all waves", "numbers and waves"])
@pytest.mark.filterwarnings("ignore:column . of X contains .*, which is not a code")
def test_a_file_of_the_packed_model(name: str, tmp_path: Path):
    packed = fitted(CHAINS[name]).pack()
    packed.save(tmp_path / "packed.safetensors")
    again = c.load(tmp_path / "packed.safetensors")
    assert again.network.layers == packed.network.layers
    assert_array_equal(again.predict_proba(X), packed.predict_proba(X))


def test_the_penalty_is_the_mean_of_the_members():
    ensemble = fitted(CHAINS["by columns"], l2=0.1, l1=0.01)
    packed = ensemble.pack()
    each = [m.network.penalty(m.network.unflatten(m.theta)) for m in ensemble]
    assert_allclose(packed.network.penalty(packed.network.unflatten(packed.theta)), np.mean(each))


def test_what_the_ensemble_knows_is_taken_over(tmp_path: Path):
    net = c.Network(4, [c.Dense(5), c.ReLU(), c.Dense(1)], c.MeanSquaredError())
    ensemble = c.Ensemble(net, 2).freeze("dense_1")
    ensemble.feature_names = ["a", "b", "c", "d"]
    ensemble.fit(X, 1000 + X[:, 0], epochs=2, scale_targets=True)
    packed = ensemble.pack()
    assert packed.frozen == {"grouped_dense_1"} and packed.feature_names == ("a", "b", "c", "d")
    assert packed.target_scale == ensemble.target_scale and packed.epochs_trained == 2
    assert_allclose(packed.predict(X), ensemble.predict(X), rtol=1e-6)
    packed.save(tmp_path / "packed.safetensors")
    again = c.load(tmp_path / "packed.safetensors")
    assert_array_equal(again.predict(X), packed.predict(X))
    labels = fitted(CHAINS["by columns"], y=np.array(["x", "y", "z"])[Y])
    assert_array_equal(labels.pack().predict(X), labels.predict(X))


def test_a_packed_model_is_a_copy_that_trains_and_is_traced():
    ensemble = fitted(CHAINS["by columns"])
    packed, before = ensemble.pack(), ensemble.theta.copy()
    packed.fit(X, Y, epochs=1)
    assert_array_equal(ensemble.theta, before)
    trace = packed.trace(X[0], Y[0])
    assert_allclose(trace.prediction, packed.predict_proba(X[:1]), rtol=1e-9)


def test_members_of_members():
    inner = [c.Take([0, 1, 2, 3] * 2), c.GroupedDense(4, 2), c.ReLU(), c.GroupedDense(3, 2)]
    ensemble = fitted(inner, loss=c.MeanOverMembers(c.SoftmaxCrossEntropy(), 2))
    each = np.mean([member.predict_proba(X) for member in ensemble], 0)
    assert_allclose(ensemble.predict_proba(X), each, rtol=1e-12)
    packed = ensemble.pack()
    assert packed.network.loss == c.MeanOverMembers(c.SoftmaxCrossEntropy(), 6)
    assert_allclose(packed.predict_proba(X), each, rtol=1e-12)


def test_one_member_is_packed_too():
    ensemble = fitted(CHAINS["by columns"], 1)
    assert_allclose(ensemble.pack().predict_proba(X), ensemble.predict_proba(X), rtol=1e-12)


def test_an_ensemble_is_bound_as_its_packed_model():
    ensemble = fitted(CHAINS["codes and numbers"], y=np.array(["x", "y", "z"])[Y])
    bound = ensemble.bind()
    assert_array_equal(bound.predict(X), ensemble.predict(X))
    assert_allclose(bound.predict_proba(X[3]), ensemble.predict_proba(X[3:4]), rtol=1e-12)


def test_a_layer_that_mixes_columns_is_refused():
    net = c.Network(4, [c.Dense(4), c.Softmax(), c.Dense(3)], c.SoftmaxCrossEntropy())
    with pytest.raises(c.ConfigError, match=r"Softmax\(\) cannot be packed for networks side by side"):
        side_by_side(net, 2)
    with pytest.raises(c.ConfigError, match="cannot be packed"):
        c.Ensemble(net, 2).pack()
    with pytest.raises(c.ConfigError, match="cannot be packed"):
        c.Ensemble(net, 2).bind()
