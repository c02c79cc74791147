"""The texts of a column of a file as concatenated UTF-8: a short text takes 20 bytes, in Python 70."""

from __future__ import annotations

import operator
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets.numerals import read_numbers

MAX_DISTINCT = 1 << 16
"""The maximum number of distinct texts deduplicated over a whole column; beyond it, only within a chunk."""
MIN_DISTINCT = 1 << 10
"""The number of distinct texts that are deduplicated even if most rows differ."""


class TextColumn(Sequence[str | None]):
    """A sequence of texts, None for missing ones, with equal texts stored once where detected.

    Iteration decodes each stored text once; `take` decodes none.
    """

    __slots__ = ("codes", "data", "ends")

    def __init__(self, texts: Sequence[str], codes: NDArray[np.integer]) -> None:
        """Store texts. codes: (n,) the index of each row's text, -1 for a missing one."""
        self.data, lengths = _encoded(texts)
        kind = np.uint32 if len(self.data) < 1 << 32 else np.uint64
        self.ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(kind)
        self.codes = np.asarray(codes, np.int32)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.codes)

    @overload
    def __getitem__(self, row: int) -> str | None: ...
    @overload
    def __getitem__(self, row: slice) -> TextColumn: ...
    def __getitem__(self, row: int | slice) -> str | TextColumn | None:
        """Return the text of a row, or a slice of the column."""
        if isinstance(row, slice):
            return self.take(row)
        code = int(self.codes[operator.index(row)])
        if code < 0:
            return None
        return self.data[int(self.ends[code]) : int(self.ends[code + 1])].decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str | None]:
        """Iterate over the texts."""
        texts: list[str | None] = [*self.texts(), None]  # index -1
        return map(texts.__getitem__, self.codes.tolist())

    def __contains__(self, value: object) -> bool:
        """Return whether a row has this text, or for None, a missing one."""
        return bool((self.codes < 0).any()) if value is None else any(text == value for text in self)

    def __eq__(self, other: object) -> bool:
        """Return whether another sequence has equal texts."""
        return isinstance(other, (list, tuple, TextColumn)) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Return the first rows."""
        more = ", ..." if len(self) > 5 else ""
        return f"TextColumn([{', '.join(map(repr, self[:5]))}{more}], {len(self):,} rows)"

    def texts(self) -> list[str]:
        """Return the stored texts, some of which no row may have."""
        return _decoded(self.data, self.ends)

    def numbers(self, decimal: str) -> NDArray[np.float64]:
        """Return (n,) the numbers that the texts are with a decimal sign, NaN for missing ones."""
        return np.asarray(np.append(read_numbers(self.texts(), decimal), np.nan)[self.codes])

    def take(self, rows: Any) -> TextColumn:
        """Return rows by index, mask or slice; the texts are shared."""
        part = object.__new__(TextColumn)
        part.data, part.ends, part.codes = self.data, self.ends, self.codes[rows]
        return part

    of_rows = take


class WrittenNumbers(np.ndarray[tuple[int, ...], np.dtype[np.float64]]):
    """The numbers (n,) of a column that was written with a decimal sign."""

    decimal = ""
    """the sign with which they were read; "" of what is made of them"""
    texts: TextColumn | None = None
    """their texts, where these are other numbers with the other sign and only a guess decided"""

    def __new__(cls, values: NDArray[np.float64], decimal: str, texts: TextColumn | None = None) -> Self:
        """Take numbers, without a copy."""
        return values.view(cls)._with(decimal, texts)

    def _with(self, decimal: str, texts: TextColumn | None) -> Self:
        self.decimal, self.texts = decimal, texts
        return self

    def of_rows(self, rows: Any) -> Self:
        """Return rows by index, mask or slice, with their sign and their texts."""
        texts = None if self.texts is None else self.texts.take(rows)
        return type(self)(np.asarray(self)[rows], self.decimal, texts)


class TextsRead:
    """The cells of a column during reading."""

    def __init__(self) -> None:
        self.codes, self.data, self.lengths = array("i"), bytearray(), array("I")
        self.known: dict[str, int] | None = {}

    def add(self, cells: Sequence[str]) -> None:
        """Add cells, and store equal ones once."""
        texts = dict.fromkeys(cells)
        place = dict(zip(texts, range(len(texts)), strict=True))
        self.add_coded(list(texts), np.fromiter(map(place.__getitem__, cells), np.intc, len(cells)))

    def add_coded(self, texts: Sequence[str], codes: NDArray[np.integer]) -> None:
        """Add cells by their distinct texts and the index of each cell's text among them."""
        place: dict[str, int] = {} if self.known is None else self.known
        new = [text for text in texts if text not in place]
        place.update(zip(new, range(len(self.lengths), len(self.lengths) + len(new)), strict=True))
        data, lengths = _encoded(new)
        self.data += data
        self.lengths.extend(lengths)
        places = np.fromiter(map(place.__getitem__, texts), np.intc, len(texts))
        self.codes.frombytes(places[codes].tobytes())
        if self.known is not None and len(self.known) > min(
            MAX_DISTINCT, max(MIN_DISTINCT, len(self.codes) // 2)
        ):
            self.known = None

    def texts(self) -> list[str]:
        """Return the stored texts."""
        return _decoded(bytes(self.data), np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)]))


def _encoded(texts: Sequence[str]) -> tuple[bytes, list[int]]:
    """Encode texts as concatenated UTF-8; return it and the length of each text in bytes."""
    joined = "".join(texts)
    if joined.isascii():
        return joined.encode(), list(map(len, texts))
    each = [text.encode("utf-8", "surrogatepass") for text in texts]
    return b"".join(each), list(map(len, each))


def _decoded(data: bytes, ends: NDArray[Any]) -> list[str]:
    if data.isascii():
        text = data.decode()
        return [text[begin:end] for begin, end in pairwise(ends.tolist())]
    return [data[begin:end].decode("utf-8", "surrogatepass") for begin, end in pairwise(ends.tolist())]
