"""How many bytes the messages of an Arrow file hold when they are unpacked, read from their heads alone.

    message:      4 bytes of ones (not before version 0.15), 4 of the head's length, the head, the body
    head:         a FlatBuffer of Message: version, type, RecordBatch or DictionaryBatch, length of the body
    RecordBatch:  rows, nodes, buffers of the body as (offset, length), compression
    a buffer that is compressed begins with 8 bytes, its length when it is unpacked, or -1 if it is not

    footer:       a FlatBuffer of Footer: version, schema, dictionaries, record batches, each as (offset, head, body)

A file ends with a footer, its length in 4 bytes and the signature that it begins with; a stream has neither.
Source: Apache Arrow, "Arrow Columnar Format", sections "Serialization and Interprocess Communication" and "Record Batch
compression".
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

SIGNATURE = b"ARROW1"
MAX_HEAD_BYTES = 64 << 20
CONTINUED = 0xFFFFFFFF
DICTIONARY, BATCH = 2, 3
"""Types of messages whose body is unpacked."""


class ArrowMessage(NamedTuple):
    """What a message says of itself."""

    is_batch: bool
    """whether it is a record batch, and no dictionary"""
    unpacked: int
    """the bytes of its buffers when they are unpacked"""


def messages(file: BinaryIO) -> Iterator[ArrowMessage]:
    """Iterate over the batches and dictionaries of a file, or of a stream. Raises ValueError for what is neither."""
    size = os.fstat(file.fileno()).st_size
    try:
        file.seek(0)
        places = _blocks(file, size) if file.read(6) == SIGNATURE else None
        if places is not None:
            for at in places:
                message, _ = _message(file, at, size)
                if message is None:
                    raise ValueError(f"its footer says that a batch lies at byte {at}, and there is none")
                yield message
            return
        at = 0
        while _length(file, at, size)[0]:
            message, at = _message(file, at, size)
            if message is not None:
                yield message
    except (struct.error, OSError, OverflowError) as error:
        raise ValueError(f"its messages are cut off or damaged: {error}") from error


def _blocks(file: BinaryIO, size: int) -> list[int]:
    """Return the bytes at which the dictionaries and the record batches of a file begin, as its footer says."""
    file.seek(size - 10)
    length, signature = struct.unpack("<i6s", file.read(10))
    if signature != SIGNATURE or not 0 < length <= min(MAX_HEAD_BYTES, size - 16):
        raise ValueError("it has no footer")
    file.seek(size - 10 - length)
    data = file.read(length)
    footer = _Table(data, struct.unpack_from("<I", data)[0])
    return [at for field in (2, 3) for at, _, _ in footer.structs(field, "<qi4xq")]


def _length(file: BinaryIO, at: int, size: int) -> tuple[int, int]:
    """Return the length of the head of the message at a byte, 0 at the end of a stream, and where the head begins."""
    file.seek(at)
    start = file.read(8)
    if len(start) < 4:
        return 0, at
    (length,) = struct.unpack_from("<I", start)
    begin = at + 4
    if length == CONTINUED:
        (length,), begin = struct.unpack_from("<I", start, 4), at + 8
    if length > min(MAX_HEAD_BYTES, size):
        raise ValueError(f"the message at byte {at} has a head of {length:,} bytes")
    return length, begin


def _message(file: BinaryIO, at: int, size: int) -> tuple[ArrowMessage | None, int]:
    """Return what the message at a byte says of itself, None for one of another kind, and the byte after it."""
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
    return ArrowMessage(kind == BATCH, _unpacked(file, batch, body, of_body)), body + of_body


def _unpacked(file: BinaryIO, batch: _Table, body: int, size: int) -> int:
    """Return the bytes of the buffers of a record batch when they are unpacked."""
    is_packed, total = batch.place(3) > 0, 0
    for offset, length in batch.structs(2, "<qq"):
        if not (0 <= offset <= size and 0 <= length <= size - offset):
            raise ValueError("a buffer lies outside of its message")
        if is_packed and length >= 8:
            file.seek(body + offset)
            (said,) = struct.unpack("<q", file.read(8))
            length = max(length, said)
        total += length
    return total


class _Table:
    """A table of a FlatBuffer: at `at` how far before it the places of its fields stand, each 2 bytes."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at
        self.fields = at - self._read("i", at)
        self.size = self._read("H", self.fields)

    def place(self, field: int) -> int:
        """Return where a field lies; 0 for one that is left out."""
        inside = 4 + 2 * field
        found = self._read("H", self.fields + inside) if inside + 2 <= self.size else 0
        return self.at + found if found else 0

    def number(self, field: int, kind: str) -> int:
        """Return a number, by its format of struct; 0 for one that is left out."""
        place = self.place(field)
        return self._read(kind, place) if place else 0

    def table(self, field: int) -> _Table:
        """Return a table within it. Raises ValueError where there is none."""
        place = self.place(field)
        if not place:
            raise ValueError("a message lacks its batch")
        return _Table(self.data, place + self._read("I", place))

    def structs(self, field: int, kind: str) -> Iterator[tuple[int, ...]]:
        """Iterate over a vector of structs, by their format of struct."""
        place = self.place(field)
        if place:
            place += self._read("I", place)
            end = place + 4 + struct.calcsize(kind) * self._read("I", place)
            if end > len(self.data):
                raise ValueError("a list is longer than what holds it")
            yield from struct.iter_unpack(kind, self.data[place + 4 : end])

    def _read(self, kind: str, at: int) -> int:
        if at < 0:
            raise ValueError("a message points outside of its head")
        found: int = struct.unpack_from(f"<{kind}", self.data, at)[0]
        return found
