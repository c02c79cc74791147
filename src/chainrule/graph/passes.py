"""Simplifications: functions from a graph to one that computes the same, up to the rounding of its constants.

simplified(graph)             constants folded into neighboring dense layers, and what nothing reads left out
only(graph, "label")          the steps that these outputs need
narrowed(graph, {0: 0.0})     a first dense layer without inputs that have no weight, or that are always the same
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from chainrule.errors import ConfigError
from chainrule.graph.columns import GraphInput
from chainrule.graph.graph import ComputationGraph, GraphBuilder, GraphValue
from chainrule.graph.numbers import Affine, Columnwise, GroupedAffine, SelectedColumns
from chainrule.graph.operation import NUMBERS, GraphOperation, constant
from chainrule.graph.step import GraphStep

FARTHEST = 1024.0
"""Centers of so many spreads are folded into the dense layer behind; in float32 further ones would lose digits."""


def only(graph: ComputationGraph, *outputs: str) -> ComputationGraph:
    """Return the graph of some outputs, by name, without the steps that none of them needs; of all without names.

    Raises ConfigError for an unknown name.
    """
    unknown = [name for name in outputs if name not in graph.outputs]
    if unknown:
        raise ConfigError(f"outputs must be among {', '.join(graph.outputs)}, not {unknown[0]!r}.")
    kept = {name: graph.outputs[name] for name in outputs or graph.outputs}
    needed = set(kept.values())
    for k in range(len(graph.steps) - 1, -1, -1):
        if k in needed:
            needed.update(graph.steps[k].reads)
    places = {k: place for place, k in enumerate(sorted(needed))}
    steps = tuple(
        step._replace(reads=tuple(places[read] for read in step.reads))
        for k, step in enumerate(graph.steps)
        if k in needed
    )
    return replace(graph, steps=steps, outputs={name: places[k] for name, k in kept.items()})


def simplified(graph: ComputationGraph, by_column: bool = True) -> ComputationGraph:
    """Return the graph with affine functions of columns folded together and into dense layers around them.

    A Rescale, a standardization or a batch norm before or behind a dense layer becomes part of its weights. What is
    centered further than FARTHEST spreads from 0 stays in front, because the difference of two large products would
    lose digits in float32. Selections of selections become one, and steps that nothing reads are left out.
    by_column: whether a dense layer takes in a scale before it that differs by column; not for integers, where all
    columns have one range.
    """
    readers = Counter(read for step in graph.steps for read in step.reads)
    readers.update(graph.outputs.values())
    build = GraphBuilder()
    made: list[GraphValue] = []
    for step in graph.steps:
        values = [made[read] for read in step.reads]
        if len(values) == 1:
            before = build.steps[values[0].number]
            found = folded(before, step.operation, is_only_reader=readers[step.reads[0]] == 1)
            if found is not None and (by_column or not _mixes(before.operation, found)):
                read = before.reads[0]
                of = before.of if isinstance(before.operation, (Affine, GroupedAffine)) else step.of
                made.append(build.add(found, GraphValue(read, build.steps[read].width), of=of))
                continue
        made.append(build.add(step.operation, *values, of=step.of))
    outputs = {name: made[k].number for name, k in graph.outputs.items()}
    return only(replace(graph, steps=tuple(build.steps), outputs=outputs))


def folded(before: GraphStep, operation: GraphOperation, is_only_reader: bool) -> GraphOperation | None:
    """Return one operation for two in a row; None if they stay two. is_only_reader: of what the first one makes."""
    first = before.operation
    if isinstance(first, SelectedColumns) and isinstance(operation, SelectedColumns):
        return SelectedColumns(tuple(first.columns[k] for k in operation.columns))
    if isinstance(first, Columnwise):
        if isinstance(operation, Columnwise):
            return _both(first, operation)
        if isinstance(operation, Affine):
            return _into(first, operation)
    if isinstance(operation, Columnwise) and is_only_reader:
        if isinstance(first, Affine):
            W = first.W * operation.factor
            return Affine(
                constant(W), constant((first.b - operation.center) * operation.factor + operation.offset)
            )
        if isinstance(first, GroupedAffine):
            return _behind_groups(first, operation)
    return None


def _mixes(first: GraphOperation, made: GraphOperation) -> bool:
    """Whether a dense layer has taken in a scale that differs by column."""
    if not (isinstance(first, Columnwise) and isinstance(made, Affine)):
        return False
    shift = first.offset - first.center * first.factor
    return bool((first.factor != first.factor[0]).any() or (shift != shift[0]).any())


def _both(first: Columnwise, second: Columnwise) -> Columnwise | None:
    """((x - c1) f1 + o1 - c2) f2 + o2 = (x - c1) f1 f2 + ((o1 - c2) f2 + o2)"""
    factor = first.factor * second.factor
    offset = (first.offset - second.center) * second.factor + second.offset
    if not (np.isfinite(factor).all() and np.isfinite(offset).all()):
        return None
    return Columnwise(first.center, constant(factor), constant(offset))


def _into(first: Columnwise, dense: Affine) -> Affine | None:
    """((x - c) f + o) W + b = x (f W) + (o - c f) W + b"""
    shift = first.offset - first.center * first.factor
    if not (np.abs(shift) <= FARTHEST).all():
        return None
    return Affine(constant(first.factor[:, None] * dense.W), constant(shift @ dense.W + dense.b))


def _behind_groups(first: GroupedAffine, second: Columnwise) -> GroupedAffine | None:
    """The same as behind a dense layer, group by group; weights that groups share stay shared, or nothing is folded."""
    center, factor, offset = (
        each.reshape(first.groups, -1) for each in (second.center, second.factor, second.offset)
    )
    if len(first.W) == 1:
        if not (factor == factor[0]).all():
            return None
        W = first.W * factor[:1, None]
    else:
        W = first.W * factor[:, None]
    return GroupedAffine(constant(W), constant((first.b - center) * factor + offset), first.groups)


def narrowed(graph: ComputationGraph, fixed: Mapping[int, float] | None = None) -> ComputationGraph:
    """Return the graph whose first dense layers read no input without weights, and none that is always the same.

    fixed: columns of the input matrix "X" that never change, such as pixels at the border, with their values; they
    become part of the biases, and the graph is the same only for rows with these values. Fold with `simplified` first.
    """
    known = dict(fixed or {})
    build = GraphBuilder()
    made: list[GraphValue] = []
    for step in graph.steps:
        values = [made[read] for read in step.reads]
        operation = step.operation
        if isinstance(operation, Affine):
            source = build.steps[values[0].number].operation
            if isinstance(source, GraphInput) and source.holds == NUMBERS:
                dead = [k for k in range(len(operation.W)) if k in known or not operation.W[k].any()]
                live = [k for k in range(len(operation.W)) if k not in set(dead)]
                if dead and live:
                    b = operation.b + sum(known.get(k, 0.0) * operation.W[k] for k in dead)
                    operation = Affine(constant(operation.W[live]), constant(b))
                    values = [build.add(SelectedColumns(tuple(live)), values[0], of=step.of)]
        made.append(build.add(operation, *values, of=step.of))
    outputs = {name: made[k].number for name, k in graph.outputs.items()}
    return only(replace(graph, steps=tuple(build.steps), outputs=outputs))
