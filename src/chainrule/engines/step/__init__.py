"""One training step as a pure function, which every engine implements and JAX compiles unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Params, namespace
from chainrule.engines.step.base import Plan
from chainrule.formulas import regularizers
from chainrule.formulas.clipping import clip_by_norm, clip_by_value, shortening
from chainrule.formulas.layers import Context
from chainrule.formulas.losses import Loss
from chainrule.formulas.optimizers import Optimizer
from chainrule.network import tree
from chainrule.network.answers import likeliest
from chainrule.network.network import Network, Slot
from chainrule.network.objective import Objective


class StepResult(NamedTuple):
    """The results of a step."""

    theta: Array
    optimizer_state: Any
    states: dict[str, Any]
    loss: Array
    out: Array
    penalty: Array


def gradient(
    plan: Plan,
    params: Params,
    states: dict[str, Any],
    batch: Any,
    t: Array,
    watch: Any = None,
    training: bool = True,
    out: Array = None,
    dropout: Array = 1.0,
    penalty: Array = 1.0,
    smoothing: Array = 1.0,
) -> tuple[Objective, Array]:
    """Compute the objective of a batch and its clipped gradient (size,) in theta's layout. t keys the dropout masks.

    out: a preallocated NumPy vector (size,) for the gradient.
    dropout, penalty, smoothing: factors of every Dropout's rate, of the network's penalty and of the loss's label
    smoothing.
    """
    ctx = Context(
        training=training,
        seed=plan.seed,
        step=t,
        states=states,
        frozen=plan.frozen,
        watch=watch,
        dropout=dropout,
        precision=plan.precision,
    )
    objective = plan.network.objective(
        params, batch.a, batch.y, batch.s, ctx, penalty, smoothing, batch.slopes
    )
    g = plan.network.flatten(objective.grads, out)
    if plan.frozen:  # frozen parameters must not count in the norm either
        g = namespace(g).where(is_frozen(plan, g), 0, g)
    if plan.clip_value is not None:
        g = clip_by_value(g, plan.clip_value)
    if plan.clip_norm is not None:
        g = clip_by_norm(g, plan.clip_norm)
    return objective, g


def is_frozen(plan: Plan, theta: Array) -> Array:
    """Return which elements of theta are frozen, as (size,) bool."""
    xp = namespace(theta)
    parts = [xp.full((slot.stop - slot.start,), slot.link.name in plan.frozen) for slot in plan.network.slots]
    return xp.concatenate(parts)


def constrained(network: Network, slot: Slot, vector: Array) -> Array:
    """Return a slot's parameter (n,) with each neuron's incoming weights bounded by max_norm, within its bounds."""
    if network.max_norm is not None and slot.parameter.is_weight:
        vector = regularizers.max_norm(vector.reshape(slot.parameter.shape), network.max_norm).reshape(-1)
    return vector if network.bounds is None else network.bounds.within(vector, slice(slot.start, slot.stop))


def by_parameter(network: Network, setting: str) -> NDArray[np.float64] | None:
    """Return each element's `rate` or `decays` (size,) in theta's layout; None if all are 1."""
    factors = [getattr(slot, setting) for slot in network.slots]
    if all(factor == 1 for factor in factors):
        return None
    return np.repeat(np.array(factors, np.float64), [slot.stop - slot.start for slot in network.slots])


def update(
    optimizer: Optimizer, g: Array, state: object, theta: Array, lr: Array, t: Array, decay: Array
) -> tuple[Array, Any]:
    """Take the optimizer's step; decay: a factor of its weight decay, if any."""
    settings = {"decay": decay} if optimizer.decays else {}
    return optimizer.update(g, state, theta, lr, t, **settings)


def are_correct(loss: Loss, out: Array, y: Array) -> Array:
    """Return which samples have the correct class, or all labels correct (n,); False for regression."""
    if loss.targets == "classes":
        return likeliest(loss, out) == y.argmax(1)
    if loss.targets == "binary":
        return ((loss.predict(out) > 0.5) == (y > 0.5)).all(1)
    return False


def correct(loss: Loss, out: Array, y: Array, s: Array) -> Array:
    """Compute the total weight of samples that are correct."""
    return 0.0 if loss.targets not in ("classes", "binary") else s @ are_correct(loss, out, y)


def step(
    plan: Plan,
    theta: Array,
    optimizer_state: object,
    states: dict[str, Any],
    batch: object,
    lr: Array,
    t: Array,
    decay: Array = 1.0,
    dropout: Array = 1.0,
    penalty: Array = 1.0,
    smoothing: Array = 1.0,
) -> StepResult:
    """Take one step of gradient, update and constraint.

    t counts from 1.  lr, decay, dropout, penalty, smoothing: as in `StepSettings`; parameters may scale the first two.
    """
    network = plan.network
    theta_parts, state_parts = cut(network, theta), cut_state(network, optimizer_state)
    found = step_by_parameter(
        plan, theta_parts, state_parts, states, batch, lr, t, t, decay, dropout, penalty, smoothing
    )
    if not theta_parts:
        return found._replace(theta=theta, optimizer_state=optimizer_state)
    join = namespace(theta).concatenate
    trained = [i for i, slot in enumerate(network.slots) if slot.link.name not in plan.frozen]
    leaves = [
        join(of_each) if of_each[0].ndim else of_each[trained[0] if trained else 0]
        for of_each in zip(*found.optimizer_state, strict=True)
    ]
    return found._replace(theta=join(found.theta), optimizer_state=type(optimizer_state)(*leaves))


def cut(network: Network, vector: Array) -> tuple[Array, ...]:
    """Split a vector (size,) in theta's layout into one per parameter, in the order of `Network.slots`."""
    return tuple(vector[slot.start : slot.stop] for slot in network.slots)


def cut_state(network: Network, state: Any) -> tuple[Any, ...]:
    """Split an optimizer's state likewise: vectors are split, numbers are shared."""
    return tuple(
        type(state)(*(leaf[slot.start : slot.stop] if leaf.ndim else leaf for leaf in state))
        for slot in network.slots
    )


def step_by_parameter(
    plan: Plan,
    theta: Sequence[Array],
    optimizer_states: Sequence[Any],
    states: dict[str, Any],
    batch: Any,
    lr: Array,
    t: Array,
    draw: Array,
    decay: Array = 1.0,
    dropout: Array = 1.0,
    penalty: Array = 1.0,
    smoothing: Array = 1.0,
) -> StepResult:
    """Take one step with theta split into one array per parameter, as XLA holds it.

    theta, also in the result: a vector (n,) per slot of `Network.slots`.  optimizer_states: one per slot; those of
    frozen parameters are unused.  draw: the number of the step, which keys the dropout masks.
    """
    network = plan.network
    ctx = Context(
        training=True, seed=plan.seed, step=draw, states=states, frozen=plan.frozen, dropout=dropout
    )
    objective = network.objective(network.fill(theta), batch.a, batch.y, batch.s, ctx, penalty, smoothing)
    g = [leaf.reshape(-1) for leaf in tree.leaves(objective.grads)]
    new, after = updated(plan, theta, optimizer_states, g, lr, t, decay)
    return StepResult(new, after, objective.states, objective.loss, objective.out, objective.penalty)


def updated(
    plan: Plan,
    theta: Sequence[Array],
    optimizer_states: Sequence[Any],
    g: Sequence[Array],
    lr: Array,
    t: Array,
    decay: Array,
) -> tuple[tuple[Array, ...], tuple[Any, ...]]:
    """Clip the gradient, update and constrain: return theta and the optimizer's states per slot after the step."""
    network, g = plan.network, list(g)
    new, after = list(theta), list(optimizer_states)
    trained = [i for i, slot in enumerate(network.slots) if slot.link.name not in plan.frozen]
    if plan.clip_value is not None:
        g = [clip_by_value(part, plan.clip_value) for part in g]
    if plan.clip_norm is not None and trained:
        factor = shortening(sum(namespace(g[i]).sum(g[i] * g[i]) for i in trained), plan.clip_norm)
        g = [part * factor for part in g]
    for i in trained:
        slot = network.slots[i]
        factors = lr * slot.rate, t, decay * slot.decays
        moved, after[i] = update(plan.optimizer, g[i], after[i], theta[i], *factors)
        new[i] = constrained(network, slot, moved)
    return tuple(new), tuple(after)
