"""Split the text of a CSV file into cells by PyArrow, if it is installed and gives what the standard library gives.

Both readers agree on UTF-8 without zero bytes, with lines that end in a line feed or a carriage return and a line feed,
and with quotes around whole cells only, doubled inside. This is checked first. Everything else, and whatever PyArrow
refuses, is left to the standard library's reader, whose errors name the line.
"""

from __future__ import annotations

import codecs
import csv
import importlib.util
import sys
from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets.numerals import SIGNS, missing_spellings, read_cells
from chainrule.datasets.text_column import TextsRead

MIN_BYTES, MIN_BYTES_TO_IMPORT = 1 << 20, 8 << 20
"""The bytes from which PyArrow is faster: if it is imported already, and if it has to be imported first."""
MAX_COLUMNS = 2_000
"""With more columns a block has so few rows that reading it column by column is slower."""
BLOCK_BYTES = 1 << 20
"""The bytes that PyArrow splits at a time; a longer row is left to the standard library."""
_FEW = 1 << 10
"""The cells that are looked at together for one with a point."""
_PIECE_BYTES = 1 << 22
"""The bytes whose quotes are checked at a time."""


class NotAlike(Exception):
    """PyArrow refuses the text, or may split it differently than the standard library."""


class ArrowCells:
    """The cells of some rows in one column as PyArrow's strings, null if empty or missing."""

    def __init__(self, column: Any) -> None:
        """Hold a column of a batch."""
        self.column = column

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.column)

    def add_numbers(self, numbers: array[float]) -> None:
        """Add the cells as numbers, parsed as by `read_cells`. Raises ValueError, and adds none then."""
        import pyarrow as pa

        if self._is_plain():
            try:
                read: NDArray[np.float64] = self.column.cast(pa.float64()).to_numpy(zero_copy_only=False)
                numbers.frombytes(read.tobytes())
                return
            except pa.ArrowInvalid:  # such as "1-2" or "e", or a number beyond float64
                pass
        numbers.extend(read_cells(self.column.fill_null("").to_pylist()))

    def with_point(self) -> Iterator[str]:
        """Iterate over the cells with a decimal point."""
        if self._text()[0].find(b".") < 0:
            return
        for begin in range(0, len(self), _FEW):
            yield from (
                cell for cell in self.column[begin : begin + _FEW].to_pylist() if cell and "." in cell
            )

    def texts(self) -> list[str]:
        """Return the cells as texts."""
        return list(self.column.fill_null("").to_pylist())

    def add_texts(self, texts: TextsRead) -> None:
        """Add the cells as texts."""
        coded = self.column.fill_null("").dictionary_encode()
        texts.add_coded(coded.dictionary.to_pylist(), coded.indices.to_numpy())

    def _is_plain(self) -> bool:
        """Return whether all cells consist of digits, signs, points and e, and none is digits with a leading zero."""
        joined, places = self._text()
        if joined.translate(None, SIGNS):
            return False
        text, starts = np.frombuffer(joined, np.uint8), places[:-1][np.diff(places) > 1]
        return not ((text[starts] == ord("0")) & (text[starts + 1] - ord("0") < 10)).any()

    def _text(self) -> tuple[bytes, NDArray[np.int32]]:
        """Return the cells as one text, and where each begins and the last one ends."""
        _, ends, data = self.column.buffers()
        places = np.frombuffer(ends, np.int32)[self.column.offset :][: len(self.column) + 1]
        return bytes(memoryview(data or b"")[places[0] : places[-1]]), places - places[0]


def batches(data: bytes, delimiter: str, begin: int, width: int) -> Iterator[list[ArrowCells]]:
    """Iterate over the rows of a text from byte `begin` in batches, by column.

    Raises NotAlike, even after some batches, for a text that is left to the standard library.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow

    if width > MAX_COLUMNS or data.startswith(codecs.BOM_UTF8, begin):  # PyArrow skips it
        raise NotAlike
    names = [str(k) for k in range(width)]
    limit = csv.field_size_limit()
    try:
        opened = arrow.open_csv(
            pa.py_buffer(data)[begin:],
            arrow.ReadOptions(column_names=names, block_size=BLOCK_BYTES, use_threads=False),
            arrow.ParseOptions(delimiter=delimiter, newlines_in_values=b'"' in data),
            arrow.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, pa.string()),
                null_values=missing_spellings(),
                strings_can_be_null=True,
            ),
        )
        for batch in opened:
            for column in batch.columns:
                places = np.frombuffer(column.buffers()[1], np.int32)
                if len(column) and np.diff(places[column.offset :][: len(column) + 1]).max() > limit:
                    raise NotAlike
            if batch.num_rows:
                yield list(map(ArrowCells, batch.columns))
    except pa.ArrowException as error:
        raise NotAlike from error


def begin_of_rows(data: bytes, encoding: str, lines: int) -> int:
    """Return the byte after the first lines of a text and the byte order mark.

    Raises NotAlike for a row of several lines among them, or without a row after them.
    """
    begin = len(codecs.BOM_UTF8) if encoding == "utf-8-sig" else 0
    for _ in range(lines):
        end = data.find(b"\n", begin) + 1
        if not end or data.count(b'"', begin, end) % 2:
            raise NotAlike
        begin = end
    return begin


def can_split(data: bytes, encoding: str, delimiter: str) -> bool:
    """Return whether PyArrow is installed, worth its import, and splits a text as the standard library does."""
    return (
        len(data) >= (MIN_BYTES if "pyarrow" in sys.modules else MIN_BYTES_TO_IMPORT)
        and encoding in ("utf-8", "utf-8-sig")
        and importlib.util.find_spec("pyarrow") is not None
        and b"\0" not in data
        and (b"\r" not in data or data.count(b"\r") == data.count(b"\r\n"))
        and _are_quotes_around_cells(data, delimiter)
    )


def _are_quotes_around_cells(data: bytes, delimiter: str) -> bool:
    """Return whether every quote opens a cell, closes one, or is half of a doubled quote inside one.

    No carriage return may be inside quotes: PyArrow drops a line feed after one at the end of a block.
    """
    if b'"' not in data:
        return True
    outside = np.zeros(256, bool)
    outside[[ord(delimiter), ord("\n"), ord("\r"), ord('"')]] = True
    text, count = np.frombuffer(data, np.uint8), 0
    for begin in range(0, len(text), _PIECE_BYTES):
        piece = text[begin : begin + _PIECE_BYTES]
        places = np.flatnonzero(piece == ord('"')) + begin
        returns = np.flatnonzero(piece == ord("\r")) + begin
        opens = (np.arange(len(places)) + count) % 2 == 0
        before, after = places[opens] - 1, places[~opens] + 1
        if not (outside[text[before[before >= 0]]].all() and outside[text[after[after < len(text)]]].all()):
            return False
        if ((np.searchsorted(places, returns) + count) % 2).any():
            return False
        count += len(places)
    return count % 2 == 0
