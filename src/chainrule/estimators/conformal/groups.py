"""Coverage in each group of rows, by the scores of the held-out rows of that group alone.

Source: Vovk, Lindsay, Nouretdinov, Gammerman, "Mondrian confidence machine" (2003).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError
from chainrule.estimators.conformal.scores import Scores
from chainrule.estimators.fit.held_out import PreparedInputs

Numbers = NDArray[np.float64]

MAX_GROUPS = 100
"""The most groups of a column."""


class Factors(NamedTuple):
    """The scores that a share of the held-out rows of each row's group is below."""

    values: Numbers
    """(n,) infinite in a group with too few held-out rows"""
    few: int
    """the groups with too few"""


def factors_of(
    own: Numbers,
    weight: Numbers,
    held_inputs: PreparedInputs,
    inputs: PreparedInputs,
    places: NDArray[np.int64],
    coverage: float,
) -> Factors:
    """Return the factors of rows. Raises DataError for a column of too many values.

    own, weight: (m,) of the held-out rows.  held_inputs: (m, features).  inputs: (n, features).
    places: of the column's features; rows with the same values of these are a group.
    """
    held, new = (_dense(each[:, places]) for each in (held_inputs, inputs))
    values, numbers = np.unique(np.vstack([held, new]), axis=0, return_inverse=True)
    if len(values) > MAX_GROUPS:
        raise DataError(
            f"by must be a column of at most {MAX_GROUPS} groups, and these rows have {len(values):,}; choose a "
            "category."
        )
    numbers = numbers.reshape(-1)
    of_held, of_new = numbers[: len(held)], numbers[len(held) :]
    found = np.full(len(values), np.inf)
    for group in np.unique(of_new):
        is_own = of_held == group
        found[group] = Scores.of(own[is_own], weight[is_own]).quantile(coverage)
    return Factors(found[of_new], int(np.isinf(found[np.unique(of_new)]).sum()))


def _dense(values: PreparedInputs) -> NDArray[Any]:
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values)
