"""Scale one number, to the bits that `scaling.Scaler` has of an array."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.special import ndtri

from chainrule.estimators.tables.learned import Lane
from chainrule.estimators.tables.scaling import (
    BY_QUANTILES,
    FAR,
    LARGEST,
    Scaler,
    Scaling,
    normal,
    steps,
    tail_of,
)
from chainrule.estimators.tables.statistics import Ranks

ScalarFunction = Callable[[float], float]


def scaled(lane: Lane, largest: float) -> ScalarFunction:
    """Return z of a number x, which may be NaN for missing. largest: that the type of the inputs can have."""
    scale = lane.scale
    made = _rank(scale) if scale.way in BY_QUANTILES else _linear(scale, largest)
    filled = made(lane.fill)

    def z(x: float) -> float:
        return made(x) if x == x else filled

    return z


def _linear(scale: Scaling, largest: float) -> ScalarFunction:
    center, spread, sqrt = scale.center / 2, scale.spread / 2, math.sqrt  # halves, as in an array

    def unchanged(x: float) -> float:
        return min(max(x, -largest), largest)

    def in_range(x: float) -> float:
        return min(max((x / 2 - center) / spread, 0.0), 1.0)

    def clipped_smoothly(x: float) -> float:
        z = min(max((x / 2 - center) / spread, -LARGEST), LARGEST)
        third = z / 3
        return z / sqrt(1 + third * third)

    far = FAR.get(scale.way, LARGEST)

    def clipped(x: float) -> float:
        return min(max((x / 2 - center) / spread, -far), far)

    ways: dict[str, ScalarFunction] = {"none": unchanged, "range": in_range, **dict.fromkeys(FAR, clipped)}
    return ways.get(scale.way, clipped_smoothly)


def _rank(scale: Scaling) -> ScalarFunction:
    """Return Phi^-1(F(x)), see `ranks.Segments`."""
    grid = np.array(scale.grid)
    tail = tail_of(scale.way, len(grid))
    finish = partial(normal, tail=tail)
    ranks = Ranks(grid, steps(len(grid)), finish)
    if not ranks.is_usable:  # differences beyond float64, or none
        whole = Scaler([scale])
        return lambda x: float(whole.column(0, np.array([x]))[0])
    low, high, slope, at_low, at_high, _ = (each.tolist() for each in ranks.segments)
    at_quantile, distinct = ranks.at_quantile.tolist(), low[1:]
    below, above = (float(each) for each in finish(np.array([0.0, 1.0])))
    last, highest = len(distinct), 1 - tail

    def z(x: float) -> float:
        place = bisect_right(distinct, x)
        if place == 0:
            return below
        if x == low[place]:
            return at_quantile[place]  # type: ignore[no-any-return]
        if place == last:
            return above
        up = slope[place] * (x - low[place]) + at_low[place]
        down = slope[place] * (high[place] - x) - at_high[place]
        return float(ndtri(min(max((up - down) / 2, tail), highest)))

    return z
