"""Write the events of a training into a tracker's run, so that a fault of the tracker never ends the training."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from chainrule.core import hints
from chainrule.tracking.tracked import Position, Setting, TrackedRun, flat
from chainrule.training.callbacks import Callback
from chainrule.training.events import Ended, EpochEnd, Event, Progress, Started
from chainrule.training.listeners import Listener

BETWEEN = 1.0
"""The least seconds between two points within an epoch, which has none if it is shorter."""
WITHIN = "loss_within_epoch"
"""The mean loss of the samples of an epoch that is not complete."""


class Guard:
    """Calls what may fail; the first fault is a warning, and nothing is called behind it."""

    def __init__(self, tracker: str) -> None:
        """Keep the tracker's name."""
        self.tracker, self.has_failed = tracker, False

    def __call__(self, action: Callable[[], object]) -> None:
        """Call an action, unless one failed before."""
        if self.has_failed:
            return
        try:
            action()
        except Exception as error:
            self.has_failed = True
            hints.give(
                f"{self.tracker} is told nothing more, and the training goes on without it: {cause(error)}."
            )


class Follow(Listener):
    """Writes the events of a training into a run of a tracker, and of several networks each into one beneath it.

    guard: shared by all runs of a fit.  epochs, steps: those of the model before this training.
    """

    follows_several = True

    def __init__(self, run: TrackedRun, guard: Guard, epochs: int = 0, steps: int = 0) -> None:
        """Keep what is written to."""
        super().__init__(self.follow)
        self.run, self.guard, self.before = run, guard, (epochs, steps)
        self.at, self.steps_per_epoch, self.due = Position(epochs, steps, time.time()), 1, 0.0
        self.ended: Ended | None = None

    def describe(self, settings: Mapping[str, Setting]) -> None:
        """Write the settings."""
        self.guard(lambda: self.run.describe(settings))

    def follow(self, event: Event) -> None:
        """Write what an event says."""
        if isinstance(event, Started):
            self.steps_per_epoch, self.due = event.steps_per_epoch, time.monotonic() + BETWEEN
        elif isinstance(event, Progress):
            if event.loss is not None and time.monotonic() >= self.due:
                self.write({WITHIN: event.loss, "learning_rate": event.rate}, event.epoch, event.step)
        elif isinstance(event, EpochEnd):
            self.write(event.record, event.epoch, 0)
        elif isinstance(event, Ended):
            self.ended = event

    def write(self, numbers: Mapping[str, float], epoch: int, step: int) -> None:
        """Write numbers. epoch, step: those completed in this training, the steps within its current epoch."""
        epochs, steps = self.before
        self.due = time.monotonic() + BETWEEN
        self.at = Position(epochs + epoch, steps + epoch * self.steps_per_epoch + step, time.time())
        self.guard(lambda: self.run.write(numbers, self.at))

    def part(self, name: str, settings: Mapping[str, object]) -> Callback:
        """Return the callback of one of several networks, which has a run of its own beneath this one."""
        made: list[Follow] = []

        def begin() -> None:
            run = self.run.part(name)
            made.append(FollowOne(run, self.guard))
            run.describe(flat(settings))

        self.guard(begin)
        return made[0] if made else Callback()

    def on_judged(self, figures: Mapping[str, float]) -> None:
        """Write figures of the finished model."""
        self.guard(lambda: self.run.judged(figures, self.at._replace(time=time.time())))

    def close(self, fitted: object = None) -> None:
        """Complete the run. fitted: the model or the estimator, for a tracker that keeps it."""
        if fitted is not None:
            self.guard(lambda: self.run.keep(fitted))
        self.guard(lambda: self.run.close(self.ended))
        if self.guard.has_failed:
            with suppress(Exception):
                self.run.abandon()


class FollowOne(Follow):
    """Follows one of several networks; the run of its own ends with its fit."""

    def on_fit_end(self, fitted: object) -> None:
        """Complete the run."""
        self.close()


def cause(error: Exception) -> str:
    """Return an error as the end of a sentence, in one line."""
    text = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
