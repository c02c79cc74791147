"""Where numbers are clipped in a table whose rows to predict lie beyond those of training, as later ones do.

A number is clipped to the range that it has in training. What goes with time, such as the number of a day, is beyond
that range in every row to come, which then has the value of its last rows: and what a network learned of these alone is
chance. So it is clipped where a twentieth of the rows lies beyond, in training too, and what is learned of the end is
learned of all of these.

R2 on the quarter of Bikeshare behind 5,000, 6,000 and 7,000 hours, mean of two seeds: 0.893, 0.854 and 0.696 with the
range, 0.902, 0.887 and 0.757 with a twentieth of what goes with time, 0.879, 0.873 and 0.742 with that of each number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from chainrule.estimators.tables import kinds
from chainrule.estimators.tables.column import Column
from chainrule.estimators.tables.learned import LearnedColumn

GOES_WITH_TIME = 0.9
"""The rank correlation with time, up or down, from which a number goes with it."""
BEYOND = 0.05
"""The share of the rows that are beyond its end."""


def with_ends(
    learned: Sequence[LearnedColumn], columns: Sequence[Column], time: NDArray[np.float64] | None
) -> list[LearnedColumn]:
    """Return what was learned of columns, with the ends of those that are numbers or dates. time: (n,), or None."""
    return [
        each._replace(ends=_ends(kinds.values(column, each), time))
        if each.became in ("scaled", "parts")
        else each
        for each, column in zip(learned, columns, strict=True)
    ]


def _ends(values: NDArray[np.float64], time: NDArray[np.float64] | None) -> tuple[float, float]:
    there = ~np.isnan(values)
    values = values[there]
    low, high = float(values.min()), float(values.max())
    if time is None or low == high or (time[there] == time[there][0]).all():
        return low, high
    correlation = spearmanr(values, time[there]).statistic
    if correlation >= GOES_WITH_TIME:
        high = float(np.quantile(values, 1 - BEYOND))
    elif correlation <= -GOES_WITH_TIME:
        low = float(np.quantile(values, BEYOND))
    return low, high
