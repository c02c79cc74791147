"""What stops a fit of a race before its own end."""

from __future__ import annotations

import math
import threading
import time

from chainrule.training.callbacks import Callback
from chainrule.training.run import Run


class RaceOver(Callback):
    """Stops a fit when the race is over, by Ctrl-C; one of all rows after its epochs, or where it is late."""

    looks_inside = False

    def __init__(self, event: threading.Event, last: float = math.inf, end: float = math.inf) -> None:
        """Keep the event.  last: the epoch after which it stops.  end: the `time.monotonic()` from which it is late."""
        self.event, self.last, self.end = event, last, end
        self.epochs = 0
        """those that the schedule was for, which a time limit may have changed"""
        self.is_cut = False
        """whether the fit was stopped before its last epoch"""

    def on_steps(self, run: Run) -> None:
        """Stop the run."""
        if run.history.stopped is not None or run.epoch >= self.last:
            return
        if self.event.is_set() or time.monotonic() > self.end:
            self.is_cut = True
            run.stop("the race was interrupted")

    def on_epoch_end(self, run: Run) -> None:
        """Stop the run."""
        if run.epoch >= self.last and run.history.stopped is None:
            run.stop("it has the epochs with the least loss held out")
        self.on_steps(run)

    def on_train_end(self, run: Run) -> None:
        """Note the epochs."""
        self.epochs = run.epochs
