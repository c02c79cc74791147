"""The state of one training run, which the loop advances, callbacks read and checkpoints store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.samples import Samples
from chainrule.engines import Engine, Plan, Session
from chainrule.formulas.schedules import PlateauState, Schedule
from chainrule.training.history import History
from chainrule.training.without_backprop import Method


@dataclass(repr=False)
class Run:
    """The state of one call of fit.

    Callbacks read it after each epoch: `run.epoch`, `run.logs`, `run.history`, `run.model`; and end it with
    `run.stop("why")`.
    """

    model: Any
    """the model in training; its parameters are current"""
    plan: Plan
    engine: Engine
    session: Session
    samples: Samples
    validation: Samples | None
    epochs: int
    schedule: Schedule
    metrics: tuple[str, ...]
    shuffle: bool
    epochs_before: int
    """epochs that the model was trained for by earlier calls: they offset the shuffles"""
    identify: Callable[[], dict[str, Any]]
    """computes the fingerprint, which reads the data and so is computed only when needed"""
    callbacks: list[Any] = field(default_factory=list)
    history: History = field(default_factory=History)
    epoch: int = 0
    """epochs completed"""
    position: int = 0
    """steps completed in the current epoch"""
    seconds: float = 0.0
    """seconds spent in the current epoch"""
    chunk: int = 1
    """steps to take in one call of the engine, between two calls of the callbacks"""
    plateau: PlateauState | None = None
    logs: dict[str, float] = field(default_factory=dict)
    """the record of the epoch just completed"""
    method: Method | None = None
    """the method that was named, if any"""
    rate: float = 0.0
    """the learning rate of the last step"""
    error: BaseException | None = None
    """the error that ended the run, if one did"""

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """The settings and data that must be the same for a checkpoint to be resumed."""
        return self.identify()

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches per epoch, the last partial one included."""
        return -(-self.samples.n // self.plan.batch_size)

    @property
    def step(self) -> int:
        """The number of steps completed in the whole run."""
        return self.epoch * self.steps_per_epoch + self.position

    @property
    def theta(self) -> NDArray[Any]:
        """All parameters, as they are now."""
        return self.session.theta

    @property
    def states(self) -> dict[str, Any]:
        """The running statistics, as they are now."""
        return self.session.states

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
        steps = self.epochs * self.steps_per_epoch
        return (
            f"<Run: epoch {self.epoch} of {self.epochs}, step {self.step:,} of {steps:,}, "
            f"{self.engine.name} engine{last}>"
        )

    def stop(self, reason: str) -> None:
        """Stop the run: after this epoch, or at once if called from on_steps."""
        self.history.stopped = reason
