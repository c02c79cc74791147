"""What a fit has seen of each column of its table, in a few numbers: no rows, and no rare text."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import codec
from chainrule.core.codec import ASCENDING, Condition, Count, sized
from chainrule.tables import kinds
from chainrule.tables.column import Column
from chainrule.tables.data import FitData
from chainrule.tables.encoding import used_columns
from chainrule.tables.learned import LearnedColumn
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.statistics import Ordered

Array = NDArray[np.float64]
STEPS = 100
"""Steps of a sketch: values with 0, 1, ... 100 % of the others up to them."""
IS_SKETCH = Condition(f"* for {STEPS} steps, or none", lambda values: len(values) in (0, STEPS + 1))
MOST_COUNTS = 100_001
NOT_NEGATIVE = Condition("* of at least 0", lambda counts: min(counts, default=0) >= 0)


@codec.as_list
class SeenColumn(NamedTuple):
    """The values of a column in training."""

    name: str
    rows: Count
    missing: Count
    quantiles: Annotated[tuple[float, ...], IS_SKETCH, ASCENDING] = ()
    """of numbers, and of dates and durations in seconds: the smallest value, one each percent, and the largest; none of
    a column that is left out"""
    counts: Annotated[tuple[int, ...], sized(0, MOST_COUNTS), NOT_NEGATIVE] = ()
    """of each category that has an output or a code of its own, in their order, and of all others together"""

    def requires(self) -> dict[str, bool]:
        """Return what must hold of it."""
        return {"no more missing values than rows": self.missing <= self.rows}


def read_columns(
    X: object, preprocessor: TablePreprocessor, without: Collection[str] = ()
) -> list[tuple[LearnedColumn, Array]]:
    """Return the columns of a table that a network sees, each with its values: numbers, or the codes of categories.

    A missing value is NaN; of categories those without a code of their own are one more.  without: columns left out.
    Raises DataError for a missing column, and ShapeError for another number of columns without names.
    """
    named = hasattr(preprocessor, "feature_names_in_")
    learned = [
        each._replace(became="dropped") if each.name in without else each for each in preprocessor.learned_
    ]
    return [(each, _values(column, each)) for each, column in used_columns(learned, named, X)]


def _values(column: Column, learned: LearnedColumn) -> Array:
    if learned.kind not in ("category", "boolean"):
        return kinds.values(column, learned)
    codes = kinds.codes(column, learned, {text: k for k, text in enumerate(learned.categories)})
    return np.where(codes < 0, np.nan, codes.astype(np.float64))


def summarize_columns(columns: Sequence[tuple[LearnedColumn, Array]]) -> tuple[SeenColumn, ...]:
    """Return what is kept of columns with their values."""
    made = []
    for learned, values in columns:
        there = values[~np.isnan(values)]
        begun = SeenColumn(learned.name, len(values), len(values) - len(there))
        if learned.kind in ("category", "boolean"):
            counts = np.bincount(there.astype(np.int64), minlength=len(learned.categories) + 1)
            begun = begun._replace(counts=tuple(counts.tolist()))
        elif len(there):
            sketch = Ordered(there[:, None]).quantiles(np.linspace(0, 1, STEPS + 1).tolist())
            begun = begun._replace(quantiles=tuple(sketch[:, 0].tolist()))
        made.append(begun)
    return tuple(made)


def summarize_fit(data: FitData, is_alone: bool) -> tuple[SeenColumn, ...]:
    """Return what a fit keeps of its table; nothing for arrays, and in a search, whose trials are fits of its parts."""
    if data.preprocessor is None or data.raw is None or not is_alone:
        return ()
    return summarize_columns(read_columns(data.raw, data.preprocessor))


def summarize_result(
    made: tuple[SeenColumn, ...], X: object, data: FitData, preprocessor: TablePreprocessor | None
) -> tuple[SeenColumn, ...]:
    """Return what a fit keeps of its table X as the preprocessor of its result reads it, by which later ones are.

    made: the same by the preprocessor of all rows, which `data` has. That of the result has learned of a part alone
    where the rows held out were prepared as rows to come, or where it is that of a fold, and knows other categories
    then: what differs so is counted again.
    """
    first = data.preprocessor
    if not made or first is None or preprocessor is None or preprocessor is first:
        return made
    before = {each.name: _way(each) for each in first.learned_}
    ways = {each.name: _way(each) for each in preprocessor.learned_ if each.became != "dropped"}
    kept = {each.name: each for each in made if before[each.name] == ways.get(each.name)}
    if len(kept) < len(ways):
        kept |= {each.name: each for each in summarize_columns(read_columns(X, preprocessor, without=kept))}
    return tuple(kept[name] for name in ways)


def _way(learned: LearnedColumn) -> tuple[object, ...]:
    """Return what the values of a column depend on beside the table."""
    return learned.kind, learned.reads, learned.categories
