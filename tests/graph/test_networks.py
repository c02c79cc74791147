"""The graph of a network is what the network computes: for every layer, activation and loss, and for members."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass

import numpy as np
import pytest

from chainrule import (
    ConfigError,
    DataError,
    Dense,
    Ensemble,
    Layer,
    MeanSquaredError,
    Model,
    Network,
    ReLU,
    Rescale,
    ShapeError,
    Sigmoid,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    Standardize,
)
from exported import difference, moved

CASES = int(os.environ.get("CHAINRULE_EXPORT_CASES", "16"))
"""Random architectures that are compared; 500 in the figure of docs/export.md."""
CLOSE = 1e-12


def answer(model: Model | Ensemble, X: np.ndarray) -> tuple[str, np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if model.task == "regression":
            return "predictions", model.predict(X, engine="reference")
        return "probabilities", model.predict_proba(X, engine="reference")


@pytest.mark.parametrize("number", range(CASES))
def test_random_networks(number: int):
    model, X = moved(number)
    graph = model.graph()
    name, expected = answer(model, X)
    if not np.isfinite(expected).all():
        pytest.skip("the network has no finite answer")
    found = graph.run(X)
    assert difference(found[name], expected) <= CLOSE
    if name == "probabilities" and model.task == "multiclass":
        assert (
            np.array(graph.labels)[found["label"][:, 0]] == model.predict(X, engine="reference")
        ).mean() > 0.98
    assert len(graph.describe().splitlines()) > len(graph.steps)


def fitted_members(network: Network, y: np.ndarray, **how: object) -> tuple[Ensemble, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(len(y), network.inputs))
    ensemble = Ensemble(network, 3, dtype="float64")
    ensemble.fit(X, y, epochs=2, **how)
    return ensemble, X


@pytest.mark.parametrize("scale", [None, True, "clamp"])
def test_members_predict_their_mean(scale: object):
    y = np.random.default_rng(1).normal(size=(40, 2)) * 3 + 1
    network = Network(4, [Standardize(), Dense(5), ReLU(), Dense(2)], MeanSquaredError())
    ensemble, X = fitted_members(network, y, scale_targets=scale)
    found = ensemble.graph().run(3 * X)["predictions"]
    assert difference(found, ensemble.predict(3 * X, engine="reference")) <= CLOSE


def test_members_average_probabilities():
    y = np.random.default_rng(1).integers(0, 3, 40)
    network = Network(4, [Dense(5), ReLU(), Dense(3)], SoftmaxCrossEntropy())
    ensemble, X = fitted_members(network, y)
    graph = ensemble.graph()
    found = graph.run(X)
    assert difference(found["probabilities"], ensemble.predict_proba(X, engine="reference")) <= CLOSE
    assert (found["label"][:, 0] == ensemble.predict(X, engine="reference")).all()
    assert graph.about["networks"] == 3


def test_a_graph_by_hand():
    """x = 3: (2 * 3 + 1) [1, -1] + [0, 0.5] = [7, -6.5], relu [7, 0], and 7 * 2 + 0 * 5 - 13 = 1: sigmoid 0.731."""
    network = Network(1, [Rescale(2, 1), Dense(2), ReLU(), Dense(1)], SigmoidCrossEntropy())
    model = Model.with_theta(network, np.array([1.0, -1.0, 0.0, 0.5, 2.0, 5.0, -13.0]))
    graph = model.graph()
    found = graph.run([[3.0], [0.0]])
    assert found["probabilities"][0, 1] == pytest.approx(0.7310585786300049, abs=1e-15)
    assert found["label"].tolist() == [[1], [0]]
    names = [step.operation.name for step in graph.steps]
    assert names[:6] == ["input", "columnwise", "affine", "elementwise", "affine", "elementwise"]
    assert graph.labels == (0, 1) and graph.numbers == 3 + 4 + 3 + 3


def test_in_float32_a_graph_is_near():
    model, X = moved(3)
    graph = model.graph()
    one, other = (graph.run(X, dtype)[next(iter(graph.outputs))] for dtype in ("float32", "float64"))
    assert one.dtype == np.float32 and difference(one, other) < 1e-5


@dataclass(frozen=True)
class Doubled(Layer):
    def forward(self, params, a, ctx):
        return 2 * a, None

    def backward(self, params, cache, delta, ctx):
        return (), 2 * delta


def test_what_is_refused():
    model = Model(Network(2, [Doubled(), Dense(1)], MeanSquaredError()))
    with pytest.raises(ConfigError, match=r"doubled_1 \(Doubled\) declares no operations"):
        model.graph()

    class Own(MeanSquaredError):
        def predict(self, out):
            return 3 * out

    with pytest.raises(ConfigError, match="Own declares no operations for its `predict`"):
        Model(Network(2, [Dense(1)], Own())).graph()
    graph = Model(Network(2, [Sigmoid(), Dense(1)], MeanSquaredError())).graph()
    with pytest.raises(ShapeError, match="must have 2 columns"):
        graph.run([[1.0, 2.0, 3.0]])
    with pytest.raises(DataError, match="must have 'X'"):
        graph.run({"Y": [[1.0]]})
    with pytest.raises(DataError, match="must be numbers"):
        graph.run([["a", "b"]])
