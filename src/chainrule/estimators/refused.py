"""Say what targets or inputs that must be numbers have instead, and what takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from chainrule.datasets import numerals
from chainrule.errors import DataError
from chainrule.estimators.rows import MAX_SHOWN, in_rows, masked_rows
from chainrule.estimators.tables import calendar
from chainrule.estimators.tables.column import is_missing_cell


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
