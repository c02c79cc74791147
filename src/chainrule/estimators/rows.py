"""The rows of a table of any type, and whether what is said of each is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples, validate_data

from chainrule.core import hints
from chainrule.datasets.text_column import TextColumn
from chainrule.errors import DataError
from chainrule.estimators.tables.column import CategoryCells, is_missing_cell, mask_of


def rows_of(table: Any, rows: NDArray[np.int64]) -> Any:
    """Return some rows of a table, of targets or of weights: a frame, an array, a list, or a dict of columns."""
    if table is None:
        return None
    if isinstance(table, Mapping):
        return {name: rows_of(column, rows) for name, column in table.items()}
    if isinstance(table, CategoryCells):
        return CategoryCells(rows_of(table.cells, rows))
    if isinstance(table, TextColumn):
        return table.take(rows)
    return table[rows] if isinstance(table, narwhals.Series) else _safe_indexing(table, rows)


def check_there(y: object, name: str = "y", what: str = "target") -> None:
    """Check that no target or label is missing, in any form that a column has. Raises DataError with the first row.

    what: a target is called.
    """
    missing = missing_rows(y)
    if missing is not None and missing.any():
        raise DataError(
            f"Input {name} contains NaN: the {what} is missing {in_rows(missing)}; omit these rows."
        )


def check_finite(y: object, name: str = "y") -> None:
    """Check that numbers (n,) or (n, outputs) are finite. Raises DataError with the first row that is not."""
    values = np.asarray(y)
    if values.dtype.kind != "f" or not (infinite := np.isinf(values)).any():
        return
    rows = infinite.reshape(len(values), -1).any(1)
    raise DataError(
        f"Input {name} contains infinity or a value too large for dtype({str(values.dtype)!r}) {in_rows(rows)}; omit "
        "these rows, or correct them."
    )


def check_lengths(X: object, y: object) -> None:
    """Check that there is one target for each row of a frame or an array X, and at least one. Raises DataError."""
    shape: Sequence[int] = getattr(X, "shape", ())
    try:
        rows, targets = shape[0], _num_samples(y)
    except (TypeError, IndexError):
        return  # scikit-learn's checks say what they are
    if not rows and not targets:
        raise DataError("Found array with 0 sample(s) while a minimum of 1 is required; X needs rows.")
    if targets != rows:
        raise DataError(
            f"Found input variables with inconsistent numbers of samples: [{rows}, {targets}]: X has {rows:,} rows and "
            f"y has {targets:,}; pass one target for each row."
        )


def hint_of_order(X: object, told: Mapping[str, object]) -> None:
    """Hint that something told of each row has the index of the frame X in another order: only places are matched.

    told: by the name of the argument.
    """
    index = getattr(X, "index", None)
    if index is None or not hasattr(index, "equals"):
        return
    for name, values in told.items():
        own = getattr(values, "index", None)
        if own is None or not hasattr(own, "equals") or len(own) != len(index) or own.equals(index):
            continue
        if getattr(own, "nlevels", 1) != getattr(index, "nlevels", 1):
            continue  # one has several keys a row, which pandas does not look for in single ones
        if own.is_unique and index.is_unique and bool(own.isin(index).all()):
            hints.give(
                f"X and {name} have the same index in another order, and rows are matched by their place; pass "
                f"{name}.loc[X.index] if the index says which belong together, else {name}.to_numpy()."
            )


def as_weights(sample_weight: object) -> NDArray[np.float64] | float:
    """Return weights as float64, or the one of all rows. Raises DataError for others, such as a column's name.

    Weights under a mask are none: what is beneath it is not meant to count.
    """
    if (rows := masked_rows(sample_weight)) is not None:
        raise DataError(
            f"sample_weight is masked {in_rows(rows)}; fill it in: sample_weight.filled(0) omits these rows."
        )
    try:
        weights: NDArray[np.float64] = np.asarray(sample_weight, np.float64)
        return weights if weights.ndim else float(weights)
    except (TypeError, ValueError) as error:
        of = f", such as X[{sample_weight!r}]" if isinstance(sample_weight, str) else ""
        raise DataError(
            f"sample_weight must be one number per row, not {sample_weight!r:.60}; pass the numbers themselves{of}."
        ) from error


def as_matrix(estimator: object, X: object, *y: object, **rules: object) -> Any:
    """Return X, and y where it is given, checked as scikit-learn checks them; X is no table that is prepared.

    rules: of `validate_data`.  Raises DataError for text, dates, and missing, masked or infinite numbers, with
    what takes them.
    """
    if (masked := masked_rows(X)) is not None and getattr(X, "ndim", 0) == 2:
        raise DataError(
            f"Input X is masked {in_rows(masked)}. Fit with preprocess='auto', which takes missing values, or "
            "fill them in."
        )
    try:
        return validate_data(estimator, X, *y, **rules)
    except (ValueError, np.exceptions.DTypePromotionError) as error:
        said = f"{error}".partition("\n")[0].rstrip(".")
        if said.startswith("Input X contains infinity"):
            raise DataError(
                f"{said}. Correct these values; preprocess='auto' would take them for missing ones."
            ) from error
        if said.startswith("Input X contains"):
            raise DataError(
                f"{said}. Fit with preprocess='auto', which takes missing values, or fill them in."
            ) from error
        why = ""
        if said.startswith(("could not convert", "dtype='numeric'")):
            why = said if said.startswith("could") else "it has text"
        elif isinstance(error, np.exceptions.DTypePromotionError):
            why = "its columns have types that do not go together"
        if why:
            raise DataError(
                f"X must be numbers without preprocess, but {why}; fit with preprocess='auto', which takes text and "
                "dates too."
            ) from error
        if said.startswith("Complex data not supported"):
            raise DataError(f"{said}: X has complex numbers; split them into two columns.") from error
        raise


def missing_rows(y: object) -> NDArray[np.bool_] | None:
    """Return which rows (n,) of targets lack one; None where none can, as of integers or a sparse matrix."""
    if hasattr(y, "isna") and getattr(y, "ndim", 0) == 1:
        return np.asarray(y.isna(), np.bool_)
    if isinstance(y, (list, tuple)) and any(isinstance(each, str) for each in y):
        return np.array([is_missing_cell(each) for each in y], np.bool_)  # an array would have the text "nan"
    if y is None or hasattr(y, "tocsr"):
        return None
    if (masked := masked_rows(y)) is not None:
        return masked
    try:
        values = np.asarray(y)
    except (TypeError, ValueError):
        return None  # of different lengths: scikit-learn's checks say so
    if values.ndim not in (1, 2) or values.dtype.kind not in "fO":
        return None
    if values.dtype.kind == "f":
        missing = np.isnan(values)
    else:
        missing = np.array([is_missing_cell(each) for each in values.ravel()], np.bool_).reshape(values.shape)
    rows: NDArray[np.bool_] = missing.any(axis=tuple(range(1, missing.ndim)))
    return rows


def masked_rows(values: object) -> NDArray[np.bool_] | None:
    """Return in which rows (n,) a cell of a masked array is masked; None where none is."""
    if (mask := mask_of(values)) is None:
        return None
    return np.asarray(mask.reshape(mask.shape[0] if mask.ndim else 1, -1).any(1), np.bool_)


def in_rows(some: NDArray[np.bool_]) -> str:
    """Return how many of the rows (n,) and the first of them, in words."""
    return f"in {int(some.sum()):,} of {len(some):,} rows, the first of them row {int(some.argmax()):,}"
