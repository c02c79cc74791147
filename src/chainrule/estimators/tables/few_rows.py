"""Read the numbers of a table of few rows all at once: column by column each takes longer than all that follows.

The values are those that `reading` has of single columns, to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_FEW_ROWS = 64
"""The rows up to which a table has few."""
_PLAIN = {float, int, type(None), *(np.float64, np.float32, np.int64, np.int32)}
"""The types of cells that need no closer look."""


class Numbers(NamedTuple):
    """Columns that are wanted as numbers, and may be read all at once."""

    names: Sequence[str]
    """empty where columns are not matched by name"""
    places: Sequence[int]
    """of an array's columns, from 0"""


class NumberBlock(NamedTuple):
    """Columns of numbers that were read all at once."""

    which: NDArray[np.int64]
    """which of `Numbers` these are"""
    values: NDArray[np.float64]
    """(columns, rows), NaN for missing"""


def of_mapping(X: Mapping[str, Any], numbers: Numbers) -> NumberBlock | None:
    """Return the columns of a dict that are lists of plain numbers, of as many rows each; None if there are none."""
    lists = [(k, X.get(label)) for k, label in enumerate(numbers.names)]
    rows = next((len(cells) for _, cells in lists if type(cells) is list), MAX_FEW_ROWS + 1)
    if not 0 < rows <= MAX_FEW_ROWS:
        return None
    found = [(k, cells) for k, cells in lists if type(cells) is list and len(cells) == rows]
    if not set(map(type, chain.from_iterable(cells for _, cells in found))) <= _PLAIN:
        found = [(k, cells) for k, cells in found if set(map(type, cells)) <= _PLAIN]
    flat = [math.nan if cell is None else cell for _, cells in found for cell in cells]
    try:
        return _block([k for k, _ in found], np.array(flat, np.float64).reshape(len(found), rows))
    except OverflowError:  # an integer beyond float64
        return None


def of_pandas(frame: Any, labels: Sequence[str], numbers: Numbers) -> NumberBlock | None:
    """Return the columns of numbers of a frame of pandas with the columns `labels`; None without any."""
    types = dict(zip(labels, enumerate(frame.dtypes.tolist()), strict=True))
    found = [(k, types[label]) for k, label in enumerate(numbers.names) if label in types]
    found = [each for each in found if isinstance(each[1][1], np.dtype) and each[1][1].kind in "iuf"]
    places = [at for _, (at, _) in found]
    chosen = frame if places == list(range(len(labels))) else frame.take(places, axis=1)
    return _block([k for k, _ in found], chosen.to_numpy(np.float64).T) if found else None


def of_frame(frame: Any, numbers: Numbers) -> NumberBlock | None:
    """Return the columns of numbers of a frame that narwhals has wrapped; None without any."""
    schema = frame.schema
    which = [k for k, label in enumerate(numbers.names) if label in schema and is_usual(schema[label])]
    names = [numbers.names[k] for k in which]
    if not names:
        return None
    values = (frame if names == frame.columns else frame.select(*names)).to_numpy()
    return _block(which, values.T) if values.dtype.kind in "iuf" else None


def of_array(array: NDArray[Any], numbers: Numbers) -> NumberBlock | None:
    """Return the columns of an array of numbers, (rows, columns); None without any."""
    rows, columns = array.shape
    if array.dtype.kind not in "iuf" or not 0 < rows <= MAX_FEW_ROWS:
        return None
    which = [k for k, place in enumerate(numbers.places) if place < columns]
    return _block(which, array[:, [numbers.places[k] for k in which]].T)


def _block(which: list[int], values: NDArray[Any]) -> NumberBlock | None:
    with np.errstate(over="ignore"):
        made = np.array(values, np.float64)
    made[np.isinf(made)] = np.nan
    return NumberBlock(np.array(which, np.int64), made) if which else None


def is_usual(dtype: Any) -> bool:
    """Return whether values of a type of narwhals are numbers that NumPy has too."""
    import narwhals as nw

    return dtype.is_numeric() and not isinstance(dtype, (nw.Decimal, nw.Int128, nw.UInt128))
