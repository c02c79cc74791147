"""An exactly shuffled copy of Parquet and Arrow files, with any columns and of any size.

Two passes, as in `chainrule.data.exact`: each row is written to a random bucket, then each bucket is shuffled.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.random import generator
from chainrule.core.settings import check_count
from chainrule.data.exact import MAX_BUCKETS, bucket_of_rows
from chainrule.datasets.column_files import ColumnFile, find_files, read_as
from chainrule.datasets.parquet_source import is_text
from chainrule.errors import ConfigError

BUCKET_BYTES = 1 << 28
FILE_ROWS = 1 << 23
"""The maximum number of rows per file of the copy."""


class ShuffledCopy(NamedTuple):
    """The result of `shuffled_copy`."""

    path: Path
    rows: int
    files: int
    row_groups: int
    seconds: float


def shuffled_copy(
    paths: object,
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    row_group_size: int = 1 << 17,
    progress: Callable[[float, str], Any] | None = None,
) -> ShuffledCopy:
    """Write the rows of files, in a uniformly random order, to Parquet files in a new folder.

    paths: as in `ParquetSource`.  seed: of the order.  progress(share, what) is called along the way.
    Uses memory for a quarter of a gigabyte of rows, or for 1/256 of them if that is more, and disk space at `out` for
    twice the rows. The folder appears when it is complete.
    View columns (string_view, binary_view) become large_string and large_binary.
    Raises ConfigError for a non-empty folder or too little disk space, and the errors of `ParquetSource` for files.
    """
    check_count(row_group_size, "row_group_size")
    start, out, tell = time.perf_counter(), Path(out), progress or (lambda share, what: None)
    files = find_files(paths)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} already exists; choose a new or empty folder.")
    out.parent.mkdir(parents=True, exist_ok=True)
    size = sum(map(_bytes_of, files))
    free = shutil.disk_usage(out.parent).free
    if 2 * size > free:
        raise ConfigError(
            f"a shuffled copy takes up to {2 * size >> 20:,} MB while it is written, but {out.parent} has "
            f"{free >> 20:,} MB free; choose a folder on another disk."
        )
    count = min(MAX_BUCKETS, max(1, -(-size // BUCKET_BYTES)))
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as folder:
        buckets, made = [Path(folder) / f"{k}" for k in range(count)], Path(folder) / "made"
        made.mkdir()
        schema = _without_views(files[0].schema)
        rows = _deal(files, schema, buckets, seed, tell)
        written = _write(buckets, made, schema, seed, row_group_size, rows, tell)
        if out.exists():
            out.rmdir()
        os.replace(made, out)
    return ShuffledCopy(out, rows, *written, time.perf_counter() - start)


def _bytes_of(file: ColumnFile) -> int:
    """Return the uncompressed size of a file's rows, if its footer states it."""
    if file.metadata is None:
        return file.bytes
    return sum(file.metadata.row_group(k).total_byte_size for k in range(file.metadata.num_row_groups))


def _without_views(schema: Any) -> Any:
    """Return a schema with large_string and large_binary for view columns, which PyArrow cannot take rows of."""
    import pyarrow as pa

    large = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    return pa.schema(
        [field.with_type(large.get(field.type, field.type)) for field in schema], schema.metadata
    )


def _deal(
    files: list[ColumnFile], schema: object, buckets: list[Path], seed: int, tell: Callable[[float, str], Any]
) -> int:
    """Write each row to its bucket; return the number of rows."""
    import pyarrow as pa

    total, done = sum(sum(file.sizes) for file in files), 0
    places = [(file, group) for file in files for group in range(len(file.sizes))]
    with ExitStack() as stack:
        writers = []
        for path in buckets:
            sink = stack.enter_context(pa.OSFile(str(path), "wb"))
            writers.append(stack.enter_context(pa.ipc.new_stream(sink, schema)))
        for number, (file, group) in enumerate(places):
            table = read_as(file, group, schema)
            drawn = bucket_of_rows(seed, 0, number, len(table), len(buckets))
            table = table.take(np.argsort(drawn, kind="stable")).combine_chunks()
            ends = np.cumsum(np.bincount(drawn, minlength=len(buckets))).tolist()
            for writer, begin, end in zip(writers, [0, *ends[:-1]], ends, strict=True):
                if end > begin:
                    writer.write_table(table.slice(begin, end - begin))
            done += len(table)
            tell(done / total / 2 if total else 0.5, file.path)
    return done


def _shuffled(buckets: list[Path], seed: int) -> Iterator[Any]:
    """Iterate over the buckets as shuffled tables, and delete their files."""
    import pyarrow as pa

    for k, path in enumerate(buckets):
        with pa.OSFile(str(path)) as file:
            table = pa.ipc.open_stream(file).read_all()
        path.unlink()
        yield table.take(generator(seed, "window", k).permutation(len(table)))


def _write(
    buckets: list[Path],
    folder: Path,
    schema: Any,
    seed: int,
    row_group_size: int,
    rows: int,
    tell: Callable[[float, str], Any],
) -> tuple[int, int]:
    """Write the buckets' rows to files of whole row groups, except the last; return the numbers of files and groups."""
    import pyarrow as pa
    from pyarrow import parquet

    texts = [name for name in schema.names if is_text(schema.field(name).type)]
    per_file = max(1, FILE_ROWS // row_group_size)
    writer: Any = None
    groups = done = 0

    def write(table: Any) -> None:
        nonlocal writer, groups, done
        if groups % per_file == 0:
            if writer is not None:
                writer.close()
            path = folder / f"part-{groups // per_file:05}.parquet"
            writer = parquet.ParquetWriter(path, schema, compression="lz4", use_dictionary=texts or False)
        writer.write_table(table, row_group_size=row_group_size)
        groups, done = groups + 1, done + len(table)
        tell(0.5 + (done / rows if rows else 1) / 2, "writing")

    kept = schema.empty_table()
    for table in _shuffled(buckets, seed):
        kept = pa.concat_tables([kept, table])
        whole = len(kept) // row_group_size * row_group_size
        for begin in range(0, whole, row_group_size):
            write(kept.slice(begin, row_group_size))
        kept = kept.slice(whole)
    if len(kept) or not groups:
        write(kept)
    writer.close()
    return -(-groups // per_file), groups
