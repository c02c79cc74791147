"""What a bound estimator makes of a row: of a mapping, a sequence in column order, or a table of one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.frames import has_few_rows
from chainrule.errors import DataError, ShapeError
from chainrule.estimators.bound.given import KnownColumns, UnusualCell, cells_of_rows
from chainrule.estimators.bound.preparation import RowPreparation
from chainrule.estimators.fit.result import FEW
from chainrule.estimators.tables.preprocessor import TablePreprocessor, transform_each

Row = NDArray[Any]
RowInputs = Callable[[object], list[Row]]
"""Returns the prepared inputs (features,) of a row, for each preparation."""
CATEGORIES = ("category", "boolean")
"""The kinds of columns whose cells are names"""


class TableRow:
    """Prepares rows of a table, for one preprocessor or the several of a race."""

    def __init__(self, preprocessors: Sequence[TablePreprocessor]) -> None:
        """Put the preparations together. preprocessors: of the same columns."""
        first = preprocessors[0]
        self.preprocessors = list(preprocessors)
        self.preparations = [RowPreparation(each) for each in preprocessors]
        self.count = len(first.learned_)
        self.named = hasattr(first, "feature_names_in_")
        self.names = [each.name for each in first.learned_]
        used = sorted({k for each in self.preparations for k, _ in each.writers})
        self.used = [(k, self.names[k]) for k in used]
        all_learned = zip(*(each.learned_ for each in preprocessors), strict=True)
        texts = (k for k, each in enumerate(all_learned) if all(one.kind in CATEGORIES for one in each))
        self.known = KnownColumns(self.names, self.named, self.used, frozenset(texts))

    def of_few(self, X: object) -> list[list[Row]] | None:
        """Return the inputs of each row of a table of few rows, for each preparation; None for a table of more.

        Raises DataError and ShapeError as the preprocessors do.
        """
        found = cells_of_rows(X, self.known)
        if found is not None:
            try:
                return [[prepare(cells) for prepare in self.preparations] for cells in found]
            except (UnusualCell, DataError):  # which the table's own reading names, with its row
                pass
        if not has_few_rows(X, FEW):
            return None
        tables = transform_each(self.preprocessors, X)
        return [[*row] for row in zip(*tables, strict=True)] if len(tables[0]) <= FEW else None

    def __call__(self, X: object) -> list[Row]:
        """Return the inputs of a row. Raises DataError and ShapeError as `predict` does."""
        cells = self._cells(X)
        if cells is not None:
            try:
                return [prepare(cells) for prepare in self.preparations]
            except UnusualCell:  # which the table's own reading names
                X = X if isinstance(X, Mapping) else self._as_table(cells)
        few = self.of_few(X)
        if few is None:
            raise _rows(len(transform_each(self.preprocessors, X)[0]))
        if len(few) != 1:
            raise _rows(len(few))
        return few[0]

    def _cells(self, X: object) -> Sequence[object] | None:
        """Return the cells in the order of training; None for a table, and a row that lacks a column."""
        if isinstance(X, Mapping):
            if not self.named:
                return None
            cells: list[object] = [None] * self.count
            try:
                for k, name in self.used:
                    cells[k] = X[name]
            except KeyError:
                return None
            return cells
        if isinstance(X, np.ndarray) and X.ndim == 1:
            X = X.tolist() if X.dtype.kind in "biufUO" else list(X)
        if not isinstance(X, (list, tuple)) or (X and isinstance(X[0], (list, tuple, Mapping, np.ndarray))):
            return None
        if len(X) != self.count:
            raise ShapeError(
                f"X has {len(X)} features, but the estimator is expecting {self.count} features as input; pass the "
                "columns of training in their order, or a mapping, whose columns are matched by name."
            )
        return X

    def _as_table(self, cells: Sequence[object]) -> object:
        """Return cells in the order of training as a row that the preprocessor reads."""
        if self.named:
            return dict(zip(self.names, cells, strict=True))
        table = np.empty((1, self.count), object)
        for k, cell in enumerate(cells):
            table[0, k] = cell
        return table


class ArrayRow:
    """Takes rows of numbers as they are, for a network without a preprocessor."""

    def __init__(self, names: Sequence[str] | None, count: int, check: Callable[[Any], Any]) -> None:
        """Keep what checks a table (n, count). names: of the columns, None without."""
        self.names, self.count, self.check = names, count, check

    def __call__(self, X: object) -> list[Row]:
        """Return a row as an array. Raises the errors of `predict`."""
        if isinstance(X, Mapping) and self.names is not None and all(name in X for name in self.names):
            X = [X[name] for name in self.names]
        if isinstance(X, (list, tuple)) or (isinstance(X, np.ndarray) and X.ndim == 1):
            found = np.asarray(X)
            if found.shape == (self.count,) and found.dtype.kind in "uif" and np.isfinite(found).all():
                return [found]
            X = found[None] if found.ndim == 1 else X
        found = self.check(X)
        if found.shape[0] != 1:
            raise _rows(found.shape[0])
        return [np.asarray(found.toarray() if hasattr(found, "toarray") else found)[0]]


def _rows(count: int) -> ShapeError:
    return ShapeError(f"a bound estimator answers one row, and X has {count:,}; predict answers tables.")
