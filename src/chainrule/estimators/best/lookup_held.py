"""Rows held out of a race, which a lookup is learned on, and which columns identify groups of rows that err alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.best.lookup import ComparedRows, Memory, Numbers

MIN_VALUES, MOST_IDENTIFYING, GROUPED = 20, 4, 2.0
"""Columns of at least so many values may identify groups, so many at most, and by so many standard errors."""


class Queries(NamedTuple):
    """Rows held out of a fold."""

    rows: ComparedRows
    predicted: Numbers
    """(n, outputs) before correction; of labels the probabilities of all classes"""
    y: NDArray[Any]
    """(n,) classes, or numbers (n, outputs)"""
    weight: Numbers
    """(n,)"""

    def take(self, chosen: NDArray[np.int64]) -> Queries:
        """Return some of them."""
        return Queries(self.rows.take(chosen), self.predicted[chosen], self.y[chosen], self.weight[chosen])

    @property
    def errors(self) -> Numbers:
        """What was observed less what was predicted: of numbers (n, outputs), of labels (n, classes)."""
        if self.y.ndim == 1:
            return np.asarray(np.eye(self.predicted.shape[1])[self.y] - self.predicted)
        return np.asarray(self.y - self.predicted)

    def losses(self, predicted: Numbers) -> Numbers:
        """Return the loss of each row (n,): -log p of its class, or the mean squared error of its numbers."""
        if self.y.ndim == 1:
            return np.asarray(-np.log(predicted[np.arange(len(self.y)), self.y]))
        return np.asarray(np.square(predicted - self.y).mean(1))


class Identifying(NamedTuple):
    """Columns that identify groups of rows."""

    numbers: NDArray[np.bool_]
    codes: NDArray[np.bool_]

    def any(self) -> bool:
        """Return whether there are some."""
        return bool(self.numbers.any() or self.codes.any())


def identifying(folds: Sequence[tuple[Memory, Queries]]) -> Identifying:
    """Return the columns that identify groups: errors are alike in a group, and not between neighbors.

    With e the error of a row held out, and m the mean error of training rows, shrunk by one row without an error,

        d = e . (m of the rows with the same value - m of the rows with the next smaller and the next larger value)

    is above 0 in the sum by `GROUPED` standard errors, which are over the values. Categories have no neighbors: their m
    is that of no rows.
    """
    rows = folds[0][1].rows
    numbers, codes = rows.numbers.shape[1], rows.codes.shape[1]
    scores = np.array(
        [
            _standard_errors([group_errors(*fold, column) for fold in folds])
            for column in range(numbers + codes)
        ]
    )
    found = scores > GROUPED
    found[np.argsort(scores)[:-MOST_IDENTIFYING]] = False
    return Identifying(found[:numbers], found[numbers:])


def group_errors(memory: Memory, queries: Queries, column: int) -> Numbers:
    """Return the sums of d of `identifying` over the rows held out with each value of training (values,).

    column: of the numbers, or after them of the codes.
    """
    train, held = (_values(rows, column) for rows in (memory.rows, queries.rows))
    order = np.argsort(train, kind="stable")
    values, first, counts = np.unique(train[order], return_index=True, return_counts=True)
    if len(values) < MIN_VALUES:
        return np.zeros(0)
    sums = np.add.reduceat(memory.errors[order], first)
    at = np.minimum(np.searchsorted(values, held), len(values) - 1)
    found = sums[at] / (1 + counts[at])[:, None]
    if column < memory.rows.numbers.shape[1]:
        of_nearby, nearby = _of_neighbors(sums), _of_neighbors(counts[:, None])
        found -= of_nearby[at] / (1 + nearby[at])
    d = np.where(values[at] == held, queries.weight * (queries.errors * found).sum(1), 0.0)
    return np.asarray(np.bincount(at, d, len(values)), np.float64)


def _values(rows: ComparedRows, column: int) -> NDArray[Any]:
    """Return a column of the numbers, or after them of the codes."""
    columns = rows.numbers.shape[1]
    return rows.numbers[:, column] if column < columns else rows.codes[:, column - columns]


def _of_neighbors(sums: NDArray[Any]) -> NDArray[Any]:
    """Return the sums of the value before and of the value after (values, k)."""
    padded = np.pad(sums, ((1, 1), (0, 0)))
    return np.asarray(padded[:-2] + padded[2:])


def _standard_errors(folds: Sequence[Numbers]) -> float:
    """Return by how many standard errors the sum is above 0 of what is independent."""
    each = np.concatenate(folds)
    error = math.sqrt(np.square(each).sum())
    return float(each.sum() / error) if error > 0 else 0.0
