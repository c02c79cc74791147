"""A model whose dense layers are products of 8-bit integers: its ranges, its forward pass, and that bound to rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike
from chainrule.data import checks
from chainrule.engines import Engine, Plan, select
from chainrule.engines.native import NativeEngine
from chainrule.errors import ConfigError, option
from chainrule.export.quantizing import NO_DENSE, Int8Range, in_ranges, ranges_of
from chainrule.formulas.layers import Dense, GroupedDense
from chainrule.formulas.losses import MeanSquaredError
from chainrule.graph.columns import GraphInput
from chainrule.graph.graph import ComputationGraph, step_value
from chainrule.graph.integers import FromInt8, Int8Affine, Int8Numbers, Int8Table, ToInt8
from chainrule.graph.networks import graph_of, graph_of_outputs
from chainrule.graph.numbers import Affine, GroupedAffine
from chainrule.graph.operation import Array, GraphOperation
from chainrule.graph.passes import simplified
from chainrule.graph.step import GraphStep
from chainrule.network.network import Network
from chainrule.trained.evaluation import BATCH
from chainrule.trained.predictor import Predictor
from chainrule.trained.trained import RowsWalk, Trained

if TYPE_CHECKING:
    from chainrule.export.effect import Int8Effect

ROWS_TO_MEASURE, FEWEST = 1000, 100
"""The rows on which ranges are measured, at equal distances among those given; the fewest, of a large network."""
WORK_TO_MEASURE = 1 << 28
"""The rows times weights beyond which there are fewer: a tenth of a second."""


def spaced(n: int, most: int = ROWS_TO_MEASURE) -> NDArray[np.intp]:
    """Return the numbers of some of n rows, at equal distances."""
    return np.unique(np.linspace(0, n - 1, most).astype(np.intp))


def measured(model: Trained, X: RowsLike) -> tuple[tuple[float, int], ...]:
    """Return the ranges of a model's values on checked rows, as `Trained.ranges` has them: scale and zero of each.

    Raises ConfigError for a network without a dense layer.
    """
    parts = _Parts.of(model, select("auto", Plan(model.network, dtype=model.dtype)))
    work = sum(
        step.width * step.operation.W.shape[-2]
        for step in parts.graph.steps
        if isinstance(step.operation, (Affine, GroupedAffine))
    )
    if not work:
        raise ConfigError(NO_DENSE)
    rows = min(ROWS_TO_MEASURE, max(FEWEST, WORK_TO_MEASURE // work))
    front = parts.front(X[spaced(X.shape[0], rows)])
    found = ranges_of(parts.graph, {"X": front}, "float64")  # whose sums are alike with any number of threads
    return tuple((each.scale, each.zero) for each in found)


def walk_of(model: Trained, engine: str, ranges: tuple[tuple[float, int], ...] | None = None) -> RowsWalk:
    """Return the forward pass of a model in integers, by its own ranges or by others.

    Raises ConfigError without ranges, and for those of other parameters.
    """
    chosen = select(engine, Plan(model.network, dtype=model.dtype))
    known = model.ranges if ranges is None else ranges
    parts = _Parts.of(model, chosen)
    if known is None or len(known) != len(parts.graph.steps):
        name = option("precision", "precision 'int8'", "int8")
        raise ConfigError(
            f"{name} needs the ranges of a model's values on rows that it was trained on, and this one has none since "
            "its last training; call quantize(X_train), and save it again."
        )
    made = in_ranges(parts.graph, [Int8Range(*each) for each in known]).graph
    return _Walk(parts.front, made, chosen)


class IntegerPredictor(Predictor):
    """A snapshot of a model whose dense layers are products of 8-bit integers, made by `Model.bind(precision="int8")`.

    Outputs are float32. Where the network begins with dense layers they have the same bits on every engine.
    """

    def __init__(self, model: Trained, engine: str, rows: RowsLike = None) -> None:
        """Round the weights, by the model's ranges or by those on rows (n, inputs).

        Raises ConfigError as `walk_of`, ShapeError and DataError for rows that do not fit.
        """
        network, ranges = model.network, None
        if rows is not None:
            given = checks.check_X(rows, network.inputs, features=model.feature_names, name="rows")
            ranges = measured(model, given)
            self._rows_measured = dense(given[spaced(given.shape[0])]).astype(np.float64)
            self._graph = graph_of([model])
        walk = walk_of(model, engine, ranges)
        super().__init__(network, np.dtype(np.float32), walk, None, **model.about_data())

    @cached_property
    def effect(self) -> Int8Effect:
        """The effect of the integers on the answers for the measured rows, by layer, class and column. Print it.

        Raises ConfigError without rows.
        """
        from chainrule.export.effect import effect_of_int8

        if not hasattr(self, "_graph"):
            raise ConfigError("the effect is that on some rows; pass them to bind, as rows=X_test[:1000].")
        return effect_of_int8(self._graph, {"X": self._rows_measured})


def dense(X: RowsLike) -> NDArray[Any]:
    """Return rows as an array."""
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X)


class _Parts(NamedTuple):
    """A network as its links before the first dense layer, in floating point, and the graph of all behind them."""

    front: RowsWalk
    graph: ComputationGraph

    @classmethod
    def of(cls, model: Trained, engine: Engine) -> _Parts:
        """Divide a network; the front of one that begins with a dense layer is empty."""
        network, whole = model.network, graph_of_outputs(model)
        small = simplified(whole, by_column=False)
        is_first = len(small.steps) > 1 and isinstance(small.steps[1].operation, (Affine, GroupedAffine))
        links = [link for link in network.links if type(link.layer) in (Dense, GroupedDense)]
        place = network.links.index(links[0]) if links else 0
        if is_first or place == 0:
            return cls(dense, small)
        layers = Network(network.inputs, network.layers[:place], MeanSquaredError())
        states = {link.name: model.states[link.name] for link in layers.walk() if link.name in model.states}
        front = engine.bind(layers, model.theta[: layers.size], states, BATCH)
        cut = next(step.reads[0] for step in whole.steps if step.of == links[0].name)
        steps = [
            step._replace(reads=tuple(read - cut for read in step.reads)) for step in whole.steps[cut + 1 :]
        ]
        source = GraphStep(GraphInput("X", "numbers", layers.fan_out), (), layers.fan_out, "input")
        rest = replace(whole, steps=(source, *steps), outputs={"outputs": whole.outputs["outputs"] - cut})
        return cls(front, simplified(rest, by_column=False))


class _Walk:
    """The outputs of a front and a graph behind it, whose chains run on the native engine, with the same bits."""

    def __init__(self, front: RowsWalk, graph: ComputationGraph, engine: Engine) -> None:
        self.front, self.graph = front, graph
        self.chains = _chains(graph, engine) if isinstance(engine, NativeEngine) else {}
        """by the number of its last step: the steps of a chain, and the chain"""
        self.inside = {place for places, _ in self.chains.values() for place in places[:-1]}
        places, walks = self.chains.get(len(graph.steps) - 1, ([], ()))
        self.chain = walks if len(places) == len(graph.steps) - 1 else ()
        """for each group of columns, where there is nothing else"""
        self.is_whole = front is dense and len(self.chain) == 1
        if self.is_whole:
            self.unchecked = getattr(self.chain[0], "unchecked", None)

    def __call__(self, X: RowsLike) -> NDArray[Any]:
        if self.is_whole:
            return self.chain[0](X)
        if self.chain:
            return _of_groups(self.chain, self.front(X))
        found = [self._outputs(self.front(X[k : k + BATCH])) for k in range(0, max(X.shape[0], 1), BATCH)]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _outputs(self, x: Array) -> Array:
        values: dict[int, Array] = {0: x.astype(np.float32)}
        for k, step in enumerate(self.graph.steps[1:], 1):
            if k in self.chains:
                places, walks = self.chains[k]
                values[k] = _of_groups(walks, values[self.graph.steps[places[0]].reads[0]])
            elif k not in self.inside:
                read = [values[each] for each in step.reads]
                values[k] = step_value(step.operation, read, np.dtype(np.float32))
        return values[self.graph.outputs["outputs"]]


def _of_groups(walks: Sequence[RowsWalk], x: Array) -> Array:
    """Return the results of each group of columns, side by side."""
    if len(walks) == 1:
        return walks[0](x)
    parts = np.split(x, len(walks), axis=1)
    return np.hstack([walk(part) for walk, part in zip(walks, parts, strict=True)])


def _chains(
    graph: ComputationGraph, engine: NativeEngine
) -> dict[int, tuple[list[int], tuple[RowsWalk, ...]]]:
    """Return the chains of dense layers and tables, by the number of the last step: the steps, and what computes it."""
    readers: list[list[int]] = [[] for _ in graph.steps]
    for k, step in enumerate(graph.steps):
        for read in step.reads:
            readers[read].append(k)
    found = {}
    for k, step in enumerate(graph.steps):
        places = [k] if isinstance(step.operation, ToInt8) else []
        while places and len(readers[places[-1]]) == 1:
            places.append(readers[places[-1]][0])
            if isinstance(graph.steps[places[-1]].operation, (FromInt8, Int8Numbers)):
                found[places[-1]] = places, _walks([graph.steps[at].operation for at in places], engine)
                break
    return {last: each for last, each in found.items() if each[1]}


def _walks(operations: list[GraphOperation], engine: NativeEngine) -> tuple[RowsWalk, ...]:
    """Return the operations of a chain on the native engine, for each group of columns; () where they are no chain."""
    first, *rest, last = operations
    affine = [each for each in rest if isinstance(each, Int8Affine)]
    groups = {each.groups for each in affine}
    is_chain = (
        isinstance(last, (FromInt8, Int8Numbers)) and len(groups) == 1 and isinstance(rest[0], Int8Affine)
    )
    if not is_chain or not isinstance(first, ToInt8):
        return ()
    made: list[list[tuple[Any, ...]]] = [[] for _ in range(groups.pop())]
    for before, operation in zip([None, *rest], rest, strict=False):
        if isinstance(operation, Int8Affine):
            for g, layers in enumerate(made):
                own = min(g, len(operation.W) - 1)
                of_group = (
                    each[own] for each in (operation.W, operation.bias, operation.multiplier, operation.shift)
                )
                ends = operation.zero, operation.zero_out, operation.low
                layers.append((*of_group, *ends, np.empty(0, np.int8)))
        elif isinstance(operation, Int8Table) and isinstance(before, Int8Affine):
            for layers in made:
                layers[-1] = (*layers[-1][:-1], operation.table)
        else:
            return ()
    every = np.arange(-128, 128, dtype=np.int8)[:, None]
    return tuple(engine.integers(first.scale, layers, last.compute(every)[:, 0]) for layers in made)
