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
from typing import Any

from chainrule.core import records


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


def ended(epoch: int, epochs: int, error: BaseException | None, stopped: str | None = None) -> Ended:
    """Return the last event of a run. stopped: why a callback ended it, if one did."""
    if isinstance(error, KeyboardInterrupt):
        return Interrupted(epoch, epochs)
    if error is not None:
        return Failed(epoch, epochs, type(error).__name__, f"{error}")
    return Finished(epoch, epochs) if stopped is None else Stopped(epoch, epochs, stopped)
