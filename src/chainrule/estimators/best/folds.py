"""Which rows are held out: folds of a table, each of which is a part to hold out, and the rows of any kind of table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

ALWAYS = -1
"""The fold of a row that is never held out."""


def deal(n: int, folds: int, labels: NDArray[Any] | None, random: Any) -> NDArray[np.int64]:
    """Return the fold of each row (n,), of equal sizes, each with as much of each label as there is.

    labels: (n,), or None for numbers and for several labels a row. The only row of a label is never held out, so that
    each label is among the others of every fold.  random: a `numpy.random.RandomState`.
    """
    order = random.permutation(n)
    found = np.empty(n, np.int64)
    if labels is None:
        found[order] = np.arange(n) % folds
        return found
    _, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    order = order[np.argsort(numbers[order], kind="stable")]
    order = order[counts[numbers[order]] > 1]
    found[...] = ALWAYS
    found[order] = np.arange(len(order)) % folds
    return found


def rows_of(table: Any, rows: NDArray[np.int64]) -> Any:
    """Return some rows of a table, of targets or of weights: a frame, an array, a list, or a dict of columns."""
    if table is None:
        return None
    if isinstance(table, Mapping):
        return {name: _safe_indexing(column, rows) for name, column in table.items()}
    return _safe_indexing(table, rows)
