"""What 8-bit integers do to the values of a model: by layer, by class, and by column of its input.

from chainrule.export.effect import effect_of_int8

print(effect_of_int8(model.graph(), {"X": X}))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core import records
from chainrule.export.quantizing import InInt8, Int8Range, in_int8
from chainrule.graph.columns import GraphInput
from chainrule.graph.graph import ComputationGraph, step_value
from chainrule.graph.integers import HIGHEST, LOWEST, ToInt8
from chainrule.graph.operation import INT8, NUMBERS, Array
from chainrule.graph.passes import simplified

ROWS_OF_A_COLUMN = 200
"""The rows for which columns are rounded one by one."""
MOST_COLUMNS = 1000
"""Of an input, for which this is done: the time grows with the square of their number."""


@records.kind("int8_layer")
@dataclass(frozen=True)
class LayerEffect(records.DataResult):
    """What integers do to the result of a dense layer, with a ReLU behind it if that is part of it.

    Of several networks it is the worst of the layers of this name.
    """

    name: str
    low: float
    """the smallest number that an integer stands for"""
    high: float
    error: float
    """the root mean square of the difference, in parts of that of the exact result"""
    at_the_ends: float
    """the share of integers that are -128 or 127 where the exact result is beyond both numbers"""
    used: int
    """how many of the 256 integers occur"""


@records.kind("int8_class")
@dataclass(frozen=True)
class ClassEffect(records.DataResult):
    """What integers do to the rows of a class, as the exact model sees them."""

    label: str
    rows: int
    """those whose likeliest class it is"""
    same: float
    """the share of these that stay in it"""
    change: float
    """the mean of |p - q| of the probability of this class, over all rows"""
    mostly: str
    """the class that the most of the others go to; empty for none"""


@records.kind("int8_column")
@dataclass(frozen=True)
class ColumnEffect(records.DataResult):
    """What rounding one column of the input to integers does to the answer."""

    name: str
    step: float
    """what one integer is, in standard deviations of the column; of one that becomes several the smallest"""
    change: float
    """the mean difference of the answer if this column alone is rounded"""


@records.kind("int8_effect")
@dataclass(frozen=True)
class Int8Effect(records.Shown, records.TextResult):
    """What 8-bit integers do to a model: print it.

    Answers are probabilities, or numbers in parts of their standard deviation; the difference of a row is the mean over
    its answers.
    """

    rows: int
    difference: float
    """the mean difference of the answers"""
    layers: tuple[LayerEffect, ...]
    classes: tuple[ClassEffect, ...]
    """() of numbers"""
    columns: tuple[ColumnEffect, ...]
    """those that change the answer most in front; () where the first dense layer reads no columns of the input, and of
    more than `MOST_COLUMNS`"""


def effect_of_int8(graph: ComputationGraph, inputs: Mapping[str, Any]) -> Int8Effect:
    """Return what integers do to a model's layers, classes and columns.

    graph: of a model or an estimator.  inputs: rows, as `ComputationGraph.run` takes them; ranges are measured on them.
    Raises ConfigError as `in_int8` does.
    """
    exact = simplified(graph, by_column=False)
    return effect_between(exact, in_int8(exact, inputs), inputs)


def effect_between(exact: ComputationGraph, made: InInt8, inputs: Mapping[str, Any]) -> Int8Effect:
    """Return the same of a graph, simplified(graph, by_column=False), and of `in_int8` of it.

    inputs: rows, as `ComputationGraph.run` takes them.
    """
    values, found = exact.values(inputs, "float32"), made.graph.values(inputs, "float32")
    name = "predictions" if "predictions" in exact.outputs else "probabilities"
    answers = values[exact.outputs[name]], found[made.graph.outputs[name]]
    scale = 1.0 if exact.labels else max(float(answers[0].std()), np.finfo(np.float64).tiny)
    return Int8Effect(
        rows=len(answers[0]),
        difference=float(np.abs(answers[1] - answers[0]).mean() / scale),
        layers=tuple(_layers(made, values, found)),
        classes=tuple(_classes(exact, *answers)),
        columns=tuple(_columns(exact, made, inputs, name, scale)),
    )


def _layers(made: InInt8, values: list[Array], found: list[Array]) -> Iterator[LayerEffect]:
    """Compare the result of each dense layer."""
    each: dict[str, list[LayerEffect]] = {}
    for layer in made.layers:
        x, q, numbers = values[layer.exact].astype(np.float64), found[layer.step], layer.range.numbers()
        low, high = float(numbers[0]), float(numbers[-1])
        y = numbers[q.astype(np.int64) - LOWEST]
        ends = ((q == LOWEST) & (x < low)) | ((q == HIGHEST) & (x > high))
        size = max(float(np.sqrt(np.square(x).mean())), np.finfo(np.float64).tiny)
        error = float(np.sqrt(np.square(y - x).mean())) / size
        effect = LayerEffect(layer.of, low, high, error, float(ends.mean()), len(np.unique(q)))
        each.setdefault(layer.of, []).append(effect)
    for name, same in each.items():
        yield LayerEffect(
            name,
            low=min(one.low for one in same),
            high=max(one.high for one in same),
            error=max(one.error for one in same),
            at_the_ends=max(one.at_the_ends for one in same),
            used=min(one.used for one in same),
        )


def _classes(graph: ComputationGraph, p: Array, q: Array) -> Iterator[ClassEffect]:
    """Compare the probabilities of each class."""
    if graph.task not in ("binary", "multiclass"):
        return
    before, after = p.argmax(1), q.argmax(1)
    for k, label in enumerate(graph.labels):
        own = after[before == k]
        others = np.bincount(own[own != k], minlength=len(graph.labels))
        yield ClassEffect(
            label=str(label),
            rows=len(own),
            same=float((own == k).mean()) if len(own) else 1.0,
            change=float(np.abs(p[:, k] - q[:, k]).mean()),
            mostly=str(graph.labels[int(others.argmax())]) if others.any() else "",
        )


def _columns(
    graph: ComputationGraph, made: InInt8, inputs: Mapping[str, Any], name: str, scale: float
) -> list[ColumnEffect]:
    """Round each column alone where the first dense layers read it, in the float graph, and compare the answers."""
    if sum(each.columns for each in graph.inputs) > MOST_COLUMNS:
        return []
    few = {key: values[:ROWS_OF_A_COLUMN] for key, values in inputs.items()}
    values = graph.values(few, "float32")
    entries = _entries(graph, made)
    rounded = {
        k: Int8Range(step.scale, step.zero).numbers()[step.compute(values[k]).astype(np.int64) - LOWEST]
        for k, step in entries.items()
    }
    effects = []
    for label, moved in _moved(graph, values):
        behind = _recomputed(graph, values, moved, max(entries))
        replaced: dict[int, Array] = {}
        steps: list[float] = []
        for k, step in entries.items():
            own = (behind[k] != values[k]).any(0) if k in behind else np.zeros(values[k].shape[1], bool)
            steps += [step.scale / spread for spread in values[k][:, own].std(0).tolist() if spread > 0]
            if (rounded[k][:, own] != values[k][:, own]).any():
                replaced[k] = np.where(own, rounded[k], values[k]).astype(np.float32)
        answer = graph.outputs[name]
        found = _recomputed(graph, values, replaced, answer).get(answer, values[answer])
        effects.append(
            ColumnEffect(label, min(steps, default=0.0), float(np.abs(found - values[answer]).mean() / scale))
        )
    return sorted(effects, key=lambda each: -each.change)


def _entries(graph: ComputationGraph, made: InInt8) -> dict[int, ToInt8]:
    """Return the steps of the float graph that become integers first, and how."""
    number = {id(step.operation): k for k, step in enumerate(graph.steps)}
    behind = set[int]()
    found = {}
    for k, step in enumerate(made.graph.steps):
        if isinstance(step.operation, ToInt8) and not behind.intersection(step.reads):
            found[number[id(made.graph.steps[step.reads[0]].operation)]] = step.operation
        if step.makes == INT8 or behind.intersection(step.reads):
            behind.add(k)
    return found


def _moved(graph: ComputationGraph, values: list[Array]) -> Iterator[tuple[str, dict[int, Array]]]:
    """Yield each column of the input with the step of its input, in which that column has other values than these."""
    for k, step in enumerate(graph.steps):
        if not isinstance(step.operation, GraphInput):
            continue
        order = np.roll(np.arange(len(values[k])), 1)
        if step.operation.holds != NUMBERS:
            yield step.operation.label, {k: values[k][order]}
            continue
        names = step.operation.names or tuple(f"x{i}" for i in range(step.width))
        for i, name in enumerate(names):
            changed = values[k].copy()
            changed[:, i] = np.arange(len(changed)) + changed[:, i].max(initial=0.0) + 1
            yield name, {k: changed}


def _recomputed(
    graph: ComputationGraph, values: list[Array], replaced: Mapping[int, Array], last: int
) -> dict[int, Array]:
    """Return the values that change where those of some steps are replaced, up to a last step, by number."""
    found = dict(replaced)
    precision = np.dtype(np.float32)
    for k, step in enumerate(graph.steps[: last + 1]):
        if k not in found and any(read in found for read in step.reads):
            read = [found.get(each, values[each]) for each in step.reads]
            found[k] = step_value(step.operation, read, precision)
    return found
