"""Read a CSV file with columns of numbers and text.

The delimiter (comma, semicolon, tab, pipe) is the one that splits the first rows into the most columns, equally many;
the encoding is UTF-8, with or without a byte order mark, UTF-16 with one, or else Windows-1252. A column whose cells
are all numbers (see `chainrule.datasets.numerals`) is numeric; missing cells are NaN in numbers, None in text.

The standard library's reader splits the cells, so that a file reads the same on every installation. A column is read
as numbers, 8 bytes each, as long as possible; otherwise it is read a second time as text, which stays packed
(`chainrule.datasets.text_column`).
"""

from __future__ import annotations

import codecs
import csv
import io
import os
from array import array
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TextIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.core.files import open_regular
from chainrule.datasets.idx import GZIP_SIGNATURE, PathLike, unpack
from chainrule.datasets.numerals import decimal_of, is_missing, read_cells, read_number, read_numbers
from chainrule.datasets.text_column import TextColumn, TextsRead
from chainrule.errors import DataError, FormatError

TableColumns: TypeAlias = dict[str, NDArray[np.float64] | TextColumn | list[None]]
"""Columns by name: (n,) numbers, NaN for missing ones; text, None for missing ones; lists of None only."""
MAX_BYTES = 1 << 30
MAX_CELLS = 200_000_000
MAX_COLUMNS = 100_000
MAX_ROW = 16 << 20  # characters; the cells of a row take ten times the memory
DELIMITERS = ",;\t|"
CHUNK = 1 << 16
"""the number of cells read at a time"""
_LOOKED_AT = 64 << 10
"""the number of characters used to detect the delimiter"""
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def read_text_table(path: PathLike) -> TableColumns:
    """Read a CSV file, plain or gzip (detected by content), as columns by name: (n,) numbers, or sequences of text.

    The first line contains the names, unless all its cells are numbers: the columns are then called x1, x2, ...
    Empty lines are skipped; a column without a name is "unnamed: k".
    Raises FormatError for non-text, DataError for rows of unequal length, duplicate names and no rows.
    """
    name = os.fspath(path)
    data = _contents(path, name)
    encoding = _encoding_of(name, data)
    delimiter = delimiter_of(data[: 4 * _LOOKED_AT].decode(encoding, "replace")[:_LOOKED_AT])

    def rows() -> Iterator[tuple[int, list[str]]]:
        return _rows(name, io.TextIOWrapper(io.BytesIO(data), encoding, "replace", newline=""), delimiter)

    return columns_of(name, rows)


def columns_of(name: str, rows: Callable[[], Iterator[tuple[int, list[str]]]]) -> TableColumns:
    """Convert rows of cells, the first with the names, to columns. name: of the file, for errors.

    rows: a function that restarts the iteration over non-empty rows, each with its line number.
    """
    _, first = next(rows(), (0, []))
    if not first:
        raise DataError(f"{name} is empty; it needs a header and at least one row.")
    names = [cell.strip() for cell in first]
    is_named = not all(map(_is_number, names))
    if not is_named:
        names = [f"x{k + 1}" for k in range(len(names))]
    names = [each or f"unnamed: {k}" for k, each in enumerate(names)]
    _check_names(name, names)
    columns = _Columns(name, names)
    columns.read(islice(rows(), is_named, None))
    if columns.left:
        columns.read_left(islice(rows(), is_named, None))
    return columns.found()


def _contents(path: PathLike, name: str) -> bytes:
    """Return the unpacked bytes of a file. Raises DataError for more than MAX_BYTES."""
    with open_regular(path) as file:
        is_packed = file.read(2) == GZIP_SIGNATURE
        file.seek(0)
        size = min(os.fstat(file.fileno()).st_size, MAX_BYTES + 1)
        data = unpack(name, file, MAX_BYTES) if is_packed else file.read(size)
    if len(data) > MAX_BYTES:
        raise DataError(
            f"{name} is larger than {MAX_BYTES >> 30} GB; pass a part of its rows, or a Parquet file."
        )
    return data


def delimiter_of(text: str) -> str:
    """Return the delimiter of a text's first rows; the comma if none splits them."""
    lines = text.splitlines()
    whole = lines[:-1] if len(lines) > 1 and len(text) >= _LOOKED_AT else lines
    best, most = ",", 1
    for delimiter in DELIMITERS:
        try:
            counts = [len(row) for row in csv.reader(whole[:50], delimiter=delimiter) if row]
        except csv.Error:
            continue
        if counts and len(set(counts)) == 1 and counts[0] > most:
            best, most = delimiter, counts[0]
    if most == 1 and whole:  # rows of unequal length: the most frequent in the first line
        best = max(DELIMITERS, key=whole[0].count)
    return best


def _encoding_of(name: str, data: bytes) -> str:
    """Return the encoding of a text. Raises FormatError for non-text."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                data.decode(encoding)
            except UnicodeDecodeError as error:
                raise FormatError(
                    f"{name} is damaged {encoding.upper()} text (byte {error.start})."
                ) from error
            return encoding
    if b"\0" in data[: 1 << 20]:
        place = data.index(b"\0")
        raise FormatError(
            f"{name} is not a CSV file, because byte {place} is 0; save it as text, or rename a Parquet file "
            "to .parquet."
        )
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _rows(name: str, text: TextIO, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Iterate over non-empty rows: the line on which each ends, and its cells."""
    pending = 0

    def lines() -> Iterator[str]:
        nonlocal pending
        for line in text:
            pending += len(line)
            if pending > MAX_ROW:
                raise DataError(
                    f"{name} has a row of more than {MAX_ROW >> 20} million characters at line "
                    f"{reader.line_num + 1}; fix its quotes, or remove columns."
                )
            yield line

    reader = csv.reader(lines(), delimiter=delimiter)
    try:
        for cells in reader:
            pending = 0
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise FormatError(
            f"{name} is not valid CSV at line {reader.line_num}: {error}; fix its quotes, or shorten that "
            "cell."
        ) from error


def _check_names(name: str, names: list[str]) -> None:
    if len(names) > MAX_COLUMNS:
        raise DataError(
            f"{name} has {len(names):,} columns, more than the maximum of {MAX_COLUMNS:,}; remove some."
        )
    places: dict[str, int] = {}
    for k, each in enumerate(names):
        first = places.setdefault(each, k)
        if first != k:
            raise DataError(
                f"{name} has two columns named {each[:60]!r} ({first + 1} and {k + 1} of line 1); rename one."
            )


class _Columns:
    """The columns of a file during reading: numbers while all cells are numeric, else texts."""

    def __init__(self, name: str, names: list[str]) -> None:
        """Start without rows. name: of the file."""
        self.name, self.names, self.count = name, names, 0
        self.numbers: list[array[float] | None] = [array("d") for _ in names]
        self.texts = [TextsRead() for _ in names]
        self.left: list[int] = []
        """columns that started as numbers and turned out to be text, whose first texts must be read again"""

    def read(self, rows: Iterator[tuple[int, list[str]]]) -> None:
        """Read all rows. Raises DataError for rows of unequal length, too many cells, and no rows."""
        left = set[int]()
        while chunk := self.chunk(rows):
            for k, cells in enumerate(zip(*chunk, strict=True)):
                numbers = self.numbers[k]
                if numbers is not None:
                    try:
                        numbers.extend(read_cells(cells))
                        continue
                    except ValueError:
                        self.numbers[k] = None
                        if self.count:
                            left.add(k)
                if k not in left:
                    self.texts[k].add(cells)
            self.count += len(chunk)
        if not self.count:
            raise DataError(f"{self.name} has a header but no rows; add at least one.")
        self.left = sorted(left)

    def read_left(self, rows: Iterator[tuple[int, list[str]]]) -> None:
        """Read the left columns again, from the first row."""
        count = max(1, CHUNK // len(self.names))
        while chunk := [cells for _, cells in islice(rows, count)]:
            for k in self.left:
                self.texts[k].add([cells[k] for cells in chunk])

    def chunk(self, rows: Iterator[tuple[int, list[str]]]) -> list[list[str]]:
        """Return the cells of the next rows, about 65,536 of them."""
        width, chunk = len(self.names), list[list[str]]()
        for line, cells in islice(rows, max(1, CHUNK // width)):
            if len(cells) != width:
                is_short = len(cells) < width
                at = (
                    f"column {self.names[len(cells)]!r} is missing"
                    if is_short
                    else "the last cells have no name"
                )
                raise DataError(
                    f"{self.name} has {len(cells)} cells in line {line}, but {width} names in line 1 ({at}); "
                    "make them equal, and quote cells that contain the delimiter."
                )
            chunk.append(cells)
        if (self.count + len(chunk)) * width > MAX_CELLS:
            raise DataError(
                f"{self.name} has more than {MAX_CELLS:,} cells; pass a part of its rows, or a Parquet file."
            )
        return chunk

    def found(self) -> TableColumns:
        """Return the columns by name, and free the parsed cells."""
        made: TableColumns = {}
        for k, name in enumerate(self.names):
            numbers, texts = self.numbers[k], self.texts[k]
            self.numbers[k], self.texts[k] = None, TextsRead()
            if numbers is None:
                made[name] = _typed(texts)
            else:
                values = np.frombuffer(numbers)
                made[name] = [None] * len(values) if np.isnan(values).all() else values
        return made


def _typed(read: TextsRead) -> NDArray[np.float64] | TextColumn:
    """Convert a column's texts to numbers if all are numeric."""
    stripped, codes = [text.strip() for text in read.texts()], np.frombuffer(read.codes, np.intc)
    decimal = decimal_of(stripped)
    if decimal is not None:
        return np.asarray(read_numbers(stripped, decimal)[codes])
    missing = np.fromiter(map(is_missing, stripped), bool, len(stripped))
    return TextColumn(stripped, np.where(missing, -1, np.arange(len(stripped)))[codes])


def _is_number(cell: str) -> bool:
    try:
        read_number(cell)
    except ValueError:
        return False
    return True
