"""Scale numbers for a network, by the names that `TablePreprocessor(scale=...)` takes.

    robust      z = s((x - median) / (Q75 - Q25)),  s(z) = z / sqrt(1 + (z / 3)^2), which stays within (-3, 3)
    standard    z = s((x - mean) / deviation)
    realmlp     as robust, with half the range in place of the deviation, and outputs of categories scaled too
    quantile    z = Phi^-1(F(x)),  F the share of smaller values in training, by linear interpolation; within 5.2
    rank        as quantile, with min(n, 100) quantiles, m, and F within [1 / 2m, 1 - 1 / 2m]: within 2.33 of 50 rows
    linear      z = (x - mean) / deviation, clipped to [-10, 10]: linear in x for all but far outliers
    straight    as linear, clipped to [-20, 20]
    affine      as linear, clipped to [-1e6, 1e6], as scalers of other libraries do
    range       z = (x - min) / (max - min), clipped to [0, 1]: linear in x within the range of training
    none        z = x

"robust+quantile" and "standard+quantile" make two outputs of a number, "robust+rank+linear" and "robust+rank+straight"
three. Where the quartiles are equal, the deviation takes the place of their difference. "realmlp" is RealMLP's own: an
output of a rare category is 0 or 1.66.

The default was chosen on 17 tables of 5,404 to 53,940 rows (13,000 of them at most) with three splits each, by the test
loss of a network of two layers of 128 ReLU relative to that with robust, as geometric mean and of the worst run:
standard 0.996 and 1.28, quantile 0.983 and 1.31, robust+quantile 0.943 and 1.04, standard+quantile 0.937 and 1.06.

A number of two values has both outputs too, though one says what the other does. With the first alone the test loss of
"fast" on at most 6,400 rows, three splits each, is 1.0025 of that with both, and larger on each split of Bikeshare
(1.010), Caravan (1.006) and loans_full_schema (1.009); wa_churn 1.005, randhie 1.002, movies 1.000, nlswork 0.998,
nassCDS 0.990. With the second alone loans_full_schema has 1.009 and Bikeshare 0.999, and without an embedding of it
1.007 and, of two splits, 1.029.

Sources: robust and its smooth clip, Holzmüller, Grinsztajn and Steinwart, "Better by default: strong pre-tuned MLPs and
boosted trees on tabular data" (2024), section 3; quantile, scikit-learn's
QuantileTransformer, with the number of quantiles of Gorishniy, Kotelnikov and Babenko, "TabM" (2024).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import codec
from chainrule.core.codec import ASCENDING, above, one_of, sized
from chainrule.tables.statistics import Array, Ordered, Ranks, normal, steps

LARGEST = 1e6
"""What is further from the center, in spreads, is taken to be as far: squares stay finite. No output of a category is
larger either."""
MAX_ROWS_LOOKED_UP_AT_ONCE = 64
"""The rows up to which the quantiles of all columns are looked up at once,"""
MIN_COLUMNS_LOOKED_UP_AT_ONCE = 16
"""if there are at least so many columns."""
MOST_INTERPOLATED = 1_500
"""The rows of a column up to which its quantiles are looked up by `numpy.interp`: putting a table of `Ranks` together
would take longer."""
LEAST_GAP = 1 / np.finfo(float).max
"""The least distance of two neighboring quantiles by which one can be divided in float64."""
MIN_QUANTILE = 1e-7
"""The smallest share that a quantile is taken for: |z| stays below 5.2."""
FAR = {"linear": 10.0, "straight": 20.0, "affine": LARGEST}
"""What is further from the mean, in standard deviations, is taken to be as far by these ways, which are linear in x."""
LINEAR = (*FAR, "range", "none")
"""The ways that divide a number of training by the spread, and no more, but for far outliers."""
LEAST_RANKS, MOST_RANKS = 10, 100
"""The fewest and the most quantiles of the way "rank"."""
MAX_QUANTILES = 1000
BY_QUANTILES = ("quantile", "rank")
"""The ways that have quantiles."""


@codec.as_list
class Scaling(NamedTuple):
    """What was learned of one column of numbers."""

    way: Annotated[str, one_of(WAYS)]
    center: float = 0.0
    spread: Annotated[float, above(0)] = 1.0
    grid: Annotated[tuple[float, ...], sized(0, MAX_QUANTILES), ASCENDING] = ()
    """the quantiles at equal steps from 0 to 1, for the ways "quantile" and "rank\""""

    def requires(self) -> dict[str, bool]:
        """Return what must hold of it."""
        return {"quantiles for its way": min(len(self.grid), 2) == (2 if self.way in BY_QUANTILES else 0)}


def fit_robust(x: Ordered) -> list[Scaling]:
    """Return the median and the distance of the quartiles of each column of x, (n, columns)."""
    median, spread = _median_and_spread(x)
    return _scales("robust", median, np.where(spread > 0, spread, x.mean_and_deviation[1]))


def fit_realmlp(x: Ordered) -> list[Scaling]:
    """Return the median and the distance of the quartiles of each column, or half its range where that is 0."""
    (median, spread), (low, high) = _median_and_spread(x), x.quantiles((0.0, 1.0))
    return _scales("realmlp", median, np.where(spread > 0, spread, high / 2 - low / 2))


def _median_and_spread(x: Ordered) -> tuple[Array, Array]:
    first, median, third = x.quantiles((0.25, 0.5, 0.75))
    return median, np.minimum(third / 2 - first / 2, np.finfo(float).max / 2) * 2


def fit_moments(way: str, x: Ordered) -> list[Scaling]:
    """Return the mean and the standard deviation of each column."""
    return _scales(way, *x.mean_and_deviation)


def fit_quantile(x: Ordered) -> list[Scaling]:
    """Return max(10, min(1000, n / 30)) quantiles of each column, where n is the sum of weights."""
    n = len(x.x) if x.weights is None else x.weights.sum()
    grid = x.quantiles(np.linspace(0.0, 1.0, max(10, min(1000, int(n // 30)))).tolist())
    return [Scaling("quantile", grid=tuple(column)) for column in grid.T.tolist()]


def fit_rank(x: Ordered) -> list[Scaling]:
    """Return as many quantiles of each column as there are rows, from 10 to 100."""
    n = len(x.x) if x.weights is None else x.weights.sum()
    grid = x.quantiles(np.linspace(0.0, 1.0, max(LEAST_RANKS, min(MOST_RANKS, int(n)))).tolist())
    return [Scaling("rank", grid=tuple(column)) for column in grid.T.tolist()]


def fit_range(x: Ordered) -> list[Scaling]:
    """Return the minimum and the range of each column."""
    low, high = x.quantiles((0.0, 1.0))
    return _scales("range", low, np.minimum(high / 2 - low / 2, np.finfo(float).max / 2) * 2)


def fit_none(x: Ordered) -> list[Scaling]:
    """Return scales that change nothing."""
    return [Scaling("none")] * x.x.shape[1]


WAYS: dict[str, Callable[[Ordered], list[Scaling]]] = {
    "robust": fit_robust,
    "realmlp": fit_realmlp,
    "standard": partial(fit_moments, "standard"),
    "quantile": fit_quantile,
    "rank": fit_rank,
    "linear": partial(fit_moments, "linear"),
    "straight": partial(fit_moments, "straight"),
    "affine": partial(fit_moments, "affine"),
    "range": fit_range,
    "none": fit_none,
}
SCALES = {
    **{way: (way,) for way in WAYS},
    "robust+quantile": ("robust", "quantile"),
    "robust+rank+linear": ("robust", "rank", "linear"),
    "robust+rank+straight": ("robust", "rank", "straight"),
    "standard+quantile": ("standard", "quantile"),
}
"""The ways that a setting stands for, an output each."""


class Scaler:
    """z of columns of numbers, each by a scale of its own; all are of one way, with as many quantiles."""

    def __init__(self, scales: Sequence[Scaling]) -> None:
        """Put the scales together."""
        self.way = scales[0].way
        self.center = np.array([scale.center for scale in scales]) / 2
        self.spread = np.array([scale.spread for scale in scales]) / 2
        self.grid = np.array([scale.grid for scale in scales])  # (columns, quantiles)
        self.factor = np.ones(len(scales))
        if self.way in BY_QUANTILES:
            self.factor, self.grid = magnify(self.grid)
        self.is_magnified = bool((self.factor != 1).any())

    def __call__(self, x: Array) -> Array:
        """Return z of x, (n, columns)."""
        if self.way not in BY_QUANTILES:
            return self._linear(x, slice(None))
        return normal(_shares(self._magnified(x, slice(None)), self.grid), self.tail)

    @property
    def tail(self) -> float:
        """The least share: of few rows, for the way "rank", the middle of the last one."""
        return tail_of(self.way, self.grid.shape[1])

    def column(self, k: int, x: Array) -> Array:
        """Return z of numbers (n,) of one of the columns: the same bits, where rows are many."""
        if self.way not in BY_QUANTILES:
            return self._linear(x, k)
        x = self._magnified(x, k)
        if len(x) > MOST_INTERPOLATED and (ranks := self._ranks[k]).is_usable:
            return ranks(x)
        return normal(_share(x, self.grid[k]), self.tail)

    def _magnified(self, x: Array, k: int | slice) -> Array:
        """Return x, of column k or of all, in the unit of the quantiles."""
        if not self.is_magnified:
            return x
        with np.errstate(over="ignore"):  # beyond the last quantile is beyond it
            return np.asarray(x * self.factor[k])

    @cached_property
    def _ranks(self) -> list[Ranks]:
        return [Ranks(own, self.tail) for own in self.grid]

    def _linear(self, x: Array, k: int | slice) -> Array:
        """Return z of x, of column k or of all."""
        if self.way == "none":
            return x
        center, spread = self.center[k], self.spread[k]
        if self.way == "range":
            return np.clip((x / 2 - center) / spread, 0.0, 1.0)
        with np.errstate(
            over="ignore"
        ):  # halves: the distance of two numbers may be beyond float64, and theirs is not
            z = np.clip((x / 2 - center) / spread, -LARGEST, LARGEST)
        if self.way in FAR:
            return np.clip(z, -FAR[self.way], FAR[self.way])
        return np.asarray(z / np.sqrt(1 + (z / 3) ** 2))


def magnify(grid: Array) -> tuple[Array, Array]:
    """Return a factor for each column, and its quantiles (columns, quantiles) times that: 1 of nearly all.

    Where the distance of two neighbors is beyond float64, or one divided by it, it is the power of two that makes the
    largest quantile some 2^1000; those smaller by a factor of 2^1950 are 0 then.
    """
    largest = np.abs(grid).max(axis=1)
    with np.errstate(over="ignore"):
        gaps = np.diff(grid, axis=1)
    is_beyond = np.asarray((np.isinf(gaps) | ((gaps > 0) & (gaps < LEAST_GAP))).any(axis=1))
    factor = np.where(is_beyond, np.ldexp(1.0, 1000 - np.maximum(np.frexp(largest)[1], 0)), 1.0)
    made = grid * factor[:, None]
    return factor, np.where(is_beyond[:, None] & (np.abs(made) < 2.0**-950), 0.0, made)


def _shares(x: Array, grid: Array) -> Array:
    """F(x) of x, (n, columns): of equal quantiles of a column, (columns, quantiles), the mean of first and last counts.

    It is the mean of two linear interpolations: one from the last quantile that is no larger than x, and one from the
    first that is no smaller. Of few rows all columns are looked up at once, with the same operations as NumPy's.
    """
    columns, count = np.arange(len(grid)), grid.shape[1]
    if len(x) > MAX_ROWS_LOOKED_UP_AT_ONCE or len(grid) < MIN_COLUMNS_LOOKED_UP_AT_ONCE:
        return np.stack([_share(column, own) for column, own in zip(x.T, grid, strict=True)], axis=1)
    below, above = count_before(np.less_equal, x, grid) - 1, count_before(np.less, x, grid)
    last, first = np.maximum(below, 0), np.minimum(above, count - 1)
    shares = steps(count)
    at_last, at_first = grid[columns, last], grid[columns, first]
    between = (below >= 0) & (above < count) & (at_last != x)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # where x is between no two
        slope = (shares[first] - shares[last]) / (at_first - at_last)
        up = slope * (x - at_last) + shares[last]
        down = slope * (at_first - x) - shares[first]
        up, down = np.where(between, up, shares[last]), np.where(between, down, -shares[first])
        return np.asarray((up - down) / 2)


def _share(x: Array, grid: Array) -> Array:
    """F(x) of a column, (n,)."""
    shares = steps(len(grid))
    return np.asarray((np.interp(x, grid, shares) - np.interp(-x, -grid[::-1], -shares[::-1])) / 2)


def count_before(is_before: np.ufunc, x: Array, grid: Array) -> NDArray[np.int64]:
    """Return how many quantiles of its column are before each x, halving those in question until none is left."""
    columns, count = np.arange(len(grid)), grid.shape[1]
    low, high = np.zeros(x.shape, np.int64), np.full(x.shape, count)
    for _ in range(count.bit_length()):
        middle = (low + high) // 2
        yes = is_before(grid[columns, np.minimum(middle, count - 1)], x) & (low < high)
        low, high = np.where(yes, middle + 1, low), np.where(yes, high, middle)
    return low


def tail_of(way: str, quantiles: int) -> float:
    """Return the least share that a quantile is taken for, by one of `BY_QUANTILES`."""
    return MIN_QUANTILE if way == "quantile" else 0.5 / quantiles


def _scales(way: str, center: Array, spread: Array) -> list[Scaling]:
    usable = np.isfinite(spread) & (spread > np.finfo(float).tiny)
    spread = np.where(usable, spread, 1.0)
    return [Scaling(way, c, s) for c, s in zip(center.tolist(), spread.tolist(), strict=True)]
