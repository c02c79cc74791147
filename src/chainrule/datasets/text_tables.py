"""Read a CSV file with columns of numbers and text.

The delimiter (comma, semicolon, tab, pipe) is the one that splits the first rows, but for a title above them, into the
most columns, equally many, or that of a first line such as "sep=;";
the encoding is UTF-8, or another one (see `chainrule.datasets.encodings`). A column whose cells are all numbers (see
`chainrule.datasets.numerals`) is numeric; missing cells are NaN in numbers, None in text.

The standard library's reader splits the cells, or for a large file PyArrow where it splits them alike
(`chainrule.datasets.arrow_text`), so that a file reads the same on every installation. `chainrule.datasets.cells`
makes columns of them.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from functools import partial
from typing import Any, TextIO

from chainrule.core.files import open_regular
from chainrule.datasets import arrow_text
from chainrule.datasets.cells import TableColumns, columns_of, names_of, read_columns
from chainrule.datasets.encodings import UTF_8, encoding_of
from chainrule.datasets.headers import AUTOMATIC, TableLayout, find_header
from chainrule.datasets.idx import GZIP_SIGNATURE, PathLike, unpack
from chainrule.datasets.numerals import COMMA
from chainrule.errors import DataError, FormatError

MAX_BYTES = 1 << 30
MAX_ROW = 16 << 20  # characters; the cells of a row take ten times the memory
DELIMITERS = ",;\t|"
_LOOKED_AT = 64 << 10
"""the number of characters used to detect the delimiter"""
_SAID = re.compile(r'"?sep=([^"\r\n])"?(?=\r?\n)', re.IGNORECASE)
"""A first line that names the delimiter, as for Excel."""


class TextTable(dict[str, Any]):
    """The columns of a text by name."""

    def __init__(self, columns: TableColumns, encoding: str) -> None:
        """Take columns, and the encoding of their text."""
        super().__init__(columns)
        self.encoding = encoding


def read_text_table(path: PathLike, layout: TableLayout = AUTOMATIC) -> TextTable:
    """Read a CSV file, plain or gzip (detected by content), as columns by name: (n,) numbers, or sequences of text.

    The first line below a title contains the names (see `chainrule.datasets.headers`), unless all its cells are
    numbers: the columns are then called x1, x2, ... Empty lines are skipped; a column without a name is "unnamed: k".
    Raises FormatError for non-text, DataError for rows of unequal length, duplicate names and no rows.
    """
    name = os.fspath(path)
    return text_table(name, _contents(path, name), layout)


def text_table(name: str, data: bytes, layout: TableLayout = AUTOMATIC) -> TextTable:
    """Return the columns of the bytes of a CSV file, as `read_text_table`. name: of the data, for errors."""
    encoding = encoding_of(name, data, layout.encoding, layout.usual_encoding)
    head, read_as = data[: 4 * _LOOKED_AT].decode(encoding, "ignore")[:_LOOKED_AT], encoding
    if said := _SAID.match(head):
        delimiter, read_as = said[1], UTF_8
        data = data.decode(encoding)[said.end() :].encode()
    else:
        delimiter = delimiter_of(head)
    decimals = layout.decimals._replace(
        groups_points=delimiter != ",", likely=COMMA if delimiter == ";" else ""
    )

    def rows() -> Iterator[tuple[int, list[str]]]:
        return _rows(name, io.TextIOWrapper(io.BytesIO(data), read_as, newline=""), delimiter)

    header = find_header(name, rows(), layout)
    if arrow_text.can_split(data, read_as, delimiter):
        try:
            begin = arrow_text.begin_of_rows(data, read_as, header.line or header.first - 1)
            names = names_of(name, header)
            batches = partial(arrow_text.batches, data, delimiter, begin, len(names))
            return TextTable(read_columns(name, names, batches, decimals), encoding)
        except arrow_text.NotAlike:
            pass
    return TextTable(columns_of(name, rows, header, decimals), encoding)


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
    best, most = ",", (0, 1)
    for delimiter in DELIMITERS:
        try:
            counts = [len(row) for row in csv.reader(whole[:50], delimiter=delimiter) if row]
        except csv.Error:
            continue
        if not counts or counts[-1] == 1:
            continue
        equal = next((k for k, count in enumerate(reversed(counts)) if count != counts[-1]), len(counts))
        is_whole = equal == len(counts)
        is_below = equal > 1 and counts[-1] not in counts[:-equal]  # a title, of another number of cells
        if (is_whole or is_below) and (len(counts) if is_whole else equal, counts[-1]) > most:
            best, most = delimiter, (equal, counts[-1])
    if most == (0, 1) and whole:  # rows of unequal length: the most frequent in the first line
        best = max(DELIMITERS, key=whole[0].count)
    return best


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
