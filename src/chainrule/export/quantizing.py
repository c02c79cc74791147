"""A graph whose dense layers compute with 8-bit integers, by the ranges that its values have on given rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.errors import ConfigError
from chainrule.graph.answers import GroupSoftmax, LargestColumn
from chainrule.graph.graph import ComputationGraph, GraphBuilder, GraphValue
from chainrule.graph.integers import (
    HIGHEST,
    LOWEST,
    FromInt8,
    Int8Affine,
    Int8Largest,
    Int8Numbers,
    Int8Softmax,
    Int8Table,
    ToInt8,
)
from chainrule.graph.numbers import Affine, Elementwise, GroupedAffine
from chainrule.graph.operation import NUMBERS, Array
from chainrule.graph.step import GraphStep

INT8_DTYPE = "int8"
"""The dtype of exports whose dense layers are products of 8-bit integers."""
ALL = np.arange(LOWEST, HIGHEST + 1, dtype=np.int8)
"""Every integer, in the order of a table."""
LARGEST_BIAS = 2**30
"""In steps of a sum: of a bias beyond it, the weights' scale is made larger."""


NO_DENSE = "8-bit integers are for dense layers, and the model has none; use float32."


class Int8Range(NamedTuple):
    """What an integer stands for: (q - zero) scale."""

    scale: float
    """a float32"""
    zero: int

    def numbers(self) -> NDArray[np.float64]:
        """Return the numbers of all 256 integers."""
        return (ALL.astype(np.float64) - self.zero) * self.scale


NO_RANGE = Int8Range(1.0, 0)
"""That of values that are all 0, and of codes and texts, which no integer stands for."""


class Int8Layer(NamedTuple):
    """A dense layer in integers."""

    of: str
    """the name of its layer"""
    exact: int
    """the step of its result in the float graph; of a ReLU behind it where that is part of it"""
    step: int
    """the same in the graph of integers"""
    range: Int8Range
    """of its result"""


class InInt8(NamedTuple):
    """A graph with dense layers in integers."""

    graph: ComputationGraph
    layers: tuple[Int8Layer, ...]


def calibrated(inputs: Mapping[str, Any], are_given: bool) -> Mapping[str, Any]:
    """Return the inputs on which ranges are measured: of rows that were given, those that are compared.

    Raises ConfigError for rows that are drawn, which may have other ranges than the model's data.
    """
    if not are_given:
        raise ConfigError(
            "dtype='int8' measures ranges on rows of the model's inputs; pass some hundreds as X."
        )
    return inputs


def range_of(values: Array) -> Int8Range:
    """Return the scale and zero of values: from the smallest to the largest, and 0 is one of the numbers.

    scale = (high - low) / 255,  zero = round(-128 - low / scale),  as ONNX Runtime's MinMax calibration has it
    """
    finite = values[np.isfinite(values)]
    low, high = min(0.0, float(finite.min(initial=0.0))), max(0.0, float(finite.max(initial=0.0)))
    with np.errstate(over="ignore"):
        scale = np.float32((high - low) / 255)
    if not (np.isfinite(scale) and scale > np.finfo(np.float32).tiny):
        return NO_RANGE
    zero = int(np.clip(np.round(LOWEST - low / float(scale)), LOWEST, HIGHEST))
    return Int8Range(float(scale), zero)


def multiplier_of(factor: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return multiplier and shift of factors: factor = multiplier 2^(shift - 31), multiplier from 2^30 to 2^31.

    This is LiteRT's QuantizeMultiplier: 0 for factors below 2^-32.
    """
    share, shift = np.frexp(factor)
    multiplier = np.floor(share * 2.0**31 + 0.5).astype(np.int64)
    carried = multiplier == 2**31
    multiplier, shift = np.where(carried, 2**30, multiplier), np.where(carried, shift + 1, shift)
    tiny = shift < -31
    return np.where(tiny, 0, multiplier).astype(np.int32), np.where(tiny, 0, np.minimum(shift, 30)).astype(
        np.int32
    )


def quantized_weights(
    W: NDArray[np.float64], b: NDArray[np.float64], scale: float
) -> tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.float64]]:
    """Return W (own, inputs, outputs) in integers -127 to 127, b (own, outputs) in steps of a sum, and W's scales.

    scale: of the input. A scale for each output: its largest |w| / 127, or more for a bias that 32 bits could not hold.
    """
    largest = np.abs(W).max(1, initial=0.0) / 127
    scales = np.maximum(largest, np.abs(b) / (scale * LARGEST_BIAS)).astype(np.float32)
    scales = np.where(scales > 0, scales, np.float32(1)).astype(np.float64)
    integers = np.clip(np.round(W / scales[:, None]), -127, 127).astype(np.int8)
    steps = np.clip(np.round(b / (scale * scales)), -(2**31) + 1, 2**31 - 1)
    return integers, steps.astype(np.int32), scales


def int8_affine(
    operation: Affine | GroupedAffine, given: Int8Range, made: Int8Range, is_relu: bool, of: str
) -> Int8Affine:
    """Return a dense layer in integers. given, made: the ranges of what it reads and makes.

    Raises ConfigError where a sum could be beyond 32 bits.
    """
    grouped = isinstance(operation, GroupedAffine)
    W, b = (operation.W, operation.b) if grouped else (operation.W[None], operation.b[None])
    b = np.broadcast_to(b, (max(len(W), len(b)), b.shape[1]))
    W = np.broadcast_to(W, (len(b), *W.shape[1:]))
    integers, bias, scales = quantized_weights(W, b, given.scale)
    most = 256 * np.abs(integers.astype(np.int64)).sum(1) + np.abs(bias.astype(np.int64))
    if (most >= 2**31).any():
        raise ConfigError(
            f"{of or 'a dense layer'} has {W.shape[1]:,} inputs, whose sum in 8-bit integers could be beyond 32 bits; "
            "use float32."
        )
    multiplier, shift = multiplier_of(given.scale * scales / made.scale)
    return Int8Affine(
        W=integers,
        bias=bias,
        multiplier=multiplier,
        shift=shift,
        zero=given.zero,
        scale_out=made.scale,
        zero_out=made.zero,
        low=made.zero if is_relu else LOWEST,
        groups=operation.groups if isinstance(operation, GroupedAffine) else 1,
    )


class _Made:
    """What becomes of a step of the float graph: numbers, codes or text, and integers, each made when first read."""

    def __init__(
        self,
        numbers: Callable[[], GraphValue],
        int8: Callable[[], GraphValue],
        range: Int8Range | None = None,
        is_int8: bool = True,
    ) -> None:
        """Keep how to make each. range: of the integers; is_int8: whether they need no numbers."""
        self.range, self.is_int8 = range, is_int8
        self._numbers, self._int8 = numbers, int8
        self._made: dict[str, GraphValue] = {}

    def numbers(self) -> GraphValue:
        """Return the numbers."""
        if "numbers" not in self._made:
            self._made["numbers"] = self._numbers()
        return self._made["numbers"]

    def int8(self) -> GraphValue:
        """Return the integers."""
        if "int8" not in self._made:
            self._made["int8"] = self._int8()
        return self._made["int8"]


def ranges_of(
    graph: ComputationGraph, inputs: Mapping[str, Any], dtype: DTypeLike = "float32"
) -> tuple[Int8Range, ...]:
    """Return the range of each step's value on rows, as `ComputationGraph.run` takes them."""
    is_number = [step.makes == NUMBERS for step in graph.steps]
    values = graph.values(inputs, dtype)
    return tuple(range_of(value) if has else NO_RANGE for value, has in zip(values, is_number, strict=True))


def in_int8(graph: ComputationGraph, inputs: Mapping[str, Any]) -> InInt8:
    """Return the graph with its dense layers, and functions of each number behind them, in 8-bit integers.

    graph: of `simplified(graph, by_column=False)`.  inputs: rows on which the ranges of values are measured, as
    `ComputationGraph.run` takes them. Weights have a scale for each output, values one each. The preparation of a
    table, sums of several values and the answer stay as they are. Raises ConfigError without a dense layer, and where a
    sum could be beyond 32 bits.
    """
    return in_ranges(graph, ranges_of(graph, inputs))


def in_ranges(graph: ComputationGraph, ranges: Sequence[Int8Range]) -> InInt8:
    """Return the same by the ranges of the values of its steps, see `ranges_of`."""
    made = _Quantizing(graph, ranges)
    for k, step in enumerate(graph.steps):
        made.step(k, step)
    if not made.layers:
        raise ConfigError(NO_DENSE)
    outputs = {name: made.made[k].numbers().number for name, k in graph.outputs.items()}
    return InInt8(replace(graph, steps=tuple(made.build.steps), outputs=outputs), tuple(made.layers))


class _Quantizing:
    """The steps of a float graph, one after the other, in integers where they have a form in them."""

    def __init__(self, graph: ComputationGraph, ranges: Sequence[Int8Range]) -> None:
        self.graph, self.ranges, self.build = graph, ranges, GraphBuilder()
        self.made: list[_Made] = []
        self.layers: list[Int8Layer] = []
        self.readers: list[list[int]] = [[] for _ in graph.steps]
        for k, step in enumerate(graph.steps):
            for read in step.reads:
                self.readers[read].append(k)
        self.behind = set(graph.outputs.values())  # an output, or computed from one
        for k, step in enumerate(graph.steps):
            if self.behind.intersection(step.reads):
                self.behind.add(k)

    def range(self, k: int) -> Int8Range:
        """Return what the integers of a step stand for."""
        return self.made[k].range or self.ranges[k]

    def of_numbers(self, k: int, numbers: Callable[[], GraphValue]) -> _Made:
        """Return a step in numbers, which become integers where a dense layer reads them."""

        def int8() -> GraphValue:
            return self.build.add(ToInt8(*self.range(k)), self.made[k].numbers(), of=self.graph.steps[k].of)

        return _Made(numbers, int8, is_int8=False)

    def step(self, k: int, step: GraphStep) -> None:
        """Add what a step is."""
        operation, read = step.operation, step.reads[0] if step.reads else -1
        if isinstance(operation, (Affine, GroupedAffine)) and not self.behind.intersection(step.reads):
            self.made.append(self._affine(k, step, operation))
        elif isinstance(operation, Elementwise) and self.made[read].is_int8:
            is_part = any(layer.exact == k for layer in self.layers)  # a ReLU of the dense layer before it
            self.made.append(self.made[read] if is_part else self._table(k, step, operation))
        elif isinstance(operation, GroupSoftmax) and self.made[read].is_int8:
            self.made.append(self.of_numbers(k, lambda: self._softmax(step, operation.groups)))
        elif isinstance(operation, LargestColumn) and self.made[self._before_softmax(read)].is_int8:
            integers = self.made[self._before_softmax(read)].int8()
            value = self.build.add(Int8Largest(), integers, of=step.of)
            self.made.append(self.of_numbers(k, lambda: value))
        else:
            values = [self.made[each].numbers() for each in step.reads]
            value = self.build.add(operation, *values, of=step.of)
            self.made.append(self.of_numbers(k, lambda: value))

    def _before_softmax(self, k: int) -> int:
        """Return the step with the same largest column."""
        step = self.graph.steps[k]
        is_softmax = isinstance(step.operation, GroupSoftmax) and step.operation.groups == 1
        return step.reads[0] if is_softmax else k

    def _affine(self, k: int, step: GraphStep, operation: Affine | GroupedAffine) -> _Made:
        after = self.readers[k]
        behind = self.graph.steps[after[0]].operation if len(after) == 1 else None
        is_relu = isinstance(behind, Elementwise) and behind.function == "relu" and k not in self.behind
        exact = after[0] if is_relu else k
        own = self.ranges[exact]
        value = self.made[step.reads[0]].int8()
        integers = int8_affine(operation, self.range(step.reads[0]), own, is_relu, step.of)
        made = self.build.add(integers, value, of=step.of)
        self.layers.append(Int8Layer(step.of, exact, made.number, own))
        return _Made(lambda: self.build.add(FromInt8(*own), made, of=step.of), lambda: made, own)

    def _table(self, k: int, step: GraphStep, operation: Elementwise) -> _Made:
        read = step.reads[0]
        with np.errstate(all="ignore"):
            results = operation.compute(self.range(read).numbers())
        own = self.ranges[k]

        def int8() -> GraphValue:
            table = ToInt8(*own).compute(results)
            return self.build.add(Int8Table(table, *own), self.made[read].int8(), of=step.of)

        def numbers() -> GraphValue:
            return self.build.add(Int8Numbers(results), self.made[read].int8(), of=step.of)

        return _Made(numbers, int8, own)

    def _softmax(self, step: GraphStep, groups: int) -> GraphValue:
        read = step.reads[0]
        powers = np.exp(-np.arange(256) * self.range(read).scale)
        return self.build.add(Int8Softmax(powers, groups), self.made[read].int8(), of=step.of)
