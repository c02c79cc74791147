"""The code that JAX compiles: a loop of training steps over samples on the device, and the forward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.arrays import Array, namespace
from chainrule.data.samples import Batch
from chainrule.engines.step import correct, step_by_parameter
from chainrule.engines.step.base import Plan
from chainrule.errors import ConfigError, option
from chainrule.formulas.layers import Context
from chainrule.network.network import Network

MAX_PROGRAMS = 16
"""The maximum number of compiled programs kept for later runs of an equal network."""


class Carry(NamedTuple):
    """The values that a step updates."""

    theta: tuple[Array, ...]  # a vector (n,) per slot of the network
    moments: tuple[Any, ...]  # the optimizer's NamedTuple per slot, () if frozen
    states: dict[str, Any]  # running statistics by link name


class DeviceData(NamedTuple):
    """Samples on the device, as stored there."""

    X: Array  # (n, features): floats of the network's dtype, or any smaller dtype
    y: Array  # (n,) int32 class indices, or (n, outputs) of the network's dtype
    weight: Array  # (n,)


class Span(NamedTuple):
    """The steps of one call and their settings; `rows` and `settings` have room for the longest call."""

    rows: Array  # (room * batch_size,) the samples, in order
    settings: Array  # (5, room) float64, in the order of `StepSettings`
    samples: Any  # () the number of rows in use
    steps: Any  # () the number of steps in the loop, computed in the program
    first: Any  # () the number of the first step
    offset: Any  # () the number of steps before the run
    seed: Any  # () uint32


class CompiledSteps:
    """The steps of a plan, compiled once per shape of the samples, for any number of steps.

    A span with several seeds (k,) belongs to k networks side by side, whose arrays have a leading axis of k, as have
    the rows if each has its own order, the samples if each has its own, and all results.
    """

    def __init__(self, plan: Plan) -> None:
        """Inspect the plan without compiling; its seed is not used."""
        self.plan = plan
        self.compiled: dict[Any, Any] = {}
        self.mixes = any(link.layer.mixes_samples for link in plan.network.walk())

    def __call__(self, carry: Carry, data: DeviceData, span: Span, tail: int) -> tuple[Carry, Array, Array]:
        """Take steps: return the carry after them, their sums (5,) float64, and whether everything is finite.

        tail: the samples in an epoch's last batch, 0 if it is full.
        In a network that mixes samples, the last step has a batch of exactly the remaining rows; in others it has a
        full batch, where the excess rows have weight 0 and add 0 to every sum.
        """
        size, samples = self.plan.batch_size, int(span.samples)
        tail = (samples % size or tail) if self.mixes else 0
        steps = samples // size if self.mixes else -(-samples // size)
        span = span._replace(steps=np.int64(steps))
        key = tail, data.X.device, *((leaf.shape, leaf.dtype) for leaf in (*data, span.rows, span.seed))
        if key not in self.compiled:
            self.compiled[key] = self.compile(carry, data, span, tail)
        result: tuple[Carry, Array, Array] = self.compiled[key](carry, data, span)
        return result

    def compile(self, carry: Carry, data: DeviceData, span: Span, tail: int) -> Any:
        """Compile the steps for arrays of these shapes. Raises ConfigError if JAX cannot trace a formula."""
        import jax

        def chainrule_steps(carry: Carry, data: DeviceData, span: Span) -> tuple[Carry, Array, Array]:
            return self.steps(carry, data, span, tail)

        if not np.ndim(span.seed):
            return compiled(chainrule_steps, carry, data, span)
        by_span = Span(*[None] * len(span))._replace(rows=0 if np.ndim(span.rows) > 1 else None, seed=0)
        by_data = 0 if np.ndim(data.X) > 2 else None
        return compiled(jax.vmap(chainrule_steps, (0, by_data, by_span)), carry, data, span)

    def steps(self, carry: Carry, data: DeviceData, span: Span, tail: int) -> tuple[Carry, Array, Array]:
        """Take the steps of the loop, and one of `tail` samples if that is not 0 and rows remain."""
        import jax
        import jax.numpy as jnp

        size = self.plan.batch_size
        start = carry, jnp.zeros(5, jnp.float64)

        def step(i: Array, now: object, samples: int = size) -> Any:
            rows = jax.lax.dynamic_slice(span.rows, (i * size,), (samples,))  # (samples,)
            count = samples if self.mixes else jnp.minimum(size, span.samples - i * size)
            return self.step(now, self.batch(data, rows, count), count, i, span)

        carry, sums = jax.lax.fori_loop(0, span.steps, step, start)
        if tail:
            carry, sums = jax.lax.cond(
                span.samples > span.steps * size,
                lambda now: step(span.steps, now, tail),
                lambda now: now,
                (carry, sums),
            )
        return carry, sums, all_finite(carry.theta, sums)

    def batch(self, data: DeviceData, rows: Array, count: Array) -> Batch:
        """Gather rows; those from `count` on repeat the first one with weight 0."""
        import jax.numpy as jnp

        dtype = self.plan.dtype
        real = jnp.arange(len(rows)) < count
        rows = jnp.where(real, rows, rows[0])

        def take(values: Array) -> Array:
            return values.at[rows].get(mode="promise_in_bounds")

        y = take(data.y)
        if y.ndim == 1:
            y = y[:, None] == jnp.arange(self.plan.network.outputs, dtype=y.dtype)
        s = jnp.where(real, take(data.weight), 0)
        return Batch(take(data.X).astype(dtype), y.astype(dtype), s.astype(dtype))

    def step(self, now: Any, batch: Batch, count: Array, i: Array, span: Span) -> Any:
        """Take one step, and add its contributions to `Session.sums` and `row_sums`."""
        import jax
        import jax.numpy as jnp

        carry, sums = now
        lr, decay, dropout, penalty, smoothing = jax.lax.dynamic_slice(span.settings, (0, i), (5, 1))[:, 0]
        t = span.first + i
        plan = self.plan._replace(seed=span.seed)
        numbers, factors = (carry.theta, carry.moments, carry.states), (decay, dropout, penalty, smoothing)
        after = step_by_parameter(plan, *numbers, batch, lr, t, span.offset + t, *factors)
        new = Carry(after.theta, after.optimizer_state, after.states)
        new = jax.tree.map(lambda value, old: jnp.asarray(value, old.dtype), new, carry)
        right = correct(plan.network.loss, after.out, batch.y, batch.s)
        loss, weight, right, part = (
            jnp.asarray(value, jnp.float64) for value in (after.loss, batch.s.sum(), right, after.penalty)
        )
        return new, sums + jnp.stack([loss * weight, weight, right, loss * count, part * count])


def all_finite(theta: Array, sums: Array) -> Array:
    """Return whether all parameters and sums are finite."""
    import jax.numpy as jnp

    finite = jnp.isfinite(sums).all()
    for part in theta:
        finite &= jnp.isfinite(part).all()
    return finite


def compiled(function: Callable[..., Any], *given: Any, donated: tuple[int, ...] = ()) -> Any:
    """Compile a function for given arguments. Raises ConfigError if JAX cannot trace a formula.

    donated: the indices of arguments whose memory the results reuse.
    """
    import jax

    errors = (
        jax.errors.TracerArrayConversionError,
        jax.errors.TracerBoolConversionError,
        jax.errors.TracerIntegerConversionError,
        jax.errors.ConcretizationTypeError,
        jax.errors.NonConcreteBooleanIndexError,
    )
    try:
        return jax.jit(function, donate_argnums=donated).lower(*given).compile()
    except errors as error:
        engine = option("engine", "engine='reference'", "reference")
        raise ConfigError(
            f"{option('engine', 'engine xla', 'xla')} cannot compile this network: a custom layer, loss or optimizer "
            "calls NumPy or branches on a value; use functions of the array's own namespace "
            f"(chainrule.core.arrays.namespace), or {engine}."
        ) from error


def program(plan: Plan, make: Callable[[Plan], CompiledSteps] = CompiledSteps) -> CompiledSteps:
    """Return the program of a plan, shared among seeds and among networks of equal layers.

    make: the class of the program.
    """
    optimizer: Any = plan.optimizer if is_own(plan.optimizer) else id(plan.optimizer)  # kept by the program
    key = plan._replace(
        network=structure(plan.network), optimizer=optimizer, seed=0, threads=None, device=None, streamed=None
    )
    result: CompiledSteps = _kept(_STEPS, (key, make), lambda: make(plan))
    return result


def forward(network: Network) -> Callable[[tuple[Array, ...], Mapping[str, Any], Array], Array]:
    """Return a network's forward pass in prediction mode, compiled on first use for each number of rows."""

    def make() -> Any:
        import jax

        def chainrule_outputs(theta: tuple[Array, ...], states: Mapping[str, Any], a: Array) -> Array:
            out = network.predict(network.fill(theta), a, Context(states=states))
            return namespace(a).asarray(out, dtype=a.dtype)

        return jax.jit(chainrule_outputs)

    walk: Callable[[tuple[Array, ...], Mapping[str, Any], Array], Array] = _kept(
        _WALKS, structure(network), make
    )
    return walk


def is_own(part: object) -> bool:
    """Return whether equal fields imply equal formulas, which custom classes do not guarantee."""
    return type(part).__module__.startswith("chainrule.")


def structure(network: Network) -> Any:
    """Return the key of a network's program: the settings of the package's own layers and loss.

    A network with a custom one is its own key.
    """
    layers = [link.layer for link in network.walk()]
    functions = [getattr(layer, "function", None) for layer in layers]  # in a `ParametricActivation`
    parts = [*layers, *filter(None, functions), network.loss, network.loss.of_member]
    if all(map(is_own, parts)):
        settings = network.l2, network.l1, network.max_norm, network.constraints
        return network.inputs, network.layers, network.loss, *settings
    return network, network.l2, network.l1, network.max_norm


_STEPS: dict[Any, Any] = {}
_WALKS: dict[Any, Any] = {}


def _kept(programs: dict[Any, Any], key: object, make: Callable[[], Any]) -> Any:
    """Return a cached program, or create it and evict the least recently used one."""
    try:
        found = programs.pop(key, None)
    except TypeError:  # an unhashable custom optimizer or loss
        return make()
    programs[key] = found = make() if found is None else found
    for oldest in list(programs)[:-MAX_PROGRAMS]:
        programs.pop(oldest, None)
    return found
