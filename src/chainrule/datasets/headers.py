"""Find the row with the names of a table's columns: below a title, blank lines and notes if there are some.

The rows above a table are shorter than its names, which are text in each column that has cells below. Years in order,
such as 2019, 2020, 2021, are names too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise
from typing import NamedTuple, TypeAlias

from chainrule.datasets.numerals import COMMA, POINT, UNDECIDED, Decimals, is_missing, is_number
from chainrule.errors import ConfigError, DataError, option

Rows: TypeAlias = Iterable[tuple[int, list[str]]]
"""non-empty rows: the line on which each ends, and its cells"""
ROWS_LOOKED_AT = 60
FILLED = 0.5
"""the share of the rows below that have a cell in a column of the table"""
YEARS = range(1800, 2200)
_DIGIT = re.compile(r"\d")


class TableLayout(NamedTuple):
    """Where a table lies in its file, and how its text is written."""

    header: int | None = None
    """the row with the names, from 1; 0 for none; None to find it"""
    sheet: str | int | None = None
    """of a workbook, its name, or its number from 1; None to find it"""
    names: tuple[str, ...] = ()
    """columns that the table has, as far as they are known: where a row has all of them, it has the names"""
    usual_sheet: str | int | None = None
    """that of an earlier table like this one, which is read if there is one of this name or number"""
    decimals: Decimals = UNDECIDED
    encoding: str | None = None
    """of text; None to find it"""
    usual_encoding: str | None = None
    """that of an earlier text like this one, which is preferred where the text is not UTF-8"""

    def check(self) -> TableLayout:
        """Return the layout. Raises ConfigError for a header or a sheet of another type, and for another sign."""
        asked = self.decimals.asked
        signs = [asked or POINT] if isinstance(asked, str) else asked.values()
        if not all(sign in (POINT, COMMA) for sign in signs):
            raise ConfigError(
                f"{option('decimal')} must be '.' or ',', or a dict of these by column, not {asked!r:.60}."
            )
        header, sheet = self.header, self.sheet
        if header is not None and (isinstance(header, bool) or not isinstance(header, int) or header < 0):
            raise ConfigError(
                f"header must be the number of a row from 1, 0 for none, or None, not {header!r:.40}."
            )
        if sheet is not None and (isinstance(sheet, bool) or not isinstance(sheet, (str, int))):
            raise ConfigError(
                f"sheet must be the name of a sheet, its number from 1, or None, not {sheet!r:.40}."
            )
        return self


AUTOMATIC = TableLayout()


class Header(NamedTuple):
    """The names of a table's columns."""

    names: list[str]
    """stripped; empty for a column without one"""
    skip: int
    """the non-empty rows above the first row of cells, the names included"""
    line: int
    """that of the names; 0 without them"""
    first: int
    """the line of the first row that belongs to the table"""
    why: str = ""
    """how it was found, if not in the first line: "below" other rows, or by "years\""""


def find_header(name: str, rows: Rows, layout: TableLayout = AUTOMATIC) -> Header:
    """Return the names of a table's columns, x1, x2, ... without a row of names. name: of the file, for errors.

    Raises DataError for a file without rows, and for one without the row that the layout names.
    """
    if layout.header:
        for skip, (line, cells) in enumerate(rows, 1):
            if line >= layout.header:
                if line > layout.header:
                    break
                return Header(_stripped(cells), skip, line, line)
        raise DataError(
            f"{name} has no cells in row {layout.header}, the value of header; name the row of the names."
        )
    found = [(line, _stripped(cells)) for line, cells in islice(rows, ROWS_LOOKED_AT)]
    if not found:
        raise DataError(f"{name} is empty; it needs a header and at least one row.")
    table = [cells for _, cells in found]
    at = 0 if layout.header == 0 else _known(table, layout.names)
    if at is None:
        at = _begin(table)
    line, first = found[at]
    is_years = are_years(first) and not any(map(are_years, table[at + 1 : at + 2]))
    if layout.header == 0 or (all(map(is_number, first)) and not is_years):
        return Header([f"x{k + 1}" for k in range(len(first))], at, 0, line, "below" * (at > 0))
    return Header(first, at + 1, line, line, "below" if at else "years" * is_years)


def _stripped(cells: Sequence[str]) -> list[str]:
    return [cell.strip() for cell in cells]


def _known(table: Sequence[Sequence[str]], names: Sequence[str]) -> int | None:
    """Return which row, from 0, has all of some names, beside others unless the table is of one column."""
    if not names:
        return None
    is_narrow = all(len(cells) == 1 for cells in table)
    return next(
        (k for k, cells in enumerate(table) if set(names) <= set(cells) and (is_narrow or _end(cells) > 1)),
        None,
    )


def _begin(table: Sequence[Sequence[str]]) -> int:
    """Return which row, from 0, begins the table: that with its names, or of numbers alone the first one."""
    ends = [_end(cells) for cells in table]
    widest = filled = 0  # of the rows above, of which one has text
    has_text = False
    for k, cells in enumerate(table[:-1]):
        own = sum(map(bool, cells))
        if has_text and ends[k] > widest and own > filled and _is_first(k, table, filled):
            return k
        widest, filled = max(widest, ends[k]), max(filled, own)
        has_text = has_text or not all(is_number(cell) for cell in cells if cell)
    return 0


def _is_first(k: int, table: Sequence[Sequence[str]], filled: int) -> bool:
    """Whether row k has the names of what is below, or like that is all numbers. filled: cells of the rows above."""
    cells, below = table[k], table[k + 1 :]
    columns = [[row[j] for row in below if j < len(row) and row[j]] for j in range(max(map(len, below)))]
    of_table = [j for j, column in enumerate(columns) if len(column) >= max(1.0, FILLED * len(below))]
    missing = [j for j in of_table if j >= len(cells) or not cells[j]]
    if len(of_table) < 2 or (missing and (missing != [0] or len(of_table) == 2)):
        return False
    numbers = [cell for cell in cells if cell and is_number(cell)]
    if len(numbers) == _end(cells) and not are_years(cells):
        return all(is_number(cell) or is_missing(cell) for row in below for cell in row)
    if numbers and not (are_years(numbers) or (len(numbers) == 1 and _is_year(numbers[0]))):
        return False
    differ = any(_differs(cells[j], columns[j]) for j in of_table if j < len(cells))
    return differ or bool(numbers) or (filled <= 1 and len(of_table) > 2)


def _differs(cell: str, below: Sequence[str]) -> bool:
    """Whether the cells below are numbers, or texts with digits such as dates, and this one is not."""
    there = [each for each in below if not is_missing(each)]
    if not there or is_number(cell):
        return False
    return all(map(is_number, there)) or not (_DIGIT.search(cell) or not all(map(_DIGIT.search, there)))


def are_years(cells: Sequence[str]) -> bool:
    """Return whether cells, two or more, are years in equal steps."""
    if len(cells) < 2 or not all(map(_is_year, cells)):
        return False
    years = list(map(int, cells))
    step = years[1] - years[0]
    return step != 0 and all(b - a == step for a, b in pairwise(years))


def _is_year(cell: str) -> bool:
    return len(cell) == 4 and cell.isascii() and cell.isdigit() and int(cell) in YEARS


def _end(cells: Sequence[str]) -> int:
    """Return the number of cells up to the last one that is not empty."""
    return next((k for k in range(len(cells), 0, -1) if cells[k - 1]), 0)
