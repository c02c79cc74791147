"""Statistics of columns with missing values and weights: quantiles, means and deviations.

A weight of 2 counts as two equal rows, and a weight of 0 as none. That is why a quantile is the smallest value at
which the share of the weights reaches q (Hyndman and Fan, 1996, type 1), without interpolation, and why scikit-learn's
RobustScaler, SimpleImputer and QuantileTransformer, which take no weights, are not used.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import DataError, ShapeError

Array = NDArray[np.float64]
_SLACK = 1e-9
"""relative to the sum of weights: 0.1 of 10 rows is one row, though 0.1 * 10 may be rounded above 1"""


class Ordered:
    """The values of columns x (n, columns) in order, NaN aside: sorted once for all that is asked of them."""

    def __init__(self, x: Array, weights: Array | None = None) -> None:
        """Sort the columns. weights: (n,) positive, or None for weights of 1."""
        self.x, self.weights = x, weights
        self.mass: Array | None = None
        self.in_order: Array | None = None
        if weights is None:
            self.ordered = np.sort(x, axis=0)  # NaN come last
        else:
            order = np.argsort(x, axis=0, kind="stable")
            self.ordered = np.take_along_axis(x, order, 0)
            self.in_order = weights[order]  # (n, columns)
            self.mass = np.cumsum(np.where(np.isnan(self.ordered), 0.0, self.in_order), axis=0)

    def quantiles(self, q: Sequence[float]) -> Array:
        """Return the quantiles (q, columns); NaN for a column without values."""
        n, columns = self.x.shape
        if self.mass is None:
            count = n - np.isnan(self.ordered).sum(0)  # (columns,)
            place = np.ceil(np.asarray(q)[:, None] * count - _SLACK * n).astype(int) - 1  # (q, columns)
            place = np.clip(place, 0, np.maximum(count - 1, 0))
        else:
            total = self.mass[-1]
            wanted = np.asarray(q)[:, None] * total - _SLACK * total  # (q, columns)
            place = np.stack([np.searchsorted(self.mass[:, k], wanted[:, k]) for k in range(columns)], axis=1)
        return np.asarray(self.ordered[np.minimum(place, n - 1), np.arange(columns)])

    def mean_and_deviation(self) -> tuple[Array, Array]:
        """Return the mean and the standard deviation (of the population) of each column.

        They are relative to the largest value until the end, so that none overflows, and summed in the order of the
        values, so that the order of the rows does not matter; NaN for a column without values.
        """
        there = ~np.isnan(self.ordered)
        mass = there * (1.0 if self.in_order is None else self.in_order)
        total = mass.sum(0)
        size = np.where(there, np.abs(self.ordered), 0.0).max(0, initial=0.0)
        size[size == 0] = 1.0
        filled = np.where(there, self.ordered / size, 0.0)
        with np.errstate(invalid="ignore"):
            mean = (filled * mass).sum(0) / total
            variance = (((filled - mean) ** 2) * mass).sum(0) / total
        return mean * size, np.sqrt(variance) * size


def row_weights(sample_weight: ArrayLike | None, rows: int) -> NDArray[np.float64] | None:
    """Return the weights as float64, None where all are 1."""
    if sample_weight is None:
        return None
    try:
        weights = np.asarray(sample_weight, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("sample_weight must be one number per row.") from error
    if weights.shape != (rows,):
        raise ShapeError(f"sample_weight must have shape ({rows},), one number per row, not {weights.shape}.")
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise DataError("sample_weight must be finite, at least 0, and not zero in every row.")
    return None if (weights == 1).all() else weights
