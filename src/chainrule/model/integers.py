"""A model bound for prediction whose dense layers are products of 8-bit integers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike
from chainrule.data import checks
from chainrule.engines import Plan, select
from chainrule.engines.native import NativeEngine
from chainrule.errors import ConfigError
from chainrule.export.effect import Int8Effect, effect_of_int8
from chainrule.export.quantizing import in_int8
from chainrule.graph.graph import ComputationGraph
from chainrule.graph.integers import FromInt8, Int8Affine, Int8Numbers, Int8Table, ToInt8
from chainrule.graph.networks import graph_of, graph_of_outputs
from chainrule.graph.passes import simplified
from chainrule.trained.predictor import Predictor
from chainrule.trained.trained import Trained

ROWS_TO_MEASURE = 1000
"""The rows on which ranges are measured, at equal distances among those that are given."""


class IntegerPredictor(Predictor):
    """A snapshot of a model whose dense layers are products of 8-bit integers, made by `Model.bind(precision="int8")`.

    A chain of dense layers and functions of each number runs on the native engine, other networks by NumPy; both give
    the outputs of the same graph, to the bit. Outputs are float32.
    """

    def __init__(self, model: Trained, engine: str, rows: RowsLike) -> None:
        """Measure the ranges of a model's values on rows (n, inputs), and round its weights.

        Raises ConfigError without rows and as `in_int8`, ShapeError and DataError for rows that do not fit.
        """
        network = model.network
        chosen = select(engine, Plan(network, dtype=model.dtype))
        if rows is None:
            raise ConfigError(
                "precision 'int8' measures ranges on training samples; pass some hundreds, as rows=X_train[:1000]."
            )
        given = checks.check_X(rows, network.inputs, features=model.feature_names, name="rows")
        places = np.unique(np.linspace(0, given.shape[0] - 1, ROWS_TO_MEASURE).astype(np.intp))
        some = given[places]
        self._rows_measured: dict[str, Any] = {
            "X": (some.toarray() if hasattr(some, "toarray") else some).astype(np.float64)
        }
        self._graph = graph_of([model])
        made = in_int8(simplified(graph_of_outputs(model), by_column=False), self._rows_measured).graph
        chain = _chain(made, chosen) if isinstance(chosen, NativeEngine) else None
        walk = _Graph(made) if chain is None else chain
        super().__init__(network, np.dtype(np.float32), walk, None, **model.about_data())

    @cached_property
    def effect(self) -> Int8Effect:
        """The effect of the integers on the answers for the measured rows, by layer, class and column. Print it."""
        return effect_of_int8(self._graph, self._rows_measured)


class _Graph:
    """The outputs of a graph by NumPy."""

    def __init__(self, graph: ComputationGraph) -> None:
        self.graph = graph

    def __call__(self, X: RowsLike) -> NDArray[Any]:
        dense = X.toarray() if hasattr(X, "toarray") else X
        return self.graph.run({"X": np.asarray(dense, np.float64)}, "float32")["outputs"]


def _chain(graph: ComputationGraph, engine: NativeEngine) -> Callable[[RowsLike], NDArray[Any]] | None:
    """Return the graph on the native engine; None unless it is a chain of dense layers and tables."""
    first, *rest, last = (step.operation for step in graph.steps[1:])
    is_chain = all(step.reads == (k,) for k, step in enumerate(graph.steps[1:]))
    if not (is_chain and isinstance(first, ToInt8) and isinstance(last, (FromInt8, Int8Numbers))):
        return None
    layers: list[list[Any]] = []
    for operation in rest:
        if isinstance(operation, Int8Affine) and operation.groups == 1:
            own = (operation.W[0], operation.bias[0], operation.multiplier[0], operation.shift[0])
            layers.append([*own, operation.zero, operation.zero_out, operation.low, np.empty(0, np.int8)])
        elif isinstance(operation, Int8Table) and layers and not layers[-1][-1].size:
            layers[-1][-1] = operation.table
        else:
            return None
    every = np.arange(-128, 128, dtype=np.int8)[:, None]
    return engine.integers(first.scale, [tuple(each) for each in layers], last.compute(every)[:, 0])
