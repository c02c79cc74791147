"""Read the target column of a table: numbers or classes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError
from chainrule.estimators.tables import hints, kinds, reading
from chainrule.estimators.tables.column import numbers, plain
from chainrule.estimators.tables.target import infer_task, quantities_with_unit
from chainrule.formulas.losses import LOSSES
from chainrule.recipe.naming import PYTHON, Names


class TargetColumn(NamedTuple):
    """The column to predict."""

    name: str
    y: NDArray[Any]
    """(n,) float64 numbers or labels of the rows that have one"""
    rows: NDArray[np.int64]
    """their indices in the table, ascending"""
    is_number: bool
    why: str
    """a code, as of `chainrule.estimators.tables.target.InferredTask`; "asked" where the loss decided"""


def read_target(
    name: str,
    values: object,
    source: str,
    loss: str | None = None,
    named: Names = PYTHON,
    *,
    to_learn: bool = True,
) -> TargetColumn:
    """Return the targets of a column, and their kind.

    to_learn: whether they are training targets, for which useless ones are rejected.
    loss: if given, decides between classes and numbers; otherwise the values do, by `infer_task`.
    Raises DataError for a column without values, with one value, of dates, and of text that is not classes.
    """
    where = f"the column {name!r} of {source}"
    column = reading.read({name: values}, source).columns[0]
    if (known := quantities_with_unit(column)) is not None:
        hints.give(f"{where} is read as numbers without their unit {known.unit!r}.")
        column, values = numbers(name, known.values), known.values
    taken = kinds.take(column)
    rows = np.flatnonzero(~np.isnan(taken.values))
    if not len(rows):
        raise DataError(f"{where} has no values; training needs a target.")
    found, texts = taken.values[rows], taken.texts
    inferred = infer_task(values, where) if to_learn else None
    wants = LOSSES[loss].targets if loss in LOSSES else ""
    is_number = (
        wants in ("real", "counts") if wants else inferred is not None and inferred.task == "regression"
    )
    agrees = inferred is not None and is_number == (inferred.task == "regression")
    why = inferred.why if inferred is not None and agrees else "asked"
    if not texts:
        is_whole = bool((found == np.floor(found)).all() and np.abs(found).max() < 2**53)
        y = found if is_number or not is_whole else found.astype(np.int64)
        return TargetColumn(name, y, rows, is_number, why)
    if is_number:
        hint = f"omit {named('loss')}" if to_learn else "convert it"
        raise DataError(f"{where} has text, but must have numbers; {hint}.")
    count = len(np.unique(found))
    if to_learn and 2 * count > len(rows) and count > 2:
        raise DataError(
            f"{where} has {count:,} different texts in {len(rows):,} rows, such as "
            f"{texts[int(found[0])][:40]!r}, too many for classes; name a column with fewer, or write "
            "quantities as numbers."
        )
    return TargetColumn(name, np.array(texts)[found.astype(np.int64)], rows, False, why)


def as_labels(target: TargetColumn, known: NDArray[Any] | None) -> NDArray[Any]:
    """Return the targets of another table as the labels that a model knows.

    A column of numbers may be text in one table, and numbers in the other.
    """
    if known is None or target.y.dtype.kind not in "biuf" or known.dtype.kind in "biuf":
        return target.y
    return np.array([plain(float(label)) for label in target.y.tolist()])
