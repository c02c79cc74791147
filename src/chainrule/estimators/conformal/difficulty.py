"""How wide an interval is at one row relative to another: a linear model of the logarithm of the error.

    log s(x) = a + b^T f(x),   f: the prepared inputs, and z, z^2, |z| of the standardized prediction

fitted by ridge regression to log(|y - prediction| + a little) of the held-out rows, with a mean of 0 over them. With
2,500 held-out rows of each of the ten numeric tables of `docs/tables.md`, and widths in proportion to s, the coverage
of twelve clusters of rows deviates from 90 % by 3.7 points, in place of 5.9 with equal widths. With the power 0.75 of s
it is 3.9 points, and then 4.2 with boosted trees in place of the linear model, and 4.7 with the prediction alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import FormatError
from chainrule.estimators.fit.held_out import PreparedInputs

Numbers = NDArray[np.float64]

POWER_BEFORE = 0.75
"""The power in files of 0.2, which do not name it."""
SMALL = 0.05
"""What is added to errors before the logarithm, in medians of them."""
EXTREME = 1.0
"""The percentage of the logarithms beyond which they are clipped, on each side."""
FAR = 5.0
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
    low, high = np.percentile(logs, [EXTREME, 100 - EXTREME]).tolist()
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
    found: Numbers = np.clip((features - center) / spread, -FAR, FAR)
    return found
