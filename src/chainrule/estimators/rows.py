"""The rows of a table of any type, and the held-out ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import narwhals
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

from chainrule.core.random import generator
from chainrule.datasets.text_column import TextColumn

ALWAYS = -1
"""The fold of a row that is never held out."""
HELD_OUT = 5
"""Without folds, one row in this many is held out."""


def rows_of(table: Any, rows: NDArray[np.int64]) -> Any:
    """Return some rows of a table, of targets or of weights: a frame, an array, a list, or a dict of columns."""
    if table is None:
        return None
    if isinstance(table, Mapping):
        return {name: rows_of(column, rows) for name, column in table.items()}
    if isinstance(table, TextColumn):
        return table.take(rows)
    return table[rows] if isinstance(table, narwhals.Series) else _safe_indexing(table, rows)


def deal(n: int, folds: int, labels: NDArray[Any] | None, random: Any) -> NDArray[np.int64]:
    """Return the fold of each row (n,): folds of equal sizes, stratified by label.

    labels: (n,), or None for numbers and for multilabel data. The only row of a label is never held out, so that
    each label is among the others of every fold.  random: a `numpy.random.RandomState` or `numpy.random.Generator`.
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


def folds(
    y: NDArray[Any], is_classes: bool, count: int | None, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Iterate over the training rows and the held-out ones, each ascending: `count` times, or once for None.

    Each row is held out once in all folds, and each class in proportion, as `deal` does.
    y: (n,) labels or (n, outputs).
    """
    labels = y if is_classes and y.ndim == 1 else None
    fold = deal(len(y), count or HELD_OUT, labels, generator(seed, "split", 2))
    for k in range(count or 1):
        yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)
