"""Rows between those of a table: each takes some columns of a row, and the others of a row beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from chainrule.data.frames import is_frame, read_frame
from chainrule.estimators.rows import rows_of
from chainrule.estimators.tables import reading
from chainrule.estimators.tables.column import CategoryCells
from chainrule.estimators.tables.kinds import categories_in_part
from chainrule.estimators.tables.preprocessor import TablePreprocessor

NEIGHBORS = 8
"""The rows beside a row."""
MOST_ROWS = 20_000
"""Of the rows between which new ones are made."""


class ColumnTable(NamedTuple):
    """A table as its columns by name."""

    columns: dict[str, Any]
    is_matrix: bool = False
    """whether it came as a matrix, and goes back as one"""
    categories: tuple[str, ...] = ()
    """the columns that are categories by all rows, of which these may be a part"""

    @classmethod
    def of(cls, X: Any) -> ColumnTable:
        """Read a frame, a dict of columns, or a matrix."""
        if isinstance(X, Mapping):
            return cls(dict(X))
        if is_frame(X):
            frame = read_frame(X, "X")
            return cls({name: frame.get_column(name) for name in frame.columns})
        dense = np.asarray(X.toarray() if hasattr(X, "toarray") else X)
        return cls({str(k): dense[:, k] for k in range(dense.shape[1])}, is_matrix=True)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(next(iter(self.columns.values())))

    def take(self, rows: NDArray[np.int64]) -> ColumnTable:
        """Return some rows, also repeatedly."""
        return self._replace(columns=rows_of(self.columns, rows))

    def value(self) -> Any:
        """Return it as an estimator takes it."""
        return np.column_stack(list(self.columns.values())) if self.is_matrix else self.columns


def rows_between(
    table: ColumnTable, count: int, rng: np.random.Generator
) -> tuple[ColumnTable, NDArray[np.int64]]:
    """Return the rows of a table and `count` more behind them, and the number of the own row of each (rows,).

    A new row is a row i of which each column, with probability 1/2, has the value of a row j, one of the eight nearest
    to i; a column of fractions has x_i + u (x_j - x_i) instead, with u from 0 to 1 drawn for the row. Distances are
    those of the numbers and categories that `TablePreprocessor` makes of the table.
    """
    own = np.arange(table.rows)
    if not count:
        return table, own
    among = rng.permutation(table.rows)[:MOST_ROWS]
    some = reading.read(table.take(among).value())
    maker = TablePreprocessor(kinds=categories_in_part(some.columns, table.categories))
    prepared = np.asarray(maker.fit_transform(some), np.float64)
    nearest = NearestNeighbors(n_neighbors=min(NEIGHBORS + 1, len(among))).fit(prepared)
    beside = nearest.kneighbors(prepared, return_distance=False)
    at = rng.integers(0, len(among), count)
    first = among[at]
    second = among[beside[at, rng.integers(0, beside.shape[1], count)]]
    u = rng.random(count)
    columns = {}
    for name, values in table.columns.items():
        chosen = np.where(rng.random(count) < 0.5, first, second)
        made = rows_of(values, np.r_[own, chosen])
        numbers = fractions(values)
        if numbers is not None:
            blend = numbers[first] + u * (numbers[second] - numbers[first])
            made = np.r_[numbers, np.where(np.isnan(blend), numbers[chosen], blend)]
        columns[name] = made
    return table._replace(columns=columns), np.r_[own, first]


def fractions(values: Any) -> NDArray[np.float64] | None:
    """Return a column as numbers if these are fractions, NaN for missing; None for whole numbers and anything else."""
    if isinstance(values, CategoryCells):
        return None
    array = values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)
    if array.dtype.kind != "f":
        return None
    numbers = array.astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    return None if (finite == np.round(finite)).all() else numbers
