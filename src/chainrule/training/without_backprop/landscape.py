"""The loss of one batch as a function of the trained parameters, the only access of a method to the network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Params, states_in
from chainrule.core.random import generator
from chainrule.data.samples import Batch
from chainrule.engines import Plan
from chainrule.formulas.layers import Context, Link
from chainrule.formulas.layers.base import zeros_like
from chainrule.formulas.losses import LOSSES
from chainrule.network import backprop, objective

AT_ONCE = 1 << 16
"""The maximum numbers in the arrays of candidates computed at once, which then stay in the second-level cache."""


class Landscape:
    """L(x) for one batch at one step, around the current parameters.

    L is the objective of a training step: with sample weights, penalties, the step's dropout masks (the same for every
    x) and the batch's statistics. All is float64, whatever the model's precision, because the difference of two losses
    has at most half of their digits.
    passes: the forward passes so far, each over the whole batch; a backward pass counts by its arithmetic.
    """

    def __init__(
        self,
        plan: Plan,
        theta: NDArray[Any],
        states: dict[str, Any],
        batch: Batch,
        t: int,
        trained: NDArray[np.int64],
        fixed: Any = None,
        dropout: float = 1.0,
        factor: float = 1.0,
        smoothing: float = 1.0,
    ) -> None:
        """Compute a forward pass at the current parameters: for the recorded loss and the batch's statistics.

        dropout, factor, smoothing: the step's factors of the rate of every Dropout, of the penalty and of the loss's
        label smoothing.
        """
        self.factor, self.smoothing = factor, smoothing
        self.of_loss = plan.network.loss.smoothed(smoothing)
        self.plan, self.network, self.batch, self.trained, self.fixed = (
            plan,
            plan.network,
            batch,
            trained,
            fixed,
        )
        self.theta = np.array(theta, np.float64)  # (size,), a copy
        states = states_in(np.float64, states)
        self.ctx = Context(
            training=True, seed=plan.seed, step=t, states=states, frozen=plan.frozen, dropout=dropout
        )
        self.share = objective.shares(batch.s)  # (batch,)
        self.params = self.network.unflatten(self.theta)
        self.out, self.caches = backprop.forward(self.network.links, self.params, batch.a, self.ctx)
        self.value = self._loss(self.out, self.params)
        """L at the current parameters"""
        self.penalty = float(self.network.penalty(self.params, factor))
        """its part of L"""
        self.passes = 1.0

    @cached_property
    def rng(self) -> np.random.Generator:
        """The random generator of this step: a function of (seed, step)."""
        return generator(self.plan.seed, "method", int(self.ctx.step))

    @property
    def x(self) -> NDArray[np.float64]:
        """The current parameters: (P,), a copy."""
        return self.theta[self.trained]

    @property
    def next_states(self) -> dict[str, Any]:
        """The running statistics after this step, from the forward pass at the current parameters."""
        return backprop.next_states(self.network.links, self.caches, self.ctx)

    # --- forward -------------------------------------------------------------------------------------------------

    def losses(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute L (k,) at the points (k, P)."""
        self.passes += len(points)
        found = np.empty(len(points))
        width = sum(link.fan_out for link in self.network.links)
        rows = max(1, AT_ONCE // (len(self.theta) + len(self.share) * width)) if self._stacks() else 1
        walk = self._stacked if rows > 1 else self._single
        for start in range(0, len(points), rows):
            theta = np.repeat(self.theta[None], len(points[start : start + rows]), 0)  # (rows, size)
            theta[:, self.trained] = points[start : start + rows]
            found[start : start + rows] = walk(theta)
        return found

    def _loss(self, out: NDArray[Any], params: Params) -> float:
        """Compute L from an output and the parameters that made it."""
        losses = self.of_loss.value(out, self.batch.y)
        return float(objective.value(losses, self.share, self.network.penalty(params, self.factor)))

    def _output_gradient(self) -> NDArray[np.float64]:
        """Compute dL/d out (batch, outputs) at the current parameters."""
        slopes = self.of_loss.gradient(self.out, self.batch.y)
        return np.asarray(objective.gradient(slopes, self.share))

    def _single(self, theta: NDArray[np.float64]) -> list[float]:
        params = [self.network.unflatten(row) for row in theta]
        outs = (backprop.forward(self.network.links, p, self.batch.a, self.ctx)[0] for p in params)
        return [self._loss(out, p) for out, p in zip(outs, params, strict=True)]

    def _stacks(self) -> bool:
        known = type(self.network.loss) in LOSSES.values()
        return known and all(link.layer.stacks for link in self.network.links)

    def _stacked(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the same for k candidates in one pass: each W is (k, fan_in, fan_out), each vector (k, 1, width)."""
        slots, a = iter(self.network.slots), self.batch.a
        for link in self.network.links:
            arrays = []
            for _ in link.params:
                slot = next(slots)
                shape = slot.parameter.shape if len(slot.parameter.shape) > 1 else (1, *slot.parameter.shape)
                arrays.append(theta[:, slot.start : slot.stop].reshape(len(theta), *shape))
            params = type(link.params)(*arrays) if arrays else ()
            a = link.layer.forward(params, a, self.ctx.at(link))[0]  # (k, batch, width)
        losses = self.of_loss.value(np.broadcast_to(a, (len(theta), *a.shape[-2:])), self.batch.y)
        penalty: Any = 0.0
        if self.network.l2 or self.network.l1:
            penalty = [self.network.penalty(self.network.unflatten(row), self.factor) for row in theta]
        return np.asarray(objective.value(losses, self.share, penalty))  # (k,)

    # --- back, and along a direction -----------------------------------------------------------------------------

    def walk_back(self, through: Sequence[Any] | None = None) -> NDArray[np.float64]:
        """Compute dL/dx (P,) by the backward pass.

        through: other parameters for the backward pass to use; the network's own for None.
        """
        self.passes += walk_back_cost(list(self.network.walk()), self.plan.frozen)
        params = self.params if through is None else through
        delta = self._output_gradient()
        grads = backprop.gradients(self.network.links, params, self.caches, delta, self.ctx)
        g: NDArray[np.float64] = self.network.flatten(self._add_penalty(grads))
        return g[self.trained]

    def slope(self, v: NDArray[np.float64]) -> float:
        """dL/dx . v, the derivative along v (P,), by a forward pass that carries derivatives (a JVP)."""
        self.passes += walk_back_cost(list(self.network.walk()), self.plan.frozen)  # products of equal size
        theta_dot = np.zeros_like(self.theta)
        theta_dot[self.trained] = v
        params_dot = self.network.unflatten(theta_dot)
        out_dot = backprop.tangent(self.network.links, self.params, params_dot, self.caches, None, self.ctx)
        out_dot = np.zeros_like(self.out) if out_dot is None else out_dot
        zeros = zeros_like(self.params)
        along = self.network.flatten(self._add_penalty(zeros)) @ theta_dot
        return float((self._output_gradient() * out_dot).sum() + along)

    def _add_penalty(self, grads: Array) -> Any:
        """Return the gradients plus those of the penalty."""
        return self.network.add_penalty(self.params, grads, self.factor)


def walk_back_cost(links: Sequence[Link], frozen: frozenset[str]) -> float:
    """Estimate the operations of a backward pass in forward passes: from 0, with nothing trained, to 2.

    A link with weights has a product as large as its forward one for dL/dW if it is trained, and another one for dL/da
    if a link before it is. links: depth first.
    """
    forward = back = 0
    below = False
    for link in links:
        operations = link.layer.operations(link.fan_in)
        own = link.params != () and link.name not in frozen
        forward += operations
        back += operations * (own + below)
        below = below or own
    return back / forward if forward else 0.0
