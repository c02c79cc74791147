"""The cells of a table as a preprocessor understands them, its typical row, and rows like those of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.data.frames import places
from chainrule.errors import ShapeError
from chainrule.estimators.tables import calendar, kinds, reading
from chainrule.estimators.tables.column import Column
from chainrule.estimators.tables.few_rows import Numbers
from chainrule.estimators.tables.learned import LearnedColumn
from chainrule.estimators.tables.statistics import Array

GAPS = 0.05
"""The share of the cells that are missing."""


@records.kind("read_column")
class ReadColumn(NamedTuple):
    """The cells of a column: numbers, or categories."""

    name: str
    taken_for: str
    """"number", "boolean", "category", "date" or "duration\""""
    values: Array  # (n,)
    """numbers, dates in seconds since 1970, durations in seconds, or indices of texts; NaN for missing"""
    texts: tuple[str, ...] = ()
    """the categories"""

    @property
    def is_category(self) -> bool:
        """Whether its cells are categories."""
        return self.taken_for in ("category", "boolean")

    def take(self, rows: NDArray[np.int64]) -> ReadColumn:
        """Return the cells of some rows."""
        return self._replace(values=self.values[rows])

    def to_data(self) -> dict[str, object]:
        """Return the cells as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


def cells(learned: Sequence[LearnedColumn], named: bool, X: object) -> list[ReadColumn]:
    """Return the cells of a table, of the columns that a preprocessor uses. named and errors: as in `used_columns`."""
    return [_cells(each, column) for each, column in used_columns(learned, named, X)]


def used_columns(
    learned: Sequence[LearnedColumn], named: bool, X: object
) -> list[tuple[LearnedColumn, Column]]:
    """Return the columns that a preprocessor uses, each with the one of a table.

    named: whether columns are matched by name.  Raises DataError for a missing column, and ShapeError for another
    number of columns without names.
    """
    used = [each for each in learned if each.became != "dropped"]
    table = reading.read(X, known=[each.name for each in used] if named else None)
    at = places_of(learned, table, named)
    return [(each, table.columns[at[each.name]]) for each in used]


def read_for(learned: Sequence[Sequence[LearnedColumn]], named: bool, X: object) -> reading.RawTable:
    """Read the columns of a table that preprocessors use, by what each has learned of the same columns.

    named: whether columns are matched by name.
    """
    used = [any(each.became != "dropped" for each in column) for column in zip(*learned, strict=True)]
    wanted = [each for each, is_used in zip(learned[0], used, strict=True) if is_used]
    places = [
        k
        for k, column in enumerate(zip(*learned, strict=True))
        if used[k] and all(each.kind == "number" or each.became == "dropped" for each in column)
    ]
    numbers = Numbers([learned[0][k].name for k in places] if named else (), places)
    return reading.read(X, known=[each.name for each in wanted] if named else None, numbers=numbers)


def places_of(learned: Sequence[LearnedColumn], table: reading.RawTable, named: bool) -> dict[str, int]:
    """Return where the columns of a table have each column that was learned and is among those that were read.

    named: whether the columns of training had names.  Raises DataError for a missing column, and ShapeError for another
    number of columns without names.
    """
    at = {column.name: k for k, column in enumerate(table.columns)}
    if named and table.named:
        places([each.name for each in learned if each.became != "dropped"], table.names, "X")
        return at
    if len(table.names) != len(learned):
        raise ShapeError(
            f"X has {len(table.names)} features, but TablePreprocessor is expecting {len(learned)} features "
            "as input; pass the columns of training, or a data frame, whose columns are matched by name."
        )
    pairs = zip(learned, table.names, strict=True)
    return {each.name: at[label] for each, label in pairs if label in at}


def _cells(learned: LearnedColumn, column: Column) -> ReadColumn:
    if learned.kind not in ("category", "boolean"):
        return ReadColumn(learned.name, learned.kind, kinds.values(column, learned))
    values, texts = kinds.categories(column)
    return ReadColumn(learned.name, learned.kind, np.asarray(values, np.float64), texts)


def typical_row(learned: Sequence[LearnedColumn], impute: str) -> dict[str, NDArray[np.generic]]:
    """Return a table of one row: of a number, date or duration the median, of a category the most frequent one.

    A category that a file of an earlier release does not name is missing, and so are the columns that are not used.
    impute: what a missing number is replaced by, "median" or "mean"; with the mean the median is that of the quantiles
    or of the scale that was learned, if it has one.
    """
    return {each.name: typical(each, impute) for each in learned}


def typical(learned: LearnedColumn, impute: str) -> NDArray[np.generic]:
    """Return the typical cell of a column (1,), which the column may contain."""
    if learned.became == "dropped":
        return np.array([np.nan])
    if learned.kind == "boolean":
        return np.array([learned.typical == "True"]) if learned.typical else np.array([np.nan])
    if learned.kind == "category":
        return np.array([learned.typical or None], object)
    median = _median(learned, impute)
    if learned.kind == "number":
        return np.array([median])
    if learned.kind == "duration":
        return np.array([round(median * 1e6)], "m8[us]")
    return np.array([round((learned.origin + median * calendar.DAY) * 1e6)], "M8[us]")


def _median(learned: LearnedColumn, impute: str) -> float:
    """Return the median of a number, or of a date's days; NaN of one that is mostly missing and has no other use."""
    part = "days" if learned.kind == "date" else "value"
    lanes = [lane for lane in learned.lanes if lane.part == part]
    for lane in lanes if impute == "mean" else []:
        if lane.scale.grid:
            return float(np.median(lane.scale.grid))
        if lane.scale.way in ("robust", "realmlp"):
            return lane.scale.center
    if lanes:
        return lanes[0].fill
    return np.nan if learned.became == "indicator" and learned.missing > 0.5 else 0.0


def drawn_columns(learned: Sequence[LearnedColumn], rows: int) -> dict[str, NDArray[np.generic]]:
    """Return a column of values, by name, for each that is used, as the inputs of a graph take them.

    Numbers are between the quantiles of training, or as far from the center as these; categories are known ones, and an
    unknown one; a twentieth is missing.
    """
    rng = np.random.default_rng(0)
    return {each.name: _drawn(each, rng, rows) for each in learned if each.became != "dropped"}


def _drawn(each: LearnedColumn, rng: np.random.Generator, rows: int) -> NDArray[np.generic]:
    gaps = rng.random(rows) < GAPS
    if each.kind in ("category", "boolean"):
        among = np.array(
            [*each.categories, "unknown" if each.kind == "category" else each.categories[0]], object
        )
        texts = among[rng.integers(0, len(among), rows)]
        texts[gaps] = None
        return texts
    values = np.zeros(rows)
    lanes = [lane for lane in each.lanes if lane.part in ("value", "days")]
    if lanes:
        scale = next((lane.scale for lane in lanes if lane.scale.grid), lanes[0].scale)
        if scale.grid:
            grid = np.array(scale.grid)
            values = np.interp(rng.random(rows) * (len(grid) - 1), np.arange(len(grid)), grid)
        elif scale.way == "range":
            values = scale.center + scale.spread * rng.random(rows)
        else:
            values = scale.center + scale.spread * rng.normal(size=rows)
    if each.kind == "date":
        values = np.floor(each.origin + values * calendar.DAY)
    values[gaps] = np.nan
    return values
