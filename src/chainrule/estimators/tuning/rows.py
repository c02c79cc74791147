"""The rows of a search: what is held out of a table, and rows of tables of any type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

from chainrule.core.random import generator

HELD_OUT = 5
"""One row of so many is held out where there are no folds."""


def take(X: Any, rows: NDArray[np.int64]) -> Any:
    """Return the given rows of a table: an array, a data frame, or a dict of columns (arrays, lists or series)."""
    if isinstance(X, Mapping):
        return {
            name: [values[row] for row in rows.tolist()] if isinstance(values, list) else values[rows]
            for name, values in X.items()
        }
    return _safe_indexing(X, rows)


def folds(
    y: NDArray[Any], is_classes: bool, count: int | None, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Iterate over the rows to learn from and those held out, each ascending: `count` times, or once for None.

    Each row is held out once in all folds, and each class in proportion, but for a class of a single row, which is
    always learned from. y: (n,) labels or (n, outputs).
    """
    n, parts = len(y), count or HELD_OUT
    order: NDArray[np.int64] = generator(seed, "split", 2).permutation(n)
    is_alone = np.zeros(n, bool)
    if is_classes and y.ndim == 1:
        _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        order = order[np.argsort(codes[order], kind="stable")]
        is_alone = counts[codes] == 1
    fold = np.empty(n, np.int64)
    fold[order] = np.arange(n) % parts
    fold[is_alone] = -1
    for k in range(count or 1):
        yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)
