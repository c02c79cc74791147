"""Read a column of repeated cells by its levels: each different cell is looked at once, and rows are their codes.

The values are those that are read, or scaled, of all cells, to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.tables.column import Column, objects

LOOKS = 64
"""The first rows of a column of numbers, which say at once that most others have no levels."""
UNITS = (1.0, 100.0)
"""The parts of 1 that numbers with levels are made of."""
MOST_SPREAD = 8
"""The largest distance of two of these in a column, in these parts, for each row."""
LARGEST = 2.0**53
"""The first number, in these parts, that is not told apart from its neighbor."""


def column(label: str, codes: NDArray[np.integer], distinct: Sequence[Any]) -> Column:
    """Return a column of the cells distinct[codes]. codes: (n,), -1 for missing; distinct: in the order of rows."""
    found = objects(label, distinct)
    absent = -1 if found.form == "text" else np.nan
    values = np.append(found.values, absent)[codes]
    if not found.infinite:
        return Column(label, found.form, values, found.texts)
    return objects(
        label, [None if code < 0 else distinct[code] for code in codes.tolist()]
    )  # which counts them


def of_series(label: str, series: Any) -> Column | None:
    """Return a column of text or categories that narwhals has wrapped, by Arrow's dictionary; None without Arrow."""
    if find_spec("pyarrow") is None:
        return None
    array = series.to_arrow().dictionary_encode()
    if hasattr(array, "combine_chunks"):
        array = array.unify_dictionaries().combine_chunks()
    codes = array.indices.cast("int64").fill_null(-1).to_numpy(zero_copy_only=False)
    distinct = array.dictionary.to_pylist()
    return column(label, *_as_they_come(codes, distinct))


def of_numbers(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
    """Return the different numbers of a column, ascending, and which of them each is.

    x: (n,). The codes are (n,), that of NaN is the number of different numbers. None for a column of other numbers than
    whole ones or ones of two decimals, and where looking at each cell is as fast: with n / 4 different ones or more.
    """
    n, first = len(x), x[:LOOKS]
    with np.errstate(over="ignore", invalid="ignore"):
        units = next((each for each in UNITS if (np.isnan(first) | _is_whole(first, each)).all()), None)
        missing = np.isnan(x)
        some = bool(missing.any())
        there = x[~missing] if some else x
        if units is None or not len(there):
            return None
        low, high = np.rint(there.min() * units), np.rint(there.max() * units)
        if not (high - low < MOST_SPREAD * n and max(-low, high) < LARGEST):
            return None
        places = (x if units == 1 else np.rint(x * units)) - low
        places = (np.where(missing, 0, places) if some else places).astype(np.int64)
    code_of = np.zeros(int(high - low) + 1, np.int32)
    code_of[places] = 1
    used = np.flatnonzero(code_of)
    if len(used) >= n / 4:
        return None
    code_of[used] = np.arange(len(used))
    numbers, codes = (used + low) / units, code_of.take(places).astype(np.int64)
    same = numbers.take(codes).view(np.int64) == x.view(np.int64)  # bits: 0 and -0 differ
    if not (same | missing).all():
        return None
    codes[missing] = len(numbers)
    return numbers, codes


def _is_whole(x: NDArray[np.float64], units: float) -> NDArray[np.bool_]:
    """Return whether numbers are whole ones, divided by so many units."""
    return np.asarray(np.rint(x * units) / units == x)


def _as_they_come(codes: NDArray[np.int64], distinct: list[Any]) -> tuple[NDArray[np.int64], list[Any]]:
    """Return codes and levels with the levels in the order of their first rows, and no others."""
    rows = len(codes)
    first = np.full(len(distinct) + 1, rows)
    first[codes[::-1]] = np.arange(rows)[::-1]  # the last write stays; -1 is the missing ones'
    order = np.argsort(first[:-1], kind="stable")[: np.count_nonzero(first[:-1] < rows)]
    renamed = np.full(len(distinct) + 1, -1)
    renamed[order] = np.arange(len(order))
    return renamed[codes], [distinct[k] for k in order.tolist()]
