"""The operations of an answer: probabilities, values of several networks together, and labels of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule.formulas import activations
from chainrule.graph.operation import CODES, UNITS, Array, Box, GraphOperation, box_of, log_mean, widened

SAME = 2e-6
"""Numbers x and t are equal where |x - t| is at most SAME (1 + |t|): those of 32 bits are those of 64."""
ROUNDING = float(np.finfo(np.float32).eps)
"""The relative change of a number that becomes one of 32 bits, at most."""
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

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """p_j (delta_j - sum_k delta_k p_k)"""
        p, of_p = (each.reshape(len(out), self.groups, -1) for each in (out, delta))
        made: Array = activations.softmax_pullback(p, of_p)
        return (made.reshape(out.shape),)

    def chord(self, m: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """m_j L_j - w_j sum_k m_k L_k, L_k = L(p_k, p'_k) the logarithmic mean, w_j = L_j / sum_i L_i.

        Exact because log p_k = x_k - s, and the Sato-Vartia weights w give the change of s = logsumexp(x) without a
        remainder: sum_j w_j (log p_j - log p'_j) = sum_j (p_j - p'_j) / sum_i L_i = 0. They do not change with a
        constant added to every x, and for two classes p_k has the slope of the sigmoid.
        Source: Sato, "The ideal log-change index number", Review of Economics and Statistics 58 (1976).
        """
        x = values[0]
        logs = np.asarray(activations.log_softmax(x.reshape(len(x), self.groups, -1)))
        p = np.exp(logs)
        means = log_mean(p[:-1], p[-1:], logs[:-1] - logs[-1:])
        total = means.sum(2, keepdims=True)
        own = m.reshape(means.shape) * means
        weights = means / np.where(total > 0, total, 1.0)
        return ((own - weights * own.sum(2, keepdims=True)).reshape(m.shape),)

    def bounds(self, *boxes: Box) -> Box:
        """Those of the gaps between the boxes: x_k least where the others are largest, and the other way round."""
        low, high = (end.reshape(len(end), self.groups, -1) for end in boxes[0])
        with np.errstate(invalid="ignore"):
            return self.bounds_of_gaps(boxes[0], low[..., :, None] - high[..., None, :])

    def bounds_of_gaps(self, box: Box, gaps: Array) -> Box:
        """1 / (1 + sum_j exp(x_j - x_k)) over j other than k, x_k - x_j being at least gaps_kj (n, groups, k, j)."""
        others = ~np.eye(gaps.shape[3], dtype=np.bool_)
        with np.errstate(over="ignore", invalid="ignore"):
            p = 1 / (1 + np.sum(np.exp(-gaps), axis=3, where=others))
            q = 1 / (1 + np.sum(np.exp(gaps), axis=2, where=others))
        ends = (end.reshape(q.shape) for end in box)
        size = np.maximum(*map(np.abs, ends)).max(2, keepdims=True)  # differences of x are rounded
        made = widened(p, q, UNITS * size * q)
        return Box(*(np.clip(end, 0.0, 1.0).reshape(box.low.shape) for end in made))


@dataclass(frozen=True, eq=False)
class GroupMean(GraphOperation):
    """The mean over groups of columns, summed in their order: out_k = sum_g x_gk / groups."""

    is_affine: ClassVar[bool] = True
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

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """delta / groups, for each group"""
        return (np.tile(delta / self.groups, self.groups),)

    def bounds(self, *boxes: Box) -> Box:
        """The means of both ends."""
        size = self.compute(np.maximum(*map(np.abs, boxes[0])))
        low, high = (self.compute(end) for end in boxes[0])
        return widened(low, high, self.groups * UNITS * size)


@dataclass(frozen=True, eq=False)
class WeightedSum(GraphOperation):
    """A sum of values of one width, in their order: sum_i weight_i x_i."""

    is_affine: ClassVar[bool] = True
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

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """weight_i delta"""
        return tuple(delta * delta.dtype.type(weight) for weight in self.weights)

    def bounds(self, *boxes: Box) -> Box:
        """The sums of the least and of the largest terms."""
        terms = [
            box_of([end * weight for end in box]) for weight, box in zip(self.weights, boxes, strict=True)
        ]
        size = np.sum([np.maximum(*map(np.abs, term)) for term in terms], axis=0)
        rounding = len(terms) * UNITS * np.where(np.isfinite(size), size, 0.0)
        low, high = (np.sum(ends, axis=0) for ends in zip(*terms, strict=True))
        return widened(low, high, rounding)


@dataclass(frozen=True, eq=False)
class Ratio(GraphOperation):
    """The numbers of a value, each divided by the one number of another: x_k / y."""

    arity: ClassVar[int | None] = 2

    def compute(self, *values: Array) -> Array:
        """x_k / y"""
        x, y = values
        made: Array = x / y
        return made

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """delta / y, -sum_k delta_k x_k / y^2"""
        y = values[1]
        return delta / y, -(delta * out).sum(1, keepdims=True) / y

    def chord(self, m: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """m (1 / y + 1 / y') / 2, -sum_k m_k (x_k + x'_k) / (2 y y'): the joint effect of both is halved.

        x / y - x' / y' = (1 / y + 1 / y') / 2 (x - x') - (x + x') / (2 y y') (y - y')
        """
        (x, x0), (y, y0) = ((value[:-1], value[-1:]) for value in values)
        return m * (1 / y + 1 / y0) / 2, -(m * (x + x0)).sum(1, keepdims=True) / (2 * y * y0)

    def bounds(self, *boxes: Box) -> Box:
        """The least and the largest ratio of ends; without bounds where y may be 0."""
        x, y = boxes
        with np.errstate(divide="ignore", invalid="ignore"):
            made = widened(*box_of([a / b for a in x for b in y]))
        crosses = (y.low <= 0) & (y.high >= 0)
        return Box(np.where(crosses, -np.inf, made.low), np.where(crosses, np.inf, made.high))


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
        for _, factor, same in self._sames(x):
            found += factor * ~same
        return found

    def _sames(self, x: NDArray[np.float64]) -> Iterator[tuple[int, float, NDArray[np.bool_]]]:
        """Yield each column of which it counts whether it is the same, its s or b, and where it is (n, m)."""
        for j in np.flatnonzero(self.by_same).tolist():
            row = self.rows[:, j]
            yield j, self.by_same[j], np.abs(x[:, j, None] - row) <= SAME * (1 + np.abs(row))
        for j, b in enumerate(self.by_code, self.rows.shape[1]):
            yield j, b, x[:, j, None] == self.codes[:, j - self.rows.shape[1]]

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """-2 a_j sum_i k_i (x_j - rows_ij) sum_o delta_o known_io of numbers; 0 of codes"""
        x, columns = values[0].astype(np.float64), self.rows.shape[1]
        made = np.zeros_like(x)
        at_once = max(1, SIMILARITIES_AT_ONCE // len(self.known))
        for k in range(0, len(x), at_once):
            own = x[k : k + at_once]
            weights = np.exp(-self.distances(own)) * (delta[k : k + at_once] @ self.known.T)
            difference = own[:, :columns] * weights.sum(1, keepdims=True) - weights @ self.rows
            made[k : k + at_once, :columns] = -2 * self.by_number * difference
        return (made,)

    def chord(self, m: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """sum_i L(k_i, k'_i) (m . known_i) (d'_i - d_i), d' - d a sum over columns, each divided by x_j - x'_j.

        (x'_j - t)^2 - (x_j - t)^2 = (x'_j - x_j) (x'_j + x_j - 2 t);  [x'_c != t] - [x_c != t] as it is
        """
        x, columns = values[0].astype(np.float32).astype(np.float64), self.rows.shape[1]
        d = self.distances(x)
        k = np.exp(-d)
        w = log_mean(k[:-1], k[-1:], d[-1:] - d[:-1]) * (m @ self.known.T)  # (n, rows)
        made = np.zeros((len(m), x.shape[1]))
        both = x[:-1, :columns] + x[-1:, :columns]
        made[:, :columns] = self.by_number * (2 * (w @ self.rows) - both * w.sum(1, keepdims=True))
        run = x[:-1] - x[-1:]
        for j, factor, same in self._sames(x):
            grows = factor * np.where(same[:-1], w, 0.0).sum(1) - factor * (w @ same[-1])
            made[:, j] += np.where(run[:, j] == 0, 0.0, grows / np.where(run[:, j] == 0, 1.0, run[:, j]))
        return (made,)

    def bounds(self, *boxes: Box) -> Box:
        """Those of each distance, a sum of the least and of the largest terms, and of the terms k_i known_i."""
        ends = []
        for low, high in zip(*boxes[0], strict=True):
            near, far = self._distances_within(low, high)
            rounding = UNITS * (self.rows.shape[1] + self.codes.shape[1] + 4) * (1 + far)
            least, most = np.exp(-far - rounding), np.minimum(np.exp(rounding - near), 1 + UNITS)
            terms = box_of([k[:, None] * self.known for k in (least, most)])
            size = np.abs(self.known * most[:, None]).sum(0)
            ends.append(widened(terms.low.sum(0), terms.high.sum(0), len(self.known) * UNITS * size))
        shape = (len(boxes[0].low), self.known.shape[1])
        return Box(*(np.reshape([end[side] for end in ends], shape) for side in (0, 1)))

    def _distances_within(
        self, low: NDArray[np.float64], high: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the least and the largest d (m,) of a row between two, each (columns + categories,)."""
        columns = self.rows.shape[1]
        low, high = (
            low - ROUNDING * np.abs(low),
            high + ROUNDING * np.abs(high),
        )  # numbers are rounded to float32
        below, above = self.rows - low[:columns], self.rows - high[:columns]
        apart = np.minimum(np.abs(below), np.abs(above))
        is_inside = (below >= 0) & (above <= 0)
        near = np.square(np.where(is_inside, 0.0, apart)) @ self.by_number
        far = np.square(np.maximum(np.abs(below), np.abs(above))) @ self.by_number
        if len(self.by_same):
            same = 2 * SAME * (1 + np.abs(self.rows))
            may_equal = is_inside | (apart <= same)
            must_equal = np.maximum(np.abs(below), np.abs(above)) <= same / 4
            near, far = near + ~may_equal @ self.by_same, far + ~must_equal @ self.by_same
        first, last = np.round(low[columns:]), np.round(high[columns:])
        may_equal = (self.codes >= first) & (self.codes <= last)
        return near + ~may_equal @ self.by_code, far + ~(may_equal & (first == last)) @ self.by_code


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

    def bounds(self, *boxes: Box) -> Box:
        """The first and the last column that may be the largest."""
        return self.bounds_where(boxes[0].high >= boxes[0].low.max(1, keepdims=True))

    def bounds_where(self, may: NDArray[np.bool_]) -> Box:
        """Return the first and the last of the columns that may be the largest, (n, columns)."""
        last = may.shape[1] - 1 - may[:, ::-1].argmax(1)
        return Box(may.argmax(1)[:, None], last[:, None])


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


def sort_slopes(y: Array) -> Array:
    r"""The slopes of sorting each row: how long, on the way from the reference, y_j is the k-th smallest.

    sorted_k(y) - sorted_k(y') = sum_j w_kj (y_j - y'_j), because sorting is linear between the points at which two
    numbers of y' + t (y - y') cross. y: (n + 1, count). Returns w (n, k, j), whose rows and columns add up to 1.
    """
    n, count = len(y) - 1, y.shape[1]
    first, second = np.triu_indices(count, 1)
    there, here = (
        np.broadcast_to(own[:, first] - own[:, second], (n, len(first))) for own in (y[-1:], y[:-1])
    )
    crosses = (there > 0) != (here > 0)
    times = np.where(crosses, there / np.where(crosses, there - here, 1.0), 1.0)
    times = np.sort(np.hstack([np.zeros((n, 1)), np.clip(times, 0.0, 1.0), np.ones((n, 1))]), axis=1)
    shares = np.zeros((n, count, count))
    rows, places = np.arange(n)[:, None], np.arange(count)
    for start, stop in zip(times.T[:-1, :, None], times.T[1:, :, None], strict=True):
        middle = y[-1:] + (start + stop) / 2 * (y[:-1] - y[-1:])
        shares[rows, places, np.argsort(middle, axis=1, kind="stable")] += stop - start
    return shares


@dataclass(frozen=True, eq=False)
class SortedColumns(GraphOperation):
    """The numbers of each row in ascending order, the smallest in column order[0] and so on: quantiles in order."""

    order: tuple[int, ...]

    def compute(self, *values: Array) -> Array:
        """out[order] = sort(x)"""
        made = np.empty_like(values[0])
        made[:, list(self.order)] = np.sort(values[0], 1)
        return made

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """The delta of the place that each number has in order."""
        made = np.empty_like(delta)
        np.put_along_axis(made, np.argsort(values[0], 1, kind="stable"), delta[:, list(self.order)], 1)
        return (made,)

    def chord(self, m: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """sum_k m_k w_kj, w_kj how long on the way from the reference x_j is the k-th smallest."""
        return (np.einsum("nk,nkj->nj", m[:, list(self.order)], sort_slopes(values[0])),)
