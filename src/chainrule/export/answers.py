"""The operations of an answer: values of several networks together, and labels of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from chainrule.export.base import CODES, Array, GraphOperation


@dataclass(frozen=True, eq=False)
class GroupMean(GraphOperation):
    """The mean over groups of columns, summed in their order: out_k = sum_g x_gk / groups."""

    groups: int

    def width(self, *widths: int) -> int:
        """Return the columns of a group."""
        return widths[0] // self.groups

    def compute(self, *values: Array) -> Array:
        """sum_g x_g / groups"""
        x = values[0]
        parts = x.reshape(len(x), self.groups, -1)
        total = parts[:, 0].copy()
        for g in range(1, self.groups):
            total += parts[:, g]
        return total / self.groups


@dataclass(frozen=True, eq=False)
class WeightedSum(GraphOperation):
    """A sum of values of one width, in their order: sum_i weight_i x_i."""

    weights: tuple[float, ...]
    """one for each value; 1 for the sum of a residual block"""
    arity: ClassVar[int | None] = None

    def compute(self, *values: Array) -> Array:
        """sum_i weight_i x_i"""
        total = values[0] * values[0].dtype.type(self.weights[0])
        for weight, value in zip(self.weights[1:], values[1:], strict=True):
            total = total + value * value.dtype.type(weight)
        made: Array = total
        return made


@dataclass(frozen=True, eq=False)
class LargestColumn(GraphOperation):
    """The column of each row's largest number (n, 1), the first of equal ones."""

    makes: ClassVar[str] = CODES

    def width(self, *widths: int) -> int:
        """Return 1."""
        return 1

    def compute(self, *values: Array) -> Array:
        """argmax_k x_k"""
        made: Array = values[0].argmax(1)[:, None]
        return made


@dataclass(frozen=True, eq=False)
class AboveThreshold(GraphOperation):
    """1 where a number is above the threshold, or equal to it if that counts; else 0."""

    makes: ClassVar[str] = CODES
    threshold: float
    or_equal: bool = False

    def compute(self, *values: Array) -> Array:
        """1 if x > threshold, else 0; or x >= threshold"""
        x = values[0]
        return ((x >= self.threshold) if self.or_equal else (x > self.threshold)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class SortedColumns(GraphOperation):
    """The numbers of each row in ascending order, the smallest in column order[0] and so on: quantiles in order."""

    order: tuple[int, ...]

    def compute(self, *values: Array) -> Array:
        """out[order] = sort(x)"""
        made = np.empty_like(values[0])
        made[:, list(self.order)] = np.sort(values[0], 1)
        return made
