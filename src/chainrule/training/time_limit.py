"""The time limit of a run: it stops then, or gets as many steps as the limit allows, with a schedule over these."""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

from chainrule import distributed
from chainrule.core import hints
from chainrule.core.settings import check_number
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run

SHARE = 0.95
"""The fraction of the limit that steps are planned for: the rest is for later work."""
SECONDS_BEFORE_PLAN = 0.1
"""The seconds of steps before the first plan."""
RECENT = 5
"""The number of recent epochs over which the speed is measured."""
MIN_WHOLE_EPOCHS = 5
"""The minimum number of epochs of a plan that has only whole ones."""
JUDGED = 0.5
"""About the time that judging a sample takes, in that of training on one."""


class Shortfall(NamedTuple):
    """The progress of a run that its time limit ended within the first epoch, or after few of its epochs."""

    limit: float
    """in seconds"""
    done: int
    """the steps or the epochs completed"""
    of: int
    """the steps of an epoch, or the epochs that were planned"""
    seconds: float
    """about the limit with which all of these would have ended, including the time before the training"""
    is_of_epochs: bool = False

    @property
    def planned(self) -> int | None:
        """The epochs that were planned; None for the steps of the first one."""
        return self.of if self.is_of_epochs else None

    def __str__(self) -> str:
        """Return the sentence, with the time that the epoch or all of them need."""
        needed = f"about {rounded_up(self.seconds):g} s"
        if self.is_of_epochs:
            return f"{self.done:,} of the {self.of:,} epochs that were planned, which need {needed}"
        return f"{self.done:,} of the {self.of:,} steps of the first epoch, which needs {needed}"


class TimeLimit(Callback):
    """Stop a run after some seconds, between two calls of the engine: at most about a tenth of a second late.

    An unfinished first epoch continues for at most as many seconds again, counted from the start of the training if
    that is later than the limit. A run that still ends within it warns.

    seconds: above 0.
    shorten: whether a run that is too long for the limit gets as many epochs as it allows, by the speed so far, so that
    its schedule is complete when it ends; with fewer than 5 epochs the last one may be partial.
    since: the `time.monotonic()` from which the seconds count; None for the start of the training.
    grace: the seconds by which the first epoch may exceed the limit; None for as many as the limit, 0 to end at the
    limit in any case, without a warning.
    """

    looks_inside = False

    def __init__(
        self,
        seconds: float,
        *,
        shorten: bool = False,
        since: float | None = None,
        grace: float | None = None,
    ) -> None:
        """Check the limit."""
        self.seconds = check_number(seconds, "seconds of TimeLimit", above=0)
        self.grace = self.seconds if grace is None else check_number(grace, "grace of TimeLimit", minimum=0)
        self.shorten, self.since = shorten, since
        self.end = self.late = math.inf
        self.has_ended = False
        """whether it ended the last run"""
        self.shortfall: Shortfall | None = None
        """the progress of the last run, if this limit ended it within its first epoch"""

    def on_train_begin(self, run: Run) -> None:
        """Start the clock."""
        self.begin, self.asked, self.first = time.monotonic(), run.epochs, run.step
        self.start = self.begin if self.since is None else self.since
        self.end = self.start + self.seconds
        self.planned = self.start + SHARE * self.seconds
        self.late, self.planned_late = self.first_epoch()
        self.ends = [self.begin]
        self.has_ended, self.shortfall = False, None

    def first_epoch(self) -> tuple[float, float]:
        """Return when an unfinished first epoch ends, and the time up to which its steps are planned."""
        whole = max(self.end, self.begin) if self.grace else self.planned
        return max(self.end, self.begin) + self.grace, whole + SHARE * self.grace

    def on_steps(self, run: Run) -> None:
        """Stop at the limit, and plan during the first epoch."""
        now = time.monotonic()
        taken = run.step - self.first
        if self.shorten and len(self.ends) == 1 and taken and now - self.begin >= SECONDS_BEFORE_PLAN:
            self.plan(run, now, (now - self.begin) / taken)
        self.look(run, now)

    def on_epoch_end(self, run: Run) -> None:
        """Stop at the limit, and plan the rest of the run."""
        now = time.monotonic()
        self.ends = [*self.ends, now][-RECENT - 1 :]
        seconds = (now - self.ends[0]) / (len(self.ends) - 1)
        if self.shorten and seconds > 0:  # a coarse clock may stand still, which tells no speed
            self.plan(run, now, seconds / run.steps_per_epoch)
        self.look(run, now)

    def on_train_end(self, run: Run) -> None:
        """Warn if the run ended within its first epoch."""
        if self.shortfall is not None and run.error is None and self.grace and distributed.is_first():
            self.warn(self.shortfall)

    def warn(self, shortfall: Shortfall) -> None:
        """Warn that the training ended within its first epoch."""
        hints.give(f"TimeLimit({shortfall.limit:g}) ended the training after {shortfall}; raise it.")

    def plan(self, run: Run, now: float, seconds: float) -> None:
        """Set the steps of the run to those requested, or those possible within the limit at these seconds per step."""
        steps = run.step + max(0, int((self.planned - now) / seconds))
        if run.epoch == 0 and steps < run.steps_per_epoch:
            late = run.step + max(0, int((self.planned_late - now) / seconds))
            steps = min(late, run.steps_per_epoch)
        epochs = min(self.asked, max(-(-steps // run.steps_per_epoch), run.epoch + bool(run.position)))
        if steps >= self.asked * run.steps_per_epoch:
            run.replan(epochs, None)
        elif steps >= MIN_WHOLE_EPOCHS * run.steps_per_epoch:
            run.replan(steps // run.steps_per_epoch, None)
        else:
            run.replan(epochs, max(steps, 1))

    def look(self, run: Run, now: float) -> None:
        """Stop at the limit, or at the end of the plan for it."""
        is_over = run.epochs < self.asked or run.shortened is not None
        is_over &= run.step >= run.total_steps
        end = self.late if run.epoch == 0 else self.end
        if not (now > end or is_over) or run.history.stopped is not None:
            return
        reason = f"the time limit of {self.seconds:g} s is over"
        if run.epoch == 0:
            taken, of = run.step - self.first, run.steps_per_epoch
            self.shortfall = Shortfall(
                self.seconds, run.position, of, self.needed(now, taken, of - self.first)
            )
            reason = f"{reason}, after {self.shortfall}"
        self.has_ended = True
        run.stop(reason)

    def needed(self, now: float, taken: int, steps: int) -> float:
        """Return about the seconds from the start that so many steps need, by those taken until now."""
        return max(0.0, self.begin - self.start) + (now - self.begin) / max(1, taken) * steps

    def identity(self) -> Any:
        """Return the settings; clocks differ."""
        return [self.seconds, self.shorten, self.grace]


def rounded_up(seconds: float) -> float:
    """Round seconds up to two digits."""
    unit = 10.0 ** (math.floor(math.log10(max(seconds, 1e-3))) - 1)
    return math.ceil(seconds / unit - 1e-9) * unit
