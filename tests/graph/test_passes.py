"""Simplified graphs compute the same with fewer steps."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import (
    BatchNorm,
    ConfigError,
    Dense,
    Dropout,
    GroupedDense,
    MeanSquaredError,
    Model,
    Network,
    ReLU,
    Rescale,
    Residual,
    Shift,
    SigmoidCrossEntropy,
    Standardize,
)
from chainrule.graph.columns import GraphInput
from chainrule.graph.graph import GraphBuilder
from chainrule.graph.numbers import Affine, Columnwise
from chainrule.graph.passes import narrowed, only, simplified
from exported import difference, moved


def trained(*layers: object, inputs: int = 4, shift: float = 2.0) -> tuple[Model, np.ndarray]:
    """A model whose statistics are measured, and rows."""
    X = np.random.default_rng(0).normal(shift, 3, (60, inputs))
    model = Model(Network(inputs, list(layers), MeanSquaredError()), dtype="float64")
    model.fit(X, X[:, 0] - X[:, 1], epochs=3)
    return model, X


def names(graph) -> list[str]:
    return [step.operation.name for step in graph.steps]


def test_scales_and_batch_norm_become_part_of_dense_layers():
    model, X = trained(
        *(Rescale(0.5, 1), Standardize(), Dense(5), BatchNorm(), ReLU(), Dropout(0.5)),
        *(BatchNorm(), Dense(3), Shift(), BatchNorm(), Dense(1)),
    )
    graph, made = model.graph(), simplified(model.graph())
    assert names(made) == ["input", "affine", "elementwise", "affine", "affine"]
    assert difference(made.run(X)["predictions"], graph.run(X)["predictions"]) <= 1e-12
    assert made.numbers < graph.numbers


def test_what_is_far_from_0_stays_centered():
    model, X = trained(Standardize(), Dense(5), ReLU(), Dense(1), shift=1e6)
    made = simplified(model.graph())
    assert names(made) == ["input", "columnwise", "affine", "elementwise", "affine"]
    assert difference(made.run(X)["predictions"], model.graph().run(X)["predictions"]) <= 1e-12


def test_a_value_that_others_read_stays():
    model, X = trained(Dense(4), Residual([BatchNorm(), ReLU()]), Dense(1))
    made = simplified(model.graph())
    assert "columnwise" in names(made)
    assert difference(made.run(X)["predictions"], model.predict(X, engine="reference")) <= 1e-12


@pytest.mark.parametrize("shared", [True, False])
def test_members_in_columns(shared: bool):
    model, X = trained(GroupedDense(3, 2, shared=shared), Shift(0.5), ReLU(), Dense(1))
    model.theta += 0.1
    made = simplified(model.graph())
    assert names(made) == ["input", "grouped_affine", "elementwise", "affine"]
    assert difference(made.run(X)["predictions"], model.graph().run(X)["predictions"]) <= 1e-12


@pytest.mark.parametrize("number", range(0, 60, 6))
def test_random_networks(number: int):
    model, X = moved(number)
    graph = model.graph()
    name = next(iter(graph.outputs))
    expected, found = graph.run(X)[name], simplified(graph).run(X)[name]
    assert difference(found, expected) <= 1e-9
    assert len(simplified(graph).steps) <= len(graph.steps)


def test_dead_inputs_by_hand():
    """y = 2 a + 0 b + 5 c + 1, with c = 3 always, is 2 a + 16."""
    build = GraphBuilder()
    x = build.add(GraphInput("X", "numbers", 3))
    y = build.add(Affine(np.array([[2.0], [0.0], [5.0]]), np.array([1.0])), x)
    graph = build.done({"predictions": y}, "regression")
    assert graph.run([[7.0, 9.0, 3.0]])["predictions"].tolist() == [[30.0]]
    made = narrowed(graph, {2: 3.0})
    assert names(made) == ["input", "selected_columns", "affine"]
    assert made.run([[7.0, np.nan, 3.0]])["predictions"].tolist() == [[30.0]]
    assert narrowed(graph).steps[1].operation.settings() == {"columns": (0, 2)}


def test_two_scales_by_hand():
    """((x - 1) 2 + 3 - 5) 7 + 11 = 14 x - 17, or (x - 1) 14 - 3"""
    build = GraphBuilder()
    x = build.add(GraphInput("X", "numbers", 1))
    one = build.add(Columnwise(np.array([1.0]), np.array([2.0]), np.array([3.0])), x)
    two = build.add(Columnwise(np.array([5.0]), np.array([7.0]), np.array([11.0])), one)
    made = simplified(build.done({"predictions": two}, "regression"))
    assert names(made) == ["input", "columnwise"]
    assert made.run([[4.0]])["predictions"].item() == 14 * 4 - 17


def test_only_some_outputs():
    model = Model(Network(2, [Dense(1)], SigmoidCrossEntropy()))
    graph = only(model.graph(), "label")
    assert names(graph) == ["input", "affine", "elementwise", "above_threshold"]
    assert list(graph.run([[0.0, 1.0]])) == ["label"]
    with pytest.raises(ConfigError, match="outputs must be among label, not 'probabilities'"):
        only(graph, "probabilities")
