"""Read the numbers of a table of few rows all at once: column by column each takes longer than all that follows.

The values are those that `reading` has of single columns, to the bit.
"""

from __future__ import annotations

import math
import reprlib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data import frames
from chainrule.data.frames import is_pandas, is_single
from chainrule.datasets import numerals
from chainrule.errors import DataError, ShapeError
from chainrule.tables.column import CategoryCells, Column, mask_of, objects, texts
from chainrule.tables.column import numbers as numbers_of
from chainrule.tables.spellings import with_truths

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


# --- read a table: a data frame of any library that narwhals knows, a dict of columns, an array, or rows by name -----


class RawTable(NamedTuple):
    """A table as it came."""

    columns: list[Column]
    rows: int
    named: bool
    """its columns have names of their own, which are all text; those of others are their numbers"""
    names: list[str]
    """of all columns, those that were not read too"""
    block: NumberBlock | None = None
    """the columns that are not among the others, for they were read at once"""
    at_once: Sequence[int] = ()
    """which columns of training these are, from 0"""


def read(
    X: Any, name: str = "X", known: Sequence[str] | None = None, numbers: Numbers | None = None
) -> RawTable:
    """Read a table; of one that was read before, the columns are chosen.

    known: the columns that are needed: of a table with names, no others are read; a pandas Series whose index has one
    of these names is a row.  numbers: those that may come as one array, which they do in a table of few rows.
    Raises DataError for cells that are no single values and for two columns of one name, ShapeError for other shapes.
    """
    if isinstance(X, RawTable):
        if known is None or not X.named:
            return X
        return X._replace(columns=[each for each in X.columns if each.name in known])
    if hasattr(X, "tocsr") or hasattr(X, "todense"):
        raise DataError(
            f"{name} is a sparse matrix, which is not supported as a table; pass {name}.toarray(), or omit the "
            "estimator's preprocess: without it sparse matrices are supported."
        )
    X = as_columns(X, known)
    find = _mapping if isinstance(X, Mapping) else _frame if frames.is_frame(X) else None
    table = _array(X, name, numbers) if find is None else find(X, name, known, numbers)
    return table._replace(columns=list(map(with_truths, table.columns)))


def _frame(X: Any, name: str, known: Sequence[str] | None, numbers: Numbers | None) -> RawTable:
    if is_pandas(X):
        frame, names = X, X.columns.tolist()
    else:
        frame = frames.read_frame(X, name)
        if not hasattr(frame, "columns"):
            raise ShapeError(
                f"{name} is a series, and a table has columns; pass a frame: {name}.to_frame() of a column or, in "
                f"pandas, {name}.to_frame().T of a row."
            )
        names = list(frame.columns)
    named = all(isinstance(each, str) for each in names)
    labels, rows = read_names(names, name), len(frame)
    wanted = set(labels if known is None or not named else known)
    block = None
    if numbers is not None and named and 0 < rows <= MAX_FEW_ROWS:
        block = of_pandas(X, labels, numbers) if is_pandas(X) else of_frame(frame, numbers)
    at_once, done = _read_at_once(block, numbers)
    columns = [
        _frame_column(frame, k, names[k] if named else None, label)
        for k, label in enumerate(labels)
        if label in wanted and label not in done
    ]
    return RawTable(columns, rows, named, labels, block, at_once)


def _frame_column(frame: Any, k: int, key: str | None, label: str) -> Column:
    if not is_pandas(frame):
        return _series(label, frame.get_column(frame.columns[k]))
    native = frame.iloc[:, k] if key is None else frame[key]
    dtype = native.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind in "iuf":
            return numbers_of(label, native.to_numpy())
        if dtype.kind == "b":
            return numbers_of(label, native.to_numpy(), "boolean")
        if dtype.kind == "O":
            return _of_objects(label, native).in_frame()
        if dtype.kind == "c":
            return objects(label, native.tolist())
    elif type(dtype).__name__ in ("StringDtype", "CategoricalDtype"):
        if len(native) <= MAX_FEW_ROWS:
            found = objects(label, native.tolist())
        else:
            codes, distinct = native.factorize()  # in the order in which they come; -1 for missing
            found = _by_levels(label, codes, distinct.tolist())
        return _by_type(found, native)
    import narwhals

    return _series(label, narwhals.from_native(native, series_only=True))


def _of_objects(label: str, native: Any) -> Column:
    """Return a column of pandas' objects; of text by pandas' own table of what differs."""
    first = set(map(type, native.iloc[: MAX_FEW_ROWS + 1].tolist()))
    if len(native) > MAX_FEW_ROWS and str in first and first <= {str, float, type(None)}:
        with suppress(TypeError):  # of a cell that has no hash
            codes, distinct = native.factorize()
            if all(type(each) is str for each in distinct):
                return _by_levels(label, codes, distinct.tolist())
    return objects(label, native.tolist())


def _series(name: str, series: Any) -> Column:
    import narwhals as nw

    dtype = series.dtype
    if is_usual(dtype):
        values = series.to_numpy()
        return numbers_of(name, values) if values.dtype.kind in "iuf" else objects(name, series.to_list())
    if isinstance(dtype, (nw.String, nw.Enum, nw.Categorical)):
        found = _by_dictionary(name, series) if len(series) > MAX_FEW_ROWS else None
        found = objects(name, series.to_list()) if found is None else found
        return _by_type(found, series.to_native())
    if dtype.is_temporal() and not isinstance(dtype, nw.Time):
        if isinstance(dtype, nw.Datetime) and dtype.time_zone is not None:
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        values = series.to_numpy()
        if values.dtype.kind in "mM":
            return read_times(name, values)
    return objects(name, series.to_list())


def read_times(name: str, values: NDArray[Any]) -> Column:
    """Return a column of NumPy's dates or time differences, as seconds."""
    fine = values.astype("M8[us]" if values.dtype.kind == "M" else "m8[us]")
    seconds = fine.astype(np.int64) / 1e6
    seconds[np.isnat(fine)] = np.nan
    return Column(name, "date" if values.dtype.kind == "M" else "duration", seconds)


def _by_type(found: Column, native: object) -> Column:
    """Return a column with what its type, of any library, says: that it is text, or one of categories.

    What pandas and Arrow call ordered may be a quantity; an enumeration of Polars lists names.
    """
    dtype = getattr(native, "dtype", getattr(native, "type", None))
    dtype = getattr(dtype, "pyarrow_dtype", dtype)
    if type(dtype).__name__ not in ("CategoricalDtype", "DictionaryType", "Categorical", "Enum"):
        return found if dtype is None else found.in_frame()
    return found if getattr(dtype, "ordered", False) else declare_kind(found)


def declare_kind(column: Column) -> Column:
    """Return a column of a type for categories: one, where its values are whole numbers of which some come again.

    They are codes then. Fractions, and numbers that differ in all rows, are quantities that somebody made categories
    of to save memory; other text is a category anyway.
    """
    values = column.values[~column.missing]
    if column.form == "text" and (decimal := numerals.decimal_of(column.texts)) is not None:
        values = numerals.read_numbers(column.texts, decimal)[values]
    elif column.form != "number":
        return column
    there = values[~np.isnan(values)]
    is_code = len(there) > 0 and bool((there % 1 == 0).all()) and len(np.unique(there)) < len(there)
    return replace(column, category_by="declared") if is_code else column


def _by_levels(label: str, codes: NDArray[np.integer], distinct: Sequence[Any]) -> Column:
    """Return a column of the cells distinct[codes]. codes: (n,), -1 for missing; distinct: in the order of rows."""
    found = objects(label, distinct)
    values = np.append(found.values, -1 if found.form == "text" else np.nan)[codes]
    if found.infinite:  # each row of which counts
        return objects(label, [None if code < 0 else distinct[code] for code in codes.tolist()])
    return Column(label, found.form, values, found.texts)


def _by_dictionary(label: str, series: Any) -> Column | None:
    """Return a column of text or categories that narwhals has wrapped, by Arrow's dictionary; None without Arrow."""
    if find_spec("pyarrow") is None:
        return None
    array = series.to_arrow().dictionary_encode()
    if hasattr(array, "combine_chunks"):
        array = array.unify_dictionaries().combine_chunks()
    codes = array.indices.cast("int64").fill_null(-1).to_numpy(zero_copy_only=False)
    return _by_levels(label, *_as_they_come(codes, array.dictionary.to_pylist()))


def _as_they_come(codes: NDArray[np.int64], distinct: list[Any]) -> tuple[NDArray[np.int64], list[Any]]:
    """Return codes and levels with the levels in the order of their first rows, and no others."""
    rows = len(codes)
    first = np.full(len(distinct) + 1, rows)
    first[codes[::-1]] = np.arange(rows)[::-1]  # the last write stays; -1 is the missing ones'
    order = np.argsort(first[:-1], kind="stable")[: np.count_nonzero(first[:-1] < rows)]
    renamed = np.full(len(distinct) + 1, -1)
    renamed[order] = np.arange(len(order))
    return renamed[codes], [distinct[k] for k in order.tolist()]


def _mapping(
    X: Mapping[Any, Any], name: str, known: Sequence[str] | None, numbers: Numbers | None
) -> RawTable:
    names = list(X)
    labels = read_names(names, name)
    named = all(isinstance(each, str) for each in names)
    wanted = set(labels if known is None or not named else known)
    block = None
    if numbers is not None and named and list in map(type, X.values()):
        block = of_mapping(X, numbers)
    at_once, done = _read_at_once(block, numbers)
    columns = [
        _values(label, X[key], name)
        for label, key in zip(labels, names, strict=True)
        if label in wanted and label not in done
    ]
    lengths = {len(column.values): column.name for column in reversed(columns)}
    if block is not None and numbers is not None:
        lengths[block.values.shape[1]] = numbers.names[block.which[0]]
    if len(lengths) > 1:
        n, m = max(lengths), min(lengths)
        raise ShapeError(
            f"{name} has {n} values in column {lengths[n]!r}, {m} in {lengths[m]!r}; make them equal."
        )
    return RawTable(columns, next(iter(lengths), 0), named, labels, block, at_once)


def _read_at_once(block: NumberBlock | None, numbers: Numbers | None) -> tuple[list[int], set[str]]:
    """Return the places and the names of a block's columns."""
    if block is None or numbers is None:
        return [], set()
    which = block.which.tolist()
    return [numbers.places[k] for k in which], {numbers.names[k] for k in which if numbers.names}


def _values(label: str, values: Any, name: str) -> Column:
    if isinstance(values, CategoryCells):
        found, is_number = _values(label, values.cells, name), values.kind == "number"
        return replace(found, has_words=is_number, category_by="" if is_number else "texts")
    if frames.is_frame(values):
        series = frames.read_frame(values, name)
        if not hasattr(series, "columns"):
            return _series(label, series)
    is_sequence = hasattr(values, "__len__") and hasattr(values, "__getitem__")  # a set has no order
    if isinstance(values, (str, bytes, Mapping)) or not is_sequence:
        raise ShapeError(
            f"{name} needs a list or an array for column {label!r}, not {type(values).__name__}; "
            "give one value per row."
        )
    if not isinstance(values, np.ndarray):
        return _by_type(objects(label, list(values)), values)
    if values.ndim != 1:
        raise ShapeError(f"{name} needs one value per row in column {label!r}, not an array {values.shape}.")
    return _slice(label, unmask(values))


def unmask(values: NDArray[Any]) -> NDArray[Any]:
    """Return an array with masked cells as missing ones: NaT among dates and durations, else None among objects."""
    if (mask := mask_of(values)) is None:
        return values
    is_time = values.dtype.kind in "mM"  # as objects, those in nanoseconds would be integers
    made = np.ma.getdata(values).copy() if is_time else np.ma.getdata(values).astype(object)
    made[mask] = "NaT" if is_time else None
    return made


def _array(X: Any, name: str, numbers: Numbers | None) -> RawTable:
    try:
        array = np.asarray(unmask(X) if isinstance(X, np.ma.MaskedArray) else X)
        if array.dtype.kind in "USO" and not isinstance(X, np.ndarray):
            array = np.asarray(X, object)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{name} must be a table: a data frame, a dict of columns or rows of equal length, not this "
            f"{type(X).__name__} ({str(error)[:60]})."
        ) from error
    if array.dtype.kind == "V":
        raise DataError(
            f"{name} is an array of records; pass a data frame or a dict of its fields: "
            f"{{name: {name}[name] for name in {name}.dtype.names}}."
        )
    if array.ndim < 2 and not hasattr(X, "ndim"):
        raise not_a_table(X, name)
    if array.ndim != 2:
        raise ShapeError(
            f"Expected 2D array for {name}, got one of {array.ndim} dimensions instead ({type(X).__name__}); "
            f"Reshape your data: {name}.reshape(-1, 1) for a single feature, {name}.reshape(1, -1) for a single sample."
        )
    if array.dtype.kind == "c":
        raise DataError(
            f"Complex data not supported: {name} has {array.dtype} numbers; split them into two columns."
        )
    block = of_array(array, numbers) if numbers is not None else None
    at_once, _ = _read_at_once(block, numbers)
    done = set(at_once)
    columns = [_slice(str(k), array[:, k]) for k in range(array.shape[1]) if k not in done]
    return RawTable(columns, array.shape[0], False, list(map(str, range(array.shape[1]))), block, at_once)


def _slice(label: str, values: NDArray[Any]) -> Column:
    kind = values.dtype.kind
    if kind in "iuf":
        return numbers_of(label, values)
    if kind == "b":
        return numbers_of(label, values, "boolean")
    if kind in "mM":
        return read_times(label, values)
    if kind == "U":
        return texts(label, values.tolist())
    return objects(label, values.tolist())


def read_names(names: Sequence[Any], name: str) -> list[str]:
    """Return names as text. Raises DataError where two are the same."""
    labels = list(map(str, names))
    if len(set(labels)) == len(labels):
        return labels
    twice = Counter(labels).most_common(1)[0][0]
    raise DataError(f"{name} has two columns named {twice[:60]!r}; rename one of them.")


def as_columns(X: Any, known: Sequence[str] | None) -> Any:
    """Return rows as a dict of columns, and any other table as it is.

    A row is a mapping of single values, or a pandas Series whose index has one of the names `known`; a list of
    mappings is as many rows, in which a name that a row lacks is a missing value.
    """
    if isinstance(X, Mapping):
        values = iter(X.values())
        is_row = len(X) > 0 and is_single(next(values)) and all(map(is_single, values))
        return {key: [value] for key, value in X.items()} if is_row else X
    if isinstance(X, (list, tuple)):
        if not X or not all(isinstance(row, Mapping) for row in X):
            return X
        names = dict.fromkeys(name for row in X for name in row)
        return {name: [row.get(name) for row in X] for name in names}
    if known is not None and is_pandas(X, "Series"):
        labels = X.index.tolist()
        if not set(known).isdisjoint(each for each in labels if isinstance(each, str)):
            return {label: [value] for label, value in zip(labels, X.tolist(), strict=True)}
    return X


def not_a_table(X: object, name: str) -> ShapeError:
    """Return the error of a list of values, text, a number or None in place of a table."""
    hint = ""
    if isinstance(X, (list, tuple)):
        hint = f"; pass [{name}] for a single row, or {{'x': {name}}} for a single column"
    return ShapeError(f"{name} must be a data frame, a dict of columns or rows, not {reprlib.repr(X)}{hint}.")
