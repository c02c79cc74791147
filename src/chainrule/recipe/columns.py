"""The columns of a table by name: reading, selecting and excluding them."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.frames import column_names, read_frame
from chainrule.datasets.table_files import read_table
from chainrule.errors import ConfigError, DataError
from chainrule.estimators.tables import kinds, reading
from chainrule.estimators.tables.preprocessor import TablePreprocessor
from chainrule.recipe.naming import PYTHON, Names

FEWEST_TOLD = 20
"""The minimum rows of a table for a remark that no two of them have the same number."""


def read_columns(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the columns of a table by name: arrays, lists or series."""
    found = read_table(path)
    return found if isinstance(found, dict) else columns_of(found, os.fspath(path))


def columns_of(found: object, name: str) -> dict[str, Any]:
    """Return the columns of a data frame by name. name: that of the frame, for errors."""
    frame = read_frame(found, name)
    return {each: frame.get_column(each) for each in column_names(found, name) or ()}


def pick(asked: str, columns: Iterable[str], source: str, option: str) -> str:
    """Return the name of a column. Raises ConfigError with a similar name if it does not exist."""
    columns = list(columns)
    if asked in columns:
        return asked
    from difflib import get_close_matches

    plain = {name.casefold(): name for name in columns}
    near = get_close_matches(asked.casefold(), plain, 1)
    hint = f"did you mean {plain[near[0]]!r}?" if near else f"it has {', '.join(columns[:20])}."
    raise ConfigError(f"{source} has no column {asked!r}, the value of {option}; {hint}")


def excluded(
    asked: str | None, columns: Iterable[str], target: str, source: str, named: Names = PYTHON
) -> list[str]:
    """Return the names of the columns to exclude, from text such as "id,name"; a name with a comma in quotes.

    Raises ConfigError for a column that does not exist, and for the target.
    """
    columns, option = list(columns), named("exclude_columns")
    if asked is None:
        return []
    given = [asked] if asked in columns else next(csv.reader(io.StringIO(asked, newline="")), [])
    names = [each if each in columns else pick(each.strip(), columns, source, option) for each in given]
    if target in names:
        raise ConfigError(f"{option} contains {target!r}, the column to predict; exclude others.")
    return list(dict.fromkeys(names))


def listed(names: Iterable[str]) -> str:
    """Return names as the text that `excluded` reads."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue()


def as_numbers(columns: Mapping[str, Any], source: str) -> NDArray[np.float64]:
    """Return columns as (n, columns) numbers, NaN for missing ones. Raises DataError for other values."""
    made = []
    for column in reading.read(columns, source).columns:
        there = np.flatnonzero(~column.missing)
        if column.form not in ("number", "boolean") and len(there):
            row = int(there[0])
            cell = columns[column.name][row]
            raise DataError(
                f"{source} contains {str(cell)[:40]!r} in row {row}, column {column.name!r}; encode text as numbers "
                "first."
            )
        made.append(np.where(column.missing, np.nan, column.values))
    return np.stack(made, 1)


def like_identifiers(columns: Mapping[str, Any], preprocessor: TablePreprocessor) -> list[str]:
    """Return the columns that may only identify the rows: integers without duplicates."""
    found = []
    for column in preprocessor.columns_:
        if column.became == "scaled" and column.taken_for == "number" and not column.missing:
            values = reading.read({column.name: columns[column.name]}).columns[0]
            if len(values.values) >= FEWEST_TOLD and kinds.differ(kinds.take(values)):
                found.append(column.name)
    return found
