"""The exact shuffle of a stream: two passes, with buckets in a row cache on disk.

Pass 1 reads all blocks and writes each row to a random bucket. Pass 2 reads one bucket after the other and shuffles
it. Every order of all rows is equally likely: given the bucket sizes, the assignment of rows to buckets is uniform,
and so is the order within each.
Source: Rao, "Generation of random permutation of given number of elements", 1961; Sandelius, "A simple randomization
procedure", 1962.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import generator
from chainrule.data.samples import Samples
from chainrule.data.stream import Stream
from chainrule.errors import ConfigError, DataError

MAX_BUCKETS = 256
"""The maximum number of files open at a time: with more windows than this, a bucket is larger than a window."""
EPOCH_BITS = 32


def exact_windows(stream: Stream, epoch: int, start: int) -> Iterator[tuple[Samples, NDArray[np.int64]]]:
    """Iterate over buckets of about a window's rows, each with its order, from a row of the epoch on.

    The row cache takes the bytes of all rows, in the source's folder, and is deleted with the iterator; a bucket's file
    is deleted after it is read.  Raises ConfigError if the disk is too full, and for CSR matrices.
    """
    count = max(1, min(MAX_BUCKETS, -(-stream.n // stream.source.window)))
    place = 0
    with tempfile.TemporaryDirectory(prefix="chainrule-rows-", dir=stream.source.folder) as folder:
        paths = [Path(folder) / f"{k}" for k in range(count)]
        cache = RowCache(paths, stream.n)
        with cache:
            for k, samples in stream.stored_samples(epoch):
                cache.write(samples, bucket_of_rows(stream.seed, epoch, k, samples.n, count))
        for k, path in enumerate(paths):
            rows = cache.rows[k]
            if place + rows > start:
                index = (epoch << EPOCH_BITS) + k
                order: NDArray[np.int64] = generator(stream.seed, "window", index).permutation(rows)
                yield cache.read(k), order[max(0, start - place) :]
            place += rows
            path.unlink()


def bucket_of_rows(seed: int, epoch: int, block: int, rows: int, count: int) -> NDArray[np.int64]:
    """Draw the bucket of each row of a block: (rows,) from 0 to count - 1."""
    return generator(seed, "shuffle", (epoch << EPOCH_BITS) + block).integers(count, size=rows)


class RowCache:
    """Rows of samples in one file per bucket, each row with X, y and weight in a fixed number of bytes."""

    def __init__(self, paths: list[Path], n: int) -> None:
        """Store the buckets' paths. n: the total number of rows."""
        self.paths, self.n, self.rows = paths, n, [0] * len(paths)
        self.files: list[BinaryIO] = []
        self.first: Samples | None = None
        self.stack = ExitStack()

    def __enter__(self) -> RowCache:
        """Open the files for writing."""
        self.files = [self.stack.enter_context(path.open("wb")) for path in self.paths]
        return self

    def __exit__(self, *error: Any) -> None:
        """Close the files."""
        self.stack.close()

    def write(self, samples: Samples, buckets: NDArray[np.int64]) -> None:
        """Write the rows of a block, each to its bucket (n,)."""
        if not isinstance(samples.X, np.ndarray):
            raise ConfigError(
                'shuffle="exact" supports dense rows only, not a CSR matrix; use shuffle="blocks".'
            )
        if self.first is None:
            self.first = samples
            self.dtype = np.dtype(
                [
                    ("X", samples.X.dtype.newbyteorder("="), samples.X.shape[1:]),
                    ("y", samples.y.dtype, samples.y.shape[1:]),
                    ("weight", np.float64),
                ],
                align=True,
            )
            self._check_disk()
        if not np.can_cast(samples.X.dtype, self.dtype["X"].base):
            raise DataError(
                f"the source has X of {samples.X.dtype} after {self.dtype['X'].base}; use one dtype for all "
                "blocks."
            )
        order = np.argsort(buckets, kind="stable")
        rows = np.empty(samples.n, self.dtype)
        rows["X"], rows["y"], rows["weight"] = samples.X[order], samples.y[order], samples.weight[order]
        ends = np.cumsum(np.bincount(buckets, minlength=len(self.paths)))
        for k, (begin, end) in enumerate(zip((0, *ends[:-1].tolist()), ends.tolist(), strict=True)):
            if end > begin:
                self.files[k].write(rows[begin:end].data)
                self.rows[k] += end - begin

    def _check_disk(self) -> None:
        needed, folder = self.n * self.dtype.itemsize, self.paths[0].parent
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise ConfigError(
                f'shuffle="exact" writes {needed >> 20:,} MB to {os.fspath(folder.parent)}, which has '
                f'{free >> 20:,} MB free; choose another folder, or use shuffle="blocks".'
            )

    def read(self, bucket: int) -> Samples:
        """Return the rows of a bucket."""
        assert self.first is not None
        rows = np.fromfile(self.paths[bucket], self.dtype)
        return self.first._replace(X=rows["X"], y=rows["y"], weight=rows["weight"])
