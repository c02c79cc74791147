"""The rows of a request to a model of an array of numbers, none of which may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.frames import places
from chainrule.errors import DataError, ShapeError
from chainrule.recipe.columns import as_numbers
from chainrule.serve.rows import BODY, FileTable, RequestRows, listed, shown
from chainrule.serve.schema import Schema


class ArrayReader:
    """Rows of an array of numbers, none of which may be missing."""

    def __init__(self, schema: Schema) -> None:
        """Take what the model needs."""
        self.schema = schema
        self.names = schema.names

    def of_json(self, found: object) -> RequestRows:
        """Return the rows in decoded JSON. Raises ShapeError for another number of values, DataError for no numbers."""
        rows, is_one = listed(found)
        width, values = len(self.names), []
        for k, row in enumerate(rows):
            which = "" if is_one else f"row {k} of "
            if type(row) is dict:
                if not self.schema.is_named:
                    raise DataError(
                        f"{which}{BODY} has names, but the model's {width} columns have none; send a list of numbers."
                    )
                places(self.names, list(row), f"{which}{BODY}")
                row = [row[name] for name in self.names]
            if type(row) is not list:
                raise DataError(f"{which}{BODY} must be an object or a list of numbers, not {shown(row)}.")
            if len(row) != width:
                raise ShapeError(
                    f"{which}{BODY} has {len(row)} values, but the model takes {width}; select the same columns."
                )
            values.append(row)
        return RequestRows(self._array(values, is_one), len(rows), 0, is_one)

    def of_columns(self, columns: Mapping[str, Sequence[Any]]) -> RequestRows:
        """Return rows by their columns."""
        places(self.names, list(columns), BODY)
        found = [list(columns[name]) for name in self.names]
        if len({len(cells) for cells in found}) > 1:
            raise ShapeError("the columns have unequally many values; send equally many.")
        if not found[0]:
            raise DataError(f"{BODY} has no rows; send at least one.")
        rows = [list(row) for row in zip(*found, strict=True)]
        return RequestRows(self._array(rows, False), len(rows), 0)

    def of_table(self, table: FileTable, count: int) -> RequestRows:
        """Return the rows of a table: columns by name if the model's have names, else all of them in order."""
        columns = (
            table
            if isinstance(table, Mapping)
            else {name: table[name].to_numpy() for name in table.column_names}
        )
        if self.schema.is_named:
            places(self.names, list(columns), BODY)
            columns = {name: columns[name] for name in self.names}
        X = as_numbers(columns, BODY)
        if X.shape[1] != len(self.names):
            raise ShapeError(
                f"{BODY} has {X.shape[1]} columns, but the model takes {len(self.names)}; select the same columns."
            )
        _check_finite(X, self.names, False)
        return RequestRows(X, count, 0)

    def joined(self, rows: Sequence[RequestRows]) -> NDArray[np.float64]:
        """Return the rows of several requests, (n, columns)."""
        return rows[0].table if len(rows) == 1 else np.concatenate([each.table for each in rows])

    def _array(self, rows: list[list[Any]], is_one: bool) -> NDArray[np.float64]:
        """Return rows as an array. Raises DataError for a cell that is not a finite number."""
        for i, row in enumerate(rows):
            for k, cell in enumerate(row):
                if type(cell) is not float and type(cell) is not int and type(cell) is not bool:
                    raise DataError(
                        f"{'' if is_one else f'row {i} of '}{BODY} has {shown(cell)} in column {self.names[k]!r}; send "
                        "a number, fill in missing values, and encode text as numbers."
                    )
        X = np.array(rows, np.float64)
        _check_finite(X, self.names, is_one)
        return X


def _check_finite(X: NDArray[np.float64], names: Sequence[str], is_one: bool) -> None:
    if np.isfinite(X).all():
        return
    i, k = (int(each) for each in np.argwhere(~np.isfinite(X))[0])
    raise DataError(
        f"{'' if is_one else f'row {i} of '}{BODY} has {X[i, k]} in column {names[k]!r}; fill in missing values."
    )
