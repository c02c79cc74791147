"""Sources: training data that need not fit in memory.

    model.fit(ParquetSource("train/", target="price"), validation_data=ParquetSource("held_out/", target="price"))

A source provides rows in blocks (row groups of a file, batches of an iterable). `chainrule.data.stream` validates
them for a network and orders them for an epoch, as a function of the seed, the epoch and the block sizes.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, RowsLike, TargetsLike
from chainrule.core.settings import check_choice, check_count
from chainrule.data.checks import as_array
from chainrule.data.samples import checksum
from chainrule.errors import ConfigError, DataError, ShapeError

DEFAULT_WINDOW = 1 << 16
"""The default number of rows shuffled together."""
SHUFFLES = {"blocks": None, "exact": None}


class SourceBlock(NamedTuple):
    """Some rows of a source, as stored."""

    X: Any
    """(n, features) array or CSR matrix"""
    y: Any
    """(n,) or (n, outputs)"""
    weight: Any = None
    """(n,) weights of the rows; None for 1 each"""


RowFunction: TypeAlias = Callable[[SourceBlock, int, int, NDArray[np.int64]], SourceBlock]


class Source:
    """Rows in re-readable blocks. Subclasses define `sizes` and `read`, or `sizes` as None and `__iter__`.

    shuffle: the order of each epoch with `fit(shuffle=True)`. "blocks": the blocks in random order, and the rows of
        consecutive blocks with at least `window` rows shuffled together. It reads each block once, and is as good as an
        exact shuffle if each window resembles the whole, but not if the rows are sorted by label or date. "exact":
        every order of all rows is equally likely, at the cost of writing and reading all rows once more per epoch
        (`chainrule.data.exact`).
    window: the minimum number of rows shuffled together. A run keeps the rows of three windows in memory (in use,
        ready, being read), and another copy of a window's blocks while it is assembled.
    """

    feature_names: tuple[str, ...] | None = None
    """the column names of X; None without names"""
    target_name: str | None = None
    """the name of y; None without a name"""
    functions: tuple[RowFunction, ...] = ()
    """the functions added by `map`"""
    folder: str | None = None
    """the folder of the row cache of "exact"; None for the system's temporary folder"""
    is_gathered: ClassVar[bool] = False
    """whether rows can be read individually (`gather`), so that every order costs the same"""

    def __init__(self, *, shuffle: str = "blocks", window: int = DEFAULT_WINDOW) -> None:
        """Check the settings."""
        check_choice(shuffle, SHUFFLES, "shuffle")
        self.shuffle, self.window = shuffle, check_count(window, "window")

    @property
    def sizes(self) -> NDArray[np.int64] | None:
        """The number of rows per block; None if known only after reading all."""
        raise NotImplementedError

    def read(self, block: int) -> SourceBlock:
        """Read a block. Raises FormatError or DataError that names the location of the fault."""
        raise NotImplementedError

    def gather(self, rows: NDArray[np.int64]) -> SourceBlock:
        """Read rows by index, in this order."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[SourceBlock]:
        """Iterate over all blocks as stored."""
        return map(self.read, range(len(self.sizes if self.sizes is not None else ())))

    def where(self, block: int) -> str:
        """Return the name of a block for errors."""
        return f"block {block} of the source"

    def fingerprint(self) -> int | None:
        """Return a checksum of the data that does not read all of it; None if there is none."""
        return None

    def map(self, function: RowFunction) -> Self:
        """Return a source whose blocks are function(block, seed, epoch, numbers) of this one's blocks.

        numbers: (n,) the indices of the rows in the source. A random function must depend only on the seed, the epoch
            and these numbers, so that a resumed run sees the same rows; it must keep the number of rows and change no
            argument.
        For measurements before training and for validation, the epoch is 0.
        """
        if not callable(function):
            raise ConfigError(
                f"function must be callable as f(block, seed, epoch, numbers), not {function!r}."
            )
        made = copy.copy(self)
        made.functions = (*self.functions, function)
        return made


class ArraySource(Source):
    """Arrays as a source: `fit(ArraySource(X, y))` equals `fit(X, y)` to the bit. Keeps memory maps and CSR matrices.

    All rows are permuted, as for arrays.  X, y, weight: as in `Model.fit`.
    Raises ShapeError unless all have the same number of rows.
    """

    is_gathered = True

    def __init__(
        self, X: RowsLike, y: TargetsLike, weight: Array = None, *, window: int = DEFAULT_WINDOW
    ) -> None:
        """Store the arrays; values are checked on use."""
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
        """The sizes of blocks of `window` rows."""
        starts = np.arange(0, self.n, self.window)
        sizes: NDArray[np.int64] = np.minimum(self.window, self.n - starts)
        return sizes

    def read(self, block: int) -> SourceBlock:
        """Return the rows of a block without copying."""
        return self._rows(slice(block * self.window, (block + 1) * self.window))

    def gather(self, rows: NDArray[np.int64]) -> SourceBlock:
        """Copy rows by index."""
        return self._rows(rows)

    def _rows(self, rows: object) -> SourceBlock:
        X, y, weight = self.arrays
        return SourceBlock(X[rows], y[rows], None if weight is None else weight[rows])

    def where(self, block: int) -> str:
        """Return the range of rows in a block."""
        return f"X from row {block * self.window} on"

    def fingerprint(self) -> int:
        """Return a checksum as in `Samples.fingerprint`."""
        return checksum_of(self.arrays)


class BatchSource(Source):
    """Any Python iterable of batches (X, y) or (X, y, weight) of any sizes, read anew in each epoch.

        def batches():
            for path in paths:
                yield load(path)                    # X (n, features), y (n,)

        model.fit(BatchSource(batches), batch_size=256)

    batches: a function that returns a new iterator over the same batches at each call, or a re-iterable object such as
        a list; not an iterator, which is exhausted after one epoch.
    n: the number of rows; None to count them in a first pass, which also collects labels and target statistics.
    window: the minimum number of rows shuffled together, in whole batches. The order of the windows is kept.
    shuffle: "blocks" or "exact", as in `Source`.
    feature_names: the column names of X.
    The batches are regrouped to the run's `batch_size`. Resuming within an epoch reads them from its start.
    """

    def __init__(
        self,
        batches: Callable[[], Iterable[Any]] | Iterable[Any],
        *,
        n: int | None = None,
        window: int = DEFAULT_WINDOW,
        shuffle: str = "blocks",
        feature_names: Iterable[str] | None = None,
    ) -> None:
        """Check the settings without reading a batch."""
        super().__init__(shuffle=shuffle, window=window)
        if isinstance(batches, Iterator):
            raise ConfigError(
                "batches must give the same batches in each epoch, but an iterator is exhausted after one; "
                "pass a function that returns it, or a list."
            )
        if not callable(batches) and not isinstance(batches, Iterable):
            raise ConfigError(
                f"batches must be a function that returns an iterator, or an iterable, not {batches!r}."
            )
        self.batches, self.n = batches, None if n is None else check_count(n, "n")
        self.feature_names = None if feature_names is None else tuple(feature_names)

    @property
    def sizes(self) -> None:
        """None: known only after reading the batches."""

    def __iter__(self) -> Iterator[SourceBlock]:
        """Iterate over the batches. Raises DataError for items other than a pair or a triple."""
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
    """Return a checksum of a block, chained to that of the blocks before it."""
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
