"""The reference engine: the formulas of this package, run by NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike
from chainrule.data.samples import Samples, dense
from chainrule.engines.step import by_parameter, correct, diagnosis, gradient, update
from chainrule.engines.step.base import OnProcessor, Plan, StepSettings
from chainrule.formulas import regularizers
from chainrule.formulas.layers import Context
from chainrule.network.network import Network

BLOCK_SIZE = 1 << 15
"""The number of elements of theta updated at a time, so that temporaries stay in the second-level cache."""


class ReferenceEngine(OnProcessor):
    """The engine that runs any network and optimizer with NumPy, including custom layers."""

    name = "reference"

    def refusal(self, plan: Plan) -> str | None:
        """Return None for every network, optimizer and precision; a reason for a device, shards or a group."""
        return self.elsewhere(plan)

    def session(
        self,
        plan: Plan,
        theta: NDArray[Any],
        states: dict[str, Any],
        optimizer_state: Any,
        step_offset: int,
    ) -> ReferenceSession:
        """Train theta in place."""
        return ReferenceSession(plan, theta, states, optimizer_state, step_offset)

    def workers(self) -> int:
        """Return 1: NumPy uses several cores itself, and Python holds the interpreter lock."""
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
        """Compute the outputs (n, fan_out) in batches, on NumPy's threads."""
        params, ctx = network.unflatten(theta), Context(states=states, precision=precision)
        out = np.empty((X.shape[0], network.fan_out), theta.dtype)
        for start in range(0, X.shape[0], batch_size):
            rows = X[start : start + batch_size]
            with np.errstate(all="ignore"):  # overflow is visible in the output
                out[start : start + batch_size] = network.predict(params, dense(rows, theta.dtype), ctx)
        return out

    def bind(
        self,
        network: Network,
        theta: NDArray[Any],
        states: dict[str, Any],
        capacity: int,
        threads: int | None = None,
        precision: str | None = None,
    ) -> ReferenceWalk:
        """Return the forward pass with copies of these parameters, as a function of X."""
        return ReferenceWalk(self, network, theta, states, capacity, precision)


class ReferenceWalk:
    """The forward pass with copies of its parameters. See `ForwardWalk`."""

    def __init__(
        self,
        engine: ReferenceEngine,
        network: Network,
        theta: NDArray[Any],
        states: dict[str, Any],
        capacity: int,
        precision: str | None,
    ) -> None:
        """Copy theta and the states."""
        self.engine, self.network, self.capacity, self.precision = engine, network, capacity, precision
        self.put(theta, states)

    def put(self, theta: NDArray[Any], states: dict[str, Any]) -> None:
        """Copy other parameters."""
        self.theta = theta.copy()
        self.states = {name: type(s)(*map(np.copy, s)) for name, s in states.items()}

    def __call__(self, X: RowsLike) -> NDArray[Any]:
        """Compute the outputs (n, fan_out)."""
        return self.engine.predict(
            self.network, self.theta, self.states, X, self.capacity, precision=self.precision
        )


class ReferenceSession:
    """Training steps in NumPy. See `Session`."""

    call_steps: int | None = None
    compiles = False
    turns = 1

    def __init__(
        self,
        plan: Plan,
        theta: NDArray[Any],
        states: dict[str, Any],
        optimizer_state: Any,
        step_offset: int,
    ) -> None:
        """Create views of theta's parameters once; they stay valid because theta is updated in place."""
        self.plan, self.theta, self.states, self.optimizer_state = plan, theta, states, optimizer_state
        self.step_offset = step_offset
        self.all_sums, self.taken = np.zeros(5), 0
        self.sums, self.row_sums = self.all_sums[:3], self.all_sums[3:]
        self.params = plan.network.unflatten(theta)
        # One vector for all steps: with new ones, the C library would release and map memory in every step.
        self.g = np.empty_like(theta)
        self.blocks = list(_blocks(plan))
        self.rates, self.decays = (by_parameter(plan.network, name) for name in ("rate", "decays"))
        self.parts: list[Any] = []  # the optimizer's state of each block, between steps
        self.weights = [
            theta[slot.start : slot.stop].reshape(slot.parameter.shape)
            for slot in plan.network.slots
            if slot.parameter.is_weight and slot.link.name not in plan.frozen
        ]

    def steps(self, samples: Samples, rows: NDArray[np.int64], settings: StepSettings, first: int) -> None:
        """Take the steps: gradient, update, constraint. Raises NonFiniteError."""
        size = self.plan.batch_size
        for k, each in enumerate(zip(*(values.tolist() for values in settings), strict=True)):
            (lr, decay, dropout, penalty, smoothing), t = each, first + k
            with np.errstate(all="ignore"):  # overflow is detected and reported
                batch = samples.batch(rows[k * size : (k + 1) * size], self.plan.dtype)
                objective, g = gradient(
                    self.plan,
                    self.params,
                    self.states,
                    batch,
                    self.step_offset + t,
                    out=self.g,
                    dropout=dropout,
                    penalty=penalty,
                    smoothing=smoothing,
                )
                if not (np.isfinite(objective.loss) and is_finite(g)):
                    factors = dropout, penalty, smoothing
                    raise diagnosis.of_gradient(
                        self.plan, self.params, self.states, batch, self.step_offset, t, lr, *factors
                    )
                self.update(g, lr, t, decay)
                self.constrain(t, lr)
            self.states = objective.states
            weight = float(batch.s.sum())
            loss, n = float(objective.loss), len(batch.s)
            right = float(correct(self.plan.network.loss, objective.out, batch.y, batch.s))
            penalty = float(objective.penalty)
            self.all_sums += (loss * weight, weight, right, loss * n, penalty * n)
            self.taken += 1

    def constrain(self, t: int, lr: float) -> None:
        """Bound the norms and the numbers of theta after a step. Raises NonFiniteError if one is not finite."""
        network = self.plan.network
        if network.max_norm is not None:
            for W in self.weights:
                W[...] = regularizers.max_norm(W, network.max_norm)
        if not is_finite(self.theta):
            raise diagnosis.of_update(network, self.theta, t, lr)
        if network.bounds is not None:
            for block in self.blocks:
                self.theta[block] = network.bounds.within(self.theta[block], block)

    def synchronize(self) -> None:
        """Reassemble the optimizer's state from its blocks; everything else is always current."""
        for block, part in zip(self.blocks, self.parts, strict=False):
            for leaf, value in zip(self.optimizer_state, part, strict=True):
                leaf[block if leaf.ndim else ...] = value
        self.parts = []

    def update(self, g: NDArray[Any], lr: float, t: int, decay: float = 1.0) -> None:
        """Take the optimizer's step, block by block of theta; frozen parameters belong to no block."""
        if not self.parts:  # the first step after `synchronize`
            state = self.optimizer_state
            self.parts = [
                type(state)(*(leaf[block if leaf.ndim else ...] for leaf in state)) for block in self.blocks
            ]
        for i, block in enumerate(self.blocks):
            self.theta[block], self.parts[i] = update(
                self.plan.optimizer,
                g[block],
                self.parts[i],
                self.theta[block],
                lr if self.rates is None else lr * self.rates[block],
                t,
                decay if self.decays is None else decay * self.decays[block],
            )


def is_finite(vector: NDArray[Any]) -> bool:
    """Return whether a vector (n,) is finite: one pass in BLAS, and a second one only if the square overflows."""
    return bool(np.isfinite(vector @ vector) or np.isfinite(vector).all())


def _blocks(plan: Plan) -> Iterator[slice]:
    """Iterate over trained blocks of theta, of at most BLOCK_SIZE elements; adjacent parameters are merged first."""
    ranges: list[list[int]] = []
    for slot in plan.network.slots:
        if slot.link.name in plan.frozen:
            continue
        if ranges and ranges[-1][1] == slot.start:
            ranges[-1][1] = slot.stop
        else:
            ranges.append([slot.start, slot.stop])
    for start, stop in ranges:
        for begin in range(start, stop, BLOCK_SIZE):
            yield slice(begin, min(begin + BLOCK_SIZE, stop))
