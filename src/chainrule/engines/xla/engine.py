"""The xla engine: JAX compiles the formulas for the CPU, a GPU or another device.

A call runs a compiled loop of many steps, with samples, parameters and the optimizer's state on the device.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike
from chainrule.data.samples import dense
from chainrule.engines.step import cut
from chainrule.engines.step.base import Plan
from chainrule.engines.xla import devices
from chainrule.engines.xla.program import forward
from chainrule.engines.xla.samples import Shared, put
from chainrule.engines.xla.session import XlaSession
from chainrule.engines.xla.sharded import ShardedSession
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
            return f"precision {plan.precision!r} requires the native engine"
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
