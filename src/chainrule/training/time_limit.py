"""The time limit of a run: it stops there, or gets as many steps as the limit allows, with a schedule over these."""

from __future__ import annotations

import math
import time

from chainrule.core.settings import check_number
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run

SHARE = 0.95
"""The part of the limit that steps are planned for: the rest is for what comes after them, and for other work."""
MEASURED = 0.1
"""The seconds of steps from which the first plan is made."""
RECENT = 5
"""The epochs at the end of which the speed is measured."""
WHOLE = 5
"""From so many epochs on a plan is of whole ones."""


class TimeLimit(Callback):
    """Stop a run after so many seconds, between two calls of the engine: about a tenth of a second late at most.

    seconds: above 0.
    shorten: whether a run that is too long for the limit gets as many epochs as it allows, by the speed of the steps so
        far, so that its schedule is complete when it ends; of fewer than 5 epochs the last one may be a part.
    since: the `time.monotonic()` from which the seconds count; None for the start of the training.
    """

    looks_inside = False

    def __init__(self, seconds: float, *, shorten: bool = False, since: float | None = None) -> None:
        """Check the limit."""
        self.seconds = check_number(seconds, "seconds of TimeLimit", above=0)
        self.shorten, self.since, self.end = shorten, since, math.inf

    def on_train_begin(self, run: Run) -> None:
        """Start the clock."""
        self.begin, self.asked, self.first = time.monotonic(), run.epochs, run.step
        since = self.begin if self.since is None else self.since
        self.end = since + self.seconds
        self.planned = since + SHARE * self.seconds
        self.ends = [self.begin]

    def on_steps(self, run: Run) -> None:
        """Stop when the time is over, and plan until the first epoch is."""
        now = time.monotonic()
        taken = run.step - self.first
        if self.shorten and len(self.ends) == 1 and taken and now - self.begin >= MEASURED:
            self.plan(run, now, (now - self.begin) / taken)
        self.look(run, now)

    def on_epoch_end(self, run: Run) -> None:
        """Stop when the time is over, and plan what is left of it."""
        now = time.monotonic()
        self.ends = [*self.ends, now][-RECENT - 1 :]
        if self.shorten:
            seconds = (now - self.ends[0]) / (len(self.ends) - 1)
            self.plan(run, now, seconds / run.steps_per_epoch)
        self.look(run, now)

    def plan(self, run: Run, now: float, seconds: float) -> None:
        """Set the steps of the run to what is asked for, or to those until the limit at so many seconds a step."""
        steps = run.step + max(0, int((self.planned - now) / seconds))
        run.epochs = min(self.asked, max(-(-steps // run.steps_per_epoch), run.epoch + bool(run.position)))
        run.shortened = None
        if steps >= self.asked * run.steps_per_epoch:
            return
        if steps >= WHOLE * run.steps_per_epoch:
            run.epochs = steps // run.steps_per_epoch
        else:
            run.shortened = max(steps, 1)

    def look(self, run: Run, now: float) -> None:
        """Stop at the limit, or at the end of what was planned for it."""
        is_over = run.epochs < self.asked or run.shortened is not None
        is_over &= run.step >= run.total_steps
        if (now > self.end or is_over) and run.history.stopped is None:
            run.stop(f"the time limit of {self.seconds:g} s is over")
