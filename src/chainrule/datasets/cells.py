"""Make columns of the cells of a file: numbers if all cells of a column are numeric, else texts.

A column is read as numbers, 8 bytes each, as long as possible; otherwise it is read a second time as text, which stays
packed (`chainrule.datasets.text_column`).

A column whose cells are other numbers with a decimal comma than with a decimal point, such as "1,234", is read with the
sign of the other columns of the file, see `numerals.Decimals`. It keeps its texts: a fitted model reads them as in
training.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.core import hints
from chainrule.datasets.headers import Header
from chainrule.datasets.numerals import (
    COMMA,
    COMMAS,
    POINT,
    POINTED_GROUPS,
    UNDECIDED,
    Decimals,
    DecimalSigns,
    beyond,
    is_missing,
    mixed_units,
    read_cells,
    read_numbers,
    signs_of,
)
from chainrule.datasets.text_column import TextColumn, TextsRead, WrittenNumbers
from chainrule.errors import DataError, TableWarning, counted, option

TableColumns: TypeAlias = dict[str, NDArray[np.float64] | TextColumn | list[None]]
"""Columns by name: (n,) numbers, NaN for missing ones; text, None for missing ones; lists of None only."""
MAX_CELLS = 200_000_000
MAX_COLUMNS = 100_000
CHUNK = 1 << 16
"""the number of cells read at a time"""


def columns_of(
    name: str,
    rows: Callable[[], Iterator[tuple[int, list[str]]]],
    header: Header,
    decimals: Decimals = UNDECIDED,
) -> TableColumns:
    """Convert rows of cells to columns. name: of the file, for errors.  header: as `find_header` found it.

    rows: a function that restarts the iteration over non-empty rows, each with its line number.
    """
    names = names_of(name, header)

    def chunks() -> Iterator[Iterable[ColumnCells]]:
        return _chunks(name, names, islice(rows(), header.skip, None), header.first)

    return read_columns(name, names, chunks, decimals)


def names_of(name: str, header: Header) -> list[str]:
    """Return the names of the columns, which differ, and tell where a table begins that has others above."""
    names = [each or f"unnamed: {k}" for k, each in enumerate(header.names)]
    _check_names(name, names, header.line)
    warn_of_header(name, header)
    return names


def read_columns(
    name: str,
    names: list[str],
    chunks: Callable[[], Iterator[Iterable[ColumnCells]]],
    decimals: Decimals = UNDECIDED,
) -> TableColumns:
    """Convert chunks of rows, column by column, to columns. chunks: a function that restarts the iteration."""
    columns = _Columns(name, names, decimals)
    columns.read(chunks())
    if columns.left:
        columns.read_left(chunks())
    return columns.found()


def _check_names(name: str, names: list[str], line: int) -> None:
    if len(names) > MAX_COLUMNS:
        raise DataError(
            f"{name} has {len(names):,} columns, more than the maximum of {MAX_COLUMNS:,}; remove some."
        )
    places: dict[str, int] = {}
    for k, each in enumerate(names):
        first = places.setdefault(each, k)
        if first != k:
            raise DataError(
                f"{name} has two columns named {each[:60]!r} ({first + 1} and {k + 1} of line {line}); rename one."
            )


class ColumnCells(Protocol):
    """The cells of some rows in one column."""

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def add_numbers(self, numbers: array[float]) -> None:
        """Add the cells as numbers, parsed as by `read_cells`. Raises ValueError, and adds none then."""
        ...

    def with_point(self) -> Iterator[str]:
        """Iterate over the cells with a decimal point."""
        ...

    def texts(self) -> Iterable[str]:
        """Return the cells as texts."""
        ...

    def add_texts(self, texts: TextsRead) -> None:
        """Add the cells as texts."""
        ...


class _ListedCells(tuple[str, ...]):
    """ColumnCells that are texts of Python."""

    __slots__ = ()

    def add_numbers(self, numbers: array[float]) -> None:
        numbers.extend(read_cells(self))

    def with_point(self) -> Iterator[str]:
        return (cell for cell in self if POINT in cell) if POINT in "".join(self) else iter(())

    def texts(self) -> Iterable[str]:
        return self

    def add_texts(self, texts: TextsRead) -> None:
        texts.add(self)


def _chunks(
    name: str, names: list[str], rows: Iterator[tuple[int, list[str]]], first: int
) -> Iterator[Iterable[ColumnCells]]:
    """Iterate over about 65,536 cells at a time, by column. Raises DataError for rows of unequal length.

    first: the line of the names, or without them of the first row.
    """
    width = len(names)
    while True:
        chunk = list[list[str]]()
        for line, cells in islice(rows, max(1, CHUNK // width)):
            if len(cells) != width:
                is_short = len(cells) < width
                at = f"column {names[len(cells)]!r} is missing" if is_short else "the last cells have no name"
                title = f"if that is a title, give the row of the names as {option('header')}, otherwise "
                raise DataError(
                    f"{name} has {counted(len(cells), 'cell')} in line {line}, but {counted(width, 'name')} in line "
                    f"{first} ({at}); {title * (width == 1)}make them equal, and quote cells that contain the "
                    "delimiter."
                )
            chunk.append(cells)
        if not chunk:
            return
        yield map(_ListedCells, zip(*chunk, strict=True))


class _Columns:
    """The columns of a file during reading: numbers while all cells are numeric and without commas, else texts."""

    def __init__(self, name: str, names: list[str], decimals: Decimals) -> None:
        """Start without rows. name: of the file."""
        self.name, self.names, self.decimals, self.count = name, names, decimals, 0
        self.numbers: list[array[float] | None] = [array("d") for _ in names]
        self.signs = [DecimalSigns(POINT + COMMA)] * len(names)
        """of the columns of numbers: of both signs, until a point shows which"""
        self.texts = [TextsRead() for _ in names]
        self.left = set[int]()
        """columns that started as numbers and turned out to be text, whose first texts must be read again"""

    def read(self, chunks: Iterator[Iterable[ColumnCells]]) -> None:
        """Read all rows. Raises DataError for too many cells, and no rows."""
        for chunk in chunks:
            rows = 0
            for k, cells in enumerate(chunk):
                rows, numbers = len(cells), self.numbers[k]
                if numbers is not None:
                    try:
                        begin = len(numbers)
                        cells.add_numbers(numbers)
                        if _are_long(numbers, begin) and beyond(list(cells.texts())):
                            raise ValueError("float64 does not have such whole numbers")
                        if self.decimals.groups_points is not None and not self.signs[k].evident:
                            self.signs[k] = self._signs_with(k, cells)
                        continue
                    except ValueError:
                        self.numbers[k] = None
                        if self.count:
                            self.left.add(k)
                if k not in self.left:
                    cells.add_texts(self.texts[k])
            self.count += rows
            if self.count * len(self.names) > MAX_CELLS:
                raise DataError(
                    f"{self.name} has more than {MAX_CELLS:,} cells; pass a part of its rows, or a Parquet file."
                )
        if not self.count:
            raise DataError(f"{self.name} has a header but no rows; add at least one.")
        self.left |= {
            k
            for k, signs in enumerate(self.signs)
            if signs.are_others and self.decimals.asked_of(self.names[k]) != POINT
        }

    def _signs_with(self, k: int, cells: ColumnCells) -> DecimalSigns:
        """Return the signs of a column of numbers with more cells: a point that separates no groups is decimal."""
        signs, groups = self.signs[k], self.decimals.groups_points
        may_group = groups or self.decimals.asked_of(self.names[k]) == COMMA
        for cell in cells.with_point():
            if not may_group or not (POINTED_GROUPS.fullmatch(cell) or signs_of([cell.strip()]).are_others):
                return DecimalSigns(POINT)
            signs = DecimalSigns(POINT + COMMA, True)
        return signs

    def read_left(self, chunks: Iterator[Iterable[ColumnCells]]) -> None:
        """Read the left columns again, from the first row."""
        for chunk in chunks:
            for k, cells in enumerate(chunk):
                if k in self.left:
                    cells.add_texts(self.texts[k])

    def found(self) -> TableColumns:
        """Return the columns by name, and free the parsed cells."""
        made: TableColumns = {}
        for k, name in enumerate(self.names):
            numbers, texts = self.numbers[k], self.texts[k]
            self.numbers[k], self.texts[k] = None, TextsRead()
            if numbers is None or k in self.left:
                self.signs[k], made[name], said = _typed(texts)
                if said and self.decimals.otherwise is not None:
                    hints.give(f"{self.name}: column {name!r} has {said}.")
            else:
                values = np.frombuffer(numbers)
                made[name] = [None] * len(values) if np.isnan(values).all() else self._written(values, k)
        self._decide(made)
        return made

    def _written(self, values: NDArray[np.float64], k: int) -> NDArray[np.float64]:
        evident = self.signs[k].evident
        return WrittenNumbers(values, evident) if evident else values

    def _decide(self, made: TableColumns) -> None:
        """Read the columns whose numbers depend on the decimal sign, which are texts so far."""
        _, likely, _, otherwise = self.decimals
        evident = {signs.evident for signs in self.signs} - {""}
        common = evident.pop() if len(evident) == 1 else ""
        for name, signs in zip(self.names, self.signs, strict=True):
            column = made[name]
            if not (signs.are_others and isinstance(column, TextColumn)):
                continue
            example = next((text for text in column.texts() if COMMAS.search(text)), None)
            own = self.decimals.asked_of(name)
            sign = own or common or (likely if example else "")
            if not sign and example and otherwise is not None:
                hints.give(
                    f"{self.name}: column {name!r} has numbers such as {example[:40]!r}, whose commas all have three "
                    f"digits behind them; they are taken to separate thousands; {otherwise}."
                )
            sign = sign or POINT
            made[name] = WrittenNumbers(column.numbers(sign), sign, None if own else column)


def _are_long(numbers: array[float], begin: int) -> bool:
    """Return whether some of the numbers from a place on may not be the whole numbers that were written."""
    return bool((np.abs(np.frombuffer(numbers)[begin:]) >= 1 << 53).any())


def _typed(read: TextsRead) -> tuple[DecimalSigns, NDArray[np.float64] | TextColumn, str]:
    """Convert a column's texts to numbers if all are numeric with one decimal sign, or the same with both.

    Return its signs, the column, and what is said of it.
    """
    stripped, codes = [text.strip() for text in read.texts()], np.frombuffer(read.codes, np.intc)
    signs, said = signs_of(stripped), ""
    if signs.possible and (units := mixed_units(stripped)):
        said = (
            f"numbers with different signs, such as {units[0][:40]!r} and {units[1][:40]!r}, which are read without "
            "them; write all in one unit"
        )
    elif next(filter(None, stripped), "").isdigit() and (long := beyond(stripped)):
        said = f"whole numbers such as {long[:40]!r}, which float64 does not have; it is read as text"
    if signs.possible and not signs.are_others:
        values: NDArray[np.float64] = read_numbers(stripped, signs.evident or POINT)[codes]
        return signs, WrittenNumbers(values, signs.evident) if signs.evident else values, said
    missing = np.fromiter(map(is_missing, stripped), bool, len(stripped))
    return signs, TextColumn(stripped, np.where(missing, -1, np.arange(len(stripped)))[codes]), said


def warn_of_header(name: str, header: Header) -> None:
    """Say where a table begins, unless its names are in the first line as usual."""
    above, row = header.first - 1, header.first
    skipped = (
        f"the {f'{above:,} rows' if above > 1 else 'row'} above it {'were' if above > 1 else 'was'} skipped"
    )
    facts: dict[str, object] = {"name": name, "row": row, "above": above}
    if header.why == "years":
        ends = {"first": header.names[0], "last": header.names[-1]}
        said = f"the header is in row {row}: the years {ends['first']} to {ends['last']} are taken for names of columns"
        hints.give(TableWarning(f"{name}: {said}.", "years", **facts, **ends))
    elif header.why and header.line:
        hints.give(TableWarning(f"{name}: the header is in row {row}; {skipped}.", "header", **facts))
    elif header.why:
        said = f"the table has no header, and begins in row {row}; {skipped}"
        hints.give(TableWarning(f"{name}: {said}.", "no_header", **facts))
