"""Networks as steps of a graph, from the operations that their layers and losses declare, and their mean.

The table has operations by name (`chainrule.network.ops`), like that of an engine, rather than layers: a custom layer
written in known operations is exported like any other. Dropout has no step, since it does nothing in prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from chainrule.core.arrays import State, states_in
from chainrule.core.version import __version__
from chainrule.data.samples import TargetScale
from chainrule.errors import ConfigError
from chainrule.formulas.layers import Operation
from chainrule.formulas.losses import Loss
from chainrule.graph.answers import AboveThreshold, GroupMean, GroupSoftmax, LargestColumn, WeightedSum
from chainrule.graph.columns import Bounded, GraphInput, TableRows, ToPrecision, WholeCodes
from chainrule.graph.graph import ComputationGraph, GraphBuilder, GraphValue
from chainrule.graph.numbers import (
    FUNCTIONS,
    Affine,
    Between,
    Columnwise,
    CosineVectors,
    Elementwise,
    GroupedAffine,
    JoinedColumns,
    LinearPieces,
    NegativeSlopes,
    SelectedColumns,
)
from chainrule.graph.operation import Array, GraphOperation, constant
from chainrule.network.answers import task_of
from chainrule.network.network import Network
from chainrule.network.ops import Op, operations
from chainrule.trained.trained import Trained


class _Place(NamedTuple):
    """An operation at its place in a network, with its numbers in float64."""

    build: GraphBuilder
    op: Op
    parameters: tuple[Array, ...]
    state: tuple[Array, Array] | None

    def add(self, operation: GraphOperation, *x: GraphValue) -> GraphValue:
        """Add a step of the operation's link that reads these values; return what it makes."""
        return self.build.add(operation, *x, of=self.op.link.name)

    def columnwise(self, x: GraphValue, center: object, factor: object, offset: object) -> GraphValue:
        """Add the step (x - center) factor + offset, each a number or (columns,)."""
        numbers = (constant(np.broadcast_to(np.asarray(n), (x.width,))) for n in (center, factor, offset))
        return self.add(Columnwise(*numbers), x)


Make = Callable[..., GraphValue]
"""A function of a place, and of the values that the operation reads."""


def network_steps(
    build: GraphBuilder, network: Network, theta: Array, states: Mapping[str, State], x: GraphValue
) -> GraphValue:
    """Add the steps of a network that reads x; return its output (n, fan_out).

    Raises ConfigError for a layer without operations.
    """
    for link in (each for each in network.walk() if each.layer.ops(each.fan_in) is None):
        raise ConfigError(
            f"{link.name} ({type(link.layer).__name__}) declares no operations, so it cannot be exported; write its "
            "`ops`, as Layer.ops describes, or use a layer of the package."
        )
    exact = states_in(np.float64, states)
    values = [x]
    for op in operations(network).ops:
        slots = [network.slots[k] for k in op.slots]
        parameters = tuple(
            constant(theta[slot.start : slot.stop]).reshape(slot.parameter.shape) for slot in slots
        )
        state = op.link.layer.engine_state(exact[op.link.name]) if op.has_state else None
        make = OPERATIONS.get(op.name)
        if make is None:
            raise ConfigError(
                f"{op.link.name} ({type(op.link.layer).__name__}) is the operation {op.name!r}, which cannot be "
                f"exported; known ones are {', '.join(sorted(OPERATIONS))}."
            )
        values.append(make(_Place(build, op, parameters, state), *(values[k] for k in op.inputs)))
    return values[-1]


def _elementwise(at: _Place, x: GraphValue) -> GraphValue:
    function = at.op.function or ""
    if function == "identity":
        return x
    if function not in FUNCTIONS:
        raise ConfigError(
            f"{at.op.link.name} is the function {function!r}, which cannot be exported; known ones are "
            f"{', '.join(sorted(FUNCTIONS))}."
        )
    constants = tuple((name, float(value)) for name, value in at.op.constants.items())
    return at.add(Elementwise(function, constants), x)


def _state(at: _Place) -> tuple[Array, Array]:
    assert at.state is not None, "the operation has a state"
    return at.state


def _standardize(at: _Place, x: GraphValue) -> GraphValue:
    mean, std = _state(at)
    return at.columnwise(x, mean, 1 / std, 0.0)


def _batch_norm(at: _Place, x: GraphValue) -> GraphValue:
    (mean, var), (gamma, beta) = _state(at), at.parameters
    return at.columnwise(x, mean, gamma / np.sqrt(var + at.op.constants["eps"]), beta)


def _dense(at: _Place, x: GraphValue) -> GraphValue:
    W, *b = at.parameters
    return at.add(Affine(W, b[0] if b else constant(np.zeros(W.shape[1]))), x)


def _grouped_dense(at: _Place, x: GraphValue) -> GraphValue:
    W, *b = at.parameters
    W = W[None] if at.op.shared else W
    zero = np.zeros((len(W), W.shape[2]))
    made = constant(b[0].reshape(zero.shape) if b else zero)
    return at.add(GroupedAffine(W, made, at.op.groups), x)


def _parametric(at: _Place, x: GraphValue) -> GraphValue:
    made = _elementwise(at, x)
    return x if made == x else at.add(Between(at.parameters[0]), x, made)


def _embedding(at: _Place, x: GraphValue) -> GraphValue:
    """[x_rest, E1[x_c1], ..., Ek[x_ck]]"""
    rest = tuple(k for k in range(x.width) if k not in at.op.columns)
    parts = [at.add(SelectedColumns(rest), x)] if rest else []
    for column, table in zip(at.op.columns, at.parameters, strict=True):
        codes = at.add(WholeCodes(len(table)), at.add(SelectedColumns((column,)), x))
        parts.append(at.add(ToPrecision("network"), at.add(TableRows(table), codes)))
    return parts[0] if len(parts) == 1 else at.add(JoinedColumns(), *parts)


def _in_place(at: _Place, x: GraphValue, vectors_of: GraphOperation, size: int) -> GraphValue:
    """Replace the operation's columns of x by vectors of a size, which `vectors_of` makes side by side."""
    columns = at.op.columns
    chosen = x if columns == tuple(range(x.width)) else at.add(SelectedColumns(columns), x)
    vectors = at.add(vectors_of, chosen)
    place = {column: k for k, column in enumerate(columns)}
    rest = tuple(k for k in range(x.width) if k not in place)
    if not rest and chosen is x:
        return vectors
    both = at.add(JoinedColumns(), at.add(SelectedColumns(rest), x), vectors) if rest else vectors
    order, before = list[int](), 0
    for k in range(x.width):
        if k in place:
            start = len(rest) + place[k] * size
            order += range(start, start + size)
        else:
            order.append(before)
            before += 1
    return at.add(SelectedColumns(tuple(order)), both)


def _piecewise_linear(at: _Place, x: GraphValue) -> GraphValue:
    """x w0 + b0 + (E_0 + ... + E_j-1) + h_j E_j, as a start at each knot and a rise from it."""
    (left, slope), (w0, b0, E) = _state(at), at.parameters
    before = np.concatenate([np.zeros_like(E[:, :1]), np.cumsum(E[:, :-1], 1)], 1)
    there = np.isfinite(left)[:, :, None]
    knots = np.where(np.isfinite(left), left, 0.0)[:, :, None]
    starts = np.where(there, before + b0[:, None] + knots * w0[:, None], 0.0)
    rises = np.where(there, w0[:, None] + slope[:, :, None] * E, 0.0)
    return _in_place(at, x, LinearPieces(constant(left), constant(starts), constant(rises)), E.shape[2])


def _periodic(at: _Place, x: GraphValue) -> GraphValue:
    made = CosineVectors(*at.parameters)
    return _in_place(at, x, made, made.W.shape[2] + 1)


OPERATIONS: dict[str, Make] = {
    "add": lambda at, *x: at.add(WeightedSum((1.0,) * len(x)), *x),
    "batch_norm": _batch_norm,
    "concat": lambda at, *x: at.add(JoinedColumns(), *x),
    "dense": _dense,
    "dropout": lambda at, x: x,
    "elementwise": _elementwise,
    "embedding": _embedding,
    "grouped_dense": _grouped_dense,
    "parametric": _parametric,
    "periodic": _periodic,
    "piecewise_linear": _piecewise_linear,
    "prelu": lambda at, x: at.add(NegativeSlopes(at.parameters[0]), x),
    "rescale": lambda at, x: at.columnwise(x, 0.0, at.op.constants["scale"], at.op.constants["offset"]),
    "scale": lambda at, x: at.columnwise(x, 0.0, at.parameters[0], 0.0),
    "shift": lambda at, x: at.columnwise(x, 0.0, 1.0, at.parameters[0]),
    "softmax": lambda at, x: at.add(GroupSoftmax(), x),
    "standardize": _standardize,
    "take": lambda at, x: at.add(SelectedColumns(tuple(at.op.columns)), x),
}
"""How each operation that layers know by name becomes steps."""


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
        if operation.name == "ordinal":
            if out.width > operation.groups:  # of one class there is no threshold
                out = _log_ordinal(build, out, operation.groups)
            operation = operation._replace(name="softmax")
        out = build.add(_of_loss(operation), out, of="answer")
    return out


def _log_ordinal(build: GraphBuilder, z: GraphValue, groups: int) -> GraphValue:
    """Add `log_ordinal` of groups of columns: softplus(softplus(z [I, -I]) A) B, as z = softplus(z) - softplus(-z)."""
    size, one = z.width // groups, np.eye(groups)
    inner = np.eye(size)[:, 1:-1]  # (K, K - 2)
    ends = np.zeros((size, size - 1))
    ends[0], ends[-1] = 1, -1
    t = ends + np.triu(np.ones((size, size)), 0)[:, : size - 1] * inner.sum(1)[:, None]
    both = np.vstack([np.kron(one, np.hstack(part)) for part in ((-t, t, -inner), (ends, -ends, inner))])
    last = -np.vstack([np.eye(size)[:-1], np.eye(size)[1:], inner.T])  # (3 K - 4, K)

    def product(x: GraphValue, W: Array) -> GraphValue:
        return build.add(Affine(constant(W), constant(np.zeros(W.shape[1]))), x, of="answer")

    for W in (np.hstack([np.eye(z.width), -np.eye(z.width)]), both):
        z = build.add(Elementwise("softplus"), product(z, W), of="answer")
    return product(z, np.kron(one, last))


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

    out = _in_units(build, out, scale)
    if scale.low is not None and scale.high is not None:
        low, high = (constant(np.tile(end, out.width // len(end))) for end in (scale.low, scale.high))
        out = build.add(Bounded(low, high), out, of="target range")
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


def graph_of_outputs(model: Trained, scale: TargetScale | None = None) -> ComputationGraph:
    """Return the graph of a network's outputs, of a matrix "X" of inputs. scale: the units to convert them to."""
    build = GraphBuilder()
    x = build.add(
        GraphInput("X", "numbers", model.network.inputs, tuple(model.feature_names or ())), of="input"
    )
    out = network_steps(build, model.network, model.theta, model.states, x)
    if scale is not None:
        out = _in_units(build, out, scale)
    return build.done({"outputs": out}, "regression")


def _in_units(build: GraphBuilder, out: GraphValue, scale: TargetScale) -> GraphValue:
    """Add out std + mean, for each of the members side by side."""
    std, mean = (constant(np.tile(each, out.width // len(each))) for each in (scale.std, scale.mean))
    return build.add(Columnwise(constant(np.zeros(out.width)), std, mean), out, of="target scale")


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
