"""Read a table: a data frame of any library that narwhals knows, a dict of columns, or a two-dimensional array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data import frames
from chainrule.errors import DataError, ShapeError
from chainrule.estimators.tables.column import Column, numbers, objects, texts, times


class RawTable(NamedTuple):
    """A table as it came."""

    columns: list[Column]
    rows: int
    named: bool
    """its columns have names of their own, which are all text; those of others are their numbers"""
    names: list[str]
    """of all columns, those that were not read too"""


def read(X: Any, name: str = "X", known: Sequence[str] | None = None) -> RawTable:
    """Read a table.

    known: the columns that are needed: of a table with names, no others are read.
    Raises DataError for cells that are no single values and for two columns of one name, ShapeError for other shapes.
    """
    if isinstance(X, Mapping):
        return _mapping(X, name, known)
    if hasattr(X, "tocsr") or hasattr(X, "todense"):
        raise DataError(
            f"{name} is a sparse matrix, which a table cannot be; pass {name}.toarray(), or the matrix to a model "
            "without preprocessing."
        )
    if frames.is_frame(X):
        return _frame(X, name, known)
    return _array(X, name)


def _frame(X: Any, name: str, known: Sequence[str] | None) -> RawTable:
    frame = frames.read_frame(X, name)
    if not hasattr(frame, "columns"):
        raise ShapeError(
            f"{name} is a series, and a table has columns; pass a frame, such as {name}.to_frame()."
        )
    names = list(frame.columns)
    named = all(isinstance(each, str) for each in names)
    labels = _labels(names, name)
    rows = len(frame)
    wanted = None if known is None else set(known)
    kept = [label for label in labels if wanted is None or label in wanted]
    at = {label: k for k, label in enumerate(labels)}
    columns = [_series(label, frame.get_column(names[at[label]])) for label in kept]
    return RawTable(columns, rows, named, labels)


def _series(name: str, series: Any) -> Column:
    import narwhals as nw

    dtype = series.dtype
    if dtype.is_numeric() and not isinstance(dtype, (nw.Decimal, nw.Int128, nw.UInt128)):
        values = series.to_numpy()
        return numbers(name, values) if values.dtype.kind in "iuf" else objects(name, series.to_list())
    if isinstance(dtype, (nw.String, nw.Enum)):
        return objects(name, series.to_list())
    if dtype.is_temporal() and not isinstance(dtype, nw.Time):
        if isinstance(dtype, nw.Datetime) and dtype.time_zone is not None:
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        values = series.to_numpy()
        if values.dtype.kind in "mM":
            return times(name, values)
    return objects(name, series.to_list())


def _mapping(X: Mapping[Any, Any], name: str, known: Sequence[str] | None) -> RawTable:
    names = list(X)
    labels = _labels(names, name)
    wanted = None if known is None else set(known)
    columns = [
        _values(label, X[key], name)
        for label, key in zip(labels, names, strict=True)
        if wanted is None or label in wanted
    ]
    lengths = {len(column.values) for column in columns}
    if len(lengths) > 1:
        longest = max(columns, key=lambda column: len(column.values))
        other = next(column for column in columns if len(column.values) != len(longest.values))
        raise ShapeError(
            f"{name} has {len(longest.values)} values in column {longest.name!r} and {len(other.values)} in "
            f"{other.name!r}; make them equal."
        )
    named = all(isinstance(each, str) for each in names)
    return RawTable(columns, lengths.pop() if lengths else 0, named, labels)


def _values(label: str, values: Any, name: str) -> Column:
    if frames.is_frame(values):
        series = frames.read_frame(values, name)
        if not hasattr(series, "columns"):
            return _series(label, series)
    if isinstance(values, (str, bytes)) or not hasattr(values, "__len__") or isinstance(values, Mapping):
        raise ShapeError(
            f"{name} needs a list or an array for column {label!r}, not {type(values).__name__}; "
            "give one value a row."
        )
    if not isinstance(values, np.ndarray):
        return objects(label, list(values))
    if values.ndim != 1:
        raise ShapeError(f"{name} needs one value a row in column {label!r}, not an array {values.shape}.")
    return _slice(label, values)


def _array(X: Any, name: str) -> RawTable:
    try:
        array = np.asarray(X)
        if array.dtype.kind in "USO" and not isinstance(X, np.ndarray):
            array = np.asarray(X, object)
        if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
            array = np.ma.getdata(X).astype(object)
            array[np.ma.getmaskarray(X)] = None
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{name} must be a table: a data frame, a dict of columns or rows of equal length, not this "
            f"{type(X).__name__} ({str(error)[:60]})."
        ) from error
    if array.ndim != 2:
        raise ShapeError(
            f"Expected 2D array for {name}, got one of {array.ndim} dimensions instead ({type(X).__name__}); "
            f"Reshape your data: {name}.reshape(-1, 1) for a single feature, {name}.reshape(1, -1) for a single sample."
        )
    if array.dtype.kind == "c":
        raise DataError(
            f"Complex data not supported: {name} has {array.dtype} numbers; split them into two columns."
        )
    if array.dtype.kind == "V":
        raise DataError(f"{name} is an array of records; pass a data frame or a dict of its fields.")
    columns = [_slice(str(k), array[:, k]) for k in range(array.shape[1])]
    return RawTable(columns, array.shape[0], False, [column.name for column in columns])


def _slice(label: str, values: NDArray[Any]) -> Column:
    kind = values.dtype.kind
    if kind in "iuf":
        return numbers(label, values)
    if kind == "b":
        return numbers(label, values, "boolean")
    if kind in "mM":
        return times(label, values)
    if kind == "U":
        return texts(label, values.tolist())
    return objects(label, values.tolist())


def _labels(names: Sequence[Any], name: str) -> list[str]:
    """Return names as text. Raises DataError where two are the same."""
    labels = [each if isinstance(each, str) else str(each) for each in names]
    if len(set(labels)) < len(labels):
        seen: set[str] = set()
        twice = next(each for each in labels if each in seen or seen.add(each))  # type: ignore[func-returns-value]
        raise DataError(f"{name} has two columns of the name {twice[:60]!r}; rename one of them.")
    return labels
