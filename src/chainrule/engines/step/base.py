"""The interface of an engine: a plan, and a session that takes steps."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike
from chainrule.data.samples import Samples
from chainrule.formulas.optimizers import GradientDescent, Optimizer
from chainrule.network.network import Network


class Plan(NamedTuple):
    """The fixed settings of a run of steps. `Plan(network)` is enough for prediction."""

    network: Network
    optimizer: Optimizer = GradientDescent()
    batch_size: int = 1
    seed: int = 0
    dtype: Any = np.float32
    clip_norm: float | None = None
    clip_value: float | None = None
    frozen: frozenset[str] = frozenset()
    precision: str | None = None
    """"bf16" to round the factors of products to bfloat16; None for theta's precision"""
    threads: int | None = None
    """the maximum number of threads of a session; None for all available. Results do not depend on it"""
    device: str | None = None
    """the device of an accelerator engine, such as "cpu" or "cuda:0"; None for its default"""
    streamed: int | None = None
    """the number of samples in an epoch that comes in pieces of any size; None if all samples are in memory"""
    shards: int | None = None
    """the number of parts of each batch, a power of two, with gradients summed as a tree; None for whole batches"""
    reduce: str = "tree"
    """how processes sum: "tree" continues that tree, "psum" uses the fastest order for their number"""
    group: int | None = None
    """the ensemble members trained side by side in one program of the xla engine; None for one at a time"""
    slopes: bool = False
    """whether the samples have slopes to train on"""


class StepSettings(NamedTuple):
    """The settings that may change between steps, one number per step."""

    rate: NDArray[np.float64]
    """(steps,) the learning rate"""
    decay: NDArray[np.float64]
    """(steps,) a factor of the optimizer's weight decay"""
    dropout: NDArray[np.float64]
    """(steps,) a factor of the rate of every Dropout, from 0 to 1"""
    penalty: NDArray[np.float64]
    """(steps,) a factor of the network's penalty, of at least 0"""
    smoothing: NDArray[np.float64]
    """(steps,) a factor of the loss's label smoothing, from 0 to 1"""

    @classmethod
    def of(cls, rate: NDArray[np.float64], **factors: NDArray[np.float64]) -> StepSettings:
        """Create settings from learning rates and some factors (steps,) by name; the others are 1."""
        ones = np.ones(len(rate))
        return cls(rate, ones, ones, ones, ones)._replace(**factors)

    def part(self, begin: int, end: int) -> StepSettings:
        """Return the settings of steps `begin` to `end`."""
        return StepSettings(*(values[begin:end] for values in self))


class Session(Protocol):
    """A run of training steps, whose attributes are current after each call."""

    theta: NDArray[Any]
    """(size,) updated in place"""
    states: dict[str, Any]
    """running statistics by link name"""
    optimizer_state: Any
    """the optimizer's NamedTuple"""
    step_offset: int
    """the number of steps before this run, an offset of its random draws"""
    call_steps: int | None
    """the number of steps per call, except for an epoch's last one, if compiled for a fixed number; None for any"""
    turns: int
    """the number of an ensemble's sessions that share a core, by which a call's duration may be multiplied"""
    sums: NDArray[np.float64]
    """(3,) sums over the steps since last reset: loss * weight, weight, weight of the correct samples"""
    row_sums: NDArray[np.float64]
    """(2,) sums over the same steps: loss * n, and its penalty * n, with n the number of samples of a step"""

    def steps(self, samples: Samples, rows: NDArray[np.int64], settings: StepSettings, first: int) -> None:
        """Take steps over `rows` in order, with batch_size samples each (the last may have fewer).

        settings: of each step; their length is the number of steps.  first: the number of the first step, from 1,
        within the optimizer's run.  Raises NonFiniteError at the step that produces NaN or infinity, before its
        update if possible.
        """
        ...

    @property
    def compiles(self) -> bool:
        """Whether its first step waits for a compiler."""
        ...

    @property
    def taken(self) -> int:
        """The number of completed steps, even right after an interrupt during a call."""
        ...

    def synchronize(self) -> None:
        """Make theta, states and optimizer_state current, if the engine stores them elsewhere between steps."""
        ...


class ForwardWalk(Protocol):
    """The forward pass of a network, prepared once for many calls, of one thread at a time."""

    def put(self, theta: NDArray[Any], states: dict[str, Any]) -> None:
        """Copy other parameters, for the calls that follow."""
        ...

    def __call__(self, X: RowsLike) -> NDArray[Any]:
        """Compute the network's output (n, outputs) for X (n, features), in theta's precision."""
        ...


class Engine(Protocol):
    """Runs the forward pass, and training steps in sessions."""

    name: str

    def refusal(self, plan: Plan) -> str | None:
        """Return why the engine does not support a plan, or None if it does."""
        ...

    def on(self, device: str | None) -> Engine:
        """Return the engine on a device of that name: itself, if it supports only the CPU."""
        ...

    def session(
        self,
        plan: Plan,
        theta: NDArray[Any],
        states: dict[str, Any],
        optimizer_state: object,
        step_offset: int,
    ) -> Session:
        """Create a session that trains theta in place. step_offset: steps before it, an offset of its draws."""
        ...

    def workers(self) -> int:
        """Return how many single-threaded sessions should run at once."""
        ...

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
        """Compute the network's output (n, outputs) for X (n, features), in theta's type.

        threads: the maximum number of threads; None for all available.  precision: that of the plan it was chosen by.
        """
        ...

    def bind(
        self,
        network: Network,
        theta: NDArray[Any],
        states: dict[str, Any],
        capacity: int,
        threads: int | None = None,
        precision: str | None = None,
    ) -> ForwardWalk:
        """Return `predict` as a function of X only, which takes up to `capacity` rows at a time."""
        ...


class ForwardWalks:
    """Forward passes of one network, kept for the next call: as many as there are threads that call at once."""

    def __init__(self, engine: Engine, network: Network, capacity: int, precision: str | None = None) -> None:
        """Start without any; see `Engine.bind`."""
        self.engine, self.network, self.capacity, self.precision = engine, network, capacity, precision
        self._free: dict[int | None, list[ForwardWalk]] = {}

    def predict(
        self, theta: NDArray[Any], states: dict[str, Any], X: RowsLike, threads: int | None = None
    ) -> NDArray[Any]:
        """Compute the outputs as `Engine.predict` does, reusing what an earlier call prepared."""
        free = self._free.setdefault(threads, [])
        try:
            walk = free.pop()
        except IndexError:
            walk = self.engine.bind(self.network, theta, states, self.capacity, threads, self.precision)
        else:
            walk.put(theta, states)
        out = walk(X)
        free.append(walk)
        return out


class OnProcessor:
    """Shared methods of the engines that support only the CPU."""

    def on(self, device: str | None) -> Self:
        """Return self."""
        return self

    def elsewhere(self, plan: Plan) -> str | None:
        """Return why the engine does not support the plan's device, shards or group, or None if it does."""
        if plan.shards is not None:
            return "shards require the xla engine"
        if plan.group is not None:
            return "a group requires the xla engine"
        if plan.device in (None, "cpu"):
            return None
        return f"device {plan.device!r} requires the xla engine, because this one runs on the CPU"
