"""The rows of a request, checked one by one, and the rows of several requests joined into one table.

Whether cells are read as numbers, texts or truth values depends on all cells of a column. So rows of two requests are
joined only if each column has cells of the same kinds in both, missing ones aside: then each of them is read as it
would be alone. `Rows.kinds` has three bits for each column, one for each kind of cell in it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from chainrule.data.frames import places
from chainrule.errors import DataError, ShapeError
from chainrule.serve.schema import Schema, ServedColumn

NUMBER, TRUTH, TEXT = 1, 2, 4
_BITS = 3
BODY = "the body"
"""The name of the rows of a request in messages."""


class RequestRows(NamedTuple):
    """The rows of a request."""

    table: Any
    """dict of columns, frame, or (n, columns) array of numbers"""
    length: int
    kinds: int | None
    """the kinds of the cells of each column, see above; None for rows that are answered alone"""
    is_one: bool = False
    """whether the request has one row by itself, and the reply then one answer by itself"""


class ArrowTable(Protocol):
    """A table of PyArrow."""

    column_names: list[str]

    def __getitem__(self, name: str) -> Any:
        """Return a column."""


FileTable = Mapping[str, Any] | ArrowTable
"""A table that was read from a file: its columns, or a frame."""


class ReadsRows(Protocol):
    """What makes rows of a decoded request."""

    def of_json(self, found: object) -> RequestRows:
        """Return the rows in decoded JSON: a row, or a list of rows. Raises DataError or ShapeError."""

    def of_columns(self, columns: Mapping[str, Sequence[Any]]) -> RequestRows:
        """Return rows by their columns, of equally many cells each. Raises DataError or ShapeError."""

    def of_table(self, table: FileTable, count: int) -> RequestRows:
        """Return the rows of a table that was read from a file: dict of columns, or frame."""

    def joined(self, rows: Sequence[RequestRows]) -> Any:
        """Return one table with the rows of several requests whose kinds allow it, see `can_join`."""


def can_join(first: int | None, second: int | None) -> int | None:
    """Return the kinds of the cells of two requests together; None if either is to be answered alone."""
    if first is None or second is None:
        return None
    if first == second:
        return first
    differ = _occupied(first ^ second)
    return None if differ & _occupied(first) & _occupied(second) else first | second


def _occupied(kinds: int) -> int:
    """Return the lowest bit of each column that has any."""
    low = kinds | kinds >> 1 | kinds >> 2
    return low & _lowest(kinds.bit_length())


def _lowest(bits: int) -> int:
    """Return a number of so many bits with every third one set."""
    columns = -(-bits // _BITS)
    return ((1 << _BITS * columns) - 1) // ((1 << _BITS) - 1)


def list_rows(found: object) -> tuple[list[Any], bool]:
    """Return decoded JSON as a list of rows, and whether it is one row by itself."""
    if isinstance(found, dict):
        return [found], True
    if not isinstance(found, list):
        raise DataError(
            f"{BODY} must be a row, or a list of rows, not {show(found)}; a row is an object or a list of values."
        )
    if not found:
        raise DataError(f"{BODY} has no rows; send at least one.")
    is_one = not isinstance(found[0], (dict, list))
    return ([found], True) if is_one else (found, False)


def show(value: object) -> str:
    """Return a value as an error shows it."""
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


class TableReader:
    """Rows of a table, whose columns may have numbers, truth values, texts and dates, or be missing."""

    def __init__(self, schema: Schema) -> None:
        """Take what the model needs."""
        self.schema = schema
        self.names = schema.names
        self._reads = [_reader(column) for column in schema.columns]
        self._kinds = [
            {kind: bits << _BITS * k for kind, bits in _kinds_of(column).items()}
            for k, column in enumerate(schema.columns)
        ]
        self._alone = [
            column.kind == "number" or (column.kind == "date" and not column.reads)
            for column in schema.columns
        ]
        """whether text is read as the whole column allows: by a decimal sign, or an order of dates"""

    def of_json(self, found: object) -> RequestRows:
        """Return the rows in decoded JSON. Raises DataError for a row that lacks a column, and for nested cells."""
        rows, is_one = list_rows(found)
        names, width = self.names, len(self.names)
        values = []
        for k, row in enumerate(rows):
            if type(row) is dict:
                try:
                    values.append([row[name] for name in names])
                except KeyError:
                    self._check_names(row, "" if is_one else f"row {k} of ")
            elif type(row) is list:
                if len(row) != width:
                    raise ShapeError(
                        f"{'' if is_one else f'row {k} of '}{BODY} has {len(row)} values, but the model takes "
                        f"{width}: {', '.join(names[:5])}{', ...' if width > 5 else ''}; GET /schema has their order."
                    )
                values.append(row)
            else:
                raise DataError(f"row {k} of {BODY} must be an object or a list of values, not {show(row)}.")
        columns = [list(cells) for cells in zip(*values, strict=True)]
        return self._made(columns, len(rows), is_one)

    def of_columns(self, columns: Mapping[str, Sequence[Any]]) -> RequestRows:
        """Return rows by their columns. Raises DataError for a missing column, ShapeError for unequal ones."""
        self._check_names(columns, "")
        found = [list(columns[name]) for name in self.names]
        counts = {len(cells) for cells in found}
        if len(counts) > 1:
            raise ShapeError(
                f"the columns have from {min(counts)} to {max(counts)} values; send equally many."
            )
        if counts == {0}:
            raise DataError(f"{BODY} has no rows; send at least one.")
        return self._made(found, counts.pop(), False)

    def of_table(self, table: FileTable, count: int) -> RequestRows:
        """Return the rows of a table that was read from a file, which are answered alone."""
        return RequestRows(table, count, None)

    def joined(self, rows: Sequence[RequestRows]) -> Any:
        """Return the columns of several requests."""
        if len(rows) == 1:
            return rows[0].table
        return {name: [cell for each in rows for cell in each.table[name]] for name in self.names}

    def _check_names(self, came: Mapping[str, Any], which: str) -> None:
        """Raise DataError for missing columns."""
        try:
            places(self.names, list(came), f"{which}{BODY}")
        except DataError as error:
            raise DataError(f"{error} A missing value is null.") from None

    def _made(self, columns: list[list[Any]], count: int, is_one: bool) -> RequestRows:
        kinds: int | None = 0
        for k, cells in enumerate(columns):
            read, known = self._reads[k], self._kinds[k]
            if read is not None:
                cells[:] = map(read, cells)
            for i, cell in enumerate(cells):
                bits = known.get(type(cell))
                if bits is None:
                    raise DataError(
                        f"{'' if is_one else f'row {i} of '}{BODY} has {show(cell)} in column {self.names[k]!r}; a "
                        "cell is a number, a text, true, false or null."
                    )
                if kinds is not None:
                    kinds = None if self._alone[k] and type(cell) is str else kinds | bits
        return RequestRows(dict(zip(self.names, columns, strict=True)), count, kinds, is_one)


def _kinds_of(column: ServedColumn) -> dict[type, int]:
    """Return the kind of each type of cell in a column."""
    if column.kind == "number":  # where true and false are 1 and 0, as they are alone
        return {int: NUMBER, float: NUMBER, bool: NUMBER, str: TEXT, type(None): 0}
    timed = {datetime.datetime: NUMBER, datetime.timedelta: NUMBER}
    plain = (
        {int: NUMBER, float: NUMBER} if column.kind in ("category", "boolean") else {int: TRUTH, float: TRUTH}
    )
    return {**timed, **plain, bool: TRUTH, str: TEXT, type(None): 0}


def _reader(column: ServedColumn) -> Any:
    """Return what converts a cell of JSON, which has neither dates nor durations; None for other columns."""
    if column.kind == "date" and not column.reads:
        return _date
    return _duration if column.kind == "duration" else None


def _date(cell: object) -> object:
    if type(cell) is str:
        try:
            return datetime.datetime.fromisoformat(cell)
        except ValueError:
            return cell
    return cell


def _duration(cell: object) -> object:
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        try:
            return datetime.timedelta(seconds=cell)
        except OverflowError:
            return cell
    return cell
