"""Snapshots of a model during training: dense at the start and sparse later, exact, and bounded in memory."""

from __future__ import annotations

import copy
import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.model import Model
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run

MARKS = 48
"""The number of snapshots of a run, spaced evenly in the logarithm of the steps."""
MAX_BYTES = 128 << 20
"""The maximum size of all snapshots; with a large network some of the dense ones are dropped."""


class Snapshot(NamedTuple):
    """The parameters of a model after some steps."""

    step: int
    seen: int
    """samples that the run has trained on, with repetitions"""
    epoch: int
    """epochs completed"""
    theta: NDArray[Any]
    states: dict[str, Any]

    @property
    def size(self) -> int:
        """The size of the arrays in bytes."""
        return int(self.theta.nbytes) + sum(
            int(np.asarray(v).nbytes) for s in self.states.values() for v in s
        )


def marks(steps: int) -> list[int]:
    """Return the steps of a run at which snapshots are taken: 1, 2, 3, 5, ..., steps."""
    return sorted({int(step) for step in np.geomspace(1, max(1, steps), MARKS).round()})


def seen(run: Run) -> int:
    """Return the number of samples that a run has trained on."""
    n: int = run.samples.n
    return run.epoch * n + min(run.position * run.plan.batch_size, n)


def taken(run: Run) -> Snapshot:
    """Copy the current parameters of a run."""
    run.synchronize()
    found = run.snapshot()
    states = {name: type(s)(**found["states"][name]) for name, s in run.states.items()}
    return Snapshot(run.step, seen(run), run.epoch, found["theta"], states)


def model_of(model: Model, snapshot: Snapshot) -> Model:
    """Return a copy of a model in training with the parameters of a snapshot, sharing no arrays."""
    found = copy.copy(model)
    states = {name: type(s)(*(np.copy(v) for v in s)) for name, s in snapshot.states.items()}
    found.take(snapshot.theta.copy(), states, (snapshot.epoch, snapshot.step))
    return found


class Timeline(Callback):
    """A callback that takes a snapshot before the first step, at each of the marks, and at the end."""

    looks_inside = False  # it reads the parameters only when it takes a snapshot

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Start without snapshots."""
        self.max_bytes = max_bytes
        self.snapshots: list[Snapshot] = []
        self.fresh: list[tuple[int, int]] = []
        """step and samples seen of the snapshots that were not requested yet"""
        self.lock = threading.Lock()
        self.wanted: list[int] = []

    def on_train_begin(self, run: Run) -> None:
        """Take the first snapshot, and plan the others."""
        self.wanted = marks(run.epochs * run.steps_per_epoch)
        self.take(run)

    def on_steps(self, run: Run) -> None:
        """Take a snapshot at a mark."""
        if self.wanted and run.step >= self.wanted[0]:
            self.take(run)

    def on_epoch_end(self, run: Run) -> None:
        """Do the same after an epoch."""
        self.on_steps(run)

    def on_train_end(self, run: Run) -> None:
        """Take a snapshot if the run ended before a mark, or restored its best epoch."""
        if run.error is None and not np.array_equal(self.snapshots[-1].theta, run.theta):
            self.take(run)

    def take(self, run: Run) -> None:
        """Copy the parameters, drop a snapshot if there are too many, and set the next mark."""
        self.wanted = [step for step in self.wanted if step > run.step]
        self.every_steps = self.wanted[0] if self.wanted else None  # its next multiple
        snapshot = taken(run)
        with self.lock:
            self.snapshots.append(snapshot)
            self.fresh.append((snapshot.step, snapshot.seen))
            while (
                len(self.snapshots) > 3 and sum(each.size for each in self.snapshots) > self.max_bytes
            ):  # the one whose neighbors are closest in the logarithm
                at = [np.log(each.seen + 1.0) for each in self.snapshots]
                gaps = [at[i + 1] - at[i - 1] for i in range(1, len(at) - 1)]
                del self.snapshots[1 + int(np.argmin(gaps))]

    def news(self) -> list[tuple[int, int]]:
        """Return the step and the samples seen of each snapshot since the last call."""
        with self.lock:
            fresh, self.fresh = self.fresh, []
            return fresh

    def __getitem__(self, i: int) -> Snapshot:
        """Return a snapshot. Raises ConfigError."""
        with self.lock:
            if not 0 <= i < len(self.snapshots):
                raise ConfigError(f"there are {len(self.snapshots)} snapshots, and none is number {i}.")
            return self.snapshots[i]

    def listed(self) -> dict[str, Any]:
        """Return the steps and the samples seen of all snapshots."""
        with self.lock:
            return {
                "step": [each.step for each in self.snapshots],
                "seen": [each.seen for each in self.snapshots],
            }
