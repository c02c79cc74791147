"""The rows of a table of any type, and checks of what is said of each: its target, its weight and its place."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import validate_data

from chainrule.datasets import numerals
from chainrule.datasets.text_column import TextColumn, WrittenNumbers
from chainrule.errors import ChainruleError, DataError
from chainrule.tables import calendar, reading
from chainrule.tables.column import CategoryCells, is_missing_cell, mask_of

MAX_SHOWN = 40


def rows_of(table: Any, rows: NDArray[np.int64]) -> Any:
    """Return some rows of a table, of targets or of weights: a frame, an array, a list, or a dict of columns."""
    if table is None:
        return None
    if isinstance(table, Mapping):
        return {name: rows_of(column, rows) for name, column in table.items()}
    if isinstance(table, CategoryCells):
        return CategoryCells(rows_of(table.cells, rows), table.kind)
    if isinstance(table, (TextColumn, WrittenNumbers)):
        return table.of_rows(rows)
    return table[rows] if isinstance(table, narwhals.Series) else _safe_indexing(table, rows)


def check_there(y: object, name: str = "y", what: str = "target") -> None:
    """Check that no target or label is missing, in any form that a column has. Raises DataError with the first row.

    what: a target is called.
    """
    missing = find_missing_rows(y)
    if missing is None or not missing.any():
        return
    raise DataError(f"Input {name} contains NaN: the {what} is missing {in_rows(missing)}; omit these rows.")


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


def as_weights(sample_weight: object) -> NDArray[np.float64] | float:
    """Return weights as float64, or the one of all rows. Raises DataError for others, such as a column's name.

    Weights under a mask are none: what is beneath it is not meant to count.
    """
    if (rows := find_masked_rows(sample_weight)) is not None:
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


def find_missing_rows(y: object) -> NDArray[np.bool_] | None:
    """Return which rows (n,) of targets lack one; None where none can, as of integers or a sparse matrix."""
    if hasattr(y, "isna") and getattr(y, "ndim", 0) == 1:
        return np.asarray(y.isna(), np.bool_)
    if isinstance(y, (list, tuple)) and any(isinstance(each, str) for each in y):
        return np.array([is_missing_cell(each) for each in y], np.bool_)  # an array would have the text "nan"
    if y is None or hasattr(y, "tocsr"):
        return None
    if (masked := find_masked_rows(y)) is not None:
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


def find_masked_rows(values: object) -> NDArray[np.bool_] | None:
    """Return in which rows (n,) a cell of a masked array is masked; None where none is."""
    if (mask := mask_of(values)) is None:
        return None
    return np.asarray(mask.reshape(mask.shape[0] if mask.ndim else 1, -1).any(1), np.bool_)


def in_rows(some: NDArray[np.bool_]) -> str:
    """Return how many of the rows (n,) and the first of them, in words."""
    return f"in {int(some.sum()):,} of {len(some):,} rows, the first of them row {int(some.argmax()):,}"


_NESTED = (list, tuple, set, frozenset, dict, np.ndarray)

_IN_NUMBERS = {
    "dates": "days: [(day - start).days for day in y]",
    "durations": "days: [each.total_seconds() / 86400 for each in y]",
    "times of the day": "hours: [each.hour + each.minute / 60 for each in y]",
    "periods": "their ordinals: [each.ordinal for each in y]",
}


def check_column(y: object, name: str = "y") -> None:
    """Check that targets are a column, or several beside each other. Raises DataError with what came instead."""
    if y is None or hasattr(y, "tocsr"):
        return
    must = f"{name} must have one target for each row, and is"
    if isinstance(y, (str, bytes)):
        raise DataError(
            f"{must} the text {y[:MAX_SHOWN]!r}; pass the values of that column, and X without it, as in "
            "fit(X.drop(columns='price'), X['price'])."
        )
    if isinstance(y, Mapping):
        keys = ", ".join(repr(key)[:MAX_SHOWN] for key in list(y)[:3])
        raise DataError(f"{must} a mapping of {keys}; pass one of its values.")
    if names := getattr(getattr(y, "dtype", None), "names", None):
        raise DataError(
            f"{must} an array of the fields {', '.join(names)[:MAX_SHOWN]}; pass one of them, such as "
            f"{name}[{names[-1]!r}]. MLPSurvival takes times that may be censored, as in survival analysis."
        )
    if isinstance(y, (set, frozenset)):
        raise DataError(f"{must} a {type(y).__name__}, which has no order; pass a list in that of the rows.")
    shape = getattr(y, "shape", None)
    if shape == () or (shape is None and not hasattr(y, "__getitem__") and not hasattr(y, "__array__")):
        hint = f"list({name})" if hasattr(y, "__iter__") and shape is None else "a list or an array"
        raise DataError(f"{must} one {type(y).__name__}; pass {hint}.")
    if shape is not None and len(shape) > 2:
        raise DataError(f"{must} an array {tuple(shape)}; pass (n,) or, of several outputs, (n, outputs).")
    nested = _nested_in(y)
    if nested is not None:
        raise DataError(
            f"{name} must have one target for each row, and has {type(nested).__name__}s in it, such as "
            f"{str(nested)[:MAX_SHOWN]}; of several labels a row make columns of 0 and 1, for example by "
            "scikit-learn's MultiLabelBinarizer."
        )


def check_no_moments(y: object, name: str = "y") -> None:
    """Check that targets to predict as numbers are no dates or durations. Raises DataError that says what to pass."""
    what, has_units = _moments(y)
    if what:
        units = f"days: {'(y - start)' if what == 'dates' else 'y'} / numpy.timedelta64(1, 'D')"
        raise DataError(
            f"{name} has {what}, which have no unit to predict in; convert them to numbers, such as "
            f"{units if has_units else _IN_NUMBERS[what]}."
        )


def check_moments_come_again(y: object, name: str = "y") -> None:
    """Check that dates as labels are of few days, and of a type that has an order. Raises DataError with what to do."""
    what = _moments(y)[0]
    if not what:
        return
    to_do = (
        f"write them as text, for example [str(each) for each in {name}], or predict numbers, such as "
        f"{_IN_NUMBERS[what].partition(':')[0]}, by MLPRegressor"
    )
    if np.asarray(y).dtype.kind not in "mM":  # such as those with a time zone
        raise DataError(f"{name} has {what} as objects, which are no labels; {to_do}.")
    values = np.asarray(y)
    distinct = len(np.unique(values))
    if 2 * distinct > len(values) > 2:
        raise DataError(
            f"{name} has {what} of which {distinct:,} of {len(values):,} differ, and classes come again; {to_do}."
        )


def _nested_in(y: object) -> object:
    """Return the first cell that is a list or the like of rows that are no matrix; None if there is none."""
    is_list = isinstance(y, (list, tuple))
    values: Sequence[object] = y if isinstance(y, (list, tuple)) else _objects(y)
    nested = next(
        (each for each in values if isinstance(each, _NESTED) and getattr(each, "ndim", 1) != 0), None
    )
    if nested is None or not is_list or isinstance(nested, (set, frozenset, dict)):
        return nested
    try:
        return None if np.asarray(y).ndim == 2 else nested
    except ValueError:
        return nested


def _objects(y: object) -> Sequence[object]:
    """Return the cells of a column of objects; none of another one."""
    dtype = getattr(y, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return []
    values = np.asarray(y)
    return list(values) if values.dtype.kind == "O" and values.ndim == 1 else []


def _moments(y: object) -> tuple[str, bool]:
    """Return what dates or durations targets are, "" for others, and whether they are an array to calculate with."""
    if y is None or hasattr(y, "tocsr"):
        return "", False
    dtype = getattr(y, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind not in "mMO":
        return "", False
    try:
        values = np.asarray(y)
    except (TypeError, ValueError):
        return "", False
    if values.dtype.kind in "mM":
        return ("dates" if values.dtype.kind == "M" else "durations"), True
    if values.dtype.kind != "O" or values.ndim not in (1, 2):
        return "", False
    types = [dtype] if values.ndim == 1 else list(getattr(y, "dtypes", ())) or [dtype] * values.shape[1]
    columns = values[None] if values.ndim == 1 else values.T
    found = (_moments_in(cells, each) for cells, each in zip(columns, types, strict=True))
    return next((each for each in found if each[0]), ("", False))


def _moments_in(values: NDArray[np.object_], dtype: object) -> tuple[str, bool]:
    """Return the same of one column of objects (n,). dtype: of what they were made of, None for a list."""
    first = next((each for each in values.tolist() if not is_missing_cell(each)), None)
    if isinstance(first, datetime.time):
        return "times of the day", False
    if type(first).__name__ == "Period":
        return "periods", False
    if not isinstance(first, (datetime.date, datetime.timedelta, np.datetime64, np.timedelta64)):
        return "", False
    try:
        form = reading.read({"y": values}, "y").columns[0].form
    except ChainruleError:
        return "", False
    has_units = dtype is not None and (not isinstance(dtype, np.dtype) or dtype.kind in "mM")
    return {"date": "dates", "duration": "durations"}.get(form, ""), has_units


# --- say what targets or inputs that must be numbers have instead, and what takes them -------------------------------


def no_numbers(y: object) -> str:
    """Return what targets that are no numbers have instead, and what to do about it, for an error."""
    cells = np.asarray(y, object)
    width = cells.shape[1] if cells.ndim == 2 else 1
    flat = cells.reshape(-1).tolist()
    bad = [k for k, cell in enumerate(flat) if not _is_number(cell)]
    if not bad:  # such as some with a decimal comma and others with a decimal point
        return "but has text that is no number; write all of them with a decimal point, or use MLPClassifier for labels"
    first, rows = flat[bad[0]], len({k // width for k in bad})
    shown = (
        f"{str(first)[:MAX_SHOWN]!r}" if isinstance(first, str) else f"{first!s:.40} ({type(first).__name__})"
    )
    if isinstance(first, str) and calendar.orders_of([first]):
        return f"but has dates such as {shown} in row {bad[0] // width}; convert them, such as to days since the first"
    if 2 * rows <= len(cells):
        return (
            f"but has other values in {rows:,} of {len(cells):,} rows, the first of them {shown} in row "
            f"{bad[0] // width}; correct or omit these rows, or use MLPClassifier for labels"
        )
    return f"but has {shown} in row {bad[0] // width}; use MLPClassifier for labels"


def _is_number(cell: object) -> bool:
    if is_missing_cell(cell):
        return True
    try:
        float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        pass
    else:
        return True
    text = cell.strip() if isinstance(cell, str) else ""
    for decimal in (numerals.POINT, numerals.COMMA):
        try:
            numerals.read_number(text, decimal)
        except ValueError:
            continue
        return True
    return isinstance(cell, str) and numerals.is_missing(text)


def as_matrix(estimator: object, X: object, *y: object, **rules: object) -> Any:
    """Return X, and y where it is given, checked as scikit-learn checks them; X is no table that is prepared.

    rules: of `validate_data`.  Raises DataError for text, dates, and missing, masked or infinite numbers, with
    what takes them.
    """
    if (masked := find_masked_rows(X)) is not None and getattr(X, "ndim", 0) == 2:
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
