"""The interface of an engine: a plan, and a session that takes steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.data.samples import Samples
from chainrule.formulas.optimizers import GradientDescent, Optimizer
from chainrule.network.network import Network


class Plan(NamedTuple):
    """Everything fixed during a run of steps. `Plan(network)` is enough for prediction."""

    network: Network
    optimizer: Optimizer = GradientDescent()
    batch_size: int = 1
    seed: int = 0
    dtype: Any = np.float32
    clip_norm: float | None = None
    clip_value: float | None = None
    frozen: frozenset[str] = frozenset()
    precision: str | None = None
    """"bf16" to round the factors of products to bfloat16; None for the precision of theta"""
    threads: int | None = None
    """the most threads of a session; None for all that the engine may use, on which no result depends"""
    device: str | None = None
    """the device that an engine of accelerators runs on, as "cpu" or "cuda:0"; None for its choice"""
    streamed: int | None = None
    """the samples of an epoch that come in pieces of any sizes; None where all are in memory"""
    shards: int | None = None
    """the parts of each batch, a power of two, whose gradients are summed along one tree; None for whole batches"""
    reduce: str = "tree"
    """how processes sum: "tree" goes on with that tree, "psum" takes the order that is fastest for their number"""
    group: int | None = None
    """the members of an ensemble that train side by side in one program of the xla engine; None for one by one"""


class StepSettings(NamedTuple):
    """The settings that may change from step to step, one number per step."""

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
        """Make settings of learning rates and of some factors (steps,) by name; the others are 1."""
        ones = np.ones(len(rate))
        return cls(rate, ones, ones, ones, ones)._replace(**factors)

    def part(self, begin: int, end: int) -> StepSettings:
        """Return the settings of steps `begin` to `end`."""
        return StepSettings(*(values[begin:end] for values in self))


class Session(Protocol):
    """A run of training steps. After each call its attributes are current."""

    theta: NDArray[Any]
    """(size,) updated in place"""
    states: dict[str, Any]
    """running statistics by link name"""
    optimizer_state: Any
    """the optimizer's NamedTuple"""
    step_offset: int
    """steps ever taken before this run: they offset its random draws"""
    call_steps: int | None
    """the number of steps of a call, except an epoch's last one, if it is compiled for so many; None for any"""
    turns: int
    """how many sessions of an ensemble take turns on a core: a call may take so many times as long as another one"""
    sums: NDArray[np.float64]
    """(3,) sums over the steps since it was last set to zero: loss * weight, weight, weight of the correct samples"""
    row_sums: NDArray[np.float64]
    """(2,) sums over the same steps: loss * n, and the penalty in it * n; n is the number of samples of a step"""

    def steps(self, samples: Samples, rows: NDArray[np.int64], settings: StepSettings, first: int) -> None:
        """Take steps over `rows` in order, with batch_size samples each (the last may have fewer).

        settings: of each step; their length is the number of steps.  first: the number of the first step, from 1,
        within the run of the optimizer.  Raises NonFiniteError at the step that produces NaN or infinity, before its
        update where it can.
        """
        ...

    @property
    def compiles(self) -> bool:
        """Whether its first step waits for a compiler."""
        ...

    @property
    def taken(self) -> int:
        """The number of completed steps, also right after an interrupt in the middle of a call."""
        ...

    def synchronize(self) -> None:
        """Make theta, states and optimizer_state current, if the engine stores them elsewhere between steps."""
        ...


class Engine(Protocol):
    """An engine: it runs the forward walk, and training steps in sessions."""

    name: str

    def refusal(self, plan: Plan) -> str | None:
        """Return why the engine does not support a plan, or None if it does."""
        ...

    def on(self, device: str | None) -> Engine:
        """Return the engine on a device of that name: itself, if it knows no other than the processor."""
        ...

    def session(
        self, plan: Plan, theta: NDArray[Any], states: dict[str, Any], optimizer_state: Any, step_offset: int
    ) -> Session:
        """Make a session that trains theta in place. step_offset: steps taken before, by which its draws are offset."""
        ...

    def workers(self) -> int:
        """Return how many sessions it is worthwhile to run at once, each on one thread."""
        ...

    def predict(
        self,
        network: Network,
        theta: NDArray[Any],
        states: dict[str, Any],
        X: Any,
        batch_size: int,
        threads: int | None = None,
    ) -> NDArray[Any]:
        """Compute the network's output (n, outputs) for X (n, features), in theta's precision.

        threads: the most threads; None for all that the engine may use.
        """
        ...

    def bind(
        self, network: Network, theta: NDArray[Any], states: dict[str, Any], capacity: int
    ) -> Callable[[Any], NDArray[Any]]:
        """Return the same as a function of X alone, prepared for calls of up to `capacity` rows at a time."""
        ...


class OnProcessor:
    """What the engines share that run on the processor alone."""

    def on(self, device: str | None) -> Self:
        """Return itself."""
        return self

    def elsewhere(self, plan: Plan) -> str | None:
        """Return why it refuses the device, the shards or the group of a plan, or None."""
        if plan.shards is not None:
            return "shards are for the xla engine"
        if plan.group is not None:
            return "a group is for the xla engine"
        if plan.device in (None, "cpu"):
            return None
        return f"device {plan.device!r} is for the xla engine, this one runs on the processor"
