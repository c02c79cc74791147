"""Read one cell of a column, as `reading` and `kinds` read the cells of a table.

What is usual is read here: Python's and NumPy's numbers, text, booleans, moments. All else goes through the functions
for tables, a cell at a time, and gets their values and their sentences.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping

import numpy as np

from chainrule.data.frames import is_single
from chainrule.estimators.tables import calendar, kinds
from chainrule.estimators.tables.column import LONGEST, Column, objects, plain, shortened
from chainrule.estimators.tables.learned import LearnedColumn

NUMBERS = frozenset((float, int, np.float64, np.float32, np.int64, np.int32))
"""The types that float() reads as a column of them is read."""
_EPOCH = datetime.datetime(1970, 1, 1)
_DAY_OF_EPOCH = _EPOCH.toordinal()


class UnusualCell(Exception):
    """A cell that is no single value: what it is in a table, or what is wrong with it, the whole row tells."""


def as_number(learned: LearnedColumn) -> Callable[[object], float]:
    """Return what reads a cell of numbers, dates or durations: a number or seconds, NaN for missing."""

    def slowly(cell: object) -> float:
        return float(kinds.values(_column(learned, cell), learned)[0])

    def number(cell: object) -> float:
        if type(cell) in NUMBERS:
            try:
                value = float(cell)  # type: ignore[arg-type]
            except OverflowError:
                return math.nan
            return value if abs(value) < math.inf else math.nan
        return math.nan if cell is None else slowly(cell)

    def date(cell: object) -> float:
        if type(cell) is datetime.datetime and cell.tzinfo is None:
            seconds = (cell - _EPOCH).total_seconds()
        elif type(cell) is datetime.date:
            seconds = float(cell.toordinal() - _DAY_OF_EPOCH) * calendar.DAY
        else:
            return math.nan if cell is None else slowly(cell)
        return seconds if abs(seconds) <= calendar.LATEST else math.nan

    return {"number": number, "date": date}.get(learned.kind, slowly)


def as_code(learned: LearnedColumn, known: Mapping[str, int]) -> Callable[[object], int]:
    """Return what reads a cell of categories: its code, -1 for missing, len(known) for others."""
    others = len(known)
    as_written = {text: code for text, code in known.items() if text == text.strip() and len(text) <= LONGEST}
    of_true, of_false = (known.get(text, others) for text in ("True", "False"))

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
            return known.get(text, others) if text else -1
        if type(cell) in NUMBERS:
            try:
                value = float(cell)  # type: ignore[arg-type]
            except OverflowError:
                return -1
            return known.get(plain(value), others) if abs(value) < math.inf else -1
        return -1 if cell is None else slowly(cell)

    return boolean if learned.kind == "boolean" else category


def _column(learned: LearnedColumn, cell: object) -> Column:
    if not is_single(cell):
        raise UnusualCell
    return objects(learned.name, [cell])
