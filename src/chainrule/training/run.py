"""A training run: its settings, and its state, which the loop advances, callbacks read and checkpoints store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import describe
from chainrule.data.samples import Samples
from chainrule.data.stream import Stream
from chainrule.engines import Engine, ForwardWalks, Plan, Session, StepSettings
from chainrule.errors import ConfigError
from chainrule.formulas.optimizers import AnyOptimizer, NoState, SGDState
from chainrule.formulas.schedules import Constant, PlateauState, Schedule
from chainrule.trained import persistence
from chainrule.training.history import History
from chainrule.training.options import FACTORS
from chainrule.training.without_backprop import Method

ROUNDING = 1e-9
"""The rounding error by which a schedule's factor may be above 1."""


class OptimizerState(NamedTuple):
    """The state of an optimizer after some steps: a run that starts with it continues the one that it is from."""

    state: Any
    """the optimizer's NamedTuple, of arrays (size,) or ()"""
    steps: int
    """the number of steps so far"""


class Trainer(Protocol):
    """A way to train: it chooses the engine, makes the session, and runs the training loop."""

    def engine(self, name: str, plan: Plan) -> Engine:
        """Return the engine for a name given by the user. Raises ConfigError."""

    def session(
        self, engine: Engine, plan: Plan, theta: NDArray[Any], states: dict[str, Any], step_offset: int
    ) -> Any:
        """Make the session that takes the steps and trains theta in place."""

    def check(self, run: Run) -> None:
        """Raise ConfigError for settings of the run that this trainer does not support."""

    def train(self, run: Run) -> None:
        """Advance a run, fresh or resumed, to its end."""

    def validate(self, run: Run) -> dict[str, float]:
        """Compute the loss and the metrics of the validation samples."""

    def identity(self) -> dict[str, Any]:
        """Return the properties of this trainer that determine the bits of a run, by name, as data for JSON."""


@dataclass(frozen=True, eq=False)
class RunSettings:
    """The checked settings of a run, which do not change during it."""

    plan: Plan
    optimizer: AnyOptimizer
    """that of the plan, or a solver"""
    samples: Samples | Stream
    validation: Samples | Stream | None = None
    epochs: int = 1
    """as requested; a time limit may shorten the run"""
    schedule: Schedule = field(default_factory=Constant)
    factors: Mapping[str, Schedule] = field(default_factory=dict)
    """schedules of the factors of a step's settings by name: decay, dropout, smoothing"""
    metrics: tuple[str, ...] = ()
    shuffle: bool = True
    callbacks: Sequence[Any] = ()
    engine: str = "auto"
    method: Method | None = None
    """the named method, if any"""
    trainer: Trainer | None = None
    """what makes the session, for several networks; None for the default of optimizer and method"""
    order: Callable[[Run], NDArray[np.int64]] | None = None
    """order(run) -> rows (n,): the samples of the next epoch in order; None to shuffle by the seed"""
    steps: Callable[[Run, NDArray[np.int64]], StepSettings] | None = None
    """steps(run, rows) -> the settings (steps_per_epoch,) of the next epoch; None for the schedules'"""
    reported: Callable[[float, float], float] | None = None
    """reported(loss, penalty) -> the value that a solver minimizes and records in place of their sum; None: the sum"""
    drop_last: bool = False
    """whether an epoch omits samples that do not fill a batch, the last ones of its order"""
    averaging: float = 0.0
    """the decay of the average of the parameters, per epoch, in [0, 1), see `Run.to_average`"""
    optimizer_state: OptimizerState | None = None
    """the initial state of the optimizer, of an earlier run (`Run.optimizer_state`); None for a new one"""
    resume: Path | None = None
    """the checkpoint from which the run continues"""

    def fingerprint(self) -> dict[str, Any]:
        """Return everything that determines the bits of a run; a checkpoint is resumed only if all of it is equal.

        It contains the epochs only if a schedule depends on them: with a constant rate a run can be resumed with more.
        """
        plan, factors = self.plan, self.factors
        ahead = any(each.looks_ahead for each in (self.schedule, *factors.values()))
        return {
            "network": persistence.network_config(plan.network),
            "method": None if self.method is None else describe(self.method),
            "optimizer": describe(self.optimizer),
            "schedule": describe(self.schedule),
            **{f"{name} schedule": factors.get(name) and describe(factors[name]) for name in FACTORS},
            "epochs": self.epochs if ahead else None,
            "batch_size": plan.batch_size,
            "seed": plan.seed,
            "dtype": np.dtype(plan.dtype).name,
            "clip_norm": plan.clip_norm,
            "clip_value": plan.clip_value,
            "precision": plan.precision,
            "frozen": sorted(plan.frozen),
            "shards": plan.shards if plan.reduce == "tree" else plan.reduce,
            "shuffle": self.shuffle,
            "data": self.samples.fingerprint(),
            "validation data": None if self.validation is None else self.validation.fingerprint(),
            **{name: value for name in ("drop_last", "averaging") if (value := getattr(self, name))},
        }


class Alone:
    """The agreement of the processes of a run that has one."""

    def watching(self, run: Run) -> AbstractContextManager[None]:
        """Return the context of the training."""
        return nullcontext()

    def agree(self, run: Run) -> None:
        """Decide what is done next, between two calls of the engine."""

    @property
    def validates(self) -> bool:
        """Whether this process is one that validates."""
        return True

    def shared(self, validation: dict[str, float] | None) -> dict[str, float]:
        """Return the validation that all use. validation: this process's, None where it has none."""
        return validation or {}


@dataclass(repr=False)
class Run:
    """The state of one call of fit, with its settings.

    Callbacks read it after each epoch: `run.epoch`, `run.logs`, `run.history`, `run.model`; and end it with
    `run.stop("why")`.
    """

    settings: RunSettings
    model: Any
    """the model in training; its parameters and running statistics are current"""
    trainer: Trainer
    engine: Engine
    session: Session
    walks: ForwardWalks
    """the forward passes for validation"""
    epochs: int
    epochs_before: int
    """epochs that the model was trained for by earlier calls, an offset of the shuffles"""
    steps_before: int = 0
    """steps of the optimizer before this run"""
    history: History = field(default_factory=History)
    epoch: int = 0  # completed
    position: int = 0
    """steps completed in the current epoch"""
    seconds: float = 0.0  # spent in it
    chunk: int = 1
    """steps to take in one call of the engine, between two calls of the callbacks"""
    plateau: PlateauState | None = None
    logs: dict[str, float] = field(default_factory=dict)
    """the record of the epoch just completed"""
    rate: float = 0.0
    """the learning rate of the last step"""
    error: BaseException | None = None
    """the error that ended the run, if one did"""
    average: NDArray[Any] | None = None
    """the average of the parameters, in the shape of theta, see `to_average`; None before the first one"""
    reached: NDArray[Any] | None = None
    """the parameters of the last step while theta is their average; None otherwise"""
    together: Alone = field(default_factory=Alone)
    """the agreement with the other processes, see `training.together`"""
    shortened: int | None = None
    """the steps after which the run ends within an epoch, if a time limit plans so; None for whole epochs"""

    @property
    def plan(self) -> Plan:
        """The constants of its steps: network, optimizer, batch size, seed, precision."""
        return self.settings.plan

    @property
    def samples(self) -> Samples | Stream:
        """The training samples."""
        return self.settings.samples

    @property
    def validation(self) -> Samples | Stream | None:
        """The samples for evaluation after each epoch."""
        return self.settings.validation

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """The settings and data that must be the same for a checkpoint to be resumed, computed when first needed."""
        return self.settings.fingerprint() | self.trainer.identity()

    @cached_property
    def steps_per_epoch(self) -> int:
        """The number of batches per epoch, including the last partial one unless `RunSettings.drop_last`."""
        return -(-self.rows_per_epoch // self.plan.batch_size)

    @cached_property
    def rows_per_epoch(self) -> int:
        """The number of samples in an epoch."""
        n, size = int(self.samples.n), self.plan.batch_size
        return n - n % size if self.settings.drop_last and n > size else n

    @property
    def step(self) -> int:
        """The number of steps completed in the whole run."""
        return self.epoch * self.steps_per_epoch + self.position

    @property
    def total_steps(self) -> int:
        """The number of steps of the whole run, over which the schedules extend."""
        total = self.epochs * self.steps_per_epoch
        return total if self.shortened is None else min(total, self.shortened)

    @property
    def trained(self) -> tuple[int, int]:
        """The epochs and the steps that the model was trained for, including earlier runs."""
        return self.epochs_before + self.epoch, self.session.step_offset + self.steps_before + self.step

    @property
    def theta(self) -> NDArray[Any]:
        """The current parameters."""
        return self.session.theta

    @property
    def states(self) -> dict[str, Any]:
        """The current running statistics."""
        return self.session.states

    def learning_rates(self) -> NDArray[np.float64]:
        """Return the learning rate of each step of the epoch: (steps_per_epoch,)"""
        scale = self.plan.optimizer.learning_rate * (1.0 if self.plateau is None else self.plateau.factor)
        return self.by_step(self.settings.schedule) * scale

    def factors(self, name: str, schedule: Schedule) -> NDArray[np.float64]:
        """Return a factor of each step of the epoch (steps_per_epoch,). Raises ConfigError unless it is from 0 to 1."""
        factors = self.by_step(schedule)
        if not (factors.min() >= 0 and factors.max() <= 1 + ROUNDING):
            raise ConfigError(
                f"the schedule of {FACTORS[name]} must give factors from 0 to 1, not {factors.min():g} to "
                f"{factors.max():g}; use another schedule, or a larger setting with a smaller factor."
            )
        return np.minimum(factors, 1.0)

    def by_step(self, schedule: Schedule) -> NDArray[np.float64]:
        """Return a schedule's factor at each step of the epoch: (steps_per_epoch,)"""
        steps = np.arange(self.epoch * self.steps_per_epoch, (self.epoch + 1) * self.steps_per_epoch)
        factors = schedule.factor(steps, self.total_steps, self.steps_per_epoch)
        return np.broadcast_to(np.asarray(factors, np.float64), steps.shape)

    def synchronize(self) -> None:
        """Update the parameters and running statistics of the model, which the engine holds between its calls."""
        self.session.synchronize()
        self.model.states = self.session.states

    @property
    def optimizer_state(self) -> OptimizerState:
        """A copy of the current state of the optimizer, for a later run to start with."""
        self.synchronize()
        return OptimizerState(copied(self.session.optimizer_state), self.steps_before + self.step)

    def scale_velocity(self, factor: float) -> None:
        """Multiply the velocity of SGD's momentum, if there is one.

        The velocity here does not contain the learning rate. One that does, v = momentum v - lr g, keeps its step when
        the rate changes from a to b; here this is a multiplication by a / b.  Raises ConfigError for another optimizer.
        """
        self.synchronize()
        state = self.session.optimizer_state
        if isinstance(state, NoState):
            return
        if not isinstance(state, SGDState):
            name = type(self.plan.optimizer).__name__
            raise ConfigError(f"scale_velocity is for SGD, {name} has no velocity; omit it.")
        self.session.optimizer_state = state._replace(v=state.v * float(factor))

    def to_average(self) -> None:
        """Update the moving average m of theta after t epochs, and set theta to m.

        m_t = (d m_{t-1} + (1 - d) theta_t), divided by 1 - d^t      d = settings.averaging, m_0 = 0 before the division
        Source: Polyak, Juditsky, "Acceleration of stochastic approximation by averaging", 1992; the bias by Kingma, Ba,
        "Adam", 2015, section 3.
        """
        kept = self.settings.averaging
        share = (1 - kept) / (1 - kept ** (self.epoch + 1))
        before, self.reached = self.theta if self.average is None else self.average, self.theta.copy()
        self.theta[...] = self.average = before + share * (self.theta - before)

    def from_average(self) -> None:
        """Set theta back to the parameters of the last step."""
        self.theta[...], self.reached = self.reached, None

    def snapshot(self) -> dict[str, Any]:
        """Return a copy of the parameters and running statistics."""
        states = {name: {f: np.copy(v) for f, v in s._asdict().items()} for name, s in self.states.items()}
        return {"theta": self.theta.copy(), "states": states}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Restore a snapshot, theta in place."""
        self.session.theta[...] = snapshot["theta"]
        self.session.states = {name: type(s)(**snapshot["states"][name]) for name, s in self.states.items()}

    def __repr__(self) -> str:
        """Show the progress and the last record."""
        last = "".join(f", {name} {value:.4g}" for name, value in self.logs.items())
        step = f"step {self.step:,} of {self.total_steps:,}, {self.engine.name} engine"
        return f"<Run: epoch {self.epoch} of {self.epochs}, {step}{last}>"

    def go_on(self, snapshot: dict[str, Any], average: NDArray[Any] | None) -> None:
        """Restore the parameters of a checkpoint, with the average of those of its epochs."""
        self.restore(snapshot)
        self.average = average

    def replan(self, epochs: int, shortened: int | None) -> None:
        """Change the number of epochs, and the step within the last one at which the run ends; None for its end."""
        self.epochs, self.shortened = epochs, shortened

    def stop(self, reason: str) -> None:
        """Stop the run: after this epoch, or at once if called from on_steps."""
        self.history.stopped = reason


def samples_of(run: Run) -> Samples:
    """Return the samples of a run whose samples are arrays, as those of a solver and of an estimator are."""
    assert isinstance(run.samples, Samples)
    return run.samples


def copied(state: Any) -> Any:
    """Return a copy of an optimizer's state."""
    return state if state is None else type(state)(*map(np.copy, state))
