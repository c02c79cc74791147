"""Callbacks: objects that observe a run and may stop it, such as early stopping and checkpoints."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chainrule import distributed
from chainrule.core.settings import check_count, check_number
from chainrule.errors import ConfigError
from chainrule.formulas.metrics import METRICS, names_for
from chainrule.training import checkpoint
from chainrule.training.run import Run


class Callback:
    """Base class of callbacks; override the methods you need. A plain function f(run) is called after each epoch."""

    every_steps: int | None = None
    """also call on_steps after every this many steps of the run; None for the default times only"""
    looks_inside = True
    """whether it reads parameters before the end of training; False avoids copying them back from the engine"""
    of_one_network = False
    """whether it reads theta (size,) of a single network, and so does not support an ensemble's run"""
    follows_several = False
    """whether it may follow a fit that trains several networks, as a race does, by the callbacks that `part` returns"""

    def on_fit_begin(self, settings: Mapping[str, Any]) -> None:
        """Called at the beginning of an estimator's fit, before any training, with the parameters that were given."""

    def on_train_begin(self, run: Run) -> None:
        """Called before the first step, also of a resumed run."""

    def on_steps(self, run: Run) -> None:
        """Called within an epoch, about every 0.1 s, and after each `every_steps` steps."""

    def on_epoch_end(self, run: Run) -> None:
        """Called after each epoch; run.logs is its record."""

    def on_train_end(self, run: Run) -> None:
        """Called after the last epoch, or when the run was stopped, interrupted or failed."""

    def on_fit_end(self, fitted: object) -> None:
        """Called at the end of a fit, behind its trainings, with the model or the estimator; None if the fit failed."""

    def part(self, name: str, settings: Mapping[str, Any]) -> Callback:
        """Return the callback of one of several networks of a fit, if `follows_several`; called from several threads.

        settings: what is particular to it. At its end `on_judged` and `on_fit_end` of that callback are called.
        """
        return Callback()

    def on_judged(self, figures: Mapping[str, float]) -> None:
        """Called with figures of a finished network, or of a whole race, by name: the loss of rows held out, ..."""

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint: numbers, text, None, lists of them, and NumPy arrays."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the result of `state`."""

    def identity(self) -> Any:
        """Return the settings that all processes of a run must share, for JSON; None if some may lack the callback."""
        return []


class FunctionCallback(Callback):
    """A callback that calls a function of the run after each epoch."""

    def __init__(self, function: Callable[[Run], Any]) -> None:
        """Store the function."""
        self.function = function

    def on_epoch_end(self, run: Run) -> None:
        """Call the function."""
        self.function(run)

    def identity(self) -> Any:
        """Return the function's name."""
        return getattr(self.function, "__qualname__", type(self.function).__qualname__)


def better(monitor: str) -> int:
    """Return +1 if a higher value of a column of the history is better, -1 if a lower one is."""
    metric = METRICS.get(monitor.removeprefix("val_"))
    return 1 if metric is not None and metric.better == "higher" else -1


def watched(run: Run, monitor: str) -> float:
    """Return the value of a column in the epoch just completed. Raises ConfigError if it is not recorded."""
    if monitor not in run.logs:
        raise ConfigError(
            f"{monitor!r} is not recorded{_hint(run, monitor)}; recorded are {', '.join(run.logs)}."
        )
    return run.logs[monitor]


def _hint(run: Run, monitor: str) -> str:
    """Return which argument of fit records a column; empty if none does."""
    name = monitor.removeprefix("val_")
    is_metric = name in names_for(run.model.task, run.plan.network.loss)
    if not is_metric and name != "loss":
        return ""
    if name == monitor:
        return f"; metrics are those of the validation data: monitor 'val_{name}'"
    wanted = ["validation_data or validation_fraction"] if run.validation is None else []
    if is_metric and name not in run.settings.metrics:
        wanted.append(f"metrics=[{name!r}]")
    return f"; pass {' and '.join(wanted)}"


def _check_monitor(monitor: object, owner: str) -> None:
    if not isinstance(monitor, str) or not monitor:
        raise ConfigError(
            f"monitor of {owner} must be a name in the history, not {monitor!r}; 'val_loss' is usual."
        )


class EarlyStopping(Callback):
    """Stop training when `monitor` has not improved by more than min_delta for `patience` epochs in a row.

    restore_best: restore the parameters and running statistics of the best epoch at the end, however the run ends.
    last_best: whether an equal value is an improvement too, so that the last of equally good epochs is the best;
    accuracy and other counts often take the same value.
    growth: at least 0, the growth of the patience per epoch up to the best one: a run whose best epoch is b ends after
    epoch b + patience + growth b. With a cyclic learning rate, growth=2 outlasts a cycle twice as long as everything
    before it. (The rule epoch > m b + k of others is growth m - 1 and patience k + 1.)
    Source: Prechelt, "Early stopping - but when?", 1998; for last_best and growth: Holzmüller, Grinsztajn, Steinwart,
    "Better by default", NeurIPS 2024.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best: bool = True,
        last_best: bool = False,
        growth: float = 0.0,
    ) -> None:
        """Check the settings; the metric decides whether higher or lower values are better."""
        _check_monitor(monitor, "EarlyStopping")
        check_count(patience, "patience of EarlyStopping")
        check_number(min_delta, "min_delta of EarlyStopping", minimum=0)
        self.monitor, self.patience, self.min_delta, self.restore_best = (
            monitor,
            patience,
            min_delta,
            restore_best,
        )
        check_number(growth, "growth of EarlyStopping", minimum=0)
        self.last_best, self.growth = last_best, growth
        self.sign = better(monitor)
        self.best, self.best_epoch, self.waited = -math.inf, 0, 0
        self.kept: dict[str, Any] | None = None

    def on_train_begin(self, run: Run) -> None:
        """Reset the best value in a new run; keep it in a resumed one."""
        if run.step == 0:
            self.best, self.best_epoch, self.waited, self.kept = -math.inf, 0, 0, None

    def on_epoch_end(self, run: Run) -> None:
        """Compare the monitored value with the best one, and stop the run when patience is exhausted."""
        value = self.sign * watched(run, self.monitor)
        if value > self.best + self.min_delta or (self.last_best and value == self.best):
            self.best, self.best_epoch, self.waited = value, run.epoch, 0
            if self.restore_best:
                self.kept = run.snapshot()
            return
        self.waited += 1
        if self.waited >= self.patience + self.growth * self.best_epoch:
            run.stop(self.reason())

    def reason(self) -> str:
        """Return why the run is stopped."""
        return f"{self.monitor} has not improved since epoch {self.best_epoch}"

    def on_train_end(self, run: Run) -> None:
        """Restore the parameters of the best epoch."""
        if self.kept is not None:
            run.restore(self.kept)

    def state(self) -> dict[str, Any]:
        """Return the best value so far, with its parameters."""
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited, "kept": self.kept}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the best value. Raises TypeError for an invalid state."""
        best, kept = state["best"], state["kept"]
        counts = state["best_epoch"], state["waited"]
        if not (
            checkpoint.is_number(best) and all(type(count) is int for count in counts) and counts[1] >= 0
        ):
            raise TypeError("best, best_epoch and waited should be numbers")
        if not (kept is None or (isinstance(kept, dict) and kept.keys() == {"theta", "states"})):
            raise TypeError("kept should be parameters and statistics")
        self.best, (self.best_epoch, self.waited), self.kept = best, counts, kept

    def identity(self) -> Any:
        """Return the settings."""
        return [self.monitor, self.patience, self.min_delta, self.restore_best, self.last_best, self.growth]


class StopAt(Callback):
    """Stop training as soon as `monitor` reaches a value: StopAt("val_accuracy", 0.98)."""

    def __init__(self, monitor: str, value: float) -> None:
        """Check the settings; the metric decides whether the value is reached from below or above."""
        _check_monitor(monitor, "StopAt")
        check_number(value, "value of StopAt")
        self.monitor, self.value, self.sign = monitor, value, better(monitor)

    def on_epoch_end(self, run: Run) -> None:
        """Stop the run if the value is reached."""
        if self.sign * watched(run, self.monitor) >= self.sign * self.value:
            run.stop(f"{self.monitor} reached {self.value:g}")

    def identity(self) -> Any:
        """Return the settings."""
        return [self.monitor, self.value]


class Checkpoint(Callback):
    """Write a file from which the run can be resumed, after each epoch and each `every_steps` steps.

    The file is replaced atomically, so it is complete at any time. Resume with fit(..., resume=path).
    """

    def __init__(self, path: str | os.PathLike[str], every_steps: int | None = None) -> None:
        """Store the path; its folder is created when the first checkpoint is written."""
        if every_steps is not None:
            check_count(every_steps, "every_steps of Checkpoint")
        self.path, self.every_steps = Path(path), every_steps
        self.looks_inside = every_steps is not None

    def on_train_begin(self, run: Run) -> None:
        """Compute the run's fingerprint while nothing else reads its data."""
        _ = run.fingerprint

    def on_steps(self, run: Run) -> None:
        """Write the checkpoint after each `every_steps` steps."""
        if self.every_steps is not None and run.step % self.every_steps == 0:
            self.write(run)

    def on_epoch_end(self, run: Run) -> None:
        """Write the checkpoint."""
        self.write(run)

    def write(self, run: Run) -> None:
        """Write the file; in a run of several processes only process 0 does."""
        if distributed.is_first():
            checkpoint.write(self.path, run)


def as_callbacks(callbacks: Any) -> list[Callback]:
    """Return one callback or several as a list of `Callback`; functions of the run are wrapped.

    Checkpoints are last, because they store the state of the others.
    """
    made = []
    for callback in (
        [callbacks] if isinstance(callbacks, Callback) or callable(callbacks) else callbacks or ()
    ):
        if isinstance(callback, Callback):
            made.append(callback)
        elif callable(callback) and not isinstance(callback, type):
            made.append(FunctionCallback(callback))
        else:
            raise ConfigError(
                f"callbacks must be Callback objects or functions of the run, not {callback!r}."
            )
    return sorted(made, key=lambda callback: isinstance(callback, Checkpoint))
