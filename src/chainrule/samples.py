"""What a network is trained on: arrays as they are stored, turned into batches only when a batch is due."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Batch(NamedTuple):
    """A few samples in the form that the walks take."""

    a: NDArray[Any]  # (batch, features) in the network's precision
    y: NDArray[Any]  # (batch, outputs), one-hot for classes
    s: NDArray[Any]  # (batch,) weights


class Samples(NamedTuple):
    """n samples. Made by `chainrule.validation`, which has checked them."""

    X: Any  # (n, features): any real NumPy array, memory-mapped or not, or a CSR matrix
    y: NDArray[Any]  # (n,) int64 class numbers, or (n, outputs) float64
    weight: NDArray[np.float64]  # (n,)
    outputs: int

    @property
    def n(self) -> int:
        """The number of samples."""
        return int(self.X.shape[0])

    def batch(self, rows: NDArray[np.int64] | slice, dtype: Any) -> Batch:
        """The rows named, converted: only these are copied."""
        # NumPy's take copies rows faster than its indexing does.
        a = (
            self.X.take(rows, 0)
            if isinstance(self.X, np.ndarray) and isinstance(rows, np.ndarray)
            else self.X[rows]
        )
        a = (
            a.toarray().astype(dtype, copy=False)
            if hasattr(a, "toarray")
            else np.asarray(a).astype(dtype, copy=False)
        )
        y = self.y[rows]
        y = one_hot(y, self.outputs, dtype) if y.ndim == 1 else y.astype(dtype)
        return Batch(a, y, self.weight[rows].astype(dtype))

    def take(self, rows: NDArray[np.int64]) -> Samples:
        """A part of the samples."""
        return self._replace(X=self.X[rows], y=self.y[rows], weight=self.weight[rows])

    def fingerprint(self) -> int:
        """A checksum of shapes, labels and up to 64 evenly spaced rows: tells other data from the same data."""
        rows = np.linspace(0, self.n - 1, min(self.n, 64)).astype(np.int64)
        some = self.X[rows]
        some = some.toarray() if hasattr(some, "toarray") else np.asarray(some)
        crc = zlib.crc32(repr((self.X.shape, str(some.dtype), self.y.shape)).encode())
        for part in (some, self.y, self.weight):
            crc = zlib.crc32(np.ascontiguousarray(part).tobytes(), crc)
        return crc


def one_hot(labels: NDArray[Any], classes: int, dtype: Any) -> NDArray[Any]:
    """y (n, classes) with 1 in the column of each label (n,) and 0 elsewhere."""
    y = np.zeros((len(labels), classes), dtype)
    y[np.arange(len(labels)), labels] = 1
    return y
