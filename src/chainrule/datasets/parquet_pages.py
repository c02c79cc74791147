"""The unpacked size of the pages of a Parquet file, read from the header of each page.

    footer:       a struct, its length in 4 bytes, the signature; field 4: row groups, in these 1: column chunks, in
    these               3: metadata: 5: values, 9: byte of the first data page, 11: byte of the dictionary column chunk:
    an optional dictionary page, then data pages, with the number of values in the footer page:         a header (a
    struct in Thrift's compact protocol), then the packed page header:       1: type    2: unpacked bytes    3: packed
    bytes    5, 7, 8: data page, dictionary, data page of               version 2, with 1: values, 2 (4 in version 2):
    encoding

The footer's sizes are unverified claims of the file's writer; unpacking goes by the page headers.
Source: Apache Parquet, "parquet.thrift" and "Encodings"; Apache Thrift, "Thrift compact protocol encoding".
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

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
