"""How many rows a category needs for a code of its own, by what the targets say of its kind.

A vector for each rare category brings much where these differ, and costs accuracy where they do not: it is then one
more thing to learn by heart. So the categories with 2 to 9 rows are looked at together. With the targets y of their N
rows in L categories, of which category c has n_c with the mean m_c,

    between = sum_c n_c (m_c - m)^2 / (L - 1)          within = sum_c sum_i (y_i - m_c)^2 / (N - L)
    rho = (between - within) / (between + (n0 - 1) within)          n0 = (N - sum_c n_c^2 / N) / (L - 1)

rho is the intraclass correlation: the share of the variance that is between categories. The mean of n rows of one is
then right to n rho / (1 + (n - 1) rho), which is three fifths from 1.5 (1 - rho) / rho rows on; so many are
asked for, 2 at least and 10 at most. It is 10 where y does not show that the categories differ, by F = between /
within, and where they are of few rows altogether. Of several outputs or classes the sums are over all of them.

On 8,000 rows of 10,000, one or two splits, the test loss relative to that of 10 rows (R2, or the logarithmic loss):

                                                    rho    F   rows asked for   with 2 rows
    2,800 shops, a number                           0.58  6.3   2               0.59    (R2 0.44 to 0.81; CatBoost 0.73)
    1,000 shops, a number                           0.52  7.1   2               0.67    (R2 0.59 to 0.81)
    2,800 shops, two classes                        0.13  1.6  10               1.007   (7 rows 1.003)
    2,800 shops, five classes                       0.13  1.6  10               1.002
    loans_full_schema, job title                    0.03  1.1  10               1.003, 1.004
    flights, delay, 20,000 rows, tail number        0.02  1.1  10               1.023, 1.017
    flights, late, 20,000 rows, tail number         0.00  1.0  10               1.023
    10,000 shops in 50,000 rows, a number                     2               0.65    (R2 0.46 to 0.77; CatBoost 0.69)
    83,000 shops in 300,000 rows, a number                    2                       (R2 0.44 to 0.70)
    100 shops                                                10               1.000   (none is rare)
    storms, name (1 % of the rows)                  0.83 33.8  10               1.002, 1.011

What was tried beside it, of the 2,800 shops and a number: vectors of 8 in place of 4 have 1.04 of the loss, the
frequency as a number beside these 0.98 of that, a start of N(0, 0.1^2) 0.96, which has 1.009 and 1.014 on
loans_full_schema. A code for each shop of one row has 0.69, and the other loss on shops that the network has not seen
1.12 and 1.00 times as large, for no row is left from which it could learn what to make of these; of two classes it has
1.009, of job titles 1.003 and 1.007. The mean target of a category, in which a row's own is left out (five folds, 5
rows of the overall mean added), as one more number has 0.95 of the loss, of 1,000 shops 1.015, of 2,800 shops and two
classes 0.981 of that with 10 rows, and of five classes 0.972. It is not taken: the rows to learn from would be prepared
otherwise than all others, in each continued fit too.

Source of rho: Fisher, "Statistical methods for research workers" (1925), chapter 7; n0, Snedecor and Cochran,
"Statistical methods", for groups of unequal size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.tables.statistics import Array

USUAL_COUNT, MIN_COUNT = 10, 2
"""The rows that a category needs where nothing is known of it, and at least."""
SURE = 4.0
"""standard errors of F that it must be above 1"""


class KnownTarget:
    """The targets of a table: numbers, in units of their deviation, or classes."""

    def __init__(self, values: Array | NDArray[np.int64], classes: int = 0) -> None:
        """Keep values (n, outputs), or of that many classes the number of each row's, (n,)."""
        self.values, self.classes = values, classes

    def take(self, rows: NDArray[np.bool_]) -> KnownTarget:
        """Return the targets of some rows."""
        return KnownTarget(self.values[rows], self.classes)

    def columns(self) -> Iterator[Array]:
        """Iterate over the outputs, and of classes over what says whether a row is of each."""
        for k in range(self.classes):
            yield (self.values == k).astype(np.float64)
        if not self.classes:
            yield from self.values.T


TargetGiver = Callable[[], KnownTarget | None]
"""Gives the targets of a table when they are first needed."""


class MeanSquares(NamedTuple):
    """How much of the variance of targets is between groups of rows, and how much within them."""

    between: float
    within: float
    groups: int
    size: float
    """the rows, or the sum of their weights"""
    typical: float
    """n0"""

    @property
    def rho(self) -> float:
        """The share of the variance that is between groups; 0 where there is none."""
        whole = self.between + (self.typical - 1) * self.within
        return (self.between - self.within) / whole if whole > 0 else 0.0

    def differ(self) -> bool:
        """Return whether F shows that the groups differ."""
        error = math.sqrt(2 / (self.groups - 1) + 2 / (self.size - self.groups))
        return self.between > (1 + SURE * error) * self.within


def mean_squares(
    codes: NDArray[Any], outputs: Iterable[Array], mass: Array | None = None
) -> MeanSquares | None:
    """Return those of outputs (n,) each, whose sums are over all of them; None of one group, or of one row in each.

    codes: (n,) the group of each row.  mass: (n,) the weights, or None for 1 each.
    """
    _, of = np.unique(codes, return_inverse=True)
    mass = np.ones(len(of)) if mass is None else mass
    groups, size = int(of.max()) + 1, float(mass.sum())
    if groups < 2 or size - groups < 1:
        return None
    counts = np.bincount(of, mass)
    between = within = 0.0
    for column in outputs:
        means = np.bincount(of, mass * column) / counts
        between += float((counts * (means - np.average(column, weights=mass)) ** 2).sum())
        within += float((mass * (column - means[of]) ** 2).sum())
    typical = (size - float((counts**2).sum()) / size) / (groups - 1)
    return MeanSquares(between / (groups - 1), within / (size - groups), groups, size, typical)
