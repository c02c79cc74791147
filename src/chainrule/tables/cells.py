"""A table as a preprocessor understands it: its cells, what became of its columns, a typical row, and rows like it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.graph.columns import DAY
from chainrule.tables import kinds
from chainrule.tables.column import Column
from chainrule.tables.encoding import used_columns
from chainrule.tables.learned import LearnedColumn
from chainrule.tables.recurring import RecurringDay, effects
from chainrule.tables.statistics import Array

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
    recurring: tuple[RecurringDay, ...] = ()
    """of dates, the days that come again each year on which the target is another"""

    def day(self, row: int) -> RecurringDay | None:
        """Return the recurring day that a cell is, of several the one with the largest effect; None for none."""
        date = self.values[[row]]
        return max(
            (each for each in self.recurring if effects(date, [each])[0]),
            key=lambda each: abs(each.effect),
            default=None,
        )

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


def _cells(learned: LearnedColumn, column: Column) -> ReadColumn:
    if learned.kind not in ("category", "boolean"):
        values = kinds.values(column, learned)
        return ReadColumn(learned.name, learned.kind, values, recurring=learned.recurring)
    if learned.kind == "boolean":  # whatever spells it
        texts = learned.categories
        codes = kinds.codes(column, learned, {text: k for k, text in enumerate(texts)})
        known = (codes >= 0) & (codes < len(texts))
        return ReadColumn(learned.name, learned.kind, np.where(known, codes, np.nan), texts)
    values, texts = kinds.categories(column)
    return ReadColumn(learned.name, learned.kind, np.asarray(values, np.float64), texts)


def typical_row(learned: Sequence[LearnedColumn], impute: str) -> dict[str, NDArray[np.generic]]:
    """Return a table of one row: of a number, date or duration the median, of a category the most frequent one.

    Of dates with recurring days it is the first other day from the median on.
    A category that a file of an earlier release does not name is missing, and so are the columns that are not used.
    impute: what a missing number is replaced by, "median" or "mean"; with the mean the median is that of the quantiles
    or of the scale that was learned, if it has one.
    """
    return {each.name: find_typical(each, impute) for each in learned}


def find_typical(learned: LearnedColumn, impute: str) -> NDArray[np.generic]:
    """Return the typical cell of a column (1,), which the column may contain."""
    if learned.became == "dropped":
        return np.array([np.nan])
    if learned.kind == "boolean":
        return np.array([learned.typical == "True"]) if learned.typical else np.array([np.nan])
    if learned.kind == "category":
        return np.array([learned.typical or None], object)
    median = find_median(learned, impute)
    if learned.kind == "number":
        return np.array([median])
    if learned.kind == "duration":
        return np.array([round(median * 1e6)], "m8[us]")
    date = learned.origin + median * DAY
    from_it = date + DAY * np.arange(len(learned.recurring) + 1, dtype=np.float64)
    date = from_it[np.argmin(np.abs(effects(from_it, learned.recurring)))]
    return np.array([round(date * 1e6)], "M8[us]")


def find_median(learned: LearnedColumn, impute: str) -> float:
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
            grid = np.array(scale.grid) / 2  # so that no distance is beyond float64
            values = np.interp(rng.random(rows) * (len(grid) - 1), np.arange(len(grid)), grid) * 2
        elif scale.way == "range":
            values = scale.center + scale.spread * rng.random(rows)
        else:
            largest = np.finfo(float).max
            with np.errstate(over="ignore"):
                values = np.clip(scale.center + scale.spread * rng.normal(size=rows), -largest, largest)
    if each.kind == "date":
        values = np.floor(each.origin + values * DAY)
    values[gaps] = np.nan
    return values


@records.kind("described_column")
class DescribedColumn(NamedTuple):
    """One column of a training table."""

    name: str
    taken_for: str
    """"number", "boolean", "category", "date" or "duration\""""
    why: str
    """a code: what its values are, or why it is dropped"""
    became: str
    """a code: "scaled", "parts" (of dates), "binary", "one_hot", "embedded", "indicator" or "dropped\""""
    missing: float
    """the share of its values"""
    infinite: int
    """how many of its values were infinite and count as missing"""
    categories: int | None
    merged: int
    """how many categories were too rare for an output or a code of their own"""
    outputs: int
    """how many columns of the output it became"""
    size: int
    """of its embedding; 0 without one"""
    marks: tuple[float, ...] = ()
    """numbers that stand for missing ones"""
    recurring: tuple[RecurringDay, ...] = ()
    """of dates, the days that come again each year on which the target is another"""

    def to_data(self) -> dict[str, Any]:
        """Return the column as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


@records.kind("described_table")
@dataclass(frozen=True, repr=False)
class DescribedTable(records.TextResult):
    """What became of each column of a table. Print it for a table of text."""

    columns: tuple[DescribedColumn, ...]
    rows: int | None
    """of the training table; None where the preprocessor was read from data"""

    def __getitem__(self, name: str) -> DescribedColumn:
        """Return a column by name."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(
            f"{name!r} is no column; there are {', '.join(each.name for each in self.columns[:20])}."
        )

    def __iter__(self) -> Iterator[DescribedColumn]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def dropped(self) -> tuple[DescribedColumn, ...]:
        """The columns that a network does not see."""
        return tuple(column for column in self.columns if column.became == "dropped")

    def __repr__(self) -> str:
        """Show how many columns there are, how many are dropped, and how many outputs the others became."""
        outputs = sum(column.outputs for column in self.columns)
        return (
            f"<DescribedTable of {len(self):,} columns, {len(self.dropped):,} dropped: {outputs:,} outputs>"
        )
