"""The unpacked size of the messages of an Arrow file, read from their headers only.

    message:      4 bytes of ones (not before version 0.15), 4 of the header's length, the header, the body
    header:       a FlatBuffer of Message: version, type, RecordBatch or DictionaryBatch, length of the body
    RecordBatch:  rows, nodes, buffers of the body as (offset, length), compression
    a compressed buffer starts with its unpacked length in 8 bytes, or -1 if it is not compressed

    footer:       a FlatBuffer of Footer: version, schema, dictionaries, record batches, each as (offset, header, body)

A file ends with a footer, the footer's length in 4 bytes and the signature that also starts it; a stream has neither.
Source: Apache Arrow, "Arrow Columnar Format", sections "Serialization and Interprocess Communication" and "Record Batch
compression".
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

SIGNATURE = b"ARROW1"
MAX_HEADER_BYTES = 64 << 20
CONTINUED = 0xFFFFFFFF
DICTIONARY, BATCH = 2, 3
"""Types of messages with a body to unpack."""


def unpacked_sizes(file: BinaryIO) -> Iterator[int]:
    """Iterate over the batches and dictionaries of a file or a stream: the total size of the buffers of each.

    Raises ValueError for anything else.
    """
    size = file.seek(0, os.SEEK_END)
    try:
        file.seek(0)
        places = _blocks(file, size) if file.read(6) == SIGNATURE else None
        if places is not None:
            for at in places:
                unpacked, _ = _message(file, at, size)
                if unpacked is None:
                    raise ValueError(f"its footer lists a batch at byte {at}, where there is none")
                yield unpacked
            return
        at = 0
        while _length(file, at, size)[0]:
            unpacked, at = _message(file, at, size)
            if unpacked is not None:
                yield unpacked
    except (struct.error, OSError, OverflowError) as error:
        raise ValueError(f"its messages are truncated or damaged: {error}") from error


def _blocks(file: BinaryIO, size: int) -> list[int]:
    """Return the start bytes of a file's dictionaries and record batches, from its footer."""
    file.seek(size - 10)
    length, signature = struct.unpack("<i6s", file.read(10))
    if signature != SIGNATURE or not 0 < length <= min(MAX_HEADER_BYTES, size - 16):
        raise ValueError("it has no footer")
    file.seek(size - 10 - length)
    data = file.read(length)
    footer = _Table(data, struct.unpack_from("<I", data)[0])
    return [at for field in (2, 3) for at, _, _ in footer.structs(field, "<qi4xq")]


def _length(file: BinaryIO, at: int, size: int) -> tuple[int, int]:
    """Return the length of the header of the message at a byte (0 at the end of a stream), and the header's start."""
    file.seek(at)
    start = file.read(8)
    if len(start) < 4:
        return 0, at
    (length,) = struct.unpack_from("<I", start)
    begin = at + 4
    if length == CONTINUED:
        (length,), begin = struct.unpack_from("<I", start, 4), at + 8
    if length > min(MAX_HEADER_BYTES, size):
        raise ValueError(f"the message at byte {at} has a header of {length:,} bytes")
    return length, begin


def _message(file: BinaryIO, at: int, size: int) -> tuple[int | None, int]:
    """Return the unpacked size of the message at a byte (None for other kinds of messages), and the byte after it."""
    length, begin = _length(file, at, size)
    file.seek(begin)
    head, body = file.read(length), begin + length
    message = _Table(head, struct.unpack_from("<I", head)[0])
    kind, of_body = message.number(1, "B"), message.number(3, "q")
    if not 0 <= of_body <= size - body:
        raise ValueError(f"the message at byte {at} has a body of {of_body:,} bytes")
    if kind not in (DICTIONARY, BATCH):
        return None, body + of_body
    found = message.table(2)
    batch = found if kind == BATCH else found.table(1)
    return _unpacked(file, batch, body, of_body), body + of_body


def _unpacked(file: BinaryIO, batch: _Table, body: int, size: int) -> int:
    """Return the unpacked size of a record batch's buffers."""
    is_packed, total = batch.place(3) > 0, 0
    for offset, length in batch.structs(2, "<qq"):
        if not (0 <= offset <= size and 0 <= length <= size - offset):
            raise ValueError("a buffer is outside its message")
        if is_packed and length >= 8:
            file.seek(body + offset)
            (said,) = struct.unpack("<q", file.read(8))
            length = max(length, said)
        total += length
    return total


class _Table:
    """A table of a FlatBuffer at `at`, which starts with the distance back to the 2-byte offsets of its fields."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at
        self.fields = at - self._read("i", at)
        self.size = self._read("H", self.fields)

    def place(self, field: int) -> int:
        """Return the position of a field; 0 if absent."""
        inside = 4 + 2 * field
        offset = self._read("H", self.fields + inside) if inside + 2 <= self.size else 0
        return self.at + offset if offset else 0

    def number(self, field: int, kind: str) -> int:
        """Return a number in a struct format; 0 if absent."""
        place = self.place(field)
        return self._read(kind, place) if place else 0

    def table(self, field: int) -> _Table:
        """Return a nested table. Raises ValueError if absent."""
        place = self.place(field)
        if not place:
            raise ValueError("a message lacks its batch")
        return _Table(self.data, place + self._read("I", place))

    def structs(self, field: int, kind: str) -> Iterator[tuple[int, ...]]:
        """Iterate over a vector of structs in a struct format."""
        place = self.place(field)
        if place:
            place += self._read("I", place)
            end = place + 4 + struct.calcsize(kind) * self._read("I", place)
            if end > len(self.data):
                raise ValueError("a list exceeds the header")
            yield from struct.iter_unpack(kind, self.data[place + 4 : end])

    def _read(self, kind: str, at: int) -> int:
        if at < 0:
            raise ValueError("a message points outside its header")
        value: int = struct.unpack_from(f"<{kind}", self.data, at)[0]
        return value
