"""Steps with batches split into shards shared among processes: the same bits for any number of processes.

A batch of b rows has G shards, a power of two: shard g starts at row g b / G, rounded down. Each of P processes has
G / P consecutive shards. Their results are summed along one binary tree of G leaves: first within a process's own
branch, then across processes. So all processes have the same sums, and take the same step.

A step is three programs: the gradients of a process's own shards, the sums, and the update. Only the second depends
on P, and it contains only additions in a fixed order. In a single program, XLA would compile the first and the last
differently for different P (a division becomes a product, a product and a sum an FMA), which gives other bits.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.core.arrays import Array
from chainrule.data.samples import Samples
from chainrule.distributed import process_count, process_index
from chainrule.distributed.agreement import talking
from chainrule.engines.step import correct, updated
from chainrule.engines.step.base import Plan
from chainrule.engines.xla.program import (
    Carry,
    CompiledSteps,
    DeviceData,
    Span,
    all_finite,
    compiled,
    program,
)
from chainrule.engines.xla.samples import DevicePart, DeviceSamples, put
from chainrule.engines.xla.session import XlaSession
from chainrule.errors import ConfigError, option
from chainrule.formulas.layers import Context
from chainrule.network import tree

# --- the shards of a batch: their rows, and the order of their sum


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


# --- the steps

AXIS = "batch"
"""The name of the mesh's only axis, over processes."""
SHARD_TOTALS = 3
"""The number of a shard's float64 totals: sums of losses, of weights, and of weights of correct samples."""


class ShardedSteps(CompiledSteps):
    """The steps of a plan with shards, in programs that are each compiled once per shape of the samples."""

    def __init__(self, plan: Plan) -> None:
        """Inspect the plan without compiling."""
        super().__init__(plan)
        self.shards = plan.shards or 1
        walk = plan.network.walk()
        self.learned = [link.name for link in walk if link.layer.defines("next_state")]  # running statistics
        self.ends: int = (
            SHARD_TOTALS * 8 // np.dtype(plan.dtype).itemsize
        )  # the numbers of theta's dtype that hold a shard's totals
        self.parts: Any = None  # (shards, numbers of one shard), the results of a step's shards

    @property
    def own(self) -> tuple[int, int]:
        """The range of this process's shards now; a program outlives a run."""
        return own_shards(self.shards)

    def __call__(self, carry: Carry, data: DeviceData, span: Span, tail: int) -> tuple[Carry, Array, Array]:
        """Take steps: return the carry after them, their sums (5,) float64, and whether everything is finite."""
        import jax

        size, samples, device = self.plan.batch_size, int(span.samples), data.X.device
        span, carry = jax.device_put(span, device), jax.tree.map(lambda part: part.copy(), carry)
        sums = put(np.zeros(5), device)
        parts, self.parts = self.parts, None
        if parts is None:
            parts = put(np.zeros((self.shards, self.width(carry)), self.plan.dtype), device)
        for i in range(-(-samples // size)):
            rows = min(size, samples - i * size) if self.mixes else size
            given = carry.theta, carry.states, data, span, i, *self.own
            parts = self.run("gradients", self.gradients(rows), parts, *given, key=rows)
            summed = self.summed(parts)
            carry, sums = self.run("update", self.update, carry, sums, summed, span, i)
        self.parts = parts
        finite = self.run("finite", all_finite, carry.theta, sums)
        return carry, sums, finite

    def run(self, name: str, function: Callable[..., Any], *given: Any, key: int = 0) -> Any:
        """Run a program, compiled for the shapes of its arguments; the memory of the first one is reused."""
        import jax

        leaves = jax.tree.leaves(given)
        shapes = name, key, *((np.shape(leaf), getattr(leaf, "dtype", None)) for leaf in leaves)
        if shapes not in self.compiled:
            donated = (0,) if name in ("gradients", "update") else ()
            self.compiled[shapes] = compiled(function, *given, donated=donated)
        return self.compiled[shapes](*given)

    def width(self, carry: Carry) -> int:
        """Return the number of results per shard: gradients, changes of running statistics, and totals."""
        changes = [value for name in self.learned for value in carry.states[name]]
        return self.ends + sum(int(part.size) for part in (*carry.theta, *changes))

    def gradients(self, samples: int) -> Callable[..., Any]:
        """Return the program for a batch of `samples` rows if samples mix, else for up to the batch size."""
        import jax
        import jax.numpy as jnp

        def chainrule_gradients(
            parts: Array,
            theta: Array,
            states: Any,
            data: DeviceData,
            span: Span,
            i: Array,
            first: Array,
            last: Array,
        ) -> Array:
            _, _, dropout, _, smoothing = _settings(span, i)
            size = jnp.minimum(samples, span.samples - i * self.plan.batch_size)
            ctx = Context(
                True, span.seed, span.offset + span.first + i, states, self.plan.frozen, dropout=dropout
            )

            def one(shard: Array, parts: Array) -> Array:
                row, count = bounds(size, self.shards, shard)
                rows = span.rows[i, shard]  # (longest,)
                at = ctx._replace(row=row)
                if self.mixes:
                    found = self.of_length(theta, data, rows, count, at, smoothing, samples)
                else:
                    found = self.of_shard(theta, data, rows, count, at, smoothing)
                return jax.lax.dynamic_update_index_in_dim(parts, found, shard, 0)

            return jax.lax.fori_loop(first, last, one, parts)

        return chainrule_gradients

    def of_shard(
        self, theta: Array, data: DeviceData, rows: Array, count: object, ctx: Context, smoothing: Array
    ) -> Any:
        """Return the results of a shard of `count` rows as a vector: sums over its samples, changes of statistics."""
        import jax.numpy as jnp

        network, dtype = self.plan.network, np.dtype(self.plan.dtype)
        batch = self.batch(data, rows, count)
        found = network.weighted(network.fill(theta), batch.a, batch.y, batch.s, ctx, smoothing)
        right = correct(network.loss, found.out, batch.y, batch.s)
        totals = jnp.stack([jnp.asarray(each, jnp.float64) for each in (found.loss, batch.s.sum(), right)])
        changes = [
            new - old
            for name in self.learned
            for new, old in zip(found.states[name], ctx.states[name], strict=True)
        ]
        parts = [*tree.leaves(found.grads), *changes, to_words(totals, dtype)]
        return jnp.concatenate([jnp.asarray(part, dtype).reshape(-1) for part in parts])

    def of_length(
        self,
        theta: Array,
        data: DeviceData,
        rows: Array,
        count: Array,
        ctx: Context,
        smoothing: Array,
        samples: int,
    ) -> Any:
        """Return the results of a shard with exactly `count` rows of a batch of `samples`; zeros if it has none."""
        import jax
        import jax.numpy as jnp

        least, more = samples // self.shards, samples % self.shards

        def of(exactly: int) -> Callable[[], Array]:
            def give() -> Array:
                return self.of_shard(theta, data, rows[: max(exactly, 1)], max(exactly, 1), ctx, smoothing)

            return give if exactly else lambda: jnp.zeros(jax.eval_shape(give).shape, self.plan.dtype)

        return jax.lax.cond(count > least, of(least + 1), of(least)) if more else of(least)()

    def summed(self, parts: Any) -> Any:
        """Return the sum over all shards of all processes."""
        if process_count() == 1:
            return self.run("sums", self.along_tree, parts)
        import jax
        from jax.sharding import NamedSharding, PartitionSpec

        if "mesh" not in self.compiled:
            first = {device.process_index: device for device in reversed(jax.devices(parts.device.platform))}
            mesh = jax.sharding.Mesh([first[number] for number in range(process_count())], (AXIS,))
            by_process = NamedSharding(mesh, PartitionSpec(AXIS))
            mapped = jax.shard_map(
                self.over_processes,
                mesh=mesh,
                in_specs=PartitionSpec(AXIS),
                out_specs=PartitionSpec(),
                check_vma=False,
            )
            self.compiled["mesh"] = by_process, jax.jit(mapped)
        sharding, sums = self.compiled["mesh"]
        shape = (process_count() * len(parts), parts.shape[1])
        everywhere = jax.make_array_from_single_device_arrays(shape, sharding, [parts])
        return sums(everywhere).addressable_data(0)

    def over_processes(self, parts: Array) -> Array:
        """Sum this process's shards, and then those of all processes; parts: (shards, n)."""
        import jax
        import jax.numpy as jnp

        first, last = self.own
        own = jax.lax.dynamic_slice_in_dim(parts, jax.lax.axis_index(AXIS) * (last - first), last - first)
        summed = self.along_tree(own)
        if self.plan.reduce == "tree":
            return self.along_tree(jax.lax.all_gather(summed, AXIS))
        numbers, totals = jax.lax.psum((summed[: -self.ends], from_words(summed[-self.ends :])), AXIS)
        return jnp.concatenate([numbers, to_words(totals, self.plan.dtype)])

    def along_tree(self, parts: Array) -> Array:
        """Sum vectors (n, width) along the tree; their ends contain the bits of three float64 numbers."""
        import jax.numpy as jnp

        numbers, words = parts[:, : -self.ends], parts[:, -self.ends :]
        totals = tree_sum(from_words(words))
        return jnp.concatenate([tree_sum(numbers), to_words(totals, self.plan.dtype)])

    def update(self, carry: Carry, sums: Array, summed: Array, span: Span, i: Array) -> tuple[Carry, Array]:
        """Take the step of a batch with known sums, and add to `sums` as `CompiledSteps.step` does."""
        import jax
        import jax.numpy as jnp

        plan, dtype = self.plan, np.dtype(self.plan.dtype)
        network, size = plan.network, jnp.minimum(plan.batch_size, span.samples - i * plan.batch_size)
        lr, decay, _, penalty, _ = _settings(span, i)
        loss, weight, right = from_words(summed[-self.ends :])
        share = 1 / jnp.maximum(weight, np.finfo(dtype).tiny).astype(dtype)
        cuts = np.cumsum([0, *(part.size for part in carry.theta)]).tolist()
        params = network.fill(carry.theta)
        grads = network.fill([summed[a:b] * share for a, b in pairwise(cuts)])
        g = [leaf.reshape(-1) for leaf in tree.leaves(network.add_penalty(params, grads, penalty))]
        theta, moments = updated(plan, carry.theta, carry.moments, g, lr, span.first + i, decay)
        states, start = dict(carry.states), cuts[-1]
        for name in self.learned:
            new = []
            for value in carry.states[name]:  # the mean over the non-empty shards
                change = summed[start : start + value.size].reshape(value.shape)
                new.append(value + change / jnp.minimum(size, self.shards))
                start += value.size
            states[name] = type(carry.states[name])(*new)
        after = jax.tree.map(
            lambda value, old: jnp.asarray(value, old.dtype), Carry(theta, moments, states), carry
        )
        part = jnp.asarray(network.penalty(params, penalty), jnp.float64)
        loss = loss / jnp.maximum(weight, np.finfo(dtype).tiny) + part
        return after, sums + jnp.stack([loss * weight, weight, right, loss * size, part * size])


def _settings(span: Span, i: Array) -> Array:
    """Return the settings (5,) of step i."""
    return span.settings[:, i]


class ShardedSession(XlaSession):
    """Training steps with shards: all processes have the same parameters, and each a part of every batch."""

    def programmed(self) -> CompiledSteps:
        """Return the programs. Raises ConfigError if the processes cannot share the shards equally."""
        own_shards(self.plan.shards or 1)
        return program(self.plan, ShardedSteps)

    def placed(self, samples: Samples) -> DeviceSamples:
        """Return samples on the device."""
        return ShardedSamples(samples, self.plan, self.device)

    def run(self, part: DevicePart, span: Span) -> tuple[Carry, NDArray[np.float64], bool]:
        """Run the steps together with all other processes. Raises DistributedError if one is gone."""
        with talking():
            return super().run(part, span)
