"""The shards of a batch: their rows, their assignment to processes, and the order of their sum."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.core.arrays import Array
from chainrule.data.samples import Samples
from chainrule.distributed import process_count, process_index
from chainrule.engines.step.base import Plan
from chainrule.engines.xla.samples import DevicePart, DeviceSamples
from chainrule.errors import ConfigError, option


def bounds(rows: Any, shards: int, shard: Any) -> tuple[Any, Any]:
    """Return the first row and the number of rows of a shard of this many rows; numbers differ by at most one."""
    first = shard * rows // shards
    return first, (shard + 1) * rows // shards - first


def arranged(rows: NDArray[Any], size: int, shards: int) -> NDArray[Any]:
    """Return the rows of a batch of up to `size` by shard: (shards, longest), padded with the batch's first row."""
    first, count = bounds(len(rows), shards, np.arange(shards))
    within = np.arange(-(-size // shards))
    return rows[np.where(within < count[:, None], first[:, None] + within, 0)]


def tree_sum(parts: Array) -> Array:
    """Sum parts (n, ...), n a power of two, along a binary tree: neighbors first, then neighboring sums, and so on."""
    while len(parts) > 1:
        parts = parts[0::2] + parts[1::2]
    return parts[0]


def to_words(totals: Array, dtype: DTypeLike) -> Array:
    """Reinterpret the bits of float64 numbers (..., n) as numbers (..., n k) of another dtype, k per number."""
    import jax

    return jax.lax.bitcast_convert_type(totals, dtype).reshape(*totals.shape[:-1], -1)


def from_words(held: Array) -> Array:
    """Return the float64 numbers (..., n) from the bits of `to_words`."""
    import jax
    import jax.numpy as jnp

    count = 8 // held.dtype.itemsize
    bits = held.reshape(*held.shape[:-1], -1, count)
    return jax.lax.bitcast_convert_type(bits if count > 1 else bits[..., 0], jnp.float64)


def own_shards(shards: int) -> tuple[int, int]:
    """Return the range of this process's shards. Raises ConfigError if the processes cannot share them equally."""
    count = process_count()
    if shards % count:
        raise ConfigError(
            f"{option('shards')} must be a multiple of the number of processes, {count}, not {shards}; use more "
            "shards, or start fewer processes."
        )
    own = shards // count
    return process_index() * own, (process_index() + 1) * own


class ShardedSamples(DeviceSamples):
    """Samples for the programs of shards: a process converts only the rows of its own shards."""

    def __init__(self, samples: Samples, plan: Plan, device: object) -> None:
        """Put dense in-memory samples on the device."""
        super().__init__(samples, plan, device)
        self.shards = plan.shards or 1
        self.own = slice(*own_shards(self.shards))

    def part(self, rows: NDArray[np.int64]) -> DevicePart:
        """Return the samples of at most `room` steps; its rows are (room, shards, longest)."""
        starts = range(0, len(rows), self.size)
        steps = [arranged(rows[i : i + self.size], self.size, self.shards) for i in starts]
        where = np.zeros((self.room, *steps[0].shape), self.number)
        where[: len(steps)] = steps
        if self.data is not None:
            return DevicePart(self.data, where, self.tail)
        mine = np.full_like(where[:, self.own], rows[0], dtype=np.int64)
        mine[: len(steps)] = np.stack(steps)[:, self.own]
        where[:, self.own] = np.arange(mine.size).reshape(mine.shape)
        return DevicePart(self._put(self.samples.take(mine.reshape(-1))), where, self.tail)
