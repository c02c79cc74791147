"""Samples on a device: all at once, or those of a call where they are sparse, stay in a file or come in pieces."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array
from chainrule.data.samples import Samples
from chainrule.data.samples import dense as as_dense
from chainrule.engines.base import Plan
from chainrule.engines.xla.program import DeviceData

ROWS = 1 << 17
"""The most rows of one call of the program, whose numbers are passed with it."""
STEPS = 1 << 13
"""The most steps of one call of the program, whose settings are passed with it."""
NUMBERS = 1 << 21
"""The most numbers of samples that are converted for one call, where they do not lie on the device."""


class DevicePart(NamedTuple):
    """The samples of some steps."""

    data: DeviceData
    rows: NDArray[Any]  # (room * batch_size,) where they are in `data`; those beyond the given ones are 0
    tail: int  # the samples in an epoch's last batch, 0 if it is full


class DeviceSamples:
    """Samples as the program takes them, some steps at a time."""

    def __init__(self, samples: Samples, plan: Plan, device: Any) -> None:
        """Put dense samples that all are in memory on the device; others are converted when their steps are due."""
        self.samples, self.device, self.dtype = samples, device, np.dtype(plan.dtype)
        self.is_placed = type(samples.X) is np.ndarray and plan.streamed is None
        n, self.size = plan.streamed or samples.n, plan.batch_size
        self.tail = n % self.size
        rows = ROWS if self.is_placed else NUMBERS // samples.X.shape[1]
        self.room = max(1, min(STEPS, rows // self.size, -(-n // self.size)))
        """the most steps of a part"""
        self.data = self._put(samples) if self.is_placed else None
        self.number = np.int32 if samples.n < 2**31 else np.int64

    def part(self, rows: NDArray[np.int64]) -> DevicePart:
        """Return the samples of at most `room` steps over these rows, in an array of the same size each time."""
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
        """Copy samples to the device, which may take arrays in the processor's memory as they lie."""
        import jax

        X, y = dense(samples.X, self.dtype), samples.y
        y = y.astype(np.int32) if y.ndim == 1 else y.astype(self.dtype)
        data: DeviceData = jax.device_put(DeviceData(X, y, samples.weight.astype(self.dtype)), self.device)
        return data


def dense(X: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return rows as an array (n, features): of dtype, or of their own type if that is a smaller one."""
    is_small = X.dtype.kind in "buif" and X.dtype.itemsize < dtype.itemsize and X.dtype.isnative
    with np.errstate(all="ignore"):  # what overflows is found and named by the walk
        return as_dense(X, X.dtype if is_small else dtype)


Shared: TypeAlias = WeakValueDictionary[Any, DeviceSamples]
"""The samples that the sessions of one run have on a device."""


def source(shared: Shared, samples: Samples, plan: Plan, device: Any) -> DeviceSamples:
    """Return the samples on a device, the same for all members of an ensemble.

    shared: of one run alone, between two of which the caller may write into the arrays.
    """
    key = id(samples), plan.batch_size, np.dtype(plan.dtype), device
    found = shared.get(key)
    if found is None or found.samples is not samples:
        found = shared[key] = DeviceSamples(samples, plan, device)
    return found


def put(values: Any, device: Any) -> Any:
    """Copy arrays, in tuples or dicts, to a device; what is written into them later does not count."""
    import jax

    return jax.device_put(jax.tree.map(lambda value: np.array(value), values), device)


def fetch(value: Array) -> NDArray[Any]:
    """Copy an array from a device."""
    return np.array(value)
