"""Sources: what a run is fed from where its rows need not lie in memory all at once.

    model.fit(ParquetSource("train/", target="price"), validation_data=ParquetSource("held_out/", target="price"))

A source gives its rows in blocks (row groups of a file, batches of an iterable). `chainrule.data.stream` checks them
for a network and puts them into the order of an epoch, which is a function of the seed, the epoch and the sizes of the
blocks.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import check_choice, check_count
from chainrule.data.checks import as_array
from chainrule.data.samples import checksum
from chainrule.errors import ConfigError, DataError, ShapeError

WINDOW = 1 << 16
"""The rows that are shuffled together unless another number is asked for."""
SHUFFLES = {"blocks": None, "exact": None}


class SourceBlock(NamedTuple):
    """Some rows of a source, as they are stored."""

    X: Any
    """(n, features) array or CSR matrix"""
    y: Any
    """(n,) or (n, outputs)"""
    weight: Any = None
    """(n,) weights of the rows; None for 1 each"""


RowFunction: TypeAlias = Callable[[SourceBlock, int, int, NDArray[np.int64]], SourceBlock]


class Source:
    """Rows in blocks that can be read again. A subclass defines `sizes` and `read`, or `sizes` as None and `__iter__`.

    shuffle: the order that `fit(shuffle=True)` draws for each epoch. "blocks": the blocks in a random order, and the
        rows of as many blocks as have `window` rows together shuffled among themselves. It reads each block once, and
        is as good as an exact shuffle where a window is like the whole; not where the rows are sorted, by label or
        date. "exact": every order of all rows equally likely, by one more pass of writing and reading in each epoch
        (`chainrule.data.exact`).
    window: the rows that are shuffled together, at least. Of the rows of a source, a run keeps those of three windows
        in memory at a time (in use, ready, being read); and, while a window is put together, its blocks once more.
    """

    feature_names: tuple[str, ...] | None = None
    """the names of the columns of X; None without names"""
    target_name: str | None = None
    """the name of y; None without a name"""
    functions: tuple[RowFunction, ...] = ()
    """what `map` added"""
    folder: str | None = None
    """where "exact" keeps the rows of an epoch; None for the system's folder of temporary files"""
    is_gathered: ClassVar[bool] = False
    """whether rows can be taken one by one (`gather`), so that no order costs more than another"""

    def __init__(self, *, shuffle: str = "blocks", window: int = WINDOW) -> None:
        """Check the settings."""
        check_choice(shuffle, SHUFFLES, "shuffle")
        self.shuffle, self.window = shuffle, check_count(window, "window")

    @property
    def sizes(self) -> NDArray[np.int64] | None:
        """The number of rows of each block; None if it is known only when all are read."""
        raise NotImplementedError

    def read(self, block: int) -> SourceBlock:
        """Read a block. Raises FormatError or DataError that says where the fault is."""
        raise NotImplementedError

    def gather(self, rows: NDArray[np.int64]) -> SourceBlock:
        """Read rows by their numbers, in this order."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[SourceBlock]:
        """Iterate over all blocks as they are stored."""
        return map(self.read, range(len(self.sizes if self.sizes is not None else ())))

    def where(self, block: int) -> str:
        """Return the name of a block in an error."""
        return f"block {block} of the source"

    def fingerprint(self) -> int | None:
        """Return a checksum that differs for other data, found without reading all; None if there is none."""
        return None

    def map(self, function: RowFunction) -> Self:
        """Return a source whose blocks are what function(block, seed, epoch, numbers) makes of this one's.

        numbers: (n,) the numbers of the rows in the source. A function that draws must draw by the seed, the epoch and
        these numbers alone, so that a resumed run sees the same rows; it returns as many rows, and changes no argument.
        What is measured before training and what validates is seen as in epoch 0.
        """
        if not callable(function):
            raise ConfigError(
                f"function must be callable as f(block, seed, epoch, numbers), not {function!r}."
            )
        made = copy.copy(self)
        made.functions = (*self.functions, function)
        return made


class ArraySource(Source):
    """Arrays as a source: `fit(ArraySource(X, y))` is `fit(X, y)`, to the bit. Memory maps and CSR matrices stay so.

    The order of an epoch is that of arrays: all rows are permuted.  X, y, weight: as in `Model.fit`.
    Raises ShapeError unless all have the same number of rows.
    """

    is_gathered = True

    def __init__(self, X: Any, y: Any, weight: Any = None, *, window: int = WINDOW) -> None:
        """Keep the arrays; values are checked when they are used."""
        super().__init__(shuffle="exact", window=window)
        names = {"X": X, "y": y, "weight": weight}
        arrays = {name: None if each is None else as_array(each, name) for name, each in names.items()}
        lengths = {name: each.shape[0] for name, each in arrays.items() if each is not None and each.shape}
        if len(set(lengths.values())) != 1 or "X" not in lengths or "y" not in lengths:
            raise ShapeError(f"X, y and weight must have the same number of rows, not {lengths}.")
        self.given = (X, y, weight)
        self.arrays = SourceBlock(**arrays)
        self.n = lengths["X"]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Blocks of `window` rows."""
        starts = np.arange(0, self.n, self.window)
        sizes: NDArray[np.int64] = np.minimum(self.window, self.n - starts)
        return sizes

    def read(self, block: int) -> SourceBlock:
        """Return the rows of a block, not copied."""
        return self._rows(slice(block * self.window, (block + 1) * self.window))

    def gather(self, rows: NDArray[np.int64]) -> SourceBlock:
        """Copy rows by their numbers."""
        return self._rows(rows)

    def _rows(self, rows: Any) -> SourceBlock:
        X, y, weight = self.arrays
        return SourceBlock(X[rows], y[rows], None if weight is None else weight[rows])

    def where(self, block: int) -> str:
        """Return which rows of X a block has."""
        return f"X from row {block * self.window} on"

    def fingerprint(self) -> int:
        """Return a checksum as `Samples.fingerprint` does."""
        return checksum_of(self.arrays)


class BatchSource(Source):
    """Any Python iterable of batches (X, y) or (X, y, weight) of any sizes, which come anew in each epoch.

        def batches():
            for path in paths:
                yield load(path)                    # X (n, features), y (n,)

        model.fit(BatchSource(batches), batch_size=256)

    batches: a function that returns a new iterator of the same batches at each call, or an object that can be iterated
        over again, such as a list; an iterator, which is used up after one epoch, is refused.
    n: the number of rows; None to count them in a first pass, which also learns what the network needs to know.
    window: the rows that are shuffled together: whole batches, until there are so many. The batches keep their order.
    shuffle: "blocks" or "exact", as of `Source`.
    feature_names: of the columns of X.
    The batches are cut and joined to the run's `batch_size`. To resume within an epoch they are read from its start.
    """

    def __init__(
        self,
        batches: Callable[[], Iterable[Any]] | Iterable[Any],
        *,
        n: int | None = None,
        window: int = WINDOW,
        shuffle: str = "blocks",
        feature_names: Iterable[str] | None = None,
    ) -> None:
        """Check the settings; no batch is read yet."""
        super().__init__(shuffle=shuffle, window=window)
        if isinstance(batches, Iterator):
            raise ConfigError(
                "batches must give the same batches in each epoch, and an iterator is used up after one; pass the "
                "function that makes it, or a list."
            )
        if not callable(batches) and not isinstance(batches, Iterable):
            raise ConfigError(
                f"batches must be a function that returns an iterator, or an iterable, not {batches!r}."
            )
        self.batches, self.n = batches, None if n is None else check_count(n, "n")
        self.feature_names = None if feature_names is None else tuple(feature_names)

    @property
    def sizes(self) -> None:
        """None: known only when the batches are read."""

    def __iter__(self) -> Iterator[SourceBlock]:
        """Iterate over the batches. Raises DataError for other items than a pair or a triple."""
        found = self.batches() if callable(self.batches) else self.batches
        for k, each in enumerate(found):
            if not isinstance(each, (tuple, list)) or len(each) not in (2, 3):
                raise DataError(
                    f"batch {k} of the source must be (X, y) or (X, y, weight), not {type(each).__name__}."
                )
            yield SourceBlock(*each)

    def where(self, block: int) -> str:
        """Return the number of a batch."""
        return f"batch {block} of the source"


def rows_of(block: SourceBlock) -> int:
    """Return the number of rows of a block."""
    shape = getattr(block.X, "shape", None)
    return int(shape[0]) if shape else len(block.X)


def checksum_of(block: SourceBlock, crc: int = 0) -> int:
    """Return a checksum of a block, which goes on with that of the ones before it."""
    for part in block:
        if part is None:
            continue
        arrays = (
            (part,)
            if isinstance(part, np.ndarray)
            else (part.indptr.astype(np.int64), part.indices, part.data)
        )
        for array in arrays:
            crc = zlib.crc32(repr((array.shape, array.dtype.str)).encode(), crc)
            if array.dtype.kind in "biuf":
                crc = checksum(array, crc)
            else:
                crc = zlib.crc32("\0".join(map(str, array.ravel().tolist())).encode(), crc)
    return crc
