"""Samples: the arrays that a network is trained on, as stored, converted batch by batch."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.core.arrays import RowsLike
from chainrule.errors import DataError

CHECKSUM_PIECE_BYTES = 256 << 10
MAX_CHECKSUM_BYTES = 32 << 20
CHECKSUM_SUMS = 509
"""The number of running sums of a checksum: a prime, so that swapped rows change the sums."""


class Batch(NamedTuple):
    """The samples of one step, in the form for the forward and backward pass."""

    a: NDArray[Any]  # (batch, features) in the network's dtype
    y: NDArray[Any]  # (batch, outputs), one-hot for classes
    s: NDArray[Any]  # (batch,) weights
    slopes: SlopeTargets | None = None


class SlopeTargets(NamedTuple):
    """What is known of the derivatives of each sample's targets by its features, and the weight of each in the loss."""

    d: NDArray[Any]  # (n, outputs, features), 0 where it is not known
    w: NDArray[Any]  # (n, outputs, features) at least 0, 0 where it is not known

    def of(self, rows: NDArray[np.int64] | slice, dtype: DTypeLike = np.float64) -> SlopeTargets:
        """Return those of some rows, converted."""
        return SlopeTargets(self.d[rows].astype(dtype), self.w[rows].astype(dtype))


class TargetScale(NamedTuple):
    """y = mean + std * t per output: the network learns the standardized t, and predictions are in the units of y.

    Measured on the training targets with their weights; a constant output has std 1.
    low, high: the minimum and maximum training target per output, to which predictions are clipped; None for no
    clipping.
    """

    mean: NDArray[np.float64]  # (outputs,)
    std: NDArray[np.float64]  # (outputs,), above 0
    low: NDArray[np.float64] | None = None  # (outputs,)
    high: NDArray[np.float64] | None = None  # (outputs,)

    @property
    def clamps(self) -> bool:
        """Whether predictions are clipped to the range of the training targets."""
        return self.low is not None

    def standardize(self, y: NDArray[Any]) -> NDArray[np.float64]:
        """t = (y - mean) / std, (n, outputs), in float64 to keep the digits of a mean far from 0."""
        mean, std = side_by_side(y, self.mean, self.std)
        t: NDArray[np.float64] = (np.asarray(y, np.float64) - mean) / std
        return t

    def restore(self, t: NDArray[Any]) -> NDArray[np.float64]:
        """y = mean + std * t, (n, outputs) in float64"""
        mean, std = side_by_side(t, self.mean, self.std)
        y: NDArray[np.float64] = np.asarray(t, np.float64) * std + mean
        return y

    def clamp(self, y: NDArray[Any]) -> NDArray[Any]:
        """min(max(y, low), high), for predictions y (n, outputs) in the targets' units; y itself without bounds."""
        if self.low is None or self.high is None:
            return y
        return np.clip(y, *side_by_side(y, self.low, self.high))

    def to_data(self) -> dict[str, list[float]]:
        """Return the scale as JSON-ready data, with bounds if any."""
        return {name: part.tolist() for name, part in self._asdict().items() if part is not None}


def side_by_side(values: NDArray[Any], *parts: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Iterate over numbers per output, repeated if values are the outputs of several networks side by side."""
    return (np.tile(part, max(np.shape(values)[-1] // len(part), 1)) for part in parts)


SMALL = -400
"""The exponent of two below which the squares of numbers lose digits."""


def measure_targets(y: NDArray[np.float64], weight: NDArray[np.float64], clamp: bool = False) -> TargetScale:
    """Measure the scale of targets y (n, outputs) with weights (n,), at least one of them above 0.

    clamp: whether to measure the bounds too, over targets with a weight above 0.
    """
    share = weight / weight.sum()
    with np.errstate(over="ignore", invalid="ignore"):  # std overflows for very large numbers
        mean = share @ y
        around = y - mean
        _, exponent = np.frexp(np.abs(around).max(0, initial=0.0))
        small = np.where(
            exponent < SMALL, -exponent, 0
        )  # whose squares would be 0; in another unit they are not
        std = np.ldexp(np.sqrt(share @ np.square(np.ldexp(around, small))), -small)
    scale = TargetScale(mean, divisor(mean, std))
    counted = y[weight > 0]
    return scale._replace(low=counted.min(0), high=counted.max(0)) if clamp else scale


def divisor(mean: NDArray[np.float64], std: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return std with 1 for each constant output, whose std is 0 up to the rounding of its mean."""
    return np.where(std <= 1e-12 * np.abs(mean), 1.0, std)


class Samples(NamedTuple):
    """n samples, validated by `chainrule.data.checks`."""

    X: Any  # (n, features): any real NumPy array, memory-mapped or not, or a CSR matrix
    y: NDArray[Any]  # (n,) int64 class indices, or (n, outputs) float64
    weight: NDArray[np.float64]  # (n,)
    outputs: int
    scale: TargetScale | None = None
    """the scale with which y was standardized; None if not standardized"""
    slopes: SlopeTargets | None = None
    """the derivatives to train on, of standardized targets if y is; None for none"""

    @property
    def n(self) -> int:
        """The number of samples."""
        return int(self.X.shape[0])

    def batch(self, rows: NDArray[np.int64] | slice, dtype: DTypeLike) -> Batch:
        """Return the given rows, converted; only these are copied."""
        # NumPy's take copies rows faster than indexing.
        a = dense(
            self.X.take(rows, 0)
            if isinstance(self.X, np.ndarray) and isinstance(rows, np.ndarray)
            else self.X[rows],
            dtype,
        )
        return Batch(
            a, *self.targets_of(rows, dtype), None if self.slopes is None else self.slopes.of(rows, dtype)
        )

    def targets_of(
        self, rows: NDArray[np.int64] | slice = slice(None), dtype: DTypeLike = np.float64
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the targets (n, outputs) and the weights (n,) of a batch of the given rows, whose features stay."""
        y = self.y[rows]
        y = one_hot(y, self.outputs, dtype) if y.ndim == 1 else y.astype(dtype)
        return y, self.weight[rows].astype(dtype)

    def take(self, rows: NDArray[np.int64]) -> Samples:
        """Return a subset of the samples."""
        slopes = None if self.slopes is None else self.slopes.of(rows)
        return self._replace(X=self.X[rows], y=self.y[rows], weight=self.weight[rows], slopes=slopes)

    def scaled(self, scale: TargetScale | None) -> Samples:
        """Return the samples with y standardized; unchanged for None or if y is already standardized."""
        if scale is None or self.scale is not None:
            return self
        slopes = self.slopes
        if slopes is not None:
            slopes = slopes._replace(d=slopes.d / scale.std[:, None])
        return self._replace(y=scale.standardize(self.y), scale=scale, slopes=slopes)

    def inputs(self) -> Iterator[Any]:
        """Iterate over X, which is a single block; a `Stream` has many."""
        yield self.X

    def first(self) -> Samples:
        """Return the samples of the first block: self."""
        return self

    def evaluated(self, predict: Callable[[Any], NDArray[Any]]) -> tuple[NDArray[Any], Samples]:
        """Return the outputs of predict(X), and the samples."""
        return predict(self.X), self

    def measure_targets(self, clamp: bool) -> TargetScale:
        """Return the scale of the targets, from `measure_targets`."""
        return measure_targets(self.y, self.weight, clamp)

    def fingerprint(self) -> int:
        """Return a checksum of shapes, features, targets, their scale and weights.

        Of an array over 32 MB it reads evenly spaced pieces of 256 KB, 32 MB in total; changes between them are not
        detected.
        """
        crc = zlib.crc32(repr((self.X.shape, self.X.dtype.name, self.y.shape, self.y.dtype.name)).encode())
        parts: tuple[Any, ...] = (self.X,)
        if not isinstance(self.X, np.ndarray):  # a CSR matrix
            parts = (self.X.indptr.astype(np.int64), self.X.indices, self.X.data)
        scale = (part for part in self.scale or () if part is not None)
        for part in (*parts, self.y, self.weight, *scale, *(self.slopes or ())):
            crc = checksum(part, crc)
        return crc


def dense(X: RowsLike, dtype: DTypeLike) -> NDArray[Any]:
    """Return rows (n, features) of an array or a CSR matrix as an array of a dtype, without copying if it is one."""
    rows: NDArray[Any] = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
    return rows.astype(dtype, copy=False)


def in_rows(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights (n,) whose mean is 1, so that each counts in rows, whatever its unit; all 0 where they are."""
    found: NDArray[np.float64] = weight / (weight.mean() or 1.0)
    return found


def joined(parts: Sequence[Samples], empty: Callable[..., NDArray[Any]] = np.empty) -> Samples:
    """Concatenate several samples; a single one is returned unchanged. Raises DataError for y of different shapes.

    empty: the function that allocates X.
    """
    if len(parts) == 1:
        return parts[0]
    if len({part.y.shape[1:] for part in parts}) != 1:
        raise DataError(
            "y has labels in some blocks of the source and several columns in others; use the same form in "
            "all blocks."
        )
    X: Any = [part.X for part in parts]
    if all(isinstance(each, np.ndarray) for each in X):
        shape = (sum(map(len, X)), X[0].shape[1])
        X = np.concatenate(X, out=empty(shape, np.result_type(*X)))
    else:
        from scipy import sparse

        X = sparse.vstack(X, format="csr")
    y, weight = (np.concatenate([part[k] for part in parts]) for k in (1, 2))
    slopes = None
    if any(part.slopes for part in parts):
        known = (
            part.slopes or SlopeTargets(*[np.zeros((part.n, part.outputs, X.shape[1]))] * 2) for part in parts
        )
        slopes = SlopeTargets(*map(np.concatenate, zip(*known, strict=True)))
    return parts[0]._replace(X=X, y=y, weight=weight, slopes=slopes)


def checksum(values: NDArray[Any], crc: int) -> int:
    """Compute the CRC-32 of interleaved sums of each piece's 8-byte words: 10 GB/s, as fast as memory."""
    rows = max(1, CHECKSUM_PIECE_BYTES * len(values) // max(values.nbytes, 1))
    count, max_pieces = -(-len(values) // rows), MAX_CHECKSUM_BYTES // CHECKSUM_PIECE_BYTES
    for piece in np.linspace(0, count - 1, min(count, max_pieces)).astype(np.int64).tolist():
        part = values[piece * rows : (piece + 1) * rows]
        # A long double becomes float64, because its padding is not part of the number.
        kind = part.dtype.newbyteorder("=") if part.dtype.itemsize <= 8 else np.float64
        data = np.ascontiguousarray(part, kind).reshape(-1).view(np.uint8)
        words = data[: len(data) // (8 * CHECKSUM_SUMS) * 8 * CHECKSUM_SUMS].view(np.uint64)
        crc = zlib.crc32(words.reshape(-1, CHECKSUM_SUMS).sum(0), crc)
        crc = zlib.crc32(data[8 * len(words) :].data, crc)
    return crc


def one_hot(labels: NDArray[Any], classes: int, dtype: DTypeLike) -> NDArray[Any]:
    """One-hot encode labels (n,) as y (n, classes)."""
    y = np.zeros((len(labels), classes), dtype)
    y[np.arange(len(labels)), labels] = 1
    return y
