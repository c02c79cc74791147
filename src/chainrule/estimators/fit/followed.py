"""A fit that another one follows, which is trained beside it or behind it."""

from __future__ import annotations

import threading

from chainrule.estimators.fit.curve import LearningCurve
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run


class FollowedFit(Callback):
    """How a fit goes, for the one that follows it: the epochs that are judged, and the best of them so far."""

    looks_inside = False

    def __init__(self) -> None:
        """Begin without an epoch."""
        self.condition = threading.Condition()
        self.curve: LearningCurve | None = None
        """of the fit that is followed"""
        self.epochs = self.best = 0
        self.is_over = self.is_dropped = False

    def on_epoch_end(self, run: Run) -> None:
        """Note that an epoch was judged, and which is the best one so far."""
        assert self.curve is not None
        with self.condition:
            self.epochs, self.best = run.epoch, self.curve.best_epoch
            self.condition.notify_all()

    def end(self, is_dropped: bool) -> None:
        """Note that no further epoch comes; is_dropped: and that nobody needs the fit that follows."""
        with self.condition:
            self.is_over, self.is_dropped = True, self.is_dropped or is_dropped
            self.condition.notify_all()

    def judged(self, epoch: int) -> bool:
        """Wait until an epoch is judged, and return whether it is the best so far."""
        with self.condition:
            self.condition.wait_for(lambda: self.is_over or self.epochs >= epoch)
            return epoch == self.best

    def ends_at(self, epoch: int) -> bool:
        """Return whether the fit that follows has come to its end."""
        return self.is_dropped or (self.is_over and epoch >= self.best)
