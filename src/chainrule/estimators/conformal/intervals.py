"""Intervals of numbers, calibrated on the rows that a fit held out, by the score that a share of these is below.

The unit of an interval at a row x goes from m(x) - below(x) to m(x) + above(x), and the score of a held-out row is the
factor by which its unit just reaches the truth, of the units of models that have not seen it:

    score_i = max((m(x_i) - y_i) / below(x_i), (y_i - m(x_i)) / above(x_i))

If a new row and m held-out rows are exchangeable, the new score is equally likely to be at each of m + 1 places among
theirs. So the score of rank ceil((m + 1) coverage) is at least the new one with a probability of at least `coverage`,
whatever the network and the distribution, and of at most coverage + 1 / (m + 1) without ties. The interval of a new row
is its unit times that score: so those of a larger coverage contain those of a smaller one.

The unit is that of a `Shape` times the `Difficulty` of the row, which has a smaller factor where it is difficult (see
`units`), or, of several quantiles, from the lowest to the highest about the middle one.
Sources: Vovk, Gammerman, Shafer, "Algorithmic learning in a random world" (2005), section 2.2; Papadopoulos, Proedrou,
Vovk, Gammerman, "Inductive confidence machines for regression" (2002), with the error scaled as in Lei, G'Sell,
Rinaldo, Tibshirani, Wasserman, "Distribution-free predictive inference for regression" (2018), section 5.2; of
quantiles: Romano, Patterson, Candes, "Conformalized quantile regression" (2019), in proportion to their distance as in
Kivaranovic, Johnson, Leeb, "Adaptive, distribution-free prediction intervals for deep networks" (2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import FormatError
from chainrule.estimators.conformal.units import (
    Difficulty,
    Shape,
    Unit,
    learned,
    lessened,
    shape_of,
    slope_of,
)
from chainrule.estimators.fit.held_out import HeldOut, PreparedInputs
from chainrule.estimators.numbers import NumericTargets

Numbers = NDArray[np.float64]

FOLDS = 5
"""Of the held-out rows: the unit of each row is that of models of the other folds."""
MIN_ROWS_TO_SCALE = 100
"""With fewer held-out rows all intervals are equally wide and symmetric about the prediction."""
MAX_SCALED_BY_INPUTS = 8
"""With more outputs widths depend on the predictions alone: a model of the inputs for each would take long."""
THIN = 1e-3
"""The least distance of a quantile from the middle one, in mean distances."""
MAX_KEPT = 1_000
"""The most scores that are kept."""
ROUNDING = 1e-9
"""The relative error of sums of weights."""


@dataclass(frozen=True)
class Scores:
    """The scores of held-out rows in ascending order; of many, only the largest of every few.

    Those left out make the rank of `quantile` larger by less than one in so many as are kept, and never smaller.
    """

    values: NDArray[np.float64]
    """(k,) ascending"""
    masses: NDArray[np.float64]
    """(k,) the sum of the weights of the rows with at most this score"""
    total: float
    """the sum of the weights of all rows and of a new one, whose weight is their mean"""

    @classmethod
    def of(cls, scores: NDArray[np.float64], weight: NDArray[np.float64], most: int = MAX_KEPT) -> Self:
        """Return the scores (m,) of rows with weights (m,); rows of weight 0 are left out. most: the most kept."""
        counted = weight > 0
        scores, weight = scores[counted], weight[counted]
        order = np.argsort(scores, kind="stable")
        values, masses = scores[order], np.cumsum(weight[order])
        step = max(1, -(-len(values) // most))
        kept = np.arange(len(values))[::-1][::step][::-1]  # the largest one is always kept
        mass = float(masses[-1]) if len(masses) else 0.0
        return cls(values[kept], masses[kept], mass + (mass / len(values) if mass else 1.0))

    def quantile(self, coverage: float) -> float:
        """Return the smallest score whose rows, together, weigh at least coverage * total; infinity if none does.

        With equal weights it is the one of rank ceil((m + 1) coverage) of m.
        """
        place = int(np.searchsorted(self.masses, coverage * self.total * (1 - ROUNDING)))
        return float(self.values[place]) if place < len(self.values) else np.inf

    @property
    def most(self) -> float:
        """The largest coverage with a finite score: m / (m + 1) with equal weights."""
        return float(self.masses[-1]) / self.total if len(self.masses) else 0.0

    def to_data(self) -> dict[str, Any]:
        """Return the scores as JSON values."""
        return {"values": self.values.tolist(), "masses": self.masses.tolist(), "total": self.total}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the scores that `to_data` wrote. Raises FormatError for others."""
        values, masses = (np.asarray(data[name], np.float64) for name in ("values", "masses"))
        total = float(data["total"])
        fits = values.ndim == 1 and values.shape == masses.shape and np.isfinite([*values, *masses]).all()
        if not (fits and (np.diff(values) >= 0).all() and (np.diff(masses, prepend=0.0) > 0).all()):
            raise FormatError("the scores of held-out rows are not ascending, or weigh nothing")
        if not (np.isfinite(total) and total > (masses[-1] if len(masses) else 0.0)):
            raise FormatError("the scores of held-out rows weigh more than all of them")
        return cls(values, masses, total)


@dataclass(frozen=True)
class Scaled:
    """The unit about a prediction: a shape times the difficulty of the row."""

    shape: Shape
    difficulty: Difficulty | None = None
    """None for intervals that are equally wide"""
    slope: float = 0.0
    """c, by which the factor of a row is less for each unit of the logarithm of its difficulty; 0 in files of 0.2"""

    def unit(self, inputs: PreparedInputs | None, predicted: Numbers) -> Unit:
        """Return the units at prepared inputs (n, features) and predictions (n, 1)."""
        center = predicted[:, 0]
        size = np.ones(len(center)) if self.difficulty is None else self.difficulty(inputs, center)
        shape = self.shape
        middle = center + shape.middle * size
        return Unit(middle, shape.below * size, shape.above * size, self.slope * np.log(size))

    def to_data(self) -> dict[str, Any]:
        """Return it as JSON values."""
        difficulty = None if self.difficulty is None else self.difficulty.to_data()
        return {"shape": list(self.shape), "difficulty": difficulty, "slope": self.slope}

    @classmethod
    def from_data(cls, data: Mapping[str, Any], inputs: int) -> Self:
        """Return what `to_data` wrote. inputs: of the network.  Raises FormatError for other values."""
        shape, difficulty = Shape(*map(float, data["shape"])), data["difficulty"]
        if not (np.isfinite(shape).all() and min(shape.below, shape.above) > 0):
            raise FormatError("the shape of intervals has a side of no length")
        slope = float(data.get("slope", 0.0))
        if not (np.isfinite(slope) and slope >= 0):
            raise FormatError("the slope of the factors of intervals is no number from 0")
        return cls(shape, None if difficulty is None else Difficulty.from_data(difficulty, inputs), slope)


@dataclass(frozen=True)
class Heads:
    """The unit from the lowest to the highest of several predicted quantiles."""

    least: float
    """the least distance of either from the middle one"""

    def unit(self, inputs: PreparedInputs | None, predicted: Numbers) -> Unit:
        """Return the units at predicted quantiles (n, quantiles)."""
        low, middle, high = predicted.min(1), np.median(predicted, 1), predicted.max(1)
        return Unit(middle, np.maximum(middle - low, self.least), np.maximum(high - middle, self.least))

    def to_data(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"least": self.least}

    @classmethod
    def from_data(cls, data: Mapping[str, Any], inputs: int) -> Self:
        """Return what `to_data` wrote. Raises FormatError for other values."""
        least = float(data["least"])
        if not (np.isfinite(least) and least > 0):
            raise FormatError("the quantiles have no least distance")
        return cls(least)


class OutputIntervals(NamedTuple):
    """The intervals of one output."""

    units: Scaled | Heads
    scores: Scores
    own: Numbers | None = None
    """(m,) the score of each held-out row; None from a file"""


@dataclass(frozen=True)
class Intervals:
    """The calibrated intervals of a regressor."""

    outputs: tuple[OutputIntervals, ...]
    """of each output; one for several quantiles"""
    floor: float | None = None
    """0 where no held-out target is negative: no interval then begins below; None for no bound"""

    @classmethod
    def of(cls, held_out: HeldOut, targets: NumericTargets) -> Self:
        """Calibrate intervals on the rows that a fit held out, at most some thousands of them."""
        held_out = held_out.thinned()
        floor = 0.0 if len(held_out.y) and (held_out.y >= 0).all() else None
        if targets.middle is not None:
            return cls((of_quantiles(held_out, held_out.predicted),), floor)
        return cls(tuple(of_output(held_out, output) for output in range(targets.outputs)), floor)

    def units(self, inputs: PreparedInputs, predicted: Numbers) -> list[Unit]:
        """Return the units of each output. inputs: (n, features) prepared.  predicted: (n, outputs)."""
        first = self.outputs[0].units
        if isinstance(first, Heads):
            return [first.unit(inputs, predicted)]
        return [each.units.unit(inputs, predicted[:, [number]]) for number, each in enumerate(self.outputs)]

    def bounded(self, intervals: Numbers) -> Numbers:
        """Return intervals that do not begin below the floor."""
        return intervals if self.floor is None else np.maximum(intervals, self.floor)

    def to_data(self) -> dict[str, Any]:
        """Return them as JSON values."""
        outputs = [
            {"heads": isinstance(each.units, Heads), "scores": each.scores.to_data()} | each.units.to_data()
            for each in self.outputs
        ]
        return {"outputs": outputs, "floor": self.floor}

    @classmethod
    def from_data(cls, data: Mapping[str, Any], targets: NumericTargets, inputs: int) -> Self:
        """Return what `to_data` wrote. inputs: of the network.  Raises FormatError for other values."""
        has_heads = targets.middle is not None
        outputs = tuple(
            OutputIntervals(
                (Heads if each["heads"] else Scaled).from_data(each, inputs), Scores.from_data(each["scores"])
            )
            for each in data["outputs"]
        )
        kinds = {isinstance(each.units, Heads) for each in outputs}
        if len(outputs) != (1 if has_heads else targets.outputs) or kinds != {has_heads}:
            raise FormatError("the intervals are not of the outputs of the network in the file")
        if data["floor"] not in (None, 0.0):
            raise FormatError("the lower bound of intervals is not 0")
        return cls(outputs, data["floor"])


def of_output(held_out: HeldOut, output: int) -> OutputIntervals:
    """Return the calibrated intervals of an output that is a number."""
    predicted, y, weight = held_out.predicted[:, output], held_out.y[:, output], held_out.weight
    errors = y - predicted
    if held_out.gain is not None:
        errors = errors * held_out.gain[output]
    if len(y) < MIN_ROWS_TO_SCALE or not errors.any():
        shape = Shape()
        own = shape.scores(errors)
        return OutputIntervals(Scaled(shape), Scores.of(own, weight), own)
    inputs, fold = held_out.inputs, folds_of(held_out)
    if not isinstance(inputs, np.ndarray) or held_out.predicted.shape[1] > MAX_SCALED_BY_INPUTS:
        inputs = None
    difficulty, sizes = learned(inputs, predicted, errors, fold)
    scaled, own = errors / sizes, np.empty(len(y))
    for one in range(FOLDS):
        is_own = fold == one
        own[is_own] = shape_of(scaled[~is_own]).scores(scaled[is_own])
    slope = slope_of(own)
    own = lessened(own, slope * np.log(sizes))
    return OutputIntervals(Scaled(shape_of(scaled), difficulty, slope), Scores.of(own, weight), own)


def of_quantiles(held_out: HeldOut, predicted: Numbers) -> OutputIntervals:
    """Return the calibrated intervals of several predicted quantiles (m, quantiles)."""
    distance = float(np.ptp(predicted, 1).mean())
    heads = Heads(THIN * distance if distance > 0 else THIN)
    own = heads.unit(None, predicted).scores(held_out.y[:, 0])
    return OutputIntervals(heads, Scores.of(own, held_out.weight), own)


def folds_of(held_out: HeldOut) -> NDArray[np.int64]:
    """Return the fold (m,) of each held-out row: rows of a group have the same, if there are groups for each fold."""
    rows = np.arange(len(held_out.y))
    if held_out.groups is not None:
        found, numbers = np.unique(held_out.groups, return_inverse=True)
        rows = numbers if len(found) >= FOLDS else rows
    return np.asarray(rows, np.int64) % FOLDS
