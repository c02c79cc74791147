"""A training run: what it was given, and its state, which the loop advances, callbacks read and checkpoints store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


class OptimizerState(NamedTuple):
    """What an optimizer remembers after some steps: a run that begins with it continues the one that it is from."""

    state: Any
    """the optimizer's NamedTuple, of arrays (size,) or ()"""
    steps: int
    """the steps that it has taken"""


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
        """Return what of this trainer decides the bits of a run, by name, as JSON-ready data."""


@dataclass(frozen=True, eq=False)
class RunSettings:
    """What a run is given, checked. It does not change while the run lasts."""

    plan: Plan
    optimizer: AnyOptimizer
    """that of the plan, or a solver"""
    samples: Samples | Stream
    validation: Samples | Stream | None = None
    epochs: int = 1
    """as asked for; a time limit may leave the run fewer"""
    schedule: Schedule = field(default_factory=Constant)
    factors: Mapping[str, Schedule] = field(default_factory=dict)
    """schedules of the factors of a step's settings by name: decay, dropout, smoothing"""
    metrics: tuple[str, ...] = ()
    shuffle: bool = True
    callbacks: Sequence[Any] = ()
    engine: str = "auto"
    method: Method | None = None
    """the method that was named, if any"""
    trainer: Trainer | None = None
    """what makes the session, for more than one network; None for the one that suits optimizer and method"""
    order: Callable[[Run], NDArray[np.int64]] | None = None
    """order(run) -> rows (n,): the samples of the next epoch in order; None to shuffle by the seed"""
    steps: Callable[[Run, NDArray[np.int64]], StepSettings] | None = None
    """steps(run, rows) -> the settings (steps_per_epoch,) of the next epoch; None for the schedules'"""
    reported: Callable[[float, float], float] | None = None
    """reported(loss, penalty) -> what a solver minimizes and records in place of their sum; None for the sum"""
    drop_last: bool = False
    """whether an epoch leaves out the samples that fill no batch, the last ones of its order"""
    averaging: float = 0.0
    """what the average of the parameters keeps of itself at the end of an epoch, in [0, 1), see `Run.to_average`"""
    optimizer_state: OptimizerState | None = None
    """what the optimizer begins with, of an earlier run (`Run.optimizer_state`); None for its start"""
    resume: Path | None = None
    """the checkpoint that the run goes on from"""

    def fingerprint(self) -> dict[str, Any]:
        """Return everything that determines the bits of a run; a checkpoint is resumed only if all of it is the same.

        It contains the epochs only if a schedule depends on them: with a constant rate a run can be resumed for more.
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


@dataclass(repr=False)
class Run:
    """The state of one call of fit, with what it was given.

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
    """the forward passes of the validations"""
    epochs: int
    epochs_before: int
    """epochs that the model was trained for by earlier calls: they offset the shuffles"""
    steps_before: int = 0
    """steps that the optimizer had taken before this run"""
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
    """the average of the parameters, in the shape of theta, see `to_average`; None before there is one"""
    together: Any = None
    """the agreement with the other processes, see `training.together`"""
    shortened: int | None = None
    """the steps after which the run ends within an epoch, by a plan for a time limit; None for whole epochs"""

    @property
    def plan(self) -> Plan:
        """What is fixed during its steps: network, optimizer, batch size, seed, precision."""
        return self.settings.plan

    @property
    def samples(self) -> Samples | Stream:
        """The samples that it trains on."""
        return self.settings.samples

    @property
    def validation(self) -> Samples | Stream | None:
        """The samples that it is evaluated on after each epoch."""
        return self.settings.validation

    def validate(self) -> dict[str, float]:
        """Compute the loss and the metrics of the validation samples."""
        return self.trainer.validate(self)

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """The settings and data that must be the same for a checkpoint to be resumed, computed when first needed."""
        return self.settings.fingerprint() | self.trainer.identity()

    @cached_property
    def steps_per_epoch(self) -> int:
        """The number of batches per epoch, the last partial one included unless `RunSettings.drop_last`."""
        return -(-self.rows_per_epoch // self.plan.batch_size)

    @property
    def rows_per_epoch(self) -> int:
        """The number of samples that an epoch takes."""
        n, size = int(self.samples.n), self.plan.batch_size
        return n - n % size if self.settings.drop_last and n > size else n

    @property
    def step(self) -> int:
        """The number of steps completed in the whole run."""
        return self.epoch * self.steps_per_epoch + self.position

    @property
    def total_steps(self) -> int:
        """The number of steps of the whole run, which the schedules are over."""
        total = self.epochs * self.steps_per_epoch
        return total if self.shortened is None else min(total, self.shortened)

    @property
    def trained(self) -> tuple[int, int]:
        """The epochs and the steps that the model was trained for, in earlier runs too."""
        return self.epochs_before + self.epoch, self.session.step_offset + self.steps_before + self.step

    @property
    def theta(self) -> NDArray[Any]:
        """All parameters, as they are now."""
        return self.session.theta

    @property
    def states(self) -> dict[str, Any]:
        """The running statistics, as they are now."""
        return self.session.states

    def synchronize(self) -> None:
        """Make the parameters and running statistics of the model current, which the engine holds between its calls."""
        self.session.synchronize()
        self.model.states = self.session.states

    @property
    def optimizer_state(self) -> OptimizerState:
        """A copy of what the optimizer remembers now, for a later run to begin with."""
        self.synchronize()
        return OptimizerState(copied(self.session.optimizer_state), self.steps_before + self.step)

    def scale_velocity(self, factor: float) -> None:
        """Multiply the velocity of SGD's momentum, where there is one.

        The velocity here does not contain the learning rate. One that does, v = momentum v - lr g, keeps its step when
        the rate changes from a to b; that is this one times a / b.  Raises ConfigError for another optimizer.
        """
        self.synchronize()
        state = self.session.optimizer_state
        if isinstance(state, NoState):
            return
        if not isinstance(state, SGDState):
            raise ConfigError(
                f"scale_velocity is for SGD, {type(self.plan.optimizer).__name__} has no velocity; leave it out."
            )
        self.session.optimizer_state = state._replace(v=state.v * float(factor))

    def to_average(self) -> None:
        """Take theta, as it is after t epochs, into its moving average m, and let theta be m.

        m_t = (d m_{t-1} + (1 - d) theta_t), divided by 1 - d^t      d = settings.averaging, m_0 = 0 before the division
        Source: Polyak, Juditsky, "Acceleration of stochastic approximation by averaging", 1992; the bias by Kingma, Ba,
        "Adam", 2015, section 3.
        """
        kept = self.settings.averaging
        share = (1 - kept) / (1 - kept ** (self.epoch + 1))
        before = self.theta if self.average is None else self.average
        self.average = before + share * (self.theta - before)
        self.theta[...] = self.average

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
        return (
            f"<Run: epoch {self.epoch} of {self.epochs}, step {self.step:,} of {self.total_steps:,}, "
            f"{self.engine.name} engine{last}>"
        )

    def replan(self, epochs: int, shortened: int | None) -> None:
        """Change the number of epochs, and the step within the last one at which the run ends; None for its end."""
        self.epochs, self.shortened = epochs, shortened

    def stop(self, reason: str) -> None:
        """Stop the run: after this epoch, or at once if called from on_steps."""
        self.history.stopped = reason


def samples_of(run: Run) -> Samples:
    """Return the samples of a run that takes arrays alone, as those of a solver and of an estimator do."""
    assert isinstance(run.samples, Samples)
    return run.samples


def copied(state: Any) -> Any:
    """Return a copy of an optimizer's state."""
    return state if state is None else type(state)(*map(np.copy, state))
