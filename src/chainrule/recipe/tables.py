"""The data of a run on a table: its target column, its test rows, and its other columns as numbers.

The rows are split before anything is fitted to them: a fifth for testing, and of the rest the fraction for validation
that `chainrule.recipe.data.split` draws. The preprocessor is fitted on the training rows. It is saved in the model's
file with the name of the target, so that the file alone can predict another table.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets import Dataset
from chainrule.datasets.headers import TableLayout
from chainrule.datasets.numerals import Decimals
from chainrule.errors import ConfigError, DataError, option
from chainrule.recipe.columns import (
    FREE_ROWS,
    TargetColumn,
    TiedRows,
    divide,
    excluded,
    pick,
    read_columns,
    read_target,
    tied_rows,
)
from chainrule.recipe.settings import Settings
from chainrule.recipe.text_form import TextForm
from chainrule.tables import reading
from chainrule.tables.column import CategoryCells
from chainrule.tables.fitting import differ
from chainrule.tables.kinds import take
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.rows import rows_of
from chainrule.tables.sources import kinds_in_part, known_of
from chainrule.training.fit import split_rows

FEWEST_TOLD = 20
"""The minimum rows of a table for a remark that no two of them have the same number."""
TARGET, TABLE, LAYOUT = "target_column", "table", "layout"
"""The keys, in the metadata of a run's model file, of the target's name and, without an estimator, the preprocessor;
and of where the table lay in its file, if a user said so."""


@dataclass(frozen=True)
class TableData:
    """A table of a run: its original columns, and their preprocessor."""

    columns: Mapping[str, Any]
    """those of the file by name, including the target, without excluded ones"""
    target: TargetColumn
    preprocessor: TablePreprocessor
    train: NDArray[np.int64]
    """the indices in the file of the rows not used for testing, in the order of the training data"""
    test: NDArray[np.int64]
    tied: TiedRows = FREE_ROWS
    """what ties its rows together"""
    form: TextForm | None = None
    """how its text is written"""

    def values(self, row: int, names: list[str]) -> list[str]:
        """Return the cells of a row of the file, as text."""
        return [shown(self.columns[name][int(row)]) for name in names]

    @property
    def inputs(self) -> dict[str, Any]:
        """The columns without the target."""
        return {name: values for name, values in self.columns.items() if name != self.target.name}

    def to_fit(self, y: NDArray[Any]) -> dict[str, Any]:
        """Return the arguments of a fit on the rows not used for testing, with what ties them. y: their targets."""
        given = {"X": self.inputs, "groups": self.tied.groups, "time": self.tied.time}
        made = {name: rows_of(each, self.train) for name, each in given.items()}
        return made | {"X": self.as_in_all_rows(made["X"]), "y": y}

    def as_in_all_rows(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """Return the columns of some rows, where those that are categories in all rows are so too.

        Text that is no number may be in the other rows alone.
        """
        known = known_of(self.preprocessor).kinds
        of_all = {name: part[name] for name in known}
        apart = kinds_in_part(reading.read(of_all).columns, known) if of_all else {}
        return {
            name: CategoryCells(cells, apart[name]) if name in apart else cells
            for name, cells in part.items()
        }

    @property
    def like_identifiers(self) -> list[str]:
        """The columns that may only identify the rows: integers without duplicates."""
        found = []
        for column in self.preprocessor.columns_:
            if column.became == "scaled" and column.taken_for == "number" and not column.missing:
                values = reading.read({column.name: self.columns[column.name]}).columns[0]
                if len(values.values) >= FEWEST_TOLD and differ(take(values)):
                    found.append(column.name)
        return found

    @property
    def left_out(self) -> int:
        """The number of rows without a target."""
        return len(self.columns[self.target.name]) - len(self.target.y)

    @property
    def blocks(self) -> dict[str, slice]:
        """The columns of the network's inputs for each column of the table, by its name."""
        return blocks(self.preprocessor)


def blocks(preprocessor: TablePreprocessor) -> dict[str, slice]:
    """Return the columns of the inputs for each column of a table, by its name."""
    columns = preprocessor.columns_
    ends = accumulate(column.outputs for column in columns)
    each = zip(columns, ends, strict=True)
    return {column.name: slice(end - column.outputs, end) for column, end in each if column.outputs}


def shown(value: object) -> str:
    """Return a cell as text, empty for a missing one."""
    if value is None or value != value:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def layout_of(settings: Settings) -> TableLayout:
    """Return where the settings of a run say that its table lies, and the columns that they name."""
    named = (settings.target_column, settings.groups, settings.time)
    return TableLayout(
        *(settings.header, settings.sheet, tuple(name for name in named if name is not None)),
        decimals=Decimals(settings.decimal or ""),
        encoding=settings.encoding,
    )


class RunTable(NamedTuple):
    """A table of a run that was read."""

    columns: dict[str, Any]
    """by name, except excluded ones and that of the groups"""
    target: TargetColumn
    tied: TiedRows
    form: TextForm


def read(path: str | os.PathLike[str], settings: Settings) -> RunTable:
    """Read a table with the settings of a run.

    Raises ConfigError if they name no target, or a column that does not exist.
    """
    columns = read_columns(path, layout_of(settings))
    asked = settings.target_column
    if asked is None:
        names = ", ".join(list(columns)[-4:])
        listed = f"it has {names}" if len(columns) <= 4 else f"its last are {names}"
        raise ConfigError(
            f"{path} is a table; name the column to predict with {option('target_column')}: {listed}."
        )
    found = pick(asked, columns, f"{path}", "target_column")
    tied = tied_rows(columns, found, settings, path)
    form = TextForm.of(columns)
    out = excluded(settings.exclude_columns, columns, found, f"{path}")
    for each in {*out, tied.names.get("groups", found)} - {found}:
        del columns[each]
    if len(columns) < 2:
        raise DataError(f"{path} has only the column {found!r}; other columns are needed to predict it.")
    return RunTable(columns, read_target(found, columns[found], f"{path}", settings.loss), tied, form)


def load(path: Path, settings: Settings, held_out: float) -> tuple[Dataset, Dataset, TableData]:
    """Load a table for training and testing, with the preprocessor fitted only on the training rows.

    held_out: the fraction of the training rows used for validation; 0 for none.
    """
    columns, target, tied, form = read(path, settings)
    preprocessor = TablePreprocessor(dtype=settings.dtype if settings.dtype == "float64" else "float32")
    train, test, table = prepared(path, columns, target, preprocessor, settings.seed, held_out, tied)
    return train, test, replace(table, form=form)


def prepared(
    path: Path,
    columns: Mapping[str, Any],
    target: TargetColumn,
    preprocessor: TablePreprocessor,
    seed: int,
    held_out: float,
    tied: TiedRows = FREE_ROWS,
) -> tuple[Dataset, Dataset, TableData]:
    """Split a table, fit the preprocessor on its training rows, and return the result of `load`."""
    train, test = divide(target, seed, f"{path}", tied)
    learned = train[split_rows(len(train), held_out, seed)[0]] if held_out else train
    inputs = reading.read({name: values for name, values in columns.items() if name != target.name})
    weights = np.zeros(len(columns[target.name]))
    weights[target.rows[learned]] = 1.0
    y = np.zeros(len(weights), target.y.dtype)  # rows of weight 0 have no effect
    y[target.rows] = target.y
    preprocessor.fit(inputs, y, sample_weight=weights)
    X = preprocessor.transform(inputs)
    table = TableData(columns, target, preprocessor, target.rows[train], target.rows[test], tied)
    return (
        dataset(X[table.train], target.y[train], f"{path.stem} train"),
        dataset(X[table.test], target.y[test], f"{path.stem} test"),
        table,
    )


def dataset(X: NDArray[Any], y: NDArray[Any], name: str) -> Dataset:
    """Return samples and targets as a data set."""
    return Dataset(X, y, X.shape[1:], name)
