"""Parquet and Arrow files read in row groups: local paths, folders, patterns, and URLs supported by fsspec."""

from __future__ import annotations

import glob
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from chainrule.core.files import check_regular
from chainrule.datasets.table_files import ARROW, PARQUET
from chainrule.errors import ConfigError, DataError, FormatError, fault_of

ENDINGS = (*PARQUET, *ARROW)


@dataclass(frozen=True)
class ColumnFile:
    """A file readable group by group: row groups of Parquet, record batches of Arrow."""

    path: str
    system: Any
    """the fsspec file system; None for a local file"""
    sizes: tuple[int, ...]
    """the number of rows per group"""
    schema: Any
    """the PyArrow schema"""
    bytes: int
    checksum: int
    """of its length and its end: the footer of Parquet, which locates all data; 4 KB of Arrow"""
    metadata: Any = None
    """the footer of a Parquet file, cached"""
    end: int = 0
    """the number of bytes at the end that the checksum covers"""
    stamp: tuple[int, int] | None = None
    """the inode of a local file, and its modification time in ns"""

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the stamp: on another machine, a copy is identified by its length and its end."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"stamp": None}

    @property
    def is_parquet(self) -> bool:
        """Whether it is a Parquet file."""
        return self.path.lower().endswith(PARQUET)

    def where(self, group: int) -> str:
        """Return the name of a group for errors."""
        return f"{'row group' if self.is_parquet else 'record batch'} {group} of {self.path}"

    def read(self, group: int, columns: Sequence[str]) -> Any:
        """Read columns of a group as a PyArrow table. Raises FormatError with the file, group and column.

        The error names no column if each can be read on its own. Raises DataError for a file that has changed.
        """
        try:
            return self._read(group, columns)
        except (MemoryError, DataError):  # not about the file, or already complete
            raise
        except Exception as error:  # from Arrow, the system, or a server's client
            for name in columns if len(columns) > 1 else ():
                self.read(group, [name])  # the first failing column raises
            which = f", column {columns[0]!r}," if len(columns) == 1 else ""
            raise FormatError(
                f"{self.where(group)}{which} cannot be read ({fault_of(error)}); check that the file is complete and "
                "reachable."
            ) from error

    def _read(self, group: int, columns: Sequence[str]) -> Any:
        import pyarrow as pa
        from pyarrow import parquet

        with opened(self.path, self.system) as file:
            self._check_same(file)
            if self.is_parquet:
                found = parquet.ParquetFile(file, metadata=self.metadata).read_row_group(
                    group, columns=list(columns)
                )
            else:
                fields = [self.schema.get_field_index(name) for name in columns]
                batch = pa.ipc.open_file(file, options=only(fields)).get_batch(group)
                found = pa.Table.from_batches([batch]).select(list(columns))
            if self.stamp is not None:  # for a URL it would cost one more request
                self._check_same(file)
            return found

    def _check_same(self, file: Any) -> None:
        """Check that an open file is still the one whose footer was read. Raises DataError.

        A local file is identified by inode and modification time, and if these are inconclusive by length and end.
        """
        stamp, size = stamp_of(file), file.size()
        is_same = size == self.bytes and (stamp is None or self.stamp is None or stamp[1] == self.stamp[1])
        if is_same and (stamp is None or stamp != self.stamp):  # some file systems change inode numbers
            is_same = checksum_of_end(file, self.end) == self.checksum
        if not is_same:
            raise DataError(
                f"{self.path} was replaced or changed while in use; create the source again, and write new "
                "data under another name."
            )


def opened(path: str, system: Any) -> Any:
    """Open a file for reading by Arrow: local ones with system calls, without Python in between."""
    import pyarrow as pa

    return pa.OSFile(path) if system is None else pa.PythonFile(system.open(path, "rb"), mode="r")


def stamp_of(file: Any) -> tuple[int, int] | None:
    """Return the inode and modification time of an open local file; None for a URL."""
    try:
        status = os.fstat(file.fileno())
    except OSError:  # a Python file object has no descriptor
        return None
    return status.st_ino, status.st_mtime_ns


def checksum_of_end(file: Any, end: int) -> int:
    """Return a checksum of an open file's length and its last `end` bytes."""
    size = file.size()
    file.seek(max(0, size - end))
    crc = zlib.crc32(file.read(), zlib.crc32(f"{size}".encode()))
    file.seek(0)
    return crc


def only(fields: list[int]) -> Any:
    """Return PyArrow's options to read only these columns of an Arrow file; all for an empty list."""
    import pyarrow as pa

    return pa.ipc.IpcReadOptions(included_fields=fields or None)


def look_into(path: str, system: object) -> ColumnFile:
    """Read a file's columns and groups. Raises FormatError for a damaged file.

    For an Arrow file, which does not store the number of rows of its record batches, the first column is read.
    """
    import pyarrow as pa
    from pyarrow import parquet

    kind = "Parquet" if path.lower().endswith(PARQUET) else "Arrow"
    try:
        if system is None:
            check_regular(path)
        with opened(path, system) as file:
            size, stamp = file.size(), stamp_of(file)
            if kind == "Parquet":
                found = parquet.ParquetFile(file)
                footer, metadata = found.metadata.serialized_size + 8, found.metadata
                sizes = [metadata.row_group(k).num_rows for k in range(metadata.num_row_groups)]
                schema = found.schema_arrow
            else:
                schema, metadata, footer = pa.ipc.open_file(file).schema, None, 1 << 12
                reader = pa.ipc.open_file(file, options=only([0] if schema.names else []))
                sizes = [reader.get_batch(k).num_rows for k in range(reader.num_record_batches)]
            crc = checksum_of_end(file, footer)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; pass an existing file or folder.") from error
    except (MemoryError, FormatError):
        raise
    except Exception as error:
        raise FormatError(
            f"{path} is damaged or not a valid {kind} file ({fault_of(error)}); write it again."
        ) from error
    twice = next((name for name, count in Counter(schema.names).items() if count > 1), None)
    if twice is not None:
        raise DataError(f"{path} has two columns named {twice[:60]!r}; rename one of them.")
    return ColumnFile(path, system, tuple(sizes), schema, size, crc, metadata, footer, stamp)


def find_files(paths: object) -> list[ColumnFile]:
    """Return the files of paths, each a file, a folder of files, a pattern (part-*.parquet) or a URL.

    Files of a folder or a pattern are sorted by name. Raises DataError if there are none.
    """
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            "Parquet and Arrow files are read by PyArrow, which is not installed; install chainrule[data]."
        ) from error
    is_one = isinstance(paths, (str, os.PathLike))
    many: list[Any] = [paths] if is_one else list(paths) if isinstance(paths, Iterable) else []
    if not many or not all(isinstance(each, (str, os.PathLike)) for each in many):
        raise ConfigError(f"paths must be a path or a list of paths, not {paths!r}.")
    found: list[tuple[str, Any]] = []
    for each in (os.fspath(one) for one in many):
        here = _remote(each) if "://" in each else _local(each)
        if not here:
            raise DataError(
                f"{each} has no file with the ending {', '.join(ENDINGS)}; pass a file or folder of these."
            )
        found += here
    return [look_into(*each) for each in found]


def _local(path: str) -> list[tuple[str, Any]]:
    if os.path.isdir(path):
        names = (str(each) for each in Path(path).rglob("*") if each.is_file())
        return [
            (name, None)
            for name in sorted(names)
            if name.lower().endswith(ENDINGS) and not _is_hidden(name, path)
        ]
    if glob.has_magic(path) and not os.path.exists(path):
        return [pair for name in sorted(glob.glob(path, recursive=True)) for pair in _local(name)]
    if os.path.exists(path) and not path.lower().endswith(ENDINGS):
        return []
    return [(path, None)]


def _is_hidden(name: str, folder: str) -> bool:
    """Return whether a part of a path below the folder begins with a dot or an underscore, like unfinished files."""
    return any(part.startswith((".", "_")) for part in Path(name).relative_to(folder).parts)


def _remote(url: str) -> list[tuple[str, Any]]:
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{url} is opened by fsspec, which is not installed; install chainrule[data] and the fsspec "
            "backend for it."
        ) from error
    try:
        system, path = url_to_fs(url)
        is_pattern = glob.has_magic(path)
        is_folder = not is_pattern and system.isdir(path)
        names = system.glob(path) if is_pattern else system.find(path) if is_folder else [path]
    except Exception as error:
        raise DataError(f"{url} cannot be reached ({fault_of(error)}); check the address.") from error
    return [
        (name, system)
        for name in sorted(names)
        if name.lower().endswith(ENDINGS) and not (is_folder and _is_hidden(name, path))
    ]


def read_as(file: ColumnFile, group: int, schema: Any) -> Any:
    """Read a group with the columns and types of the first file. Raises DataError if it has others."""
    lacking = [name for name in schema.names if name not in file.schema.names]
    if lacking:
        raise DataError(
            f"{file.path} lacks the column {lacking[0]!r} of the first file; write all files with the same "
            "columns."
        )
    table = file.read(group, schema.names)
    try:
        return table.cast(schema)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise DataError(
            f"{file.where(group)} does not match the columns of the first file ({fault_of(error)})."
        ) from error


def paths_of(text: str) -> list[str]:
    """Split a text into paths at commas, unless it is an existing path."""
    return text.split(",") if "," in text and not os.path.exists(text) else [text]


def are_many(text: str) -> bool:
    """Return whether a text names more than one local columnar file, which a run then reads in pieces."""
    paths = paths_of(text)
    if len(paths) > 1 or "://" in text:
        return all(path.lower().endswith(ENDINGS) or "://" in path for path in paths)
    if os.path.isdir(text):
        return any(path.suffix.lower() in ENDINGS for path in Path(text).rglob("*"))
    return glob.has_magic(text) and not os.path.exists(text) and text.lower().endswith(ENDINGS)


def source_of(text: str) -> str:
    """Return the same paths, those of files absolute."""
    return ",".join(path if "://" in path else os.path.abspath(path) for path in paths_of(text))
