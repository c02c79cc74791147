"""Read a table from a file: CSV by the standard library, Parquet, Arrow and Feather by PyArrow, Excel by openpyxl."""

from __future__ import annotations

import datetime
import os
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from chainrule.core import hints
from chainrule.core.files import open_regular
from chainrule.datasets.arrow_messages import SIGNATURE, unpacked_sizes
from chainrule.datasets.cells import MAX_CELLS, TableColumns, columns_of
from chainrule.datasets.headers import AUTOMATIC, ROWS_LOOKED_AT, Header, TableLayout, find_header
from chainrule.datasets.idx import PathLike, check_bomb, is_bomb
from chainrule.datasets.numerals import Decimals
from chainrule.datasets.text_tables import read_text_table
from chainrule.errors import (
    ChainruleError,
    ConfigError,
    DataError,
    FormatError,
    TableWarning,
    fault_of,
    option,
)

TEXT = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather", ".ipc")
BATCH_ROWS = 1 << 16
"""The number of rows of a Parquet file read at a time."""
BATCH_BYTES = 1 << 28
"""The maximum size of these rows, excluding texts that are counted only after reading."""
EXCEL = (".xlsx", ".xlsm")
TABLES = (*TEXT, *PARQUET, *ARROW, *EXCEL)
"""The file endings of tables; .txt is one only where a table is expected."""


def read_table(
    path: PathLike,
    *,
    header: int | None = None,
    sheet: str | int | None = None,
    names: Sequence[str] = (),
    decimal: str | Mapping[str, str] | None = None,
    encoding: str | None = None,
) -> Any:
    """Read a table by its file ending: CSV and Excel as a dict of columns, others as a PyArrow table.

    `TablePreprocessor` accepts both.
    header: of CSV and Excel, the row with the names of the columns, from 1; 0 for none; None to find it, below a title
    and notes if there are some, which is said by a warning.
    sheet: of Excel, its name, or its number from 1; None for the visible one that has a table.
    names: columns that the table has, as far as they are known, which help to find it.
    decimal: the decimal sign of columns of text whose numbers are others with either sign, such as "1,234": "," or ".",
    or a dict of signs by the names of columns. Without it, the other columns of the file decide, or a delimiter ";",
    which is for decimal commas; where nothing does, commas separate thousands, which is said by a warning.
    encoding: that of CSV, such as "cp950", Big5 as in Taiwan. Without it, UTF-8, UTF-16 with a byte order mark, or an
    older encoding in which the text reads as its language is written, which is said by a warning.
    Raises FormatError for damaged files and other endings, DataError for a table without rows or columns.
    """
    decimals = Decimals("" if decimal is None else decimal)
    return read_laid_out(path, TableLayout(header, sheet, tuple(names), decimals=decimals, encoding=encoding))


def read_laid_out(path: PathLike, layout: TableLayout) -> Any:
    """Read a table by its file ending as `read_table`, with all that is known of where it lies in its file."""
    name, ending = os.fspath(path), Path(path).suffix.lower()
    layout.check()
    if layout.sheet is not None and ending not in EXCEL:
        raise ConfigError(
            f"{option('sheet')} names a sheet of a workbook, and {name} has no sheets; omit it."
        )
    if name.lower().endswith((*TEXT, ".txt")):
        return read_text_table(path, layout)
    if layout.encoding is not None:
        raise ConfigError(f"{option('encoding')} is for CSV, and {name} is another kind of file; omit it.")
    if ending in EXCEL:
        return read_excel(path, layout)
    if layout.header is not None:
        raise ConfigError(
            f"{option('header')} is of CSV and Excel, whose names {name} does not have; omit it."
        )
    if ending not in (*PARQUET, *ARROW):
        known = ", ".join(TABLES)
        raise FormatError(f"{name} has the ending {ending!r}; a table must have one of {known}.")
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        raise FormatError(
            f"{name} needs PyArrow, which is not installed; install chainrule[tables], or save the table as "
            "CSV."
        ) from error
    with open_regular(path) as file:
        try:
            table = _parquet(file, name) if ending in PARQUET else read_arrow(file, name)
        except (pa.ArrowException, OSError, ValueError) as error:
            if isinstance(error, (DataError, FormatError)):
                raise
            kind = "Parquet" if ending in PARQUET else "Arrow"
            raise FormatError(
                f"{name} is damaged or not a valid {kind} file ({fault_of(error)}); write it again."
            ) from error
    if not table.num_rows or not table.num_columns:
        raise DataError(
            f"{name} has {table.num_rows} rows and {table.num_columns} columns; it needs at least one of "
            "each."
        )
    return table


def _parquet(file: Any, name: str) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    opened = parquet.ParquetFile(file)
    found, schema, packed = opened.metadata, opened.schema_arrow, os.fstat(file.fileno()).st_size
    _check_columns(name, schema)
    _check_size(name, found.num_rows, found.num_columns)
    texts, longest, unpacked, values = list[str](), 0, 0, 0
    views = {
        each.name for each in schema if pa.types.is_string_view(each.type)
    }  # of which PyArrow makes no dictionary
    groups = chunks(file)
    if any(len(group) != found.num_columns for group in groups) or len(groups) != found.num_row_groups:
        raise ValueError("its row groups and its schema have different columns")
    for j in range(found.num_columns):
        column, own = opened.schema.column(j), [pages(file, group[j]) for group in groups]
        unpacked += sum(each.unpacked for each in own)
        values += sum(each.values for each in own) * width_of(column)
        check_bomb(name, max(unpacked, values), packed)
        if column.physical_type != "BYTE_ARRAY":
            continue
        if column.path != column.name:  # in a list or a struct
            _check_nested(name, column.path, sum(each.values * each.longest for each in own), packed)
        elif column.name in views or any(each.encodings & NO_DICTIONARY for each in own):
            longest += max(each.longest for each in own)
        elif any(each.longest for each in own):
            texts.append(column.path)
    # Repetitive text is read as a dictionary, which stays small until it is counted.
    opened = parquet.ParquetFile(file, metadata=found, read_dictionary=texts)
    rows = max(1, min(BATCH_ROWS, BATCH_BYTES // max(1, longest)))
    batches = opened.iter_batches(batch_size=rows)
    return pa.Table.from_batches(_counted(batches, name, schema, packed), schema)


def read_arrow(file: BinaryIO, name: str) -> Any:
    """Return the table in an Arrow file or stream. name: of the file, for errors.

    Raises FormatError and DataError for what would take far more memory than the file, ValueError, OSError and errors
    of PyArrow for a damaged one.
    """
    import pyarrow as pa

    start = file.read(6)
    if start[:4] == b"FEA1":
        raise FormatError(
            f"{name} is a Feather file of version 1; write it again as version 2 or as Parquet."
        )
    unpacked, packed = 0, file.seek(0, os.SEEK_END)
    for size in unpacked_sizes(file):
        unpacked += size
        check_bomb(name, unpacked, packed)
    file.seek(0)
    if start == SIGNATURE:
        opened = pa.ipc.open_file(file)
        batches = map(opened.get_batch, range(opened.num_record_batches))
    else:
        opened = batches = pa.ipc.open_stream(file)
    _check_columns(name, opened.schema)
    return pa.Table.from_batches(_counted(batches, name, opened.schema, packed), opened.schema)


def _counted(batches: Any, name: str, schema: Any, packed: int) -> Iterator[Any]:
    """Iterate over batches with a schema. Raises DataError or FormatError for too many cells or bytes."""
    rows = unpacked = 0
    for batch in batches:
        batch.validate(full=True)  # offsets in a damaged file may point outside the column
        rows += batch.num_rows
        _check_size(name, rows, batch.num_columns)
        for column, field in zip(batch.columns, batch.schema, strict=True):
            try:
                unpacked += unpacked_bytes(column)
            except DataError as error:
                raise DataError(f"{name}: the column {field.name!r} {error}.") from error
        check_bomb(name, unpacked, packed)
        yield batch if batch.schema.equals(schema) else batch.cast(schema)


def _check_columns(name: str, schema: Any) -> None:
    twice = next((each for each, count in Counter(schema.names).items() if count > 1), None)
    if twice is not None:
        raise DataError(f"{name} has two columns named {twice[:60]!r}; rename one of them.")


def _check_nested(name: str, path: str, most: int, packed: int) -> None:
    """Raise FormatError for lists of texts whose worst case takes far more memory than the file."""
    if is_bomb(most, packed):
        raise FormatError(
            f"{name}: {packed} packed bytes may contain {most} in the lists of column {path!r}; remove the "
            "column."
        )


def _check_size(name: str, rows: int, columns: int) -> None:
    if rows * columns > MAX_CELLS:
        raise DataError(
            f"{name} has {rows:,} rows and {columns:,} columns, more than {MAX_CELLS:,} cells; pass a part "
            "of it."
        )


TEXT_OVERHEAD_BYTES = 8
"""The minimum bytes of a text besides its characters."""


def unpacked_bytes(column: Any, times: NDArray[np.int64] | None = None) -> int:
    """Return the unpacked size of a PyArrow array's cells, counted without unpacking them.

    A dictionary's text counts once per occurrence, a view's once per cell. times: (n,) the count of each cell; None for
    1 each. Raises DataError for types whose cells cannot be counted.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    kind, n = column.type, len(column) if times is None else int(times.sum())
    if isinstance(column, pa.ExtensionArray):
        return unpacked_bytes(column.storage, times)
    if t.is_null(kind):
        return 0
    if t.is_dictionary(kind):
        chosen = np.asarray(column.indices.fill_null(0).cast(pa.int64()))
        if not len(column.dictionary):
            return TEXT_OVERHEAD_BYTES * n
        counts = np.bincount(chosen, times, len(column.dictionary)).astype(np.int64)
        return unpacked_bytes(column.dictionary, counts)
    if t.is_string_view(kind) or t.is_binary_view(kind):  # 16 bytes each, starting with 4 for the length
        views = np.frombuffer(column.buffers()[1] or b"", np.int32)[::4]
        return TEXT_OVERHEAD_BYTES * n + _sum(views[column.offset : column.offset + len(column)], times)
    if t.is_string(kind) or t.is_large_string(kind) or t.is_binary(kind) or t.is_large_binary(kind):
        return TEXT_OVERHEAD_BYTES * n + _sum(np.asarray(pc.binary_length(column).fill_null(0)), times)
    if t.is_run_end_encoded(kind):
        runs = np.diff(np.asarray(column.run_ends).astype(np.int64), prepend=0)
        return unpacked_bytes(column.values, np.maximum(runs, 0))
    if t.is_nested(kind):
        is_list = t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind)
        if times is not None or not (is_list or t.is_struct(kind) or t.is_map(kind)):
            raise DataError(f"has type {kind}, which tables do not support; split its contents into columns")
        inner = (column.keys, column.items) if t.is_map(kind) else column.flatten()
        return TEXT_OVERHEAD_BYTES * n + sum(map(unpacked_bytes, [inner] if is_list else inner))
    width: int = kind.bit_width
    return n * max(1, width // 8)


def _sum(lengths: NDArray[Any], times: NDArray[np.int64] | None) -> int:
    return int(lengths.sum(dtype=np.int64)) if times is None else int(lengths.astype(np.int64) @ times)


# --- the unpacked size of the pages of a Parquet file, read from the header of each page
#
#     footer:        a struct, its length in 4 bytes, the signature; field 4: row groups, in these 1: column chunks, in
#                    these 3: metadata, 5: values, 9: byte of the first data page, 11: byte of the dictionary
#     column chunk:  an optional dictionary page, then data pages, with the number of values in the footer
#     page:          a header (a struct in Thrift's compact protocol), then the packed page
#     header:        1: type    2: unpacked bytes    3: packed bytes    5, 7, 8: data page, dictionary, data page of
#                    version 2, with 1: values, 2 (4 in version 2): encoding
#
# The footer's sizes are unverified claims of the file's writer; unpacking goes by the page headers.
# Source: Apache Parquet, "parquet.thrift" and "Encodings"; Apache Thrift, "Thrift compact protocol encoding".

HEADER_BYTES = (1 << 12, 1 << 18, 1 << 24)
"""The bytes read for a page header, increased until it is complete: it may have long statistics."""
DATA, DICTIONARY, DATA_2 = 0, 2, 3
NO_DICTIONARY = frozenset((6, 7))
"""Encodings of text that PyArrow does not read as a dictionary: DELTA_LENGTH_BYTE_ARRAY and DELTA_BYTE_ARRAY."""
DELTA_BYTE_ARRAY = 7
"""The encoding where a few bytes may stand for a long text, which shares a prefix with the previous one."""
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 4}
"""The bytes per value in PyArrow; for text without its characters."""
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12
_DEEPEST = 16


class ColumnPages(NamedTuple):
    """The sizes that the pages of a column chunk state."""

    unpacked: int
    """the total size of the pages when unpacked"""
    longest: int
    """the maximum length of a text stored in a few bytes: the size of a dictionary, or of a delta-encoded page"""
    values: int
    """the number of values, including nulls"""
    encodings: frozenset[int]
    """the encodings of the data pages"""


class ColumnChunk(NamedTuple):
    """The position of a column's pages in a row group."""

    begin: int
    """the first byte of the first page"""
    values: int
    """the number of values, including nulls"""


def chunks(file: BinaryIO) -> list[list[ColumnChunk]]:
    """Return the column chunks of each row group, from the footer of a file.

    PyArrow's own objects for them crash the process on damaged statistics in the footer.
    Raises ValueError for invalid footers.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 8))
    length = int.from_bytes(file.read(4), "little")
    if length > size - 8:
        raise ValueError("its footer is truncated")
    file.seek(size - 8 - length)
    footer = _Struct(file.read(length))
    try:
        return [[_chunk(footer.read()) for _ in footer.structs(1)] for _ in footer.structs(4)]
    except IndexError as error:
        raise ValueError("its footer is truncated") from error


def _chunk(fields: dict[int, Any]) -> ColumnChunk:
    metadata = fields.get(3)
    if not isinstance(metadata, dict):
        raise ValueError("a column chunk has no metadata")
    data, dictionary = _number(metadata, 9), _number({11: 0} | metadata, 11)
    return ColumnChunk(min(data, dictionary) if dictionary else data, _number(metadata, 5))


def pages(file: BinaryIO, chunk: ColumnChunk) -> ColumnPages:
    """Read the headers of the pages of a column chunk. Raises ValueError for invalid pages."""
    at = chunk.begin
    total = longest = values = 0
    encodings = set[int]()
    while values < chunk.values:
        head, length = _head(file, at)
        kind, unpacked, packed = (_number(head, field) for field in (1, 2, 3))
        data = head.get({DATA: 5, DATA_2: 8}.get(kind, -1))
        if isinstance(data, dict):
            values += _number(data, 1)
            encodings.add(encoding := _number(data, 4 if kind == DATA_2 else 2))
        if kind == DICTIONARY or (isinstance(data, dict) and encoding == DELTA_BYTE_ARRAY):
            longest = max(longest, unpacked)
        total += unpacked
        at += length + packed
    return ColumnPages(total, longest, values, frozenset(encodings))


def _number(head: dict[int, Any], field: int) -> int:
    value = head.get(field)
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"a struct has {value!r:.40} in field {field}")
    return value


def width_of(column: Any) -> int:
    """Return the bytes per value of a column, from the schema; for text without its characters."""
    return WIDTHS.get(column.physical_type) or max(1, column.length)


def _head(file: BinaryIO, at: int) -> tuple[dict[int, Any], int]:
    """Return the header of the page at a byte, and its length."""
    for size in HEADER_BYTES:
        file.seek(at)
        data = file.read(size)
        try:
            struct = _Struct(data)
            return struct.read(), struct.at
        except IndexError:
            if len(data) < size:
                break
    raise ValueError(f"the page at byte {at} is truncated")


class _Struct:
    """A struct of the compact protocol: its numbers and nested structs by field id; other values are skipped."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def read(self, depth: int = 0) -> dict[int, Any]:
        """Read a struct."""
        if depth > _DEEPEST:
            raise ValueError("its structs are nested too deeply")
        return {field: self.value(kind, depth) for field, kind in self.fields()}

    def structs(self, wanted: int) -> Iterator[None]:
        """Skip through a struct, and stop before each struct in one of its lists, for the caller to read."""
        for field, kind in self.fields():
            if field == wanted:
                count, inner = self.beginning()
                if kind != _LIST or inner != _STRUCT:
                    raise ValueError(f"field {field} of a struct is not a list of structs")
                for _ in range(count):
                    yield
            else:
                self.value(kind, 0)

    def fields(self) -> Iterator[tuple[int, int]]:
        """Iterate over the fields of a struct, id and type; the caller must read each value."""
        field = 0
        while (byte := self.byte()) != _STOP:
            field = field + (byte >> 4) if byte >> 4 else self.integer()
            yield field, byte & 15

    def beginning(self) -> tuple[int, int]:
        """Read the header of a list: the number of its values, and their type."""
        byte = self.byte()
        return (self.varint() if byte >> 4 == 15 else byte >> 4), byte & 15

    def value(self, kind: int, depth: int, in_list: bool = False) -> Any:
        if kind in (_TRUE, _FALSE):
            return self.byte() == 1 if in_list else kind == _TRUE
        if kind == _BYTE:
            return self.byte()
        if kind in (4, 5, 6):
            return self.integer()
        if kind == _STRUCT:
            return self.read(depth + 1)
        if kind in (_DOUBLE, _BINARY):
            size = 8 if kind == _DOUBLE else self.varint()
            self.at += size
            if self.at > len(self.data):
                raise IndexError
            return None
        if kind in (_LIST, _SET):
            count, inner = self.beginning()
            for _ in range(count):
                self.value(inner, depth + 1, True)
            return None
        if kind == _MAP and (count := self.varint()):
            byte = self.byte()
            for _ in range(count):
                self.value(byte >> 4, depth + 1, True), self.value(byte & 15, depth + 1, True)
            return None
        if kind == _MAP:
            return None
        raise ValueError("a struct is damaged")

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a struct is damaged")

    def integer(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)


# --- a sheet of an Excel workbook, .xlsx or .xlsm, by openpyxl, like the same sheet saved as CSV
#
# The visible sheet with a table is read, of several the one that is asked for. Its cells become the texts of a CSV
# file: a formula its value when the workbook was saved, a date 2024-12-31, a boolean TRUE or FALSE, a duration its
# seconds, and an error such as #DIV/0! a missing cell.
#
# A workbook is a zip archive of XML. A first pass over its parts estimates the memory without keeping anything.

MAX_ROWS = 1 << 20
"""Of a sheet; as many as in Excel."""
ROW_BYTES, ELEMENT_BYTES, OTHER_BYTES = 512, 128, 2048
"""openpyxl's memory per row, per element in a row or a text, and per other element."""
MAX_TAG, MAX_DEPTH = 1 << 20, 64
READ_BYTES = 1 << 16
TIMES_AS_LONG = 10
"""as many rows as any other table of a workbook has one that is read unasked"""
ERRORS = frozenset(("#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#GETTING_DATA"))
OLE_SIGNATURE = b"\xd0\xcf\x11\xe0"
"""The first bytes of Excel files before 2007, and of password-protected ones."""


def read_excel(path: PathLike, layout: TableLayout = AUTOMATIC) -> TableColumns:
    """Read a sheet of a workbook as columns by name, like `read_text_table` for CSV.

    Raises FormatError for damaged or too large files and without openpyxl, DataError if there is no table, or if there
    are several and the layout names none.
    """
    name = os.fspath(path)
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        raise FormatError(
            f"{name} is read by openpyxl, which is not installed; install chainrule[excel], or save the "
            "sheet as CSV."
        ) from error
    with open_regular(path) as file, warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", module="openpyxl"
        )  # about content that openpyxl drops: pictures, validation rules
        if file.read(4) == OLE_SIGNATURE:
            raise FormatError(
                f"{name} is password-protected or from Excel before 2007; save it as .xlsx without a "
                "password."
            )
        try:
            with zipfile.ZipFile(file) as archive:
                _check_memory(name, archive, os.fstat(file.fileno()).st_size)
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"] or book.worksheets
            if not sheets:
                raise DataError(f"{name} has no worksheet; put the table on its first sheet.")
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # the file's own may be wrong
            chosen = _chosen(name, sheets, book.worksheets, layout)
            header = find_header(name, _rows(name, chosen), layout)
            return columns_of(
                name, lambda: _of_width(name, _rows(name, chosen), header), header, layout.decimals
            )
        except (ChainruleError, MemoryError):
            raise
        except Exception as error:  # openpyxl documents no errors for damaged files
            raise FormatError(
                f"{name} is damaged or not an Excel workbook ({fault_of(error)}); save it again."
            ) from error


def _chosen(name: str, visible: list[Any], sheets: list[Any], layout: TableLayout) -> Any:
    """Return the sheet that a layout names, or the one with a table, and say which. visible: those to look for it."""
    if layout.sheet is not None:
        return _asked(name, visible, sheets, layout.sheet)
    usual = _find(visible, sheets, layout.usual_sheet)
    if usual is not None:
        return usual
    filled = [sheet for sheet in visible if next(_rows(name, sheet), None) is not None]
    if len(filled) < 2:
        return (filled or visible)[0]
    found = [sheet for sheet in filled if _is_table(name, sheet, layout, known=True)]
    found = found or [sheet for sheet in filled if _is_table(name, sheet, layout)] or filled[:1]
    if len(found) > 1:
        counts = [sum(1 for _ in _rows(name, sheet)) for sheet in found]
        second, most = sorted(counts)[-2:]
        if most < TIMES_AS_LONG * second:
            titles = ", ".join(repr(sheet.title) for sheet in found)
            raise DataError(f"{name} has tables in the sheets {titles}; name one as {option('sheet')}.")
        found = [found[counts.index(most)]]
    others = ", ".join(repr(sheet.title) for sheet in filled if sheet is not found[0])
    facts = {"name": name, "sheet": repr(found[0].title), "others": others}
    said = f"{name}: the sheet {found[0].title!r} is read, not {others}."
    hints.give(TableWarning(said, "sheet", **facts))
    return found[0]


def _asked(name: str, visible: list[Any], sheets: list[Any], asked: str | int) -> Any:
    """Return the sheet that a user names. Raises DataError if there is none."""
    if (found := _find(visible, sheets, asked)) is not None:
        return found
    titles = ", ".join(repr(sheet.title) for sheet in visible)
    raise DataError(f"{name} has no sheet {asked!r}, the value of {option('sheet')}; it has {titles}.")


def _find(visible: list[Any], sheets: list[Any], asked: str | int | None) -> Any:
    """Return a sheet by its name, or by its number among those that are visible; None if there is none."""
    for sheet in sheets:
        if sheet.title == asked:
            return sheet
    text = f"{asked}"
    is_number = text.isascii() and text.isdigit() and 0 < int(text) <= len(visible)
    return visible[int(text) - 1] if is_number else None


def _is_table(name: str, sheet: Any, layout: TableLayout, *, known: bool = False) -> bool:
    """Return whether a sheet has names of two columns or more and a row of as many; known: with those of a layout."""
    rows = list(islice(_rows(name, sheet), ROWS_LOOKED_AT))
    header = find_header(name, rows, layout._replace(header=None))
    if known and not (layout.names and set(layout.names) <= set(header.names)):
        return False
    return len(header.names) > 1 and any(sum(map(bool, cells)) > 1 for _, cells in rows[header.skip :])


def _rows(name: str, sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """Iterate over non-empty rows: number and cells, up to the last one that is not empty."""
    taken = 0
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        taken += len(row)
        if number > MAX_ROWS or taken > MAX_CELLS:
            raise DataError(
                f"{name} has cells beyond row {MAX_ROWS:,}, or more than {MAX_CELLS:,} cells; pass a part of "
                "it."
            )
        texts = list(map(_text, row))
        while texts and not texts[-1]:
            texts.pop()
        if texts:
            yield number, texts


def _of_width(
    name: str, rows: Iterator[tuple[int, list[str]]], header: Header
) -> Iterator[tuple[int, list[str]]]:
    """Iterate over rows, those of the table with as many cells as it has names."""
    width = len(header.names)
    for number, texts in rows:
        if number >= header.first and len(texts) > width:
            raise DataError(
                f"{name} has {texts[-1][:40]!r} in row {number}, column {len(texts)}, but names for {width} "
                f"columns{f' in row {header.line}' * (header.line > 0)}; name that column too, move other content to "
                f"another sheet, or give the row of the names as {option('header')}."
            )
        yield number, texts + [""] * (width - len(texts))


def _text(value: object) -> str:
    """Return a cell's value as a CSV file would have it."""
    if value is None or (isinstance(value, str) and value in ERRORS):
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        is_day = value.time() == datetime.time()
        return value.date().isoformat() if is_day else value.isoformat(" ")
    if isinstance(value, datetime.timedelta):
        return repr(value.total_seconds())
    return str(value).strip()


def _check_memory(name: str, archive: zipfile.ZipFile, packed: int) -> None:
    """Raise FormatError for an archive whose parts would take far more memory than its size."""
    parts = archive.infolist()
    unpacked = sum(part.file_size for part in parts)  # no more is ever unpacked
    check_bomb(name, unpacked, packed)
    for part in parts:
        if part.filename.lower().endswith((".xml", ".rels")):
            with archive.open(part) as stream:
                unpacked = _Counter(name, unpacked, packed).read(stream)


class _Counter:
    """Counts openpyxl's memory for XML elements, without keeping them."""

    def __init__(self, name: str, taken: int, packed: int) -> None:
        self.name, self.taken, self.packed = name, taken, packed
        self.inside = self.depth = 0
        """the depth at which a row or a text began, 0 outside; the current depth"""
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.StartDoctypeDeclHandler = self.declare

    def read(self, stream: IO[bytes]) -> int:
        """Read a part; return the memory counted up to its end."""
        fed = 0
        while piece := stream.read(READ_BYTES):
            self.parser.Parse(piece, False)
            fed += len(piece)
            if fed - max(0, self.parser.CurrentByteIndex) > MAX_TAG:  # expat buffers a tag until its end
                raise ValueError("a tag has over a million characters")
            check_bomb(self.name, self.taken, self.packed)
        self.parser.Parse(b"", True)
        return self.taken

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError("its elements are nested too deeply")
        kind = tag.rpartition(" ")[2]
        if not self.inside and kind in ("row", "si"):
            self.inside = self.depth
        self.taken += ROW_BYTES if kind == "row" else ELEMENT_BYTES if self.inside else OTHER_BYTES

    def end(self, tag: str) -> None:
        if self.inside == self.depth:
            self.inside = 0
        self.depth -= 1

    def declare(self, *_: Any) -> None:
        raise ValueError("it declares a document type, which workbooks do not")
