"""Infer from a target whether it asks for a number or for a class, and tell text that is nearly numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import hints, records
from chainrule.datasets import numerals
from chainrule.errors import ChainruleError, DataError, counted
from chainrule.tables import kinds, reading
from chainrule.tables.column import Column, numbers
from chainrule.tables.spellings import decimal_of

_CURRENCY = r"(?:[A-Z]{1,3})?[$€£¥₩₹₽₺₫฿]|[A-Z]{3}(?= )"
_NUMBER = re.compile(rf"(?:({_CURRENCY}) ?)?([+-]?[\d.,]*\d[\d.,]*)(?: ?([^\d\s.,+-][^\d\s]{{0,7}}))?")
"""A number with a currency before it or a unit behind it."""
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


class WithUnit(NamedTuple):
    """Numbers that were written with a unit."""

    values: NDArray[np.float64]
    """(n,), NaN for missing"""
    unit: str


def numbers_with_unit(column: Column) -> WithUnit | None:
    """Return the numbers of a column of text in which each has the same unit, such as "29.85 €", "$1,200" or "85 kg".

    None for other columns, and for one in which not every text is such a number.
    """
    if column.form != "text":
        return None
    if not (unit := unit_of(column.texts)):
        return None
    bare = tuple(text.replace(unit, "", 1).strip() for text in column.texts)
    values = read_quantities(replace(column, texts=bare))
    return None if values is None else WithUnit(values, unit)


def unit_of(texts: Iterable[str]) -> str:
    """Return the unit that each of some texts has beside a number; "" if there is none, or several."""
    common = ""
    for text in texts:
        if not numerals.is_missing(text):
            found = _NUMBER.fullmatch(text)
            unit = (found[1] or "") + (found[3] or "") if found else ""
            if not unit or unit != (common or unit):
                return ""
            common = unit
    return common


def quantities_with_unit(column: Column) -> WithUnit | None:
    """Return the same, but None where the numbers are so few that they may be names of classes: "3 rooms"."""
    found = numbers_with_unit(column)
    if found is None or infer_task(found.values).task != "regression":
        return None
    return found


def as_written(y: Any, *, quietly: bool = False) -> NDArray[np.float64] | None:
    """Return targets that are text as the numbers that they say, and tell their unit; None for other ones."""
    try:
        column = reading.read({"y": y}, "y").columns[0]
    except (ChainruleError, TypeError, ValueError):
        return None
    if (known := numbers_with_unit(column)) is None:
        return read_quantities(column) if column.form == "text" else None
    if not quietly:
        hints.give(f"y is read as numbers without their unit {known.unit!r}, and so are predictions.")
    return known.values


def read_quantities(column: Column) -> NDArray[np.float64] | None:
    """Return the numbers that the texts of a column say, for each row; None if not all are numbers."""
    decimal = decimal_of(column)
    if decimal is None:
        return None
    read = numerals.read_numbers(column.texts, decimal)
    values: NDArray[np.float64] = np.append(np.where(np.isinf(read), np.nan, read), np.nan)[column.values]
    return values


def infer_task(y: Any, name: str = "y") -> InferredTask:
    """Infer the task of a target: text, booleans and two values are classes, other numbers are a quantity.

    Whole numbers are classes if they have at most MOST_CLASSES values and ROWS_A_CLASS rows a value on average: digits
    0 to 9 are classes, a count of 0 to 9 is too, and the caller says so and may ask for regression.
    y: a list, an array or a series; text that reads as numbers is numbers.
    Raises DataError for dates, and for fewer than two values.
    """
    column = reading.read({name: y}).columns[0]
    if (known := quantities_with_unit(column)) is not None:
        column = numbers(name, known.values)
    taken = kinds.take(column, is_target=True)
    missing = int(np.isnan(taken.values).sum())
    distinct = len(np.unique(taken.values[~np.isnan(taken.values)]))
    rows = len(taken.values) - missing
    if taken.kind in ("date", "duration"):
        raise DataError(
            f"{name} holds {taken.kind}s, which are no target; turn them into numbers, such as days."
        )
    if distinct < 2:
        raise DataError(
            f"{name} has {counted(distinct, 'value')} in {rows} rows; a target needs two that differ."
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
