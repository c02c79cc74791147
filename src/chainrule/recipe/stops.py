"""What ends a run on request."""

from __future__ import annotations

import threading
from pathlib import Path

from chainrule.training import Callback, Checkpoint, Run, checkpoint

ON_REQUEST = "on request"
"""The reason of a stop after which a resumed run continues as if it had never been stopped."""
BY_HAND = "by Ctrl-C"
"""The reason of a stop with which a run of an estimator ends early."""


class StopOnRequest(Callback):
    """End a run after an epoch once a `threading.Event` is set."""

    looks_inside = False

    def __init__(self, request: threading.Event) -> None:
        """Store the event that requests the stop."""
        self.request = request

    def on_epoch_end(self, run: Run) -> None:
        """Stop if requested, unless the run is at its end anyway."""
        if self.request.is_set() and run.history.stopped is None and run.epoch < run.epochs:
            run.stop(ON_REQUEST)


class PauseOnRequest(StopOnRequest, Checkpoint):
    """End a run within an epoch once a `threading.Event` is set, with a checkpoint that resumes it exactly there."""

    def __init__(self, request: threading.Event, path: Path, within_epochs: bool = True) -> None:
        """path: that of the checkpoint that the run writes after each epoch, just before this is called.

        within_epochs: False to end it only after one, as an ensemble does, whose members may be at different steps.
        """
        StopOnRequest.__init__(self, request)
        Checkpoint.__init__(self, path)
        self.within_epochs = within_epochs

    def on_steps(self, run: Run) -> None:
        """Write a checkpoint within the epoch, then stop."""
        is_one = (
            self.within_epochs and run.theta.ndim == 1
        )  # few rows of a table have members that nobody asked for
        if is_one and self.request.is_set() and run.history.stopped is None:
            checkpoint.write(self.path, run)
            run.stop(ON_REQUEST)
