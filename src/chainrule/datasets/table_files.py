"""Read a table from a file: CSV by the standard library, plain or gzip, Parquet, Arrow, Feather and IPC by PyArrow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from chainrule.core.files import open_regular
from chainrule.datasets.idx import PathLike, refuse_bomb
from chainrule.datasets.text_tables import MAX_CELLS, read_text_table
from chainrule.errors import DataError, FormatError

TEXT = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather", ".ipc")
TABLES = (*TEXT, *PARQUET, *ARROW)
"""The endings of files that are tables; .txt is one only where a table is asked for."""


def read_table(path: PathLike) -> Any:
    """Read a table by the ending of its name: a dict of columns of a CSV file, a PyArrow table of others.

    Both are what `TablePreprocessor` takes.
    Raises FormatError for damaged files and other endings, DataError for a table without rows or columns.
    """
    name, ending = os.fspath(path), Path(path).suffix.lower()
    if name.lower().endswith((*TEXT, ".txt")):
        return read_text_table(path)
    if ending not in (*PARQUET, *ARROW):
        known = ", ".join(TABLES)
        raise FormatError(f"{name} has the ending {ending or 'of no kind'!r}; a table's is one of {known}.")
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        raise FormatError(
            f"{name} is read by PyArrow, which is not installed; install chainrule[tables], or save the table as CSV."
        ) from error
    with open_regular(path) as file:
        try:
            table = _parquet(file, name) if ending in PARQUET else _arrow(file, name)
        except (pa.ArrowException, OSError, ValueError) as error:
            if isinstance(error, (DataError, FormatError)):
                raise
            kind = "Parquet" if ending in PARQUET else "Arrow"
            said = " ".join(str(error).split())[:120]
            raise FormatError(f"{name} is damaged or no {kind} file ({said}); write it anew.") from error
    if not table.num_rows or not table.num_columns:
        raise DataError(
            f"{name} has {table.num_rows} rows and {table.num_columns} columns; it needs one of each."
        )
    return table


def _parquet(file: Any, name: str) -> Any:
    from pyarrow import parquet

    opened = parquet.ParquetFile(file)
    found = opened.metadata
    _check_size(name, found.num_rows, found.num_columns)
    unpacked = sum(found.row_group(k).total_byte_size for k in range(found.num_row_groups))
    refuse_bomb(name, unpacked, os.fstat(file.fileno()).st_size)
    return opened.read()


def _arrow(file: Any, name: str) -> Any:
    import pyarrow as pa

    start = file.read(6)
    file.seek(0)
    if start[:4] == b"FEA1":
        raise FormatError(f"{name} is a Feather file of version 1; write it anew as version 2 or as Parquet.")
    opened = pa.ipc.open_file(file) if start == b"ARROW1" else pa.ipc.open_stream(file)
    batches = opened
    if start == b"ARROW1":
        batches = (opened.get_batch(k) for k in range(opened.num_record_batches))
    kept, rows, unpacked, packed = [], 0, 0, os.fstat(file.fileno()).st_size
    for batch in batches:  # one after the other: the head does not say how large they are
        kept.append(batch)
        rows, unpacked = rows + batch.num_rows, unpacked + batch.nbytes
        _check_size(name, rows, batch.num_columns)
        refuse_bomb(name, unpacked, packed)
    return pa.Table.from_batches(kept, opened.schema)


def _check_size(name: str, rows: int, columns: int) -> None:
    if rows * columns > MAX_CELLS:
        raise DataError(
            f"{name} has {rows:,} rows of {columns:,} columns, and at most {MAX_CELLS:,} cells are read; give a part."
        )
