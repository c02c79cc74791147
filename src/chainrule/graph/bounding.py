"""What every step of a graph can be for all inputs of boxes, by intervals and by linear bounds propagated backward.

A linear function of a step's value, A v + constant, is moved to the steps that it reads, until it is one of the
inputs: through an affine step by its derivative, A J, and through a function with lines by the line below it where
A > 0, and above it where A < 0. Its least value over a box is A c - |A| r, with c the box's center and r its radius.
The boxes that lines depend on are bounded in the same way first, from the inputs on; every box is the narrower of both.

No rounding makes a bound wrong. Each step's value is f(v) + e, |e| <= E, with E of the arithmetic that the bounds are
to hold for, as `GraphOperation.bounds` allows for it; |A| E is subtracted, and so is more than the rounding of the
propagation itself, which is in float64.
Source: Zhang, Weng, Chen, Hsieh, Daniel, "Efficient neural network robustness certification with general activation
functions" (CROWN), NeurIPS 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.graph.answers import GroupSoftmax, LargestColumn
from chainrule.graph.columns import GraphInput, ToPrecision
from chainrule.graph.operation import EPSILON, NUMBERS, UNITS, Array, Box, Lines
from chainrule.graph.step import GraphStep

NUMBERS_AT_ONCE = 1 << 20
"""The coefficients that are moved at once; some ten arrays of them are in memory."""
LOST = 9.0
"""The largest number whose rounding a function adds to its result: GELU multiplies 1 + erf(z) by z."""
GAPS = 1024
"""The differences of two columns that are bounded for each row, at most; more are differences of their bounds."""
EXACT = 1e-9
"""Lines that are closer than this share of the box's numbers are exact, and a narrower box gives no better ones."""


class _Start(NamedTuple):
    """A step's value as a linear function of an earlier one, W v + b, with the rounding between (n, width)."""

    place: int
    W: Array
    b: Array
    error: Array


class BoundedSteps:
    """The boxes of the steps, in `boxes`.

    given: the boxes of the inputs, by name.  epsilon: the relative rounding of the networks' arithmetic, of float64 or
    float32; the columns of a table are prepared in float64.
    is_linear: whether bounds are propagated backward too, or are intervals alone.  outputs: the steps asked for.
    """

    def __init__(
        self,
        steps: Sequence[GraphStep],
        given: Mapping[str, Box],
        outputs: Sequence[int],
        epsilon: float = EPSILON,
        is_linear: bool = True,
    ) -> None:
        """Bound the steps in their order."""
        self.steps, self.is_linear = steps, is_linear
        self.epsilons = _epsilons(steps, epsilon)
        self.rounding = 4 * (8 + max(step.width for step in steps)) * EPSILON
        self.boxes: list[Box] = []
        self._lines: dict[int, Lines] = {}
        self._affine: dict[int, tuple[Array, Array]] = {}
        self._balls: dict[int, tuple[Array, Array]] = {}
        self._starts: dict[int, _Start] = {}
        self._tight = set[int]()
        with np.errstate(all="ignore"):
            for k, step in enumerate(steps):
                operation = step.operation
                if isinstance(operation, GraphInput):
                    self.boxes.append(given[operation.label])
                    continue
                if is_linear and not operation.is_affine and operation.takes == NUMBERS:
                    self._narrow_read(step)
                self.boxes.append(self._box(k, step))
                if operation.takes == step.makes == NUMBERS:
                    self._keep(k, step)
            if is_linear:
                for k in outputs:
                    self._narrow(k)

    # --- forward -----------------------------------------------------------------------------------------------------

    def _box(self, k: int, step: GraphStep) -> Box:
        """Return the box of a step by intervals, from those that it reads."""
        operation, reads = step.operation, [self.boxes[read] for read in step.reads]
        box = operation.bounds(*reads)
        if self.is_linear and isinstance(operation, GroupSoftmax):
            gaps = self._gaps(step.reads[0], operation.groups)
            if gaps is not None:
                box = _both(box, operation.bounds_of_gaps(reads[0], gaps))
        elif self.is_linear and isinstance(operation, LargestColumn):
            source = step.reads[0]
            before = self.steps[source]
            if isinstance(before.operation, GroupSoftmax) and before.operation.groups == 1:
                source = before.reads[0]
            gaps = self._gaps(source, 1)
            if gaps is not None:
                least = (
                    self.epsilons[k] / EPSILON * UNITS * (1 + _size(self.boxes[source]).max(1))[:, None, None]
                )
                box = operation.bounds_where(~(gaps[:, 0] > least).any(1))
        if self.epsilons[k] > EPSILON and step.makes == NUMBERS:
            error = self._error(k, box)
            box = Box(box.low - error, box.high + error)
        return box

    def _error(self, k: int, box: Box) -> Array:
        """Return the rounding of a step's result in the arithmetic that the bounds hold for. box: of the result."""
        step, epsilon = self.steps[k], self.epsilons[k]
        ratio, sizes = epsilon / EPSILON, [_size(self.boxes[read]) for read in step.reads]
        if not step.operation.is_affine:
            of_row = sizes[0].max(1, keepdims=True)
            lost = np.minimum(sizes[0] if sizes[0].shape == box.low.shape else of_row, LOST)
            return np.asarray(ratio * UNITS * (_size(box) + lost))
        low, high = step.operation.bounds(*(Box(size, size) for size in sizes))
        # twice the rounding at each end, of sums whose terms are as large as they can be
        units = ratio * (high - low) / 4 * (1 + epsilon * max(size.shape[1] for size in sizes))
        return np.asarray(units + epsilon / 2 * np.maximum(np.abs(low), np.abs(high)))

    def _keep(self, k: int, step: GraphStep) -> None:
        """Keep what moves a linear function through a step: its constant and rounding, or lines."""
        operation, reads = step.operation, [self.boxes[read] for read in step.reads]
        if operation.is_affine:
            sizes = [_size(box) for box in reads]
            largest = _size(operation.bounds(*(Box(-size, size) for size in sizes)))
            at_0 = operation.compute(*(np.zeros((1, box.low.shape[1])) for box in reads))[0]
            self._affine[k] = at_0, self._error(k, self.boxes[k]) + self.rounding * largest
            return
        lines = operation.lines(*reads)
        if lines is None:
            return
        box = self.boxes[k]
        below, low, above, high = lines
        size = _size(reads[0]).repeat(box.low.shape[1] // reads[0].low.shape[1], 1)
        error = self._error(k, box)
        low = low - error - self.rounding * (np.abs(below) * size + np.abs(low))
        high = high + error + self.rounding * (np.abs(above) * size + np.abs(high))
        is_finite = np.isfinite(below + low + above + high)
        self._lines[k] = Lines(
            np.where(is_finite, below, 0.0),
            np.where(is_finite, low, box.low),
            np.where(is_finite, above, 0.0),
            np.where(is_finite, high, box.high),
        )

    def _narrow_read(self, step: GraphStep) -> None:
        """Narrow the boxes that an operation which is not affine reads, where it could have better lines."""
        reads = [self.boxes[read] for read in step.reads]
        lines = step.operation.lines(*reads)
        if lines is None:
            for read in step.reads:
                self._narrow(read)
            return
        end = reads[0].high.repeat(lines.low.shape[1] // reads[0].high.shape[1], 1)
        apart = np.abs((lines.above - lines.below) * end) + np.abs(lines.high - lines.low)
        is_loose = ~(apart <= EXACT * (np.abs(end) + 1)).reshape(*reads[0].low.shape, -1).all(2)
        self._narrow(step.reads[0], is_loose)

    def _narrow(self, place: int, where: NDArray[np.bool_] | None = None) -> None:
        """Narrow the box of a step by linear bounds, of all numbers or of some (n, width); once."""
        step, box = self.steps[place], self.boxes[place]
        if place in self._tight or not step.operation.is_affine or isinstance(step.operation, GraphInput):
            return
        self._tight.add(place)
        where = np.ones(box.low.shape, np.bool_) if where is None else where
        start = self._start(place)
        low, high = box.low.copy(), box.high.copy()
        pairs = np.nonzero(where & np.isfinite(box.low + box.high))
        for rows, columns in self._blocks(*pairs):
            W, b, error = start.W[columns], start.b[columns], start.error[rows, columns]
            low[rows, columns] = self._least(start.place, rows, W, b - error)
            high[rows, columns] = -self._least(start.place, rows, -W, -b - error)
        self.boxes[place] = _both(box, Box(low, high))

    def _gaps(self, place: int, groups: int) -> Array | None:
        """Return least values of x_k - x_j (n, groups, k, j), within groups of a step's columns; None of too many."""
        n, width = self.boxes[place].low.shape
        count = width // groups
        first, second = np.nonzero(~np.eye(count, dtype=np.bool_))
        if not self.steps[place].operation.is_affine or groups * len(first) > GAPS:
            return None
        starts = np.arange(groups)[:, None] * count
        plus, minus = (starts + first).ravel(), (starts + second).ravel()
        start, gaps = self._start(place), np.zeros((n, groups, count, count))
        everything = np.divmod(np.arange(n * len(plus)), len(plus))
        for rows, pairs in self._blocks(*everything):
            own, other = plus[pairs], minus[pairs]
            error = start.error[rows, own] + start.error[rows, other]
            b = start.b[own] - start.b[other]
            found = self._least(start.place, rows, start.W[own] - start.W[other], b - error)
            loose = self.boxes[place].low[rows, own] - self.boxes[place].high[rows, other]
            gaps[rows, own // count, own % count, other % count] = np.where(found > loose, found, loose)
        return gaps

    def _blocks(self, rows: Array, columns: Array) -> list[tuple[Array, Array]]:
        """Return pairs of a row and a column in blocks whose coefficients fit into memory."""
        at_once = max(1, NUMBERS_AT_ONCE // max(step.width for step in self.steps))
        return [(rows[k : k + at_once], columns[k : k + at_once]) for k in range(0, len(rows), at_once)]

    # --- backward ----------------------------------------------------------------------------------------------------

    def _start(self, place: int) -> _Start:
        """Return a step as a function of the first one before it that is not affine, if a chain leads there."""
        if place not in self._starts:
            box = self.boxes[place]
            width = box.low.shape[1]
            W, b, error = np.eye(width), np.zeros(width), np.zeros(box.low.shape)
            at = place
            while at in self._affine and len(self.steps[at].reads) == 1:
                constants, own = self._affine[at]
                b, error = b + W @ constants, error + own @ np.abs(W).T
                (W,) = self._pulled(at, W)
                (at,) = self.steps[at].reads
            self._starts[place] = _Start(at, W, b, error)
        return self._starts[place]

    def _pulled(self, k: int, A: Array) -> tuple[Array, ...]:
        """Return A J of an affine step, for each that it reads."""
        step = self.steps[k]
        reads = (np.broadcast_to(0.0, (len(A), self.steps[read].width)) for read in step.reads)
        return step.operation.pullback(A, A, *reads)

    def _least(self, place: int, rows: NDArray[np.int64], A: Array, constant: Array) -> Array:
        """Return a lower bound (p,) of A v + constant for the values v of a step in rows (p,); A: (p, width)."""
        found, total = {place: A}, constant
        for k in range(place, -1, -1):
            if k not in found:
                continue
            A = found.pop(k)
            step = self.steps[k]
            if k in self._affine:
                constants, error = self._affine[k]
                total = total + A @ constants - _dot(np.abs(A), error[rows])
                back = self._pulled(k, A)
            elif k in self._lines:
                lines = self._lines[k]
                up, down = np.maximum(A, 0), np.minimum(A, 0)
                total = total + _dot(up, lines.low[rows]) + _dot(down, lines.high[rows])
                part = up * lines.below[rows] + down * lines.above[rows]
                back = (part.reshape(len(A), self.steps[step.reads[0]].width, -1).sum(2),)
            else:
                center, radius = self._ball(k)
                total = total + _dot(A, center[rows]) - _dot(np.abs(A), radius[rows])
                continue
            for read, part in zip(step.reads, back, strict=True):
                found[read] = found[read] + part if read in found else part
        return total

    def _ball(self, k: int) -> tuple[Array, Array]:
        """Return the center and the radius of a box, the radius larger by the rounding; 0 for what is missing."""
        if k not in self._balls:
            low, high = (np.where(np.isnan(end), 0.0, end) for end in self.boxes[k])
            center = low / 2 + high / 2
            radius = np.maximum(high - center, center - low)
            self._balls[k] = center, radius + self.rounding * (np.abs(center) + radius)
        return self._balls[k]


def _epsilons(steps: Sequence[GraphStep], epsilon: float) -> list[float]:
    """Return the rounding of each step: that of networks behind a matrix of inputs, and where their numbers begin."""
    found: list[float] = []
    for step in steps:
        own, reads = step.operation, max((found[read] for read in step.reads), default=EPSILON)
        if isinstance(own, GraphInput):
            reads = epsilon if own.holds == NUMBERS else EPSILON
        elif isinstance(own, ToPrecision) and own.to == "network":
            reads = epsilon
        found.append(reads)
    return found


def _dot(A: Array, B: Array) -> Array:
    """The sum of A B over each row."""
    return np.asarray(np.einsum("pw,pw->p", A, B))


def _size(box: Box) -> Array:
    """Return the largest absolute value of a box; 0 of what is missing."""
    size = np.maximum(np.abs(box.low), np.abs(box.high))
    return np.where(np.isnan(size), 0.0, size)


def _both(box: Box, other: Box) -> Box:
    """Return the narrower ends of two boxes; those of the first where the second has no number."""
    return Box(
        np.where(other.low > box.low, other.low, box.low),
        np.where(other.high < box.high, other.high, box.high),
    )
