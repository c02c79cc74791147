"""The base class of the operations of a graph: their constants, formula, derivative, chord and bounds.

An operation is a frozen dataclass: its constants and settings, nothing else. It says what it takes and makes, how wide
its result is, and its formula: `compute` in NumPy, the specification for every format of export; beneath it `pullback`,
the derivative; `chord`, the same of a finite difference; and `bounds`, what the result can be for all values of a box.

kind of a value   array
numbers           (n, width) floating point, NaN for missing
codes             (n, width) int64, from 0
text              (n,) objects: str, or None for missing
int8              (n, width) int8, of networks in 8-bit integers
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import is_own

NUMBERS, CODES, TEXT, INT8 = "numbers", "codes", "text", "int8"
"""The kinds of values."""
Array = NDArray[Any]


MIN_RUN = 1e-290
"""Differences below it count as 0, so that quotients are finite: bins of a column may be 1e-16 wide."""
MIN_DIFFERENCE = 1e-10
"""The same of numbers that were sums: most of a smaller difference is rounding."""


class Box(NamedTuple):
    """The range of a value: all numbers from `low` to `high`, (n, width) each; NaN in both for a missing one."""

    low: Array
    high: Array

    @property
    def is_point(self) -> NDArray[np.bool_]:
        """Where there is but one value: (n, width)."""
        return np.asarray((self.low == self.high) | (np.isnan(self.low) & np.isnan(self.high)))


class Lines(NamedTuple):
    """Lines below and above each result: below x + low <= out <= above x + high, (n, width of the result) each."""

    below: Array
    """slopes, as `above`; low and high are offsets"""
    low: Array
    above: Array
    high: Array


@dataclass(frozen=True, eq=False)
class GraphOperation(ABC):
    """Base class of the operations: constants, and the formula by which values become another one."""

    name: ClassVar[str] = ""
    """the name in `describe` and `to_data`, derived from the class's: joined_columns of JoinedColumns"""
    takes: ClassVar[str] = NUMBERS
    """the kind of the values that it reads"""
    makes: ClassVar[str] = NUMBERS
    """the kind of the value that it computes"""
    arity: ClassVar[int | None] = 1
    """how many values it reads; None for one or more"""
    is_affine: ClassVar[bool] = False
    """whether its chords are its derivative"""
    least_run: ClassVar[float] = MIN_DIFFERENCE
    """the difference of two numbers below which the derivative takes the place of the chord's slope"""

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Derive the name from the class's."""
        super().__init_subclass__(**kwargs)
        if not is_own(cls, "name"):
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    def width(self, *widths: int) -> int:
        """Return the columns of the result, from those of the values that it reads; by default the first one's."""
        return widths[0]

    @abstractmethod
    def compute(self, *values: Array) -> Array:
        """Compute the result in NumPy, in the precision of the values."""

    def pullback(self, delta: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """Return dL/dx of each value that it reads, delta times the Jacobian; by default 0, of a step function.

        delta: dL/d out.  out: what `compute` makes of the values. All are numbers.
        """
        return tuple(np.zeros_like(value) for value in values)

    def chord(self, m: Array, out: Array, *values: Array) -> tuple[Array, ...]:
        """Return multipliers of the values, which add up to the difference of the result: m . (out - out').

        sum over the values x of m_x . (x - x') = m . (out - out'), with ' for the last row, that of the reference.
        Multiplied along a graph they are DeepLIFT's, and what they give to the inputs adds up to the answer's change.
        By default of a function of single numbers, (f(x) - f(x')) / (x - x'); f'(x) where both are nearly the same.

        m: (n, width).  out, values: (n + 1, width).
        Source: Shrikumar, Greenside, Kundaje, "Learning important features through propagating activation differences",
        ICML 2017.
        """
        if self.is_affine:
            return self.pullback(m, out[:-1], *(value[:-1] for value in values))
        run = values[0][:-1] - values[0][-1:]
        change = m * (out[:-1] - out[-1:])
        rise = change.reshape(*run.shape, -1).sum(2)  # over the results of a number, side by side
        is_same = np.abs(run) < self.least_run
        if not is_same.any():
            return (rise / run,)
        tangent = self.pullback(m, out[:-1], values[0][:-1])[0]
        return (np.where(is_same, tangent, rise / np.where(is_same, 1.0, run)),)

    def bounds(self, *boxes: Box) -> Box:
        """Return a box with every result for values of these boxes; by default of a function that never falls.

        The box holds for exact arithmetic and for float64: where a result is rounded, it is wider by more than that.
        """
        return Box(self.compute(*(box.low for box in boxes)), self.compute(*(box.high for box in boxes)))

    def lines(self, *boxes: Box) -> Lines | None:
        """Return lines of a function of single numbers over their box, whose results are side by side; by default None.

        Without lines a result is known to be in its box, and no more. Lines that are not finite count as none.
        """
        return None

    def settings(self) -> dict[str, Any]:
        """Return the fields by name: arrays, numbers, text, and tuples of these."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def __repr__(self) -> str:
        """Show the settings, and of arrays their shapes."""
        shown = ", ".join(f"{name}={short(value)}" for name, value in self.settings().items())
        return f"{type(self).__name__}({shown})"


def log_mean(a: Array, b: Array, log_ratio: Array) -> Array:
    """L(a, b) = (a - b) / log(a / b), the logarithmic mean; a where a = b.

    log_ratio: log(a / b). Stable for any a, b >= 0: where d = |log(a / b)| is small, L = max (1 - e^-d) / d.
    """
    d = np.abs(log_ratio)
    is_near = d < 0.02
    found = np.asarray((a - b) / np.where(is_near, 1.0, log_ratio))
    near = d[is_near]
    part = np.where(near == 0, 1.0, -np.expm1(-near) / np.where(near == 0, 1.0, near))
    found[is_near] = part * np.broadcast_to(np.maximum(a, b), found.shape)[is_near]
    return found


EPSILON = float(np.finfo(np.float64).eps)
UNITS = 16 * EPSILON
"""The relative rounding that bounds allow for: no function here errs by more than a few units in the last place."""


def widened(low: Array, high: Array, error: Array | float = 0.0) -> Box:
    """Return a box that is wider at both ends, by `UNITS` of each number and by an error."""

    def by(end: Array) -> Array:
        return np.where(np.isfinite(end), UNITS * np.abs(end) + error, 0.0)

    with np.errstate(invalid="ignore"):
        return Box(np.asarray(low - by(low)), np.asarray(high + by(high)))


def box_of(candidates: Sequence[Array]) -> Box:
    """Return the box from the least to the largest of several results."""
    return Box(np.minimum.reduce(candidates), np.maximum.reduce(candidates))


def constant(values: object) -> NDArray[np.float64]:
    """Return numbers as an array of a graph: float64, which nothing may write to."""
    made = np.array(values, np.float64)
    made.setflags(write=False)
    return made


def like(values: Array, x: Array) -> Array:
    """Return a constant in the precision of x."""
    return values.astype(x.dtype, copy=False)


def short(value: object) -> str:
    """Return a setting as short text: an array by its shape, a long tuple by its length."""
    if isinstance(value, np.ndarray):
        return f"{'x'.join(map(str, value.shape))} numbers" if value.size > 4 else f"{value.tolist()}"
    if isinstance(value, tuple) and len(value) > 6:
        return f"({', '.join(map(repr, value[:3]))}, ... {len(value)} in all)"
    return repr(value)
