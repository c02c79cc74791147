"""Members side by side in one network: it predicts their average, whatever their layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as c
from chainrule.engines import native
from chainrule.network.side_by_side import side_by_side

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
    "grouped": [c.Take([0, 1] * 2), c.GroupedDense(3, 2), c.GroupedDense(2, 2, shared=True), c.Dense(3)],
}
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
@pytest.mark.filterwarnings("ignore:column . of X has .*, which is no code")
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
    with pytest.raises(c.ConfigError, match="Standardize was measured on other samples in each member"):
        c.Ensemble.of(models).pack()


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


def test_a_layer_that_mixes_columns_is_refused():
    net = c.Network(4, [c.Dense(4), c.Softmax(), c.Dense(3)], c.SoftmaxCrossEntropy())
    with pytest.raises(c.ConfigError, match=r"Softmax\(\) has no form for networks side by side"):
        side_by_side(net, 2)
    with pytest.raises(c.ConfigError, match="has no form"):
        c.Ensemble(net, 2).pack()
