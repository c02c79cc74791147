"""The xla engine: JAX compiles the formulas for the CPU, a GPU or another device.

A call runs a compiled loop of many steps, with samples, parameters and the optimizer's state on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.core.arrays import Array, RowsLike
from chainrule.data.samples import Samples, dense
from chainrule.distributed import process_count, process_index
from chainrule.distributed.agreement import talking
from chainrule.engines.step import correct, cut, cut_state, diagnosis, gradient, updated
from chainrule.engines.step.base import Plan, StepSettings
from chainrule.engines.xla import devices
from chainrule.engines.xla.program import (
    Carry,
    CompiledSteps,
    DeviceData,
    Span,
    all_finite,
    compiled,
    forward,
    program,
)
from chainrule.engines.xla.samples import DevicePart, DeviceSamples, Shared
from chainrule.errors import ConfigError, NonFiniteError, option
from chainrule.formulas.layers import Context
from chainrule.network import tree
from chainrule.network.network import Network


@dataclass(frozen=True)
class XlaEngine:
    """The engine that compiles any network, loss and optimizer with JAX, including custom ones.

    device: its name, such as "cpu" or "cuda:0"; None for JAX's default.
    """

    name = "xla"
    device: str | None = None
    shared: Shared = field(default_factory=WeakValueDictionary, repr=False, compare=False)

    def on(self, device: str | None) -> XlaEngine:
        """Return an engine on a device, for one run."""
        return XlaEngine(device)

    def refusal(self, plan: Plan) -> str | None:
        """Return why the engine does not support a plan, or None. Raises ConfigError for an unknown device."""
        if (reason := devices.missing()) is not None:
            return reason
        if plan.precision is not None:
            return f"precision {plan.precision!r} requires the native or the reference engine"
        if plan.slopes:
            return "slopes require the native or the reference engine"
        if plan.network.loss.targets == "ranked":  # rows that fill a batch would be compared too
            return "a loss of groups requires the native or the reference engine"
        if plan.device is not None:
            devices.find(plan.device)
        return None

    def session(
        self,
        plan: Plan,
        theta: NDArray[Any],
        states: dict[str, Any],
        optimizer_state: object,
        step_offset: int,
    ) -> XlaSession:
        """Train theta in place."""
        device = devices.find(self.device)
        kind = XlaSession if plan.shards is None else ShardedSession
        return kind(plan, theta, states, optimizer_state, step_offset, device, self.shared)

    def workers(self) -> int:
        """Return 1: a compiled program uses all cores itself."""
        return 1

    def predict(
        self,
        network: Network,
        theta: NDArray[Any],
        states: dict[str, Any],
        X: RowsLike,
        batch_size: int,
        threads: int | None = None,
        precision: str | None = None,
    ) -> NDArray[Any]:
        """Compute the outputs (n, fan_out) in batches, on JAX's threads."""
        return self.bind(network, theta, states, batch_size)(X)

    def bind(
        self,
        network: Network,
        theta: NDArray[Any],
        states: dict[str, Any],
        capacity: int,
        threads: int | None = None,
        precision: str | None = None,
    ) -> XlaWalk:
        """Return the forward pass with copies of these parameters on the device, as a function of X."""
        return XlaWalk(network, theta, states, capacity, devices.find(self.device))


class XlaWalk:
    """The compiled forward pass with copies of its parameters on a device. See `ForwardWalk`."""

    def __init__(
        self, network: Network, theta: NDArray[Any], states: dict[str, Any], capacity: int, device: object
    ) -> None:
        """Copy theta and the states to the device."""
        self.network, self.dtype, self.capacity, self.device = network, theta.dtype, capacity, device
        self.outputs = forward(network)
        self.put(theta, states)

    def put(self, theta: NDArray[Any], states: dict[str, Any]) -> None:
        """Copy other parameters to the device."""
        with devices.settings():
            self.numbers, self.states = put((cut(self.network, theta), states), self.device)

    def __call__(self, X: RowsLike) -> NDArray[Any]:
        """Compute the outputs (n, fan_out)."""
        n = X.shape[0]
        out = np.empty((n, self.network.fan_out), self.dtype)
        rows = min(self.capacity, 1 << max(n - 1, 0).bit_length())  # few sizes, because each is compiled
        for start in range(0, n, rows):
            with np.errstate(all="ignore"):  # overflow gives infinity
                a = dense(X[start : start + rows], self.dtype)
            count = len(a)
            if count < rows:
                a = np.concatenate([a, np.zeros((rows - count, self.network.inputs), self.dtype)])
            with devices.settings():
                walked = self.outputs(self.numbers, self.states, put(a, self.device))
                out[start : start + rows] = np.asarray(walked)[:count]
        return out


def put(values: Array, device: object) -> Any:
    """Copy arrays, in tuples or dicts, to a device; later changes to them have no effect."""
    import jax

    return jax.device_put(jax.tree.map(lambda value: np.array(value), values), device)


def fetch(value: Array) -> NDArray[Any]:
    """Copy an array from a device."""
    return np.array(value)


def source(shared: Shared, samples: Samples, plan: Plan, device: object) -> DeviceSamples:
    """Return the samples on a device, shared among the members of an ensemble.

    shared: of one run only, because the caller may modify the arrays between runs.
    """
    key = id(samples), plan.batch_size, np.dtype(plan.dtype), device
    on_device = shared.get(key)
    if on_device is None or on_device.samples is not samples:
        on_device = shared[key] = DeviceSamples(samples, plan, device)
    return on_device


# --- its session: transfers between theta's layout and the device, and the search for a NaN step


class XlaSession:
    """Training steps by a compiled program. See `Session`.

    The device holds the numbers between steps. `synchronize` copies back theta and the states, `optimizer_state` the
    optimizer's. Anything copied back is put on the device again before the next step: the caller may have modified it.

    A call does not donate its memory (JAX's donation): if it produces NaN or infinity, the search for the step restarts
    from its beginning. That costs one copy per call of many steps; checking each gradient would cost a pass per step.
    """

    call_steps: int | None = None
    turns = 1

    def __init__(
        self,
        plan: Plan,
        theta: NDArray[Any],
        states: dict[str, Any],
        optimizer_state: Any,
        step_offset: int,
        device: Any,
        shared: Shared,
    ) -> None:
        """Look up the program. At the first step it is compiled, and the numbers are put on the device."""
        self.plan, self.theta, self.step_offset = plan, theta, step_offset
        self.device, self.shared = device, shared
        self.states, self._optimizer_state = states, optimizer_state
        self.all_sums, self.taken = np.zeros(5), 0
        self.sums, self.row_sums = self.all_sums[:3], self.all_sums[3:]
        self.program = self.programmed()
        self.source: DeviceSamples | None = None
        self.carry: Carry = Carry((), (), {})
        self.theta_is_stale = False  # whether the device's theta and states are newer than these attributes
        self.moments_are_stale = False  # the same for the optimizer's state
        self.trained = [slot.link.name not in plan.frozen for slot in plan.network.slots]

    def programmed(self) -> CompiledSteps:
        """Return the program."""
        return program(self.plan)

    def placed(self, samples: Samples) -> DeviceSamples:
        """Return samples on the device."""
        return source(self.shared, samples, self.plan, self.device)

    @property
    def compiles(self) -> bool:
        """Whether its first step waits for the compiler."""
        return not self.program.compiled

    def steps(self, samples: Samples, rows: NDArray[np.int64], settings: StepSettings, first: int) -> None:
        """Take the steps, as many per call as the program has room for. Raises NonFiniteError."""
        with devices.settings():
            self.push()
            source = self.place(samples)
            size, room = self.plan.batch_size, source.room
            for begin in range(0, len(settings.rate), room):
                some = settings.part(begin, begin + room)
                self.call(source, rows[begin * size : (begin + room) * size], some, first + begin)

    def place(self, samples: Samples) -> DeviceSamples:
        """Return samples on the device, reused if they are those of the last call."""
        if self.source is None or self.source.samples is not samples:
            self.source = self.placed(samples)
        return self.source

    def call(
        self, source: DeviceSamples, rows: NDArray[np.int64], settings: StepSettings, first: int
    ) -> None:
        """Take at most `room` steps in one call of the program."""
        part = source.part(rows)
        span = self.span(part, len(rows), settings, first)
        after, sums, finite = self.run(part, span)
        if not finite:
            self.fail(source.samples, rows, part, span, settings)
        self.keep(after, sums, len(settings.rate))

    def span(self, part: DevicePart, rows: int, settings: StepSettings, first: int) -> Span:
        """Return the span of steps over this many rows of a part."""
        assert self.source is not None
        by_step = np.zeros((5, self.source.room))
        by_step[:, : len(settings.rate)] = settings
        return Span(
            part.rows,
            by_step,
            np.int64(rows),
            np.int64(0),
            np.int64(first),
            np.int64(self.step_offset),
            np.uint32(self.plan.seed),
        )

    def run(self, part: DevicePart, span: Span) -> tuple[Carry, NDArray[np.float64], bool]:
        """Run the program from the numbers on the device, which are kept, and wait for its end."""
        carry, sums, finite = self.program(self.carry, part.data, span, part.tail)
        return carry, fetch(sums), bool(finite)

    def keep(self, after: Carry, sums: NDArray[np.float64], steps: int) -> None:
        """Make the numbers after some steps the current ones."""
        self.theta_is_stale = self.moments_are_stale = True
        self.carry = after
        self.all_sums += sums
        self.taken += steps

    def fail(
        self, samples: Samples, rows: NDArray[np.int64], part: DevicePart, span: Span, settings: StepSettings
    ) -> None:
        """Find the first step with a non-finite number, keep the steps before it, and raise its error.

        Bisects, because non-finite numbers stay non-finite.
        """
        size = self.plan.batch_size

        def after(steps: int) -> tuple[Carry, NDArray[np.float64], bool]:
            return self.run(part, span._replace(samples=np.int64(min(steps * size, len(rows)))))

        good, bad = 0, len(settings.rate)
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if after(middle)[2] else (good, middle)
        last = after(bad)[0]
        if good:
            carry, sums, _ = after(good)
            self.keep(carry, sums, good)
        self.synchronize()
        here = rows[good * size : bad * size]
        raise self.error(samples, here, int(span.first) + good, settings.part(good, bad), last)

    def error(
        self, samples: Samples, rows: NDArray[np.int64], t: int, settings: StepSettings, last: Carry
    ) -> NonFiniteError:
        """Repeat step t with the reference engine to find the first non-finite number. last: the numbers after it."""
        plan, network = self.plan, self.plan.network
        lr, _, *factors = (float(values[0]) for values in settings)
        params = network.unflatten(self.theta)
        with np.errstate(all="ignore"):
            batch = samples.batch(rows, plan.dtype)
            draw = self.step_offset + t
            dropout, penalty, smoothing = factors
            objective, g = gradient(
                plan, params, self.states, batch, draw, dropout=dropout, penalty=penalty, smoothing=smoothing
            )
        is_good = np.isfinite(objective.loss) and np.isfinite(g).all()
        theta = np.concatenate([fetch(part) for part in last.theta]) if last.theta else self.theta
        if is_good and not np.isfinite(theta).all():
            self.theta[...] = theta
            return diagnosis.of_update(network, theta, t, lr)
        return diagnosis.of_gradient(plan, params, self.states, batch, self.step_offset, t, lr, *factors)

    def push(self) -> None:
        """Put theta, the states and the optimizer's state on the device, unless the device's are newer."""
        if not self.theta_is_stale:
            theta, states = put((cut(self.plan.network, self.theta), self.states), self.device)
            self.carry = self.carry._replace(theta=theta, states=states)
        if not self.moments_are_stale:
            state_parts = cut_state(self.plan.network, self._optimizer_state)
            moments = tuple(
                part if is_trained else () for part, is_trained in zip(state_parts, self.trained, strict=True)
            )
            self.carry = self.carry._replace(moments=put(moments, self.device))

    def synchronize(self) -> None:
        """Copy back theta and the states. Later changes to the attributes are put on the device again."""
        if not self.theta_is_stale:
            return
        for slot, part in zip(self.plan.network.slots, self.carry.theta, strict=True):
            self.theta[slot.start : slot.stop] = part
        new = self.carry.states
        self.states = {name: type(s)(*map(fetch, new[name])) for name, s in self.states.items()}
        self.theta_is_stale = False

    @property
    def optimizer_state(self) -> Any:
        """The optimizer's NamedTuple, copied from the device."""
        if self.moments_are_stale:
            for slot, part in zip(self.plan.network.slots, self.carry.moments, strict=True):
                for leaf, value in zip(self._optimizer_state, part, strict=False):
                    leaf[slice(slot.start, slot.stop) if leaf.ndim else ...] = value
            self.moments_are_stale = False
        return self._optimizer_state

    @optimizer_state.setter
    def optimizer_state(self, state: Any) -> None:
        self._optimizer_state, self.moments_are_stale = state, False

    def end(self) -> None:
        """Free the device's memory: no step may follow."""
        self.synchronize()
        self._optimizer_state = self.optimizer_state
        self.carry, self.source = Carry((), (), {}), None


# --- sessions of one plan in one program: networks of one shape side by side, each with its own parameters


def step_together(
    sessions: Sequence[XlaSession],
    samples: Samples,
    rows: NDArray[np.int64],
    settings: StepSettings,
    first: int,
) -> dict[int, NonFiniteError]:
    """Take the same steps in all sessions; return the errors of those with NaN or infinity, by index.

    rows: shared (n,), or one column per session (n, sessions).
    """
    errors: dict[int, NonFiniteError] = {}
    with devices.settings():
        for session in sessions:
            session.push()
            session.place(samples)
        source = sessions[0].source
        assert source is not None
        size, room = sessions[0].plan.batch_size, source.room
        for begin in range(0, len(settings.rate), room):
            live = [i for i in range(len(sessions)) if i not in errors]
            if live:
                some, here = settings.part(begin, begin + room), rows[begin * size : (begin + room) * size]
                mine = here if here.ndim == 1 else here[:, live]
                found = _call_together([sessions[i] for i in live], mine, some, first + begin)
                errors |= {live[i]: error for i, error in found.items()}
    return errors


def _call_together(
    sessions: Sequence[XlaSession], rows: NDArray[np.int64], settings: StepSettings, first: int
) -> dict[int, NonFiniteError]:
    """Take at most `room` steps in one call of the program, whose arrays have a leading axis of k sessions."""
    import jax
    import jax.numpy as jnp

    lead, own = sessions[0], rows.ndim == 2
    source = lead.source
    assert source is not None
    columns = [np.ascontiguousarray(rows[:, i]) for i in range(len(sessions))] if own else [rows]
    parts = [source.part(column) for column in columns]
    spans = [
        session.span(parts[i if own else 0], len(rows), settings, first) for i, session in enumerate(sessions)
    ]
    data: Any = parts[0].data
    if own and source.data is None:  # each session has its own samples: X (k, room * batch_size, features)
        data = DeviceData(*(jnp.stack(leaves) for leaves in zip(*(part.data for part in parts), strict=True)))
    span = spans[0]._replace(
        rows=np.stack([part.rows for part in parts]) if own else parts[0].rows,
        seed=np.array([each.seed for each in spans], np.uint32),
    )
    carry = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(session.carry for session in sessions))
    after, sums, finite = lead.program(carry, data, span, parts[0].tail)
    sums, is_finite = fetch(sums), fetch(finite)
    errors: dict[int, NonFiniteError] = {}
    for i, session in enumerate(sessions):
        if is_finite[i]:
            session.keep(jax.tree.map(lambda leaf, i=i: leaf[i], after), sums[i], len(settings.rate))
            continue
        k = i if own else 0
        try:
            session.fail(source.samples, columns[k], parts[k], spans[i], settings)
        except NonFiniteError as error:
            errors[i] = error
    return errors


# --- batches split into shards shared among processes: the same bits for any number of processes
#
# A batch of b rows has G shards, a power of two: shard g starts at row g b / G, rounded down. Each of P processes has
# G / P consecutive shards. Their results are summed along one binary tree of G leaves: first within a process's own
# branch, then across processes. So all processes have the same sums, and take the same step.
#
# A step is three programs: the gradients of a process's own shards, the sums, and the update. Only the second depends
# on P, and it contains only additions in a fixed order. In a single program, XLA would compile the first and the last
# differently for different P (a division becomes a product, a product and a sum an FMA), which gives other bits.


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


# --- the steps over shards

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
