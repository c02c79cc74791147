"""The cells of few rows as they are given, of a frame, a mapping or an array, and how one is read, without a table.

Reading a table costs some microseconds for each column. A frame gives all cells of few rows at once, as Python's
objects, and these are what its columns would be read as, for the types of columns that are named here. Any other table,
and any doubt, is left to the table's own reading (`chainrule.estimators.tables.reading`).

One cell of a column is read as that and `kinds` read it. What is usual is read here: Python's and NumPy's numbers,
text, booleans, moments. All else goes through the functions for tables, a cell at a time, and gets their values and
their sentences.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.data.frames import is_of, is_single
from chainrule.estimators.fit.result import FEW
from chainrule.estimators.tables import calendar, kinds
from chainrule.estimators.tables.column import LONGEST, Column, objects, plain, shortened
from chainrule.estimators.tables.learned import LearnedColumn
from chainrule.estimators.tables.truths import code_of, spellings, with_truths

NUMBERS = frozenset((float, int, np.float64, np.float32, np.int64, np.int32))
"""The types that float() reads as a column of them is read."""
_EPOCH = datetime.datetime(1970, 1, 1)
DAY_OF_EPOCH = _EPOCH.toordinal()


Cells = Sequence[object]
"""of a row, in the order of the columns of training"""
_NUMPY = "biuf"
_PANDAS = ("StringDtype", "CategoricalDtype")
_WIDTHS = ("8", "16", "32", "64")
_POLARS = frozenset(
    [f"{kind}{width}" for kind in ("Int", "UInt") for width in _WIDTHS]
    + ["Float32", "Float64", "String", "Boolean", "Categorical", "Enum"]
)
_ARROW = frozenset(
    [f"{kind}{width}" for kind in ("int", "uint") for width in _WIDTHS]
    + ["float", "double", "bool", "string", "large_string", "string_view"]
)
_SIMPLE = frozenset([float, int, str, bool])
"""Types of a frame's cells that mean the same in any column."""
_ALIKE = (NUMBERS, frozenset([bool]), frozenset([np.datetime64]), frozenset([np.timedelta64]))
"""Types of cells that each mean by itself what they do in a column of them and of None."""


class KnownColumns(NamedTuple):
    """The columns of training."""

    names: list[str]
    named: bool
    """whether they have names of their own, by which a table's are matched"""
    used: list[tuple[int, str]]
    """the number and the name of each one that is looked at"""
    texts: frozenset[int]
    """which of these are categories, of which each cell is read by itself, whatever the others are"""


def cells_of_rows(X: object, known: KnownColumns) -> list[Cells] | None:
    """Return the cells of each of a table's rows, at most FEW; None for what is to be read as a table."""
    found = _cells(X, known)
    if found is None or not 0 < len(found) <= FEW:
        return None
    if len(found) > 1 and not all(
        _is_uniform([row[k] for row in found], k in known.texts) for k, _ in known.used
    ):
        return None
    return found


def _cells(X: object, known: KnownColumns) -> list[Cells] | None:
    if type(X) is np.ndarray:
        return _of_array(X, known)
    if not known.named:
        return None
    if is_of(X, "pandas", "DataFrame"):
        return _of_pandas(X, known)
    if is_of(X, "polars", "DataFrame"):
        return _of_polars(X, known)
    if is_of(X, "pyarrow", "Table"):
        return _of_arrow(X, known)
    if isinstance(X, Mapping):
        return _of_mapping(X, known)
    if is_of(X, "pandas", "Series"):
        labels: list[object] = X.index.tolist()  # type: ignore[attr-defined]
        return _of_mapping(dict(zip(labels, X.tolist(), strict=True)), known)  # type: ignore[attr-defined]
    if isinstance(X, list) and 0 < len(X) <= FEW and all(isinstance(row, Mapping) for row in X):
        return _of_mappings(X, known)
    return None


def _of_array(X: np.ndarray[Any, Any], known: KnownColumns) -> list[Cells] | None:
    """Return the rows of an array, whose columns are in the order of training."""
    is_known = X.ndim == 2 and X.shape[1] == len(known.names) and len(X) <= FEW
    if not is_known or not (X.dtype.kind in "UO" or (X.dtype.kind in _NUMPY and X.dtype.itemsize <= 8)):
        return None
    rows: list[Cells] = X.tolist()
    return rows


def _of_pandas(X: Any, known: KnownColumns) -> list[Cells] | None:
    if len(X) > FEW:
        return None
    names: list[str] = X.columns.tolist()
    rows: list[list[object]] = X.to_numpy(object).tolist()
    are_simple = all(type(cell) in _SIMPLE for row in rows for cell in row)
    if are_simple:  # the columns' types would say no more, and take longer
        return _placed(names, rows, known)
    moments = []
    for k, dtype in enumerate(X.dtypes.tolist()):
        kind = dtype.kind if isinstance(dtype, np.dtype) else None
        if kind is not None and kind in "mM":
            moments.append(k)
        elif not (kind == "O" or (kind is not None and kind in _NUMPY) or type(dtype).__name__ in _PANDAS):
            return None
    for k in moments:  # NumPy's own, because those of pandas have nanoseconds
        for row, cell in zip(rows, X.iloc[:, k].to_numpy(), strict=True):
            row[k] = cell
    return _placed(names, rows, known)


def _of_polars(X: Any, known: KnownColumns) -> list[Cells] | None:
    if len(X) > FEW or not all(str(dtype).partition("(")[0] in _POLARS for dtype in X.dtypes):
        return None
    return _placed(X.columns, X.rows(), known)


def _of_arrow(X: Any, known: KnownColumns) -> list[Cells] | None:
    if len(X) > FEW or not all(str(each) in _ARROW for each in X.schema.types):
        return None
    columns = [column.to_pylist() for column in X.columns]
    return _placed(X.column_names, list(zip(*columns, strict=True)), known)


def _of_mapping(X: Mapping[Any, object], known: KnownColumns) -> list[Cells] | None:
    """Return the row of a mapping of cells, or the rows of one of lists."""
    values = X.values()
    if not all(type(name) is str for name in X):
        return None
    if all(type(value) in NUMBERS or type(value) is str or is_single(value) for value in values):
        return _placed(list(X), [tuple(values)], known)
    lists = [value for value in values if type(value) is list]
    if len(lists) < len(X) or len({len(value) for value in lists}) > 1 or len(lists[0]) > FEW:
        return None
    return _placed(list(X), list(zip(*lists, strict=True)), known)


def _of_mappings(X: Sequence[Mapping[Any, object]], known: KnownColumns) -> list[Cells] | None:
    """Return the rows that mappings are; what one of them lacks and another has is missing."""
    names = dict.fromkeys(name for row in X for name in row)
    if not all(type(name) is str for name in names):
        return None
    return _placed(list(names), [tuple(row.get(name) for name in names) for row in X], known)


def _placed(names: list[str], rows: Sequence[Cells], known: KnownColumns) -> list[Cells] | None:
    """Return rows in the order of training; None where a column is missing, or there are two of one name."""
    if names == known.names:
        return list(rows)
    at = {name: k for k, name in enumerate(names)}
    if len(at) < len(names) or not all(type(name) is str for name in names):
        return None
    try:
        places = [(k, at[name]) for k, name in known.used]
    except KeyError:
        return None
    made: list[Cells] = []
    for row in rows:
        cells: list[object] = [None] * len(known.names)
        for k, place in places:
            cells[k] = row[place]
        made.append(cells)
    return made


def _is_uniform(cells: Cells, is_category: bool) -> bool:
    """Return whether the cells of a column mean each by itself what they do as a column."""
    types = {type(cell) for cell in cells if cell is not None}
    if any(types <= alike for alike in _ALIKE):
        return True
    if not is_category or not types <= {str, float}:
        return False
    return all(math.isnan(cell) for cell in cells if isinstance(cell, float))


class UnusualCell(Exception):
    """A cell that is no single value: what it is in a table, or what is wrong with it, the whole row tells."""


def as_number(learned: LearnedColumn) -> Callable[[object], float]:
    """Return what reads a cell of numbers, dates or durations: a number or seconds, NaN for missing."""
    marks = frozenset(learned.marks)

    def slowly(cell: object) -> float:
        return float(kinds.values(_column(learned, cell), learned)[0])

    def number(cell: object) -> float:
        if type(cell) in NUMBERS:
            try:
                value = float(cell)  # type: ignore[arg-type]
            except OverflowError:
                return math.nan
            return value if abs(value) < math.inf and value not in marks else math.nan
        return math.nan if cell is None else slowly(cell)

    def date(cell: object) -> float:
        if type(cell) is datetime.datetime and cell.tzinfo is None:
            seconds = (cell - _EPOCH).total_seconds()
        elif type(cell) is datetime.date:
            seconds = float(cell.toordinal() - DAY_OF_EPOCH) * calendar.DAY
        else:
            return math.nan if cell is None else slowly(cell)
        return seconds if abs(seconds) <= calendar.LATEST else math.nan

    return {"number": number, "date": date}.get(learned.kind, slowly)


def as_code(learned: LearnedColumn, known: Mapping[str, int]) -> Callable[[object], int]:
    """Return what reads a cell of categories: its code, -1 for missing, len(known) for others."""
    others = len(known)
    as_written = {text: code for text, code in known.items() if text == text.strip() and len(text) <= LONGEST}
    of_true, of_false = (known.get(text, others) for text in ("True", "False"))
    spelled = spellings(learned.categories)

    def slowly(cell: object) -> int:
        return int(kinds.codes(_column(learned, cell), learned, known)[0])

    def boolean(cell: object) -> int:
        if cell is True:
            return of_true
        if cell is False:
            return of_false
        return -1 if cell is None else slowly(cell)

    def category(cell: object) -> int:
        if type(cell) is str:
            code = as_written.get(cell)
            if code is not None:
                return code
            text = shortened(cell.strip())
            return code_of(text, known, spelled, learned.name) if text else -1
        if type(cell) in NUMBERS:
            try:
                value = float(cell)  # type: ignore[arg-type]
            except OverflowError:
                return -1
            return code_of(plain(value), known, spelled, learned.name) if abs(value) < math.inf else -1
        return -1 if cell is None else slowly(cell)

    return boolean if learned.kind == "boolean" else category


def _column(learned: LearnedColumn, cell: object) -> Column:
    if not is_single(cell):
        raise UnusualCell
    return with_truths(objects(learned.name, [cell]))
