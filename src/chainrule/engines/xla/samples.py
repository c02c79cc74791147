"""Samples on a device: all at once, or call by call if they are sparse, in a file or come in pieces."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike
from chainrule.data.samples import Samples
from chainrule.data.samples import dense as as_dense
from chainrule.engines.step.base import Plan
from chainrule.engines.xla.program import DeviceData

MAX_CALL_ROWS = 1 << 17
"""The maximum number of rows per call, whose indices are passed along."""
MAX_CALL_STEPS = 1 << 13
"""The maximum number of steps per call, whose settings are passed along."""
MAX_CALL_NUMBERS = 1 << 21
"""The maximum numbers of samples converted for one call, if they are not on the device."""


class DevicePart(NamedTuple):
    """The samples of some steps."""

    data: DeviceData
    rows: NDArray[Any]  # (room * batch_size,) indices into `data`, padded with 0
    tail: int  # the samples in an epoch's last batch, 0 if it is full


class DeviceSamples:
    """Samples in the program's form, some steps at a time."""

    def __init__(self, samples: Samples, plan: Plan, device: object) -> None:
        """Put dense in-memory samples on the device; others are converted when their steps are due."""
        self.samples, self.device, self.dtype = samples, device, np.dtype(plan.dtype)
        self.is_placed = type(samples.X) is np.ndarray and plan.streamed is None
        n, self.size = plan.streamed or samples.n, plan.batch_size
        self.tail = n % self.size
        rows = MAX_CALL_ROWS if self.is_placed else MAX_CALL_NUMBERS // samples.X.shape[1]
        self.room = max(1, min(MAX_CALL_STEPS, rows // self.size, -(-n // self.size)))
        """the maximum number of steps of a part"""
        self.data = self._put(samples) if self.is_placed else None
        self.number = np.int32 if samples.n < 2**31 else np.int64

    def part(self, rows: NDArray[np.int64]) -> DevicePart:
        """Return the samples of at most `room` steps over these rows, in an array of constant size."""
        room = self.room * self.size
        where = np.zeros(room, self.number)
        if self.data is not None:
            where[: len(rows)] = rows
            return DevicePart(self.data, where, self.tail)
        where[: len(rows)] = np.arange(len(rows))
        padded = np.full(room, rows[0])
        padded[: len(rows)] = rows
        return DevicePart(self._put(self.samples.take(padded)), where, self.tail)

    def _put(self, samples: Samples) -> DeviceData:
        """Copy samples to the device, which may use CPU arrays in place."""
        import jax

        X, y = dense(samples.X, self.dtype), samples.y
        y = y.astype(np.int32) if y.ndim == 1 else y.astype(self.dtype)
        data: DeviceData = jax.device_put(DeviceData(X, y, samples.weight.astype(self.dtype)), self.device)
        return data


def dense(X: RowsLike, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return rows as an array (n, features) of dtype, or of their own dtype if smaller."""
    is_small = X.dtype.kind in "buif" and X.dtype.itemsize < dtype.itemsize and X.dtype.isnative
    with np.errstate(all="ignore"):  # the forward pass reports overflow
        return as_dense(X, X.dtype if is_small else dtype)


Shared: TypeAlias = WeakValueDictionary[Any, DeviceSamples]
"""The samples that the sessions of one run keep on a device."""
