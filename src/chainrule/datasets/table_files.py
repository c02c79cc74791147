"""Read a table from a file: CSV by the standard library, Parquet, Arrow and Feather by PyArrow, Excel by openpyxl."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from chainrule.core.files import open_regular
from chainrule.datasets.arrow_messages import SIGNATURE, messages
from chainrule.datasets.cells import MAX_CELLS
from chainrule.datasets.excel import read_excel
from chainrule.datasets.headers import TableLayout
from chainrule.datasets.idx import PathLike, check_bomb, is_bomb
from chainrule.datasets.numerals import Decimals
from chainrule.datasets.parquet_pages import NO_DICTIONARY, chunks, pages, width_of
from chainrule.datasets.text_tables import read_text_table
from chainrule.errors import ConfigError, DataError, FormatError, fault_of, option

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
    for message in messages(file):
        unpacked += message.unpacked
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
