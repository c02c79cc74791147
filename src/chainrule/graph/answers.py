"""The operations of an answer: probabilities, values of several networks together, and labels of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule.formulas import activations
from chainrule.graph.operation import CODES, Array, GraphOperation

SAME = 2e-6
"""Numbers x and t are equal where |x - t| is at most SAME (1 + |t|): those of 32 bits are those of 64."""
SIMILARITIES_AT_ONCE = 1 << 22
"""The similarities that are in memory at once."""


@dataclass(frozen=True, eq=False)
class GroupSoftmax(GraphOperation):
    """The softmax of each row, or of each of several groups of its columns: e_k / sum e, e_k = exp(x_k - max x)."""

    groups: int = 1

    def compute(self, *values: Array) -> Array:
        """exp(x_k - m) / sum_j exp(x_j - m), m = max_j x_j"""
        x = values[0]
        made: Array = activations.softmax(x.reshape(len(x), self.groups, -1)).reshape(x.shape)
        return made


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
class Ratio(GraphOperation):
    """The numbers of a value, each divided by the one number of another: x_k / y."""

    arity: ClassVar[int | None] = 2

    def compute(self, *values: Array) -> Array:
        """x_k / y"""
        x, y = values
        made: Array = x / y
        return made


@dataclass(frozen=True, eq=False)
class SimilarRows(GraphOperation):
    """Sums over rows that are remembered, of what is known of each, times how alike it is: sum_i k_i known_i.

    k_i = exp(-d_i), d_i = sum_j (a_j (x_j - rows_ij)^2 + s_j [x_j != rows_ij]) + sum_c b_c [x_c != codes_ic]

    x: (n, columns + categories), the numbers before the codes, each rounded to float32, as those of the rows are.
    Differences are taken in float64 before they are squared: of squared sums, those of equal rows would not be 0.
    Numbers are equal where |x_j - rows_ij| is at most `SAME` (1 + |rows_ij|).
    """

    rows: NDArray[np.float64]
    """(m, columns) numbers that float32 has"""
    codes: NDArray[np.float64]
    """(m, categories) whole numbers from 0"""
    by_number: NDArray[np.float64]
    """(columns,) a"""
    by_same: NDArray[np.float64]
    """(columns,) s, or (0,) where it counts of no number whether it is equal"""
    by_code: NDArray[np.float64]
    """(categories,) b"""
    known: NDArray[np.float64]
    """(m, outputs) numbers that float32 has"""

    def width(self, *widths: int) -> int:
        """Return the columns of what is known."""
        return int(self.known.shape[1])

    def compute(self, *values: Array) -> Array:
        """exp(-d) known"""
        x = values[0]
        one = x.astype(np.float32).astype(np.float64)
        at_once = max(1, SIMILARITIES_AT_ONCE // len(self.known))
        found = [
            np.exp(-self.distances(one[k : k + at_once])) @ self.known for k in range(0, len(x), at_once)
        ]
        return np.concatenate([np.zeros((0, self.known.shape[1])), *found]).astype(x.dtype, copy=False)

    def distances(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return d (n, m) of n rows x to those that are remembered."""
        from scipy.spatial.distance import cdist

        columns = self.rows.shape[1]
        found = np.zeros((len(x), len(self.rows)))
        if columns:
            found += cdist(x[:, :columns], self.rows, "sqeuclidean", w=self.by_number)
        for j in np.flatnonzero(self.by_same):
            row = self.rows[:, j]
            found += self.by_same[j] * (np.abs(x[:, j, None] - row) > SAME * (1 + np.abs(row)))
        for c, b_c in enumerate(self.by_code):
            found += b_c * (x[:, columns + c, None] != self.codes[:, c])
        return found


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
