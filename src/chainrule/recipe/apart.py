"""Whether one of two models is surely the better one, by their losses of the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

SURELY = 2.0
"""The standard errors from which a difference is no chance; of few groups the quantile of Student's t in its place."""


def apart(
    network: NDArray[np.float64], other: NDArray[np.float64], groups: NDArray[np.int64] | None = None
) -> float | None:
    """Return the mean difference of two models' losses of the same rows (n,), in its standard errors.

        mean(d) / e    e^2 = G / (G - 1) sum_g (sum_(i in g) (d_i - mean(d)))^2 / n^2    d = other - network

    groups: (n,) the number of each row's group, of which there are G: rows of a group resemble each other, so a group
    counts as one. Where all have as many rows, e is the standard error of the mean of the groups' means; without
    groups each row is its own, and e = s / sqrt(n). Source: Liang and Zeger, Biometrika 73, 1986 (of a mean).
    None where it has none: of less than two rows or groups, of equal differences, or of losses that are not finite.
    """
    differences = other - network
    if not np.isfinite(differences).all() or len(differences) < 2 or not np.ptp(differences):
        return None
    deviations, n = differences - differences.mean(), len(differences)
    sums = (
        deviations if groups is None else np.bincount(np.unique(groups, return_inverse=True)[1], deviations)
    )
    if len(sums) < 2 or not sums.any():
        return None
    return float(differences.mean() * n / np.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum()))


def surely(groups: int | None) -> float:
    """Return the standard errors from which a difference is no chance: SURELY, and of few groups more (Student's t)."""
    if groups is None:
        return SURELY
    return float(stdtrit(max(1, groups - 1), ndtr(SURELY)))


def losses(y: NDArray[Any], said: NDArray[Any]) -> NDArray[np.float64]:
    """Return the squared error of each number (n,), or the log loss of each row's probabilities (n, classes)."""
    if said.ndim == 1:
        return np.asarray((said - y) ** 2, np.float64)
    true = said[np.arange(len(y)), y.astype(np.int64)].astype(np.float64)
    return np.asarray(-np.log(np.maximum(true, np.finfo(np.float64).eps)))
