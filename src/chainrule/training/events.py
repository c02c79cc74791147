"""The events of a training run as frozen data, for a terminal, a log, a chart or another thread.

A run is one `Started`, then `Progress` about ten times per second and an `EpochEnd` after each epoch, and at the end
one of `Finished`, `Stopped`, `Interrupted` and `Failed`. An event has only numbers and text, copied when it is created,
so it may be stored, sent elsewhere and read at any time. `Listener` is the callback that creates them:

    events = queue.SimpleQueue()
    model.fit(X, y, callbacks=[Listener(events.put)])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chainrule.core import records

if TYPE_CHECKING:
    from chainrule.training.run import Run


@dataclass(frozen=True)
class Event(records.DataResult):
    """Base class of events: the position of the run."""

    epoch: int
    """epochs completed"""
    epochs: int
    """the epochs requested"""


@records.kind("run_started")
@dataclass(frozen=True)
class Started(Event):
    """A new or resumed run is about to take its first step."""

    step: int
    """steps already completed within the current epoch, in a resumed run"""
    steps_per_epoch: int
    samples: int
    """training samples"""
    batch_size: int
    engine: str
    records: tuple[Mapping[str, float], ...] = ()
    """the records of the epochs completed earlier, in a resumed run"""
    compiles: bool = False
    """whether the first step waits for compilation"""


@records.kind("run_progress")
@dataclass(frozen=True)
class Progress(Event):
    """Some steps of the current epoch were taken."""

    step: int
    """steps completed within the current epoch"""
    of: int
    """steps per epoch"""
    loss: float | None
    """the mean over the epoch's samples so far; None if the method does not measure it"""
    rate: float
    """the learning rate of the last step"""
    seconds: float
    """seconds spent on the steps of the current epoch"""


@records.kind("run_epoch_end")
@dataclass(frozen=True)
class EpochEnd(Event):
    """An epoch was completed and validated; `epoch` is its number, from 1."""

    record: Mapping[str, float]
    """its record in the history: loss, accuracy, learning_rate, val_loss, ..., seconds"""


@records.kind("run_finished")
@dataclass(frozen=True)
class Ended(Event):
    """The last event of a training, of one of four kinds."""


@dataclass(frozen=True)
class Finished(Ended):
    """All epochs are done."""


@records.kind("run_stopped")
@dataclass(frozen=True)
class Stopped(Ended):
    """A callback ended the run before its last epoch."""

    reason: str


@records.kind("run_interrupted")
@dataclass(frozen=True)
class Interrupted(Ended):
    """Ctrl-C ended the run."""


@records.kind("run_failed")
@dataclass(frozen=True)
class Failed(Ended):
    """An error ended the run."""

    kind: str
    """the name of the exception's class: NonFiniteError, OSError, ..."""
    error: str
    """its message"""

    def to_data(self) -> dict[str, Any]:
        """Return the event as JSON-safe data, the exception's class as "exception"; see `chainrule.core.records`."""
        where = {"epoch": self.epoch, "epochs": self.epochs}
        return records.labeled(self, where | {"exception": self.kind, "error": self.error})


Consumer = Callable[[Event], Any]


def started(run: Run) -> Started:
    """Return the event of a run before its next step."""
    return Started(
        run.epoch,
        run.epochs,
        step=run.position,
        steps_per_epoch=run.steps_per_epoch,
        samples=run.samples.n,
        batch_size=run.plan.batch_size,
        engine=run.engine.name,
        records=tuple(map(dict, run.history.records)),
        compiles=run.session.compiles,
    )


def progress(run: Run) -> Progress:
    """Return the event of a run within an epoch."""
    loss, weight = run.session.sums[:2].tolist()
    return Progress(
        run.epoch,
        run.epochs,
        step=run.position,
        of=run.steps_per_epoch,
        loss=loss / weight if weight > 0 else None,
        rate=run.rate,
        seconds=run.seconds,
    )


def epoch_end(run: Run) -> EpochEnd:
    """Return the event of a run that has just completed an epoch."""
    return EpochEnd(run.epoch, run.epochs, dict(run.logs))


def ended(run: Run) -> Ended:
    """Return the last event of a run, depending on how it ended."""
    if run.error is not None:
        return failed(run.epoch, run.epochs, run.error)
    if run.history.stopped is not None:
        return Stopped(run.epoch, run.epochs, run.history.stopped)
    return Finished(run.epoch, run.epochs)


def failed(epoch: int, epochs: int, error: BaseException) -> Interrupted | Failed:
    """Return the event of an error."""
    if isinstance(error, KeyboardInterrupt):
        return Interrupted(epoch, epochs)
    return Failed(epoch, epochs, type(error).__name__, f"{error}")
