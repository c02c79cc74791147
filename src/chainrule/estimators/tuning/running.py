"""A search while it runs: what its threads ask for, try and tell."""

from __future__ import annotations

import math
import statistics
import threading
from collections.abc import Callable
from time import monotonic as clock
from typing import Any

from chainrule.errors import DataError
from chainrule.estimators.base import MLPEstimator
from chainrule.estimators.parameters import given
from chainrule.estimators.tuning import study
from chainrule.estimators.tuning.spaces import Space
from chainrule.estimators.tuning.study import TrialRecord
from chainrule.estimators.tuning.trial import Problem, Tried, tried

FIRST_SHARE = 0.4
"""The most of the time limit that the first trial takes; the later ones have the rest, less that of the last fit."""
MARGIN = 1.15
"""The seconds kept for the last fit, by those of the best trial's."""


def ignore_trial(record: TrialRecord) -> None:
    """Do nothing with a trial."""


class RunningSearch:
    """The state of a running search, which its threads share."""

    def __init__(self, estimator: MLPEstimator, problem: Problem, space: Space, seed: int, jobs: int) -> None:
        self.estimator, self.problem, self.space, self.seed, self.jobs = estimator, problem, space, seed, jobs
        self.dimensions = space.without(set(given(estimator)))
        self.lock, self.study = threading.Lock(), None
        self.listen: Callable[[TrialRecord], object] = ignore_trial
        self.wanted, self.end, self.begun = math.inf, math.inf, clock()
        self.best: Tried | None = None
        self.times = list[float]()
        self.at_work = 0
        self.out_of_time = False

    def begin(
        self, opened: Any, begun: float, wanted: float, end: float, listen: Callable[[TrialRecord], object]
    ) -> None:
        """Take the study, which may have trials already, and what ends the search."""
        self.study, self.begun, self.wanted, self.end, self.listen = opened, begun, wanted, end, listen
        self.times += [each.seconds for each in study.records(opened) if each.state == "complete"]

    def reserve(self) -> float:
        """Return the seconds to keep for the last fit."""
        if self.best is not None:
            return MARGIN * self.best.seconds
        return MARGIN * max(self.times, default=0.0)

    def ask(self) -> Any:
        """Return the next trial; None if there is none."""
        with self.lock:
            if self.problem.stop.is_set() or study.ended(self.study) + self.at_work >= self.wanted:
                return None
            left = self.end - clock() - self.reserve()
            needed = 0.3 * statistics.median(self.times) if self.times else 0.0
            if left <= needed * len(self.problem.folds):
                self.out_of_time = True
                return None
            self.at_work += 1
            return study.ask(self.study, self.dimensions, self.seed, self.jobs > 1)

    def work(self) -> None:
        """Try one setting after the other until there is none."""
        while (trial := self.ask()) is not None:
            self.try_one(trial)

    def try_one(self, trial: Any) -> None:
        """Try the setting of a trial, and tell its value."""
        found = Tried(None, "interrupted", 0, 0.0)
        is_default = trial.params == study.defaults(self.dimensions)
        try:
            parameters, deadline = self.space.parameters(trial.params), self.end - self.reserve()
            if math.isfinite(self.end):  # what is too long for it is shortened, not cut
                most = FIRST_SHARE * (self.end - self.begun) if is_default else deadline - clock()
                most, own = most / len(self.problem.folds), self.estimator.time_limit
                parameters["time_limit"] = max(most if own is None else min(most, own), 0.01)
            found = tried(self.estimator, parameters, self.problem, trial, deadline)
        finally:
            with self.lock:
                self.at_work -= 1
                study.tell(self.study, trial, found.state, found.value, found.epochs, found.seconds)
                self.keep(found, trial.number, is_default)

    def keep(self, found: Tried, number: int, is_default: bool) -> None:
        """Note the best trial, and tell of this one."""
        if found.state == "complete":
            self.times.append(found.seconds)
            assert found.value is not None
            if self.best is None or self.best.value is None or found.value < self.best.value:
                self.best = found
        elif found.state == "failed" and is_default:
            raise DataError(f"the settings as they are fail: {found.error}")
        self.listen(next(each for each in study.records(self.study) if each.number == number))
