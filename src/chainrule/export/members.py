"""One or several networks and what they predict together, as steps of a graph."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule import __version__
from chainrule.core.arrays import RowsLike
from chainrule.data import checks
from chainrule.errors import ConfigError
from chainrule.export.answers import AboveThreshold, GroupMean, LargestColumn, WeightedSum
from chainrule.export.base import Array, constant
from chainrule.export.columns import Bounded, GraphInput, ToPrecision
from chainrule.export.drawn import ROWS, drawn_rows
from chainrule.export.formats import ExportedFiles, RowsToCompare, export_graph
from chainrule.export.graph import ComputationGraph, GraphBuilder, GraphValue
from chainrule.export.networks import network_steps
from chainrule.export.numbers import Columnwise, Elementwise, GroupSoftmax, JoinedColumns
from chainrule.formulas.layers import Operation
from chainrule.formulas.losses import Loss
from chainrule.network.answers import task_of
from chainrule.trained.trained import Trained


def answer_steps(build: GraphBuilder, loss: Loss, out: GraphValue) -> GraphValue:
    """Add the steps from an output to what the loss predicts: probabilities or means.

    Raises ConfigError for a loss without operations.
    """
    found = loss.ops()
    if found is None:
        raise ConfigError(
            f"{type(loss).__name__} declares no operations for its `predict`, so it cannot be exported; write its "
            "`ops`, as Loss.ops describes."
        )
    for operation in found:
        out = build.add(_of_loss(operation), out, of="answer")
    return out


def _of_loss(operation: Operation) -> Elementwise | GroupSoftmax | GroupMean:
    if operation.name == "elementwise":
        return Elementwise(operation.function or "")
    return GroupSoftmax(operation.groups) if operation.name == "softmax" else GroupMean(operation.groups)


def members_steps(build: GraphBuilder, members: Sequence[Trained], x: GraphValue) -> GraphValue:
    """Add the steps of one or several networks of one architecture, up to what they predict together (n, outputs).

    Probabilities are averaged, or numbers, in the targets' units and clipped to their range if the fit says so.
    """
    first = members[0]
    loss, scale = first.network.loss, first.target_scale
    outs = [network_steps(build, each.network, each.theta, each.states, x) for each in members]
    if scale is not None or len(outs) > 1:
        outs = [build.add(ToPrecision("double"), out, of="answer") for out in outs]
    if scale is None:
        return _mean(build, [answer_steps(build, loss, out) for out in outs])
    if loss.of_member.ops() != ():
        raise ConfigError(
            f"{type(loss).__name__} with a target scale is no average of predictions; fit without scale_targets."
        )
    out = _mean(build, outs)

    def each(values: Array) -> Array:
        return constant(np.tile(values, out.width // len(values)))

    zero = constant(np.zeros(out.width))
    out = build.add(Columnwise(zero, each(scale.std), each(scale.mean)), out, of="target scale")
    if scale.low is not None and scale.high is not None:
        out = build.add(Bounded(each(scale.low), each(scale.high)), out, of="target range")
    return answer_steps(build, loss, out)


def _mean(build: GraphBuilder, values: Sequence[GraphValue]) -> GraphValue:
    if len(values) == 1:
        return values[0]
    return build.add(WeightedSum((1 / len(values),) * len(values)), *values, of="mean of the members")


def both_classes(build: GraphBuilder, p: GraphValue) -> GraphValue:
    """Return the probabilities (n, 2) of two classes from that of the second (n, 1)."""
    one, minus = constant([1.0]), constant([-1.0])
    first = build.add(Columnwise(constant([0.0]), minus, one), p, of="answer")
    return build.add(JoinedColumns(), first, p, of="answer")


def graph_of(members: Sequence[Trained]) -> ComputationGraph:
    """Return the graph of a trained network, or of the average of several of one architecture.

    Its input "X" is a matrix of numbers (n, inputs). Raises ConfigError for a layer or a loss without operations.
    """
    first = members[0]
    network, task = first.network, task_of(first.network.loss, first.network.outputs)
    build = GraphBuilder()
    names = first.feature_names or ()
    x = build.add(GraphInput("X", "numbers", network.inputs, tuple(names)), of="input")
    predicted = members_steps(build, members, x)
    about = {"chainrule": __version__, "made_of": type(first).__name__, "networks": len(members)}
    if task == "regression":
        return build.done({"predictions": predicted}, task, (), about)
    if task == "multiclass":
        label = build.add(LargestColumn(), predicted, of="answer")
    else:
        label = build.add(AboveThreshold(0.5), predicted, of="answer")
    shown = both_classes(build, predicted) if task == "binary" else predicted
    return build.done({"probabilities": shown, "label": label}, task, first.labels, about)


def export_members(
    members: Sequence[Trained], path: str | os.PathLike[str], X: RowsLike, settings: Mapping[str, Any]
) -> ExportedFiles:
    """Write one or several networks in the format of the path's ending, and compare the answers.

    X: rows (n, inputs); None for rows that are drawn.  settings: of the format.
    """
    graph, first = graph_of(members), members[0]
    if X is None:
        return export_graph(graph, path, RowsToCompare(drawn_rows(graph), False), **settings)
    rows = checks.check_X(X, first.network.inputs, features=first.feature_names)[:ROWS]
    dense = rows.toarray() if hasattr(rows, "toarray") else np.asarray(rows)
    return export_graph(graph, path, RowsToCompare({"X": dense.astype(np.float64)}, True), **settings)
