"""The cells of few rows as they are given, of a frame, a mapping or an array, and how one is read, without a table.

Reading a table costs some microseconds for each column. A frame gives all cells of few rows at once, as Python's
objects, and these are what its columns would be read as, for the types of columns that are named here. Any other table,
and any doubt, is left to the table's own reading (`chainrule.tables.reading`).

One cell of a column is read as that and `kinds` read it. What is usual is read here: Python's and NumPy's numbers,
text, booleans, moments. All else goes through the functions for tables, a cell at a time, and gets their values and
their sentences.
"""

from __future__ import annotations

import datetime
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from chainrule.data.frames import has_few_rows, is_of, is_single
from chainrule.errors import DataError, ShapeError
from chainrule.fitting.result import FEW
from chainrule.graph.columns import DAY
from chainrule.tables import calendar, kinds
from chainrule.tables.column import LONGEST, Column, objects, plain, seconds_of, shorten_text
from chainrule.tables.encoding import scale_all
from chainrule.tables.learned import CodedColumn, Lane, LearnedColumn, PlannedColumn, find_ends, planned
from chainrule.tables.preprocessor import TablePreprocessor, transform_each
from chainrule.tables.scaling import BY_QUANTILES, FAR, LARGEST, Scaler, Scaling, tail_of
from chainrule.tables.spellings import code_of, spellings, with_truths
from chainrule.tables.statistics import Ranks, normal

NUMBERS = frozenset((float, int, np.float64, np.float32, np.int64, np.int32))
"""The types that float() reads as a column of them is read."""
NUMBERS_OR_NONE = NUMBERS | {type(None)}
MANY_NUMBERS = 48
"""The columns of numbers from which they are faster at once than one by one."""
_EPOCH = datetime.datetime(1970, 1, 1)
DAY_OF_EPOCH = _EPOCH.toordinal()
DAYS_KEPT = 4096
"""The days whose effect is kept."""


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
_NO_TIME = np.timedelta64("NaT")
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
            moments.append((k, kind))
        elif not (kind == "O" or (kind is not None and kind in _NUMPY) or type(dtype).__name__ in _PANDAS):
            return None
    for k, kind in moments:  # NumPy's own, because those of pandas have nanoseconds
        for row in rows:
            cell: Any = row[k]
            if kind == "M":
                row[k] = cell.to_datetime64()
            else:
                row[k] = cell.to_timedelta64() if hasattr(cell, "to_timedelta64") else _NO_TIME
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
            seconds = float(cell.toordinal() - DAY_OF_EPOCH) * DAY
        elif type(cell) is np.datetime64:
            seconds = seconds_of(cell)
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
            text = shorten_text(cell.strip())
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


# --- prepare one row: the cells of a table's columns to the inputs of a network, to the bits of `TablePreprocessor` --
# One number is scaled to the bits that `scaling.Scaler` has of an array.

Writer = Callable[[object, list[float]], None]
"""Writes what a cell becomes into the inputs of a row, which are 0."""
_FIRST, _LAST = datetime.date.min.toordinal() - DAY_OF_EPOCH, datetime.date.max.toordinal() - DAY_OF_EPOCH


class RowPreparation:
    """A snapshot of a preprocessor for rows given as the cells of its columns, in the order of training."""

    def __init__(self, preprocessor: TablePreprocessor) -> None:
        """Put together what each column needs."""
        self.dtype, self.pairs = np.dtype(preprocessor.dtype), preprocessor.crossed_
        plan = planned(preprocessor.learned_, self.dtype.name)
        self.width = plan.width
        largest = float(np.finfo(self.dtype).max)
        self.writers: list[tuple[int, Writer]] = [
            (k, _coded(part.learned, part.codes) if part.codes is not None else _numeric(part, largest))
            for k, part in plan.columns
        ]
        """with the number of the column"""

        plain = [
            each for each in plan.columns if each[1].learned.kind == "number" and not each[1].learned.marks
        ]
        self.plain = PlainNumbers(plain, self.dtype.name) if len(plain) >= MANY_NUMBERS else None
        alone = {k for k, _ in plain}
        self.others = [each for each in self.writers if each[0] not in alone]
        """those of columns that are not among many plain numbers"""

    def __call__(self, cells: Sequence[object]) -> NDArray[np.floating]:
        """Return the inputs (outputs,). Raises DataError as the preprocessor does, UnusualCell for a container."""
        out = [0.0] * self.width
        numbers = None if self.plain is None else self.plain(cells)
        for k, write in self.writers if numbers is None else self.others:
            write(cells[k], out)
        made = np.array(out, self.dtype)
        if self.plain is not None and numbers is not None:
            made[self.plain.places] = numbers
        if not self.pairs:
            return made
        codes = [pair.codes(made[None])[0] for pair in self.pairs]
        return np.append(made, np.array(codes, self.dtype))


class PlainNumbers:
    """Columns of numbers that are scaled all at once, as those of few rows of a table are."""

    def __init__(self, columns: Sequence[tuple[int, PlannedColumn]], dtype: str) -> None:
        """Put them together. columns: at least two, with their numbers."""
        self.cells_of = itemgetter(*(k for k, _ in columns))
        self.plan = planned([part.learned for _, part in columns], dtype)
        widths = (len(part.learned.lanes) + part.learned.indicator for _, part in columns)
        starts = (part.at for _, part in columns)
        self.places = np.concatenate(
            [np.arange(at, at + width) for at, width in zip(starts, widths, strict=True)]
        )
        """of their outputs"""

    def __call__(self, cells: Sequence[object]) -> NDArray[np.floating] | None:
        """Return their outputs; None where a cell is no number of Python's or NumPy's."""
        own = self.cells_of(cells)
        if not NUMBERS_OR_NONE.issuperset(map(type, own)):
            return None
        try:
            x = np.array(own, np.float64)[:, None]  # None is NaN
        except OverflowError:
            return None
        x[np.isinf(x)] = np.nan
        out = np.zeros((1, self.plan.width), self.plan.dtype)
        if self.plan.indicators.size:
            places, of = self.plan.indicators
            out[:, places] = np.isnan(x[of]).T
        scale_all(out, x, self.plan)
        made: NDArray[np.floating] = out[0]
        return made


def _coded(learned: LearnedColumn, codes: CodedColumn) -> Writer:
    """Return what writes the outputs of a category."""
    read, at, width = as_code(learned, codes.known), codes.at, codes.table.shape[1]
    table: list[Any] = codes.table.tolist()
    if width == 1:
        only = [row[0] for row in table]

        def write_one(cell: object, out: list[float]) -> None:
            out[at] = only[read(cell)]

        return write_one
    if codes.own is None:

        def write_all(cell: object, out: list[float]) -> None:
            out[at : at + width] = table[read(cell)]

        return write_all
    own = codes.own

    def write_its_own(cell: object, out: list[float]) -> None:
        code = read(cell)
        if 0 <= code < width:
            out[at + code] = own

    return write_its_own


def _numeric(part: PlannedColumn, largest: float) -> Writer:
    """Return what writes the outputs of a number, a date or a duration."""
    learned, at = part.learned, part.at
    read = as_number(learned)
    if learned.kind == "date":
        return _date(part, read, largest)
    lanes = [(at + k, scaled(lane, largest)) for k, lane in enumerate(learned.lanes)]
    low, high = learned.ends or (-math.inf, math.inf)
    marks, mark = learned.indicator, at + len(learned.lanes)

    def write(cell: object, out: list[float]) -> None:
        x = read(cell)
        if x < low:
            x = low
        elif x > high:
            x = high
        for place, z in lanes:
            out[place] = z(x)
        if marks and x != x:
            out[mark] = 1.0

    return write


def _date(part: PlannedColumn, read: Callable[[object], float], largest: float) -> Writer:
    learned, at = part.learned, part.at
    lanes: list[tuple[int, ScalarFunction, ScalarFunction]] = []
    for k, lane in enumerate(learned.lanes):
        of_date = _part(lane.part, learned)
        low, high = find_ends(learned, [lane.part])[:, 0].tolist()
        lanes.append((at + k, _clipped(of_date, low, high), scaled(lane, largest)))
    first = at + len(learned.lanes)
    cycles = [(first + 2 * k, _turns(cycle)) for k, cycle in enumerate(learned.cycles)]
    marks, mark = learned.indicator, first + 2 * len(cycles)

    def write(cell: object, out: list[float]) -> None:
        seconds = read(cell)
        for place, of_date, z in lanes:
            out[place] = z(of_date(seconds))
        if seconds == seconds:
            for place, turns in cycles:
                angle = 2 * np.pi * turns(seconds)
                out[place], out[place + 1] = float(np.sin(angle)), float(np.cos(angle))
        elif marks:
            out[mark] = 1.0

    return write


def _part(part: str, learned: LearnedColumn) -> ScalarFunction:
    """Return a part of a date as a number, as `LearnedColumn.part_of`."""
    origin = learned.origin
    if part == "days":
        return lambda seconds: (seconds - origin) / DAY
    if part == "value":
        return lambda seconds: seconds

    def year(seconds: float) -> float:
        if seconds != seconds:
            return math.nan
        days = math.floor(seconds / DAY)
        if _FIRST <= days <= _LAST:
            return float(datetime.date.fromordinal(days + DAY_OF_EPOCH).year)
        return float(learned.part_of(np.array([seconds]), part)[0])

    if part == "recurring":
        of_day = lru_cache(DAYS_KEPT)(lambda day: float(learned.part_of(np.array([day * DAY]), part)[0]))
        return lambda seconds: 0.0 if seconds != seconds else of_day(seconds // DAY)
    return year


def _clipped(of_date: ScalarFunction, low: float, high: float) -> ScalarFunction:
    if low == -math.inf:
        return of_date

    def clipped(seconds: float) -> float:
        value = of_date(seconds)
        return low if value < low else high if value > high else value

    return clipped


def _turns(cycle: str) -> ScalarFunction:
    """Return which part of a cycle has passed at a date, as `calendar.turns`."""
    if cycle == "weekday":
        return lambda seconds: (math.floor(seconds / DAY) + 3) % 7 / 7
    if cycle == "time":
        return lambda seconds: seconds % DAY / DAY

    def of_year(seconds: float) -> float:
        days = math.floor(seconds / DAY)
        if _FIRST <= days <= _LAST:
            day = datetime.date.fromordinal(days + DAY_OF_EPOCH)
            return (day.toordinal() - datetime.date(day.year, 1, 1).toordinal()) / 365.25
        return float(calendar.turns(np.array([seconds]), "year")[0])

    return of_year


ScalarFunction = Callable[[float], float]


def scaled(lane: Lane, largest: float) -> ScalarFunction:
    """Return z of a number x, which may be NaN for missing. largest: that the type of the inputs can have."""
    scale = lane.scale
    made = _rank(scale) if scale.way in BY_QUANTILES else _linear(scale, largest)
    filled = made(lane.fill)

    def z(x: float) -> float:
        return made(x) if x == x else filled

    return z


def _linear(scale: Scaling, largest: float) -> ScalarFunction:
    center, spread, sqrt = scale.center / 2, scale.spread / 2, math.sqrt  # halves, as in an array

    def unchanged(x: float) -> float:
        return min(max(x, -largest), largest)

    def in_range(x: float) -> float:
        return min(max((x / 2 - center) / spread, 0.0), 1.0)

    def clipped_smoothly(x: float) -> float:
        z = min(max((x / 2 - center) / spread, -LARGEST), LARGEST)
        third = z / 3
        return z / sqrt(1 + third * third)

    far = FAR.get(scale.way, LARGEST)

    def clipped(x: float) -> float:
        return min(max((x / 2 - center) / spread, -far), far)

    ways: dict[str, ScalarFunction] = {"none": unchanged, "range": in_range, **dict.fromkeys(FAR, clipped)}
    return ways.get(scale.way, clipped_smoothly)


def _rank(scale: Scaling) -> ScalarFunction:
    """Return Phi^-1(F(x)), see `ranks.Segments`."""
    grid = np.array(scale.grid)
    tail = tail_of(scale.way, len(grid))
    ranks = Ranks(grid, tail)
    if not ranks.is_usable:  # differences beyond float64, or none
        whole = Scaler([scale])
        return lambda x: float(whole.column(0, np.array([x]))[0])
    low, high, slope, at_low, at_high, _ = (each.tolist() for each in ranks.segments)
    at_quantile, distinct = ranks.at_quantile.tolist(), low[1:]
    below, above = (float(each) for each in normal(np.array([0.0, 1.0]), tail))
    last, highest = len(distinct), 1 - tail

    def z(x: float) -> float:
        place = bisect_right(distinct, x)
        if place == 0:
            return below
        if x == low[place]:
            return at_quantile[place]  # type: ignore[no-any-return]
        if place == last:
            return above
        up = slope[place] * (x - low[place]) + at_low[place]
        down = slope[place] * (high[place] - x) - at_high[place]
        return float(ndtri(min(max((up - down) / 2, tail), highest)))

    return z


# --- a row for a bound estimator: a mapping, a sequence in column order, or a table of one row -----------------------

Row = NDArray[Any]
RowInputs = Callable[[object], list[Row]]
"""Returns the prepared inputs (features,) of a row, for each preparation."""
CATEGORIES = ("category", "boolean")
"""The kinds of columns whose cells are names"""


class TableRow:
    """Prepares rows of a table, for one preprocessor or the several of a race."""

    def __init__(self, preprocessors: Sequence[TablePreprocessor]) -> None:
        """Put the preparations together. preprocessors: of the same columns."""
        first = preprocessors[0]
        self.preprocessors = list(preprocessors)
        self.preparations = [RowPreparation(each) for each in preprocessors]
        self.count = len(first.learned_)
        self.named = hasattr(first, "feature_names_in_")
        self.names = [each.name for each in first.learned_]
        used = sorted({k for each in self.preparations for k, _ in each.writers})
        self.used = [(k, self.names[k]) for k in used]
        uses_all = len(used) == self.count > 1
        self.all_of = itemgetter(*self.names) if uses_all and self.named else None
        """returns the cells of a mapping that has all columns, which are all looked at; None where some are not"""
        all_learned = zip(*(each.learned_ for each in preprocessors), strict=True)
        texts = (k for k, each in enumerate(all_learned) if all(one.kind in CATEGORIES for one in each))
        self.known = KnownColumns(self.names, self.named, self.used, frozenset(texts))

    def of_few(self, X: object) -> list[list[Row]] | None:
        """Return the inputs of each row of a table of few rows, for each preparation; None for a table of more.

        Raises DataError and ShapeError as the preprocessors do.
        """
        found = cells_of_rows(X, self.known)
        if found is not None:
            try:
                return [[prepare(cells) for prepare in self.preparations] for cells in found]
            except (UnusualCell, DataError):  # which the table's own reading names, with its row
                pass
        if not has_few_rows(X, FEW):
            return None
        tables = transform_each(self.preprocessors, X)
        return [[*row] for row in zip(*tables, strict=True)] if len(tables[0]) <= FEW else None

    def __call__(self, X: object) -> list[Row]:
        """Return the inputs of a row. Raises DataError and ShapeError as `predict` does."""
        cells = self._cells(X)
        if cells is not None:
            try:
                return [prepare(cells) for prepare in self.preparations]
            except UnusualCell:  # which the table's own reading names
                X = X if isinstance(X, Mapping) else self._as_table(cells)
        few = self.of_few(X)
        if few is None:
            raise _rows(len(transform_each(self.preprocessors, X)[0]))
        if len(few) != 1:
            raise _rows(len(few))
        return few[0]

    def _cells(self, X: object) -> Sequence[object] | None:
        """Return the cells in the order of training; None for a table, and a row that lacks a column."""
        if isinstance(X, Mapping):
            if not self.named:
                return None
            try:
                if self.all_of is not None:
                    return self.all_of(X)  # type: ignore[no-any-return]
                cells: list[object] = [None] * self.count
                for k, name in self.used:
                    cells[k] = X[name]
            except KeyError:
                return None
            return cells
        if isinstance(X, np.ndarray) and X.ndim == 1:
            X = X.tolist() if X.dtype.kind in "biufUO" else list(X)
        if not isinstance(X, (list, tuple)) or (X and isinstance(X[0], (list, tuple, Mapping, np.ndarray))):
            return None
        if len(X) != self.count:
            raise ShapeError(
                f"X has {len(X)} features, but the estimator is expecting {self.count} features as input; pass the "
                "columns of training in their order, or a mapping, whose columns are matched by name."
            )
        return X

    def _as_table(self, cells: Sequence[object]) -> object:
        """Return cells in the order of training as a row that the preprocessor reads."""
        if self.named:
            return dict(zip(self.names, cells, strict=True))
        table = np.empty((1, self.count), object)
        for k, cell in enumerate(cells):
            table[0, k] = cell
        return table


class ArrayRow:
    """Takes rows of numbers as they are, for a network without a preprocessor."""

    def __init__(self, names: Sequence[str] | None, count: int, check: Callable[[Any], Any]) -> None:
        """Keep what checks a table (n, count). names: of the columns, None without."""
        self.names, self.count, self.check = names, count, check

    def __call__(self, X: object) -> list[Row]:
        """Return a row as an array. Raises the errors of `predict`."""
        if isinstance(X, Mapping) and self.names is not None and all(name in X for name in self.names):
            X = [X[name] for name in self.names]
        if isinstance(X, (list, tuple)) or (isinstance(X, np.ndarray) and X.ndim == 1):
            found = np.asarray(X)
            if found.shape == (self.count,) and found.dtype.kind in "uif" and np.isfinite(found).all():
                return [found]
            X = found[None] if found.ndim == 1 else X
        found = self.check(X)
        if found.shape[0] != 1:
            raise _rows(found.shape[0])
        return [np.asarray(found.toarray() if hasattr(found, "toarray") else found)[0]]


def _rows(count: int) -> ShapeError:
    return ShapeError(f"a bound estimator answers one row, and X has {count:,}; predict answers tables.")
