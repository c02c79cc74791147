"""The operations on 8-bit integers, with the arithmetic of LiteRT's (TensorFlow Lite's) and CMSIS-NN's kernels.

An integer q stands for the number (q - zero) scale. `chainrule.export.quantizing` makes them out of a float graph.
Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018; TensorFlow Lite's 8-bit quantization specification.
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.graph.answers import LargestColumn
from chainrule.graph.operation import INT8, NUMBERS, Array, Box, GraphOperation

LOWEST, HIGHEST = -128, 127
"""Of an activation; weights are -127 to 127, with 0 for 0."""


@dataclass(frozen=True, eq=False)
class IntegerOperation(GraphOperation, ABC):
    """Base class of the operations that read or make 8-bit integers."""

    takes: ClassVar[str] = INT8
    makes: ClassVar[str] = INT8

    def bounds(self, *boxes: Box) -> Box:
        """Raise ConfigError: bounds are of a graph in floating point."""
        raise ConfigError("8-bit integers have no bounds; ask the graph that they were made of.")


def rounded(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the nearest integers, and of two the one further from 0."""
    whole = np.trunc(x)
    made: NDArray[np.floating] = whole + np.trunc(2 * (x - whole))
    return made


def scaled(
    x: NDArray[np.int64], multiplier: NDArray[np.int64], shift: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return x multiplier 2^(shift - 31), rounded once: halves go up.

    This is MultiplyByQuantizedMultiplier of LiteRT (TensorFlow Lite) in its single rounding, that of its reference
    kernels, and CMSIS-NN's arm_nn_requantize with CMSIS_NN_USE_SINGLE_ROUNDING. Their older, double rounding differs
    by 1 in a few results of a thousand.
    """
    total = 31 - shift
    made: NDArray[np.int64] = (x * multiplier + (np.int64(1) << (total - 1))) >> total
    return made


@dataclass(frozen=True, eq=False)
class ToInt8(IntegerOperation):
    """Numbers to 8-bit integers: q = round(x / scale) + zero, clipped to -128 and 127; halves go away from 0."""

    takes: ClassVar[str] = NUMBERS
    scale: float
    """a float32"""
    zero: int

    def compute(self, *values: Array) -> Array:
        """clip(round(x / scale) + zero, -128, 127)"""
        with np.errstate(over="ignore", invalid="ignore"):
            x = values[0].astype(np.float32) / np.float32(self.scale)
        inside = np.clip(np.where(np.isnan(x), -512, x), -512, 512)
        made: Array = np.clip(rounded(inside) + self.zero, LOWEST, HIGHEST).astype(np.int8)
        return made


@dataclass(frozen=True, eq=False)
class FromInt8(IntegerOperation):
    """8-bit integers to the numbers that they stand for: x = (q - zero) scale."""

    makes: ClassVar[str] = NUMBERS
    scale: float
    zero: int

    def compute(self, *values: Array) -> Array:
        """(q - zero) scale"""
        made: Array = (values[0].astype(np.int32) - self.zero).astype(np.float32) * np.float32(self.scale)
        return made


@dataclass(frozen=True, eq=False)
class Int8Affine(IntegerOperation):
    """A dense layer of integers, for each of some groups of columns; a ReLU behind it is its lowest value.

    sum = (q - zero) W + bias,  out = clip(scaled(sum) + zero_out, low, 127)
    """

    W: NDArray[np.int8]
    """(own, inputs, outputs); own is the number of groups, or 1 where all share the weights"""
    bias: NDArray[np.int32]
    """(own, outputs), in steps of the input's scale times the weights'"""
    multiplier: NDArray[np.int32]
    """(own, outputs): with `shift` the scale of a sum in that of the result; 2^30 to 2^31"""
    shift: NDArray[np.int32]
    """(own, outputs)"""
    zero: int
    """of the input"""
    scale_out: float
    """of the result, for those who read it; the arithmetic has it in `multiplier` and `shift`"""
    zero_out: int
    low: int = LOWEST
    groups: int = 1

    def width(self, *widths: int) -> int:
        """Return the outputs of all groups."""
        return self.groups * int(self.W.shape[2])

    def sums(self, q: Array) -> NDArray[np.int64]:
        """Return (groups, n, outputs): (q - zero) W + bias, exact in float64, whose products are fast."""
        parts = (q.astype(np.float64) - self.zero).reshape(len(q), self.groups, -1).swapaxes(0, 1)
        made = parts @ self.W.astype(np.float64)
        return made.astype(np.int64) + self.bias.astype(np.int64)[:, None]

    def compute(self, *values: Array) -> Array:
        """clip(scaled((q - zero) W + bias) + zero_out, low, 127)"""
        q = values[0]
        multiplier, shift = (each.astype(np.int64)[:, None] for each in (self.multiplier, self.shift))
        out = np.clip(scaled(self.sums(q), multiplier, shift) + self.zero_out, self.low, HIGHEST)
        made: Array = out.swapaxes(0, 1).reshape(len(q), -1).astype(np.int8)
        return made


@dataclass(frozen=True, eq=False)
class Int8Table(IntegerOperation):
    """A function of each integer by a table of 256 integers: out = table[q + 128]."""

    table: NDArray[np.int8]
    scale_out: float
    """of the result, as `zero_out`"""
    zero_out: int

    def compute(self, *values: Array) -> Array:
        """table[q + 128]"""
        made: Array = self.table[values[0].astype(np.int64) - LOWEST]
        return made


@dataclass(frozen=True, eq=False)
class Int8Numbers(IntegerOperation):
    """A function of each integer by a table of 256 numbers: out = table[q + 128]."""

    makes: ClassVar[str] = NUMBERS
    table: NDArray[np.float64]

    def compute(self, *values: Array) -> Array:
        """table[q + 128]"""
        made: Array = self.table.astype(np.float32)[values[0].astype(np.int64) - LOWEST]
        return made


@dataclass(frozen=True, eq=False)
class Int8Softmax(IntegerOperation):
    """The softmax of integers, in groups of columns: e_k / sum_j e_j, e_k = powers[m - q_k], m = max_j q_j.

    powers[k] = exp(-k scale)
    """

    makes: ClassVar[str] = NUMBERS
    powers: NDArray[np.float64]
    """(256,)"""
    groups: int = 1

    def compute(self, *values: Array) -> Array:
        """powers[m - q_k] / sum_j powers[m - q_j], m = max_j q_j"""
        q = values[0].astype(np.int64).reshape(len(values[0]), self.groups, -1)
        e = self.powers.astype(np.float32)[q.max(2, keepdims=True) - q]
        made: Array = (e / e.sum(2, keepdims=True)).reshape(values[0].shape)
        return made


@dataclass(frozen=True, eq=False)
class Int8Largest(LargestColumn, IntegerOperation):
    """The same of each row's integers."""
