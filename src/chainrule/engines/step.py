"""One training step as a pure function: what every engine computes, and what JAX compiles as it stands."""

from __future__ import annotations

from typing import Any, NamedTuple

from chainrule.core.arrays import Array, namespace
from chainrule.engines.base import Plan
from chainrule.formulas import regularizers
from chainrule.formulas.clipping import clip_by_norm, clip_by_value
from chainrule.formulas.layers import Context
from chainrule.network.network import Network
from chainrule.network.objective import Objective


class StepResult(NamedTuple):
    """Everything after a step."""

    theta: Array
    optimizer_state: Any
    states: dict[str, Any]
    loss: Array
    out: Array


def gradient(
    plan: Plan,
    params: Any,
    states: dict[str, Any],
    batch: Any,
    t: Array,
    watch: Any = None,
    training: bool = True,
    out: Any = None,
) -> tuple[Objective, Array]:
    """The objective of a batch and its clipped gradient in theta's layout (size,). t keys the dropout masks.

    out: a NumPy vector (size,) for the gradient, for a caller that takes many.
    """
    ctx = Context(training=training, seed=plan.seed, step=t, states=states, frozen=plan.frozen, watch=watch)
    objective = plan.network.objective(params, batch.a, batch.y, batch.s, ctx)
    g = plan.network.flatten(objective.grads, out)
    if plan.frozen:  # what is not trained must not count in the norm either
        g = namespace(g).where(is_frozen(plan, g), 0, g)
    if plan.clip_value is not None:
        g = clip_by_value(g, plan.clip_value)
    if plan.clip_norm is not None:
        g = clip_by_norm(g, plan.clip_norm)
    return objective, g


def is_frozen(plan: Plan, theta: Array) -> Array:
    """Which numbers of theta are not trained: (size,) bool."""
    xp = namespace(theta)
    parts = [xp.full((slot.stop - slot.start,), slot.link.name in plan.frozen) for slot in plan.network.slots]
    return xp.concatenate(parts)


def constrain(network: Network, theta: Array) -> Array:
    """theta with every weight's incoming norm at most max_norm."""
    if network.max_norm is None:
        return theta
    params = [
        regularizers.max_norm(W, network.max_norm) if slot.parameter.is_weight else W
        for slot in network.slots
        for W in [theta[slot.start : slot.stop].reshape(slot.parameter.shape)]
    ]
    return namespace(theta).concatenate([W.reshape(-1) for W in params])


def step(
    plan: Plan, theta: Array, optimizer_state: Any, states: dict[str, Any], batch: Any, lr: Array, t: Array
) -> StepResult:
    """theta after one step: gradient, update, constraint. t counts from 1."""
    objective, g = gradient(plan, plan.network.unflatten(theta), states, batch, t)
    new, optimizer_state = plan.optimizer.update(g, optimizer_state, theta, lr, t)
    new = constrain(plan.network, new)
    if plan.frozen:
        new = namespace(theta).where(is_frozen(plan, theta), theta, new)
    return StepResult(new, optimizer_state, objective.states, objective.loss, objective.out)
