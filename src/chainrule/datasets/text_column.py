"""The texts of a column of a file, as UTF-8 one after the other: a short text takes 20 bytes, in Python 70."""

from __future__ import annotations

import operator
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

MOST_KNOWN = 1 << 16
"""The most texts of a column that are told apart while it is read; of more, those that are read together are."""
FEW = 1 << 10
"""So many texts are told apart even where most rows have another."""


class TextColumn(Sequence[str | None]):
    """A sequence of texts, None for missing ones. Texts that were noticed to be equal are stored once.

    Iterating makes each stored text once; `take` makes none.
    """

    __slots__ = ("codes", "data", "ends")

    def __init__(self, texts: Sequence[str], codes: NDArray[np.integer]) -> None:
        """Store texts. codes: (n,) the place of each row's among them, -1 for a missing one."""
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
        """Return the text of a row, or some rows."""
        if isinstance(row, slice):
            return self.take(row)
        code = int(self.codes[operator.index(row)])
        if code < 0:
            return None
        return self.data[int(self.ends[code]) : int(self.ends[code + 1])].decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str | None]:
        """Iterate over the texts."""
        texts: list[str | None] = [*_decoded(self.data, self.ends), None]  # which is that of -1
        return map(texts.__getitem__, self.codes.tolist())

    def __contains__(self, value: object) -> bool:
        """Return whether a row has a text, or with None whether one is missing."""
        return bool((self.codes < 0).any()) if value is None else any(text == value for text in self)

    def __eq__(self, other: object) -> bool:
        """Return whether another sequence has the same texts."""
        return isinstance(other, (list, tuple, TextColumn)) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Show the first rows."""
        more = ", ..." if len(self) > 5 else ""
        return f"TextColumn([{', '.join(map(repr, self[:5]))}{more}], {len(self):,} rows)"

    def take(self, rows: Any) -> TextColumn:
        """Return some rows, by their numbers, a mask or a slice; the texts are shared."""
        made = object.__new__(TextColumn)
        made.data, made.ends, made.codes = self.data, self.ends, self.codes[rows]
        return made


class TextsRead:
    """The cells of a column while they are read."""

    def __init__(self) -> None:
        self.codes, self.data, self.lengths = array("i"), bytearray(), array("I")
        self.known: dict[str, int] | None = {}

    def add(self, cells: Sequence[str]) -> None:
        """Add cells, of which equal ones are stored once."""
        place: dict[str, int] = {} if self.known is None else self.known
        new = [cell for cell in dict.fromkeys(cells) if cell not in place]
        place.update(zip(new, range(len(self.lengths), len(self.lengths) + len(new)), strict=True))
        data, lengths = _encoded(new)
        self.data += data
        self.lengths.extend(lengths)
        self.codes.extend(map(place.__getitem__, cells))
        if self.known is not None and len(self.known) > min(MOST_KNOWN, max(FEW, len(self.codes) // 2)):
            self.known = None

    def texts(self) -> list[str]:
        """Return the texts that are stored."""
        return _decoded(bytes(self.data), np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)]))


def _encoded(texts: Sequence[str]) -> tuple[bytes, list[int]]:
    """Return texts as UTF-8 one after the other, and the bytes of each."""
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
