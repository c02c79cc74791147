"""Infer from a target whether it asks for a number or for a class."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule.core import records
from chainrule.errors import DataError
from chainrule.estimators.tables import kinds, reading

MOST_CLASSES = 20
"""Whole numbers with more distinct values are taken for a quantity."""
ROWS_A_CLASS = 10
"""and so are those with fewer rows a value on average"""


@records.kind("inferred_task")
class InferredTask(NamedTuple):
    """What a target asks for, and why."""

    task: str
    """"regression", "binary" or "multiclass\""""
    why: str
    """a code: "two_values", "texts", "few_whole_numbers", "many_whole_numbers" or "fractions\""""
    distinct: int
    """how many values differ"""
    missing: int
    """rows without a target, which can be neither learned nor judged"""

    def to_data(self) -> dict[str, Any]:
        """Return the task as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


def infer_task(y: Any, name: str = "y") -> InferredTask:
    """Infer the task of a target: text, booleans and two values are classes, other numbers are a quantity.

    Whole numbers are classes if they have at most MOST_CLASSES values and ROWS_A_CLASS rows a value on average: digits
    0 to 9 are classes, a count of 0 to 9 is too, and the caller says so and may ask for regression.
    y: a list, an array or a series; text that reads as numbers is numbers.
    Raises DataError for dates, and for fewer than two values.
    """
    column = reading.read({name: y}).columns[0]
    taken = kinds.take(column)
    missing = int(np.isnan(taken.values).sum())
    distinct = len(np.unique(taken.values[~np.isnan(taken.values)]))
    rows = len(taken.values) - missing
    if taken.kind in ("date", "duration"):
        raise DataError(
            f"{name} holds {taken.kind}s, which are no target; turn them into numbers, such as days."
        )
    if distinct < 2:
        raise DataError(
            f"{name} has {distinct} value{'s' * (distinct != 1)} in {rows} rows; a target needs two that differ."
        )
    if distinct == 2:
        return InferredTask("binary", "two_values", distinct, missing)
    if taken.kind in ("category", "boolean"):
        return InferredTask("multiclass", "texts", distinct, missing)
    whole = bool((np.mod(taken.values[~np.isnan(taken.values)], 1) == 0).all())
    if not whole:
        return InferredTask("regression", "fractions", distinct, missing)
    if distinct <= MOST_CLASSES and rows >= ROWS_A_CLASS * distinct:
        return InferredTask("multiclass", "few_whole_numbers", distinct, missing)
    return InferredTask("regression", "many_whole_numbers", distinct, missing)
