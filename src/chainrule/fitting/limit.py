"""The time limit of a fit: what it decides by the clock, what a result keeps of that, and how a fit repeats it."""

from __future__ import annotations

import time
from types import NoneType
from typing import Any, NamedTuple

import numpy as np

from chainrule.core import codec
from chainrule.core.codec import Count, Positive
from chainrule.errors import FormatError
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run
from chainrule.training.time_limit import SHARE, Shortfall, TimeLimit

AT_LEAST = 0.05
"""The part of a time limit that the training has in any case, however long the preparation takes."""

ENOUGH = 0.5
"""The part of the planned epochs from which nothing is said of the others."""
HANDED = 0.5
"""About the time that handing a network's parameters to another computation takes, in that of a step."""


@codec.as_list
class Replan(NamedTuple):
    """A new plan for the rest of a run, see `Run.replan`."""

    step: Count
    """the steps completed by then"""
    epochs: Positive
    shortened: Positive | None
    """the steps after which the run ends within its last epoch; None for whole epochs"""


class LimitCourse(NamedTuple):
    """How a time limit changed a run, by its steps: what another run of the same bits has to repeat."""

    replans: tuple[Replan, ...]
    end: Count | None = None
    """the steps completed when it was stopped; None for a run that came to its own end"""
    is_late: bool = False
    """whether the limit stopped it, and not Ctrl-C"""
    has_linear_part: bool = True
    """whether it left time for what is solved beside a network of few rows: its linear part, and its steps; older files
    do not say so"""


def are_few(epochs: int, planned: int) -> bool:
    """Return whether a run behind its first epoch has so few of its epochs that it is to be said."""
    return 0 < epochs < ENOUGH * planned


class FitLimit(TimeLimit):
    """The time limit of a fit: no epoch goes on behind it, and the fit itself warns where the first one did not end.

    Where the preparation took longer than the limit, the training has a twentieth of the limit from its start.

    grace: the seconds that the training may have in any case; None for that twentieth.
    judging: the time that judging the held-out rows takes, as a part of an epoch's. They are judged behind the training
    again: where that takes more than what is left of the limit for it, fewer steps are planned.
    leveling: the same of leveling the outputs, behind a training that the limit ends.
    """

    def __init__(
        self,
        seconds: float,
        shorten: bool,
        since: float | None,
        grace: float | None,
        judging: float,
        leveling: float = 0.0,
    ) -> None:
        """Keep the settings."""
        own = AT_LEAST * seconds if grace is None else grace
        super().__init__(seconds, shorten=shorten, since=since, grace=own)
        self.judging, self.leveling = judging, leveling
        self.kept: list[int | None] = []
        self.course = LimitCourse(())
        """what it did to the run so far"""

    def state(self) -> dict[str, Any]:
        """Return the seconds so far, and the epochs and steps that are planned."""
        return {"seconds": time.monotonic() - self.start, "plan": self.kept}

    def load_state(self, state: dict[str, Any]) -> None:
        """Count the seconds of before. Raises FormatError for others than a fit has."""
        seconds, plan = state["seconds"], state["plan"]
        if not (
            type(seconds) is float
            and 0 <= seconds < np.inf
            and all(type(each) in (int, NoneType) for each in plan)
        ):
            raise FormatError("the seconds are not those of a fit")
        self.since = (time.monotonic() if self.since is None else self.since) - seconds
        self.kept = plan

    def on_train_begin(self, run: Run) -> None:
        """Start the clock, and take up the plan of before."""
        super().on_train_begin(run)
        self.course = LimitCourse(())
        if self.kept:
            run.replan(min(self.kept[0] or 1, run.epochs), self.kept[1])

    def first_epoch(self) -> tuple[float, float]:
        """Return the limit, or what the training has in any case, and the time up to which steps are planned."""
        return max(self.end, self.begin + self.grace), max(self.planned, self.begin + SHARE * self.grace)

    def plan(self, run: Run, now: float, seconds: float) -> None:
        """Plan with the time for what follows the steps, beyond the part of the limit that is free for it."""
        before = run.epochs, run.shortened
        super().plan(run, now + self.rest(run, now, seconds), seconds)
        self.kept = [run.epochs, run.shortened]
        if (run.epochs, run.shortened) != before:
            made = Replan(run.step, run.epochs, run.shortened)
            self.course = self.course._replace(replans=(*self.course.replans, made))

    def rest(self, run: Run, now: float, seconds: float) -> float:
        """Return the seconds that no steps are planned for, with `seconds` for each.

        They are at most half of those from the start of the training.
        """
        steps, free = run.steps_per_epoch, (1 - SHARE) * self.seconds
        parts = self.judging, self.leveling
        judging, leveling = (seconds * (steps * part + HANDED) if part else 0.0 for part in parts)
        first, times = judging if run.epoch == 0 else 0.0, 1
        if run.epoch == 0 and now + (steps - run.step) * seconds + judging > self.planned:
            # It ends within the epoch, behind which rows held out are judged before the outputs are leveled and after.
            first, times = 0.0, 1 if run.validation is None else 3
        behind = times * judging + leveling - free
        return min(first + max(0.0, behind), max(0.0, self.planned - self.begin) / 2)

    def look(self, run: Run, now: float) -> None:
        """Stop at the limit, and note where that is."""
        super().look(run, now)
        if self.has_ended and self.course.end is None:
            self.course = self.course._replace(end=run.step, is_late=True)

    def on_train_end(self, run: Run) -> None:
        """Note how few of its epochs the limit left to a run that it ended."""
        if self.has_ended and are_few(run.epoch, self.asked):
            steps = self.asked * run.steps_per_epoch - self.first
            needed = self.needed(time.monotonic(), run.step - self.first, steps)
            self.shortfall = Shortfall(self.seconds, run.epoch, self.asked, needed, is_of_epochs=True)


class RepeatedLimit(Callback):
    """Repeats what the time limit of another run did, at the same steps and without a clock."""

    looks_inside = False
    shortfall: Shortfall | None = None
    """that of a run with few epochs; no seconds are known"""

    def __init__(self, course: LimitCourse) -> None:
        """Keep what is to be repeated."""
        self.course, self.has_ended, self.asked = course, False, 0

    def on_train_begin(self, run: Run) -> None:
        """Ask to be called at the first of the steps."""
        self.has_ended, self.asked, self.shortfall = False, run.epochs, None
        self._follow(run)

    def on_steps(self, run: Run) -> None:
        """Do what was done at this step."""
        self._follow(run)

    def on_epoch_end(self, run: Run) -> None:
        """Do what was done at this step."""
        self._follow(run)

    def on_train_end(self, run: Run) -> None:
        """Note how few of its epochs the run has."""
        if self.has_ended and are_few(run.epoch, self.asked):
            self.shortfall = Shortfall(0.0, run.epoch, self.asked, 0.0, is_of_epochs=True)

    def _follow(self, run: Run) -> None:
        for step, epochs, shortened in self.course.replans:
            if step == run.step:
                run.replan(epochs, shortened)
        if self.course.end == run.step and run.history.stopped is None:
            self.has_ended = self.course.is_late
            run.stop("the run that this one repeats was stopped here")
        marks = [*(each.step for each in self.course.replans), self.course.end or 0]
        self.every_steps = min((mark for mark in marks if mark > run.step), default=None)
