"""What each operation on 8-bit integers is in C, and the part of a program that has only these."""

from __future__ import annotations

import numpy as np

from chainrule.errors import ConfigError
from chainrule.export import integers
from chainrule.export.as_c.places import GeneratedCode, IntegerCore, Value, each, number, of_groups
from chainrule.export.columns import GraphInput
from chainrule.export.graph import ComputationGraph
from chainrule.export.integers import LOWEST, Int8Affine, Int8Table, IntegerOperation, ToInt8
from chainrule.export.numbers import INT8
from chainrule.export.quantizing import Int8Range


def to_int8(made: GeneratedCode, op: integers.ToInt8, x: list[Value], y: Value) -> list[str]:
    """Write numbers to integers."""
    value = "x0[k]" if x[0].kind == "float" else "(float)x0[k]"
    call = f"{made.call('to_int8')}({value}, {number(op.scale, 'float')}, {op.zero})"
    return each(y.width, call)


def from_int8(made: GeneratedCode, op: integers.FromInt8, x: list[Value], y: Value) -> list[str]:
    """Write integers to numbers."""
    value = f"(float)(x0[k] - {_signed(op.zero)}) * {number(op.scale, 'float')}"
    return each(y.width, value)


def affine(made: GeneratedCode, op: integers.Int8Affine, x: list[Value], y: Value) -> list[str]:
    """Write a dense layer, with the input's zero as part of the bias."""
    own, inputs, outputs = op.W.shape
    if max(inputs, outputs) > 65535:
        raise ConfigError("a dense layer in 8-bit integers has at most 65,535 inputs and outputs in C.")
    made.count(op.groups * inputs * outputs)
    W = made.constant(op.W.swapaxes(1, 2), "int8_t")
    folded = op.bias.astype(np.int64) - op.zero * op.W.astype(np.int64).sum(1)
    names = [
        made.constant(values, kind)
        for values, kind in ((folded, "int32_t"), (op.multiplier, "int32_t"), (op.shift, "int8_t"))
    ]
    of_group = (f" + g * {inputs * outputs}u", f" + g * {outputs}u") if own > 1 else ("", "")
    constants = ", ".join([W + of_group[0], *(name + of_group[1] for name in names)])
    sizes = f"{inputs}u, {outputs}u, {op.zero_out}, {op.low}"
    name = made.call("affine_q", needs=("scaled",))
    if op.groups == 1:
        return [f"{name}(x0, y, {constants}, {sizes});"]
    call = f"{name}(x0 + g * {inputs}u, y + g * {outputs}u, {constants}, {sizes});"
    return of_groups(op.groups, call)


def table(
    made: GeneratedCode, op: integers.Int8Table | integers.Int8Numbers, x: list[Value], y: Value
) -> list[str]:
    """Write a function by its table."""
    name = made.constant(op.table, y.kind)
    return each(y.width, f"{name}[x0[k] + {-LOWEST}]")


def softmax(made: GeneratedCode, op: integers.Int8Softmax, x: list[Value], y: Value) -> list[str]:
    """Write the softmax of each group."""
    size, powers = y.width // op.groups, made.constant(op.powers, "float")
    call = f"{made.call('softmax_q')}(x0 + g * {size}u, y + g * {size}u, {powers}, {size}u);"
    return of_groups(op.groups, call)


def _signed(value: int) -> str:
    return f"({value})" if value < 0 else str(value)


def integer_core(graph: ComputationGraph) -> IntegerCore | None:
    """Return the steps of integers if there is one value that they read and one that they answer, else None."""
    entries = [k for k, step in enumerate(graph.steps) if isinstance(step.operation, ToInt8)]
    inside = {k for k, step in enumerate(graph.steps) if step.makes == INT8 and k not in entries}
    exits = {
        read
        for k, step in enumerate(graph.steps)
        if k not in inside and isinstance(step.operation, IntegerOperation)
        for read in step.reads
        if graph.steps[read].makes == INT8
    }
    if len(entries) != 1 or len(exits) != 1 or not exits <= inside:
        return None
    [first], [last] = entries, exits
    if inside != set(range(first + 1, last + 1)):
        return None
    entry, answer = graph.steps[first], graph.steps[last]
    assert isinstance(entry.operation, ToInt8) and isinstance(answer.operation, (Int8Affine, Int8Table))
    return IntegerCore(
        first=first,
        last=last,
        given=Int8Range(entry.operation.scale, entry.operation.zero),
        made=Int8Range(answer.operation.scale_out, answer.operation.zero_out),
        inputs=entry.width,
        outputs=answer.width,
        reads_matrix=isinstance(graph.steps[entry.reads[0]].operation, GraphInput),
    )
