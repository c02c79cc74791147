"""Read arrays and texts of HDF5 files in the form that h5py, and so Keras, writes.

Each length is compared with the file, and what is read in all is bounded by its size: of a damaged file the HDF5
library itself may never return. Source: HDF5 File Format Specification 3.0, superblock 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89HDF\r\n\x1a\n"
READS = 4
"""The bytes that may be read, by those of the file: of a good one each is read about once."""
SPACE, TYPE, EXTERNAL, LAYOUT, FILTERS, ATTRIBUTE, CONTINUATION, GROUP = 1, 3, 7, 8, 11, 12, 16, 17
"""The kinds of messages in the header of an object."""
FLOATS = {
    bytes.fromhex(code): np.dtype(name)
    for name, code in {
        "<f2": "11200f00 02000000 00001000 0a05000a 0f000000",
        "<f4": "11201f00 04000000 00002000 17080017 7f000000",
        "<f8": "11203f00 08000000 00004000 340b0034 ff030000",
    }.items()
}
FIXED, VARIABLE = 3, 9
"""The classes of types of texts: with one length, and each with its own."""


class File:
    """An open file.  Whatever is wrong with it raises ValueError, and an item that it does not have KeyError."""

    def __init__(self, data: bytes) -> None:
        """Take the whole file."""
        self.data, self.left = data, READS * len(data)
        if not data.startswith(SIGNATURE) or data[8:9] + data[13:15] != b"\0\x08\x08":
            raise ValueError("no HDF5 file as h5py writes it")
        self.headers: dict[int, list[tuple[int, int]]] = {}
        self.groups: dict[int, dict[str, int]] = {}
        self.heaps: dict[int, dict[int, bytes]] = {}

    def cut(self, at: int, count: int) -> bytes:
        """Return some bytes."""
        self.left -= count
        if self.left < 0 or at + count > len(self.data):
            raise ValueError("a length in it is larger than the file")
        return self.data[at : at + count]

    def number(self, at: int, size: int = 8) -> int:
        """Return an integer."""
        return int.from_bytes(self.cut(at, size), "little")

    def signed(self, at: int, signature: bytes) -> int:
        """Return the place of a part that begins with a signature."""
        if self.cut(at, 4) != signature:
            raise ValueError(f"no {signature.decode()} is where it should be")
        return at

    def text(self, at: int, stop: int) -> str:
        """Return the text up to its zero."""
        end = self.data.find(b"\0", at, stop)
        return self.cut(at, max(0, end - at)).decode()

    def header(self, address: int) -> list[tuple[int, int]]:
        """Return the messages of an object: the kind of each, and where it is."""
        if address not in self.headers:
            self.headers[address] = list(self.messages(address))
        return self.headers[address]

    def messages(self, address: int) -> Iterator[tuple[int, int]]:
        """Iterate over the messages of an object, in all the blocks of its header."""
        if self.number(address, 1) != 1:
            raise ValueError("an object has a header of another version")
        blocks = [(address + 16, self.number(address + 8, 4))]
        for at, size in blocks:
            stop = at + size
            while at + 8 <= stop:
                kind, length, is_shared = (
                    self.number(at, 2),
                    self.number(at + 2, 2),
                    self.number(at + 4, 1) & 2,
                )
                if kind == CONTINUATION:
                    blocks.append((self.number(at + 8), self.number(at + 16)))
                elif not is_shared:
                    yield kind, at + 8
                at += 8 + length

    def item(self, *names: str) -> int:
        """Return the address of a group, or of a data set, by its names from the root on."""
        address = self.number(64)
        for name in names:
            address = self.links(address)[name]
        return address

    def links(self, address: int) -> dict[str, int]:
        """Return what a group has, by name; links to other places are left out."""
        if address not in self.groups:
            tables = [at for kind, at in self.header(address) if kind == GROUP]
            self.groups[address] = dict(self.entries(tables[0])) if tables else {}
        return self.groups[address]

    def entries(self, at: int) -> Iterator[tuple[str, int]]:
        """Iterate over the entries of a group's table, which is a tree."""
        waiting, heap = [self.number(at)], self.signed(self.number(at + 8), b"HEAP")
        names = self.number(heap + 24)
        stop = names + self.number(heap + 8)
        while waiting:
            node = waiting.pop()
            count = self.number(node + 6, 2)
            if self.cut(node, 4) == b"TREE":
                waiting += [self.number(node + 32 + 16 * k) for k in range(count)]
                continue
            for entry in range(self.signed(node, b"SNOD") + 8, node + 8 + 40 * count, 40):
                if self.number(entry + 16, 4) < 2:
                    yield self.text(names + self.number(entry), stop), self.number(entry + 8)

    def shape(self, at: int) -> tuple[int, ...]:
        """Return the lengths of an array."""
        first = at + (8 if self.number(at, 1) == 1 else 4)
        return tuple(self.number(first + 8 * k) for k in range(self.number(at + 1, 1)))

    def array(self, address: int) -> NDArray[np.floating[Any]] | None:
        """Return a data set; None unless it is all of plain floating-point numbers in the file, in one piece."""
        about = dict(self.header(address))
        if not {SPACE, TYPE, LAYOUT} <= set(about) or {EXTERNAL, FILTERS} & set(about):
            return None
        dtype, shape, at = FLOATS.get(self.cut(about[TYPE], 20)), self.shape(about[SPACE]), about[LAYOUT]
        kind = self.number(at, 2)
        if dtype is None or kind not in (0x003, 0x103):
            return None
        start, size = (
            (at + 4, self.number(at + 2, 2)) if kind == 3 else (self.number(at + 2), self.number(at + 10))
        )
        if size != math.prod(shape) * dtype.itemsize or start + size > len(self.data):
            return None
        return np.frombuffer(self.cut(start, size), dtype).reshape(shape)

    def texts(self, address: int, name: str) -> list[str] | None:
        """Return the texts of an attribute of an object; None without one."""
        for kind, at in self.header(address):
            if kind != ATTRIBUTE:
                continue
            version = self.number(at, 1)
            sizes = [self.number(at + k, 2) for k in (2, 4, 6)]
            begin = at + (9 if version == 3 else 8)
            if self.text(begin, begin + sizes[0]) != name:
                continue
            padded = [-(-size // 8) * 8 for size in sizes] if version == 1 else sizes
            of_type, of_shape, values = (begin + sum(padded[:k]) for k in (1, 2, 3))
            count, size = math.prod(self.shape(of_shape)), self.number(of_type + 4, 4)
            kind = self.number(of_type, 1) & 15
            if kind == FIXED and size:
                whole = self.cut(values, count * size)
                return [whole[k * size : (k + 1) * size].rstrip(b"\0").decode() for k in range(count)]
            if kind == VARIABLE and size == 16:
                self.cut(values, count * size)
                return [self.of_heap(values + 16 * k).decode() for k in range(count)]
        return None

    def of_heap(self, at: int) -> bytes:
        """Return a text of variable length, by the place that says where it is."""
        length, address, index = self.number(at, 4), self.number(at + 4), self.number(at + 12, 4)
        if address not in self.heaps:
            found, place = dict[int, bytes](), self.signed(address, b"GCOL") + 16
            while place + 16 <= address + self.number(address + 8) and (key := self.number(place, 2)):
                size = self.number(place + 8)
                found[key] = self.cut(place + 16, size)
                place += 16 + -(-size // 8) * 8
            self.heaps[address] = found
        text = self.heaps[address].get(index, b"")[:length]
        self.left -= length
        return text
