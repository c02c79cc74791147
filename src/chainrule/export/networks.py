"""A network as steps of a graph, from the operations that its layers and its loss say of themselves.

There is no table of layers here, but one of the operations by name (`chainrule.engines.ops`), as an engine has it: a
custom layer written in known operations is exported like any other. In prediction a dropout is nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from chainrule.core.arrays import State, states_in
from chainrule.engines.ops import Op, operations, unnamed
from chainrule.errors import ConfigError
from chainrule.export.answers import WeightedSum
from chainrule.export.base import Array, constant
from chainrule.export.columns import TableRows, ToPrecision, WholeCodes
from chainrule.export.graph import GraphBuilder, GraphValue
from chainrule.export.numbers import (
    FUNCTIONS,
    Affine,
    Between,
    Columnwise,
    CosineVectors,
    Elementwise,
    GroupedAffine,
    GroupSoftmax,
    JoinedColumns,
    LinearPieces,
    NegativeSlopes,
    SelectedColumns,
)
from chainrule.network.network import Network


class _Place(NamedTuple):
    """An operation at its place in a network, with its numbers in float64."""

    op: Op
    parameters: tuple[Array, ...]
    state: tuple[Array, Array] | None


Make = Callable[[GraphBuilder, _Place, Sequence[GraphValue]], GraphValue]


def network_steps(
    build: GraphBuilder, network: Network, theta: Array, states: Mapping[str, State], x: GraphValue
) -> GraphValue:
    """Add the steps of a network that reads x; return its output (n, fan_out).

    Raises ConfigError for a layer without operations.
    """
    link = unnamed(network)
    if link is not None:
        raise ConfigError(
            f"{link.name} ({type(link.layer).__name__}) says no operations, so it cannot be exported; write its `ops`, "
            "as Layer.ops describes, or use a layer of the package."
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
        values.append(make(build, _Place(op, parameters, state), [values[k] for k in op.inputs]))
    return values[-1]


def _elementwise(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    function = at.op.function or ""
    if function == "identity":
        return x[0]
    if function not in FUNCTIONS:
        raise ConfigError(
            f"{at.op.link.name} is the function {function!r}, which cannot be exported; known ones are "
            f"{', '.join(sorted(FUNCTIONS))}."
        )
    constants = tuple((name, float(value)) for name, value in at.op.constants.items())
    return build.add(Elementwise(function, constants), x[0], of=at.op.link.name)


def _columnwise(
    build: GraphBuilder, at: _Place, x: GraphValue, center: object, factor: object, offset: object
) -> GraphValue:
    numbers = (constant(np.broadcast_to(np.asarray(each), (x.width,))) for each in (center, factor, offset))
    return build.add(Columnwise(*numbers), x, of=at.op.link.name)


def _rescale(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    return _columnwise(build, at, x[0], 0.0, at.op.constants["scale"], at.op.constants["offset"])


def _state(at: _Place) -> tuple[Array, Array]:
    assert at.state is not None, "the operation has a state"
    return at.state


def _standardize(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    mean, std = _state(at)
    return _columnwise(build, at, x[0], mean, 1 / std, 0.0)


def _batch_norm(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    (mean, var), (gamma, beta) = _state(at), at.parameters
    return _columnwise(build, at, x[0], mean, gamma / np.sqrt(var + at.op.constants["eps"]), beta)


def _scale(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    return _columnwise(build, at, x[0], 0.0, at.parameters[0], 0.0)


def _shift(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    return _columnwise(build, at, x[0], 0.0, 1.0, at.parameters[0])


def _dense(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    W, *b = at.parameters
    return build.add(Affine(W, b[0] if b else constant(np.zeros(W.shape[1]))), x[0], of=at.op.link.name)


def _grouped_dense(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    W, *b = at.parameters
    W = W[None] if at.op.shared else W
    zero = np.zeros((len(W), W.shape[2]))
    made = constant(b[0].reshape(zero.shape) if b else zero)
    return build.add(GroupedAffine(W, made, at.op.groups), x[0], of=at.op.link.name)


def _prelu(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    return build.add(NegativeSlopes(at.parameters[0]), x[0], of=at.op.link.name)


def _parametric(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    made = _elementwise(build, at, x)
    return x[0] if made == x[0] else build.add(Between(at.parameters[0]), x[0], made, of=at.op.link.name)


def _softmax(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    return build.add(GroupSoftmax(), x[0], of=at.op.link.name)


def _nothing(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    return x[0]


def _take(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    return build.add(SelectedColumns(tuple(at.op.columns)), x[0], of=at.op.link.name)


def _add(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    return build.add(WeightedSum((1.0,) * len(x)), *x, of=at.op.link.name)


def _concat(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    return build.add(JoinedColumns(), *x, of=at.op.link.name)


def _embedding(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    """[x_rest, E1[x_c1], ..., Ek[x_ck]]"""
    name = at.op.link.name
    rest = tuple(k for k in range(x[0].width) if k not in at.op.columns)
    parts = [build.add(SelectedColumns(rest), x[0], of=name)] if rest else []
    for column, table in zip(at.op.columns, at.parameters, strict=True):
        codes = build.add(
            WholeCodes(len(table)), build.add(SelectedColumns((column,)), x[0], of=name), of=name
        )
        vectors = build.add(TableRows(table), codes, of=name)
        parts.append(build.add(ToPrecision("network"), vectors, of=name))
    return parts[0] if len(parts) == 1 else build.add(JoinedColumns(), *parts, of=name)


def _in_place(
    build: GraphBuilder, at: _Place, x: GraphValue, make: Callable[[GraphValue], GraphValue], size: int
) -> GraphValue:
    """Replace the operation's columns of x by vectors, which `make` returns side by side."""
    name, columns = at.op.link.name, at.op.columns
    chosen = x if columns == tuple(range(x.width)) else build.add(SelectedColumns(columns), x, of=name)
    vectors = make(chosen)
    rest = tuple(k for k in range(x.width) if k not in columns)
    if not rest and chosen is x:
        return vectors
    both = (
        build.add(JoinedColumns(), build.add(SelectedColumns(rest), x, of=name), vectors, of=name)
        if rest
        else vectors
    )
    order: list[int] = []
    for k in range(x.width):
        if k in columns:
            start = len(rest) + columns.index(k) * size
            order += range(start, start + size)
        else:
            order.append(rest.index(k))
    return build.add(SelectedColumns(tuple(order)), both, of=name)


def _piecewise_linear(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    """x w0 + b0 + (E_0 + ... + E_j-1) + h_j E_j, as a start at each knot and a rise from it."""
    (left, slope), (w0, b0, E) = _state(at), at.parameters
    before = np.concatenate([np.zeros_like(E[:, :1]), np.cumsum(E[:, :-1], 1)], 1)
    there = np.isfinite(left)[:, :, None]
    knots = np.where(np.isfinite(left), left, 0.0)[:, :, None]
    starts = np.where(there, before + b0[:, None] + knots * w0[:, None], 0.0)
    rises = np.where(there, w0[:, None] + slope[:, :, None] * E, 0.0)
    made = LinearPieces(constant(left), constant(starts), constant(rises))
    return _in_place(build, at, x[0], lambda own: build.add(made, own, of=at.op.link.name), E.shape[2])


def _periodic(build: GraphBuilder, at: _Place, x: Sequence[GraphValue]) -> GraphValue:
    made = CosineVectors(*at.parameters)
    size = made.W.shape[2] + 1
    return _in_place(build, at, x[0], lambda own: build.add(made, own, of=at.op.link.name), size)


OPERATIONS: dict[str, Make] = {
    "add": _add,
    "batch_norm": _batch_norm,
    "concat": _concat,
    "dense": _dense,
    "dropout": _nothing,
    "elementwise": _elementwise,
    "embedding": _embedding,
    "grouped_dense": _grouped_dense,
    "parametric": _parametric,
    "periodic": _periodic,
    "piecewise_linear": _piecewise_linear,
    "prelu": _prelu,
    "rescale": _rescale,
    "scale": _scale,
    "shift": _shift,
    "softmax": _softmax,
    "standardize": _standardize,
    "take": _take,
}
"""How each operation that layers know by name becomes steps."""
