"""A search while it runs, and one setting of it: fitted on the rows to learn from, and judged by those held out."""

from __future__ import annotations

import math
import statistics
import threading
import time
import warnings
from collections.abc import Callable
from time import monotonic as clock
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from chainrule.errors import DataError, NonFiniteError
from chainrule.estimators.base import MLPEstimator, fit_under
from chainrule.estimators.tuning import study
from chainrule.estimators.tuning.spaces import Space
from chainrule.estimators.tuning.study import TrialRecord
from chainrule.fitting.parameters import given
from chainrule.fitting.plan import Conditions
from chainrule.fitting.result import FitResult
from chainrule.formulas.losses import MeanSquaredError
from chainrule.tables.data import FitInput
from chainrule.tables.structure import RowStructure, Split
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run

WARM_UP = 0.2
"""The share of the epochs before which no trial is pruned."""


class Problem(NamedTuple):
    """What every setting of a search is tried on."""

    data: FitInput
    folds: tuple[Split, ...]
    structure: RowStructure
    stop: threading.Event
    """once it is set, what is being tried ends"""


class Tried(NamedTuple):
    """How a setting did."""

    value: float | None
    """the mean over the folds, the less the better; None if it did not come to its end"""
    state: str
    """complete, pruned, failed or interrupted"""
    epochs: int
    """of the first fold"""
    seconds: float
    """of the longest fit"""
    estimator: Any = None
    """as fitted in the first fold"""
    error: str = ""


class Watch(Callback):
    """Report the validation loss of each epoch to a trial, and stop the fit if the pruner says so or the time is over.

    trial: of Optuna; None reports nothing.  deadline: a `time.monotonic()`.
    """

    looks_inside = False

    def __init__(self, trial: Any, deadline: float, stop: threading.Event) -> None:
        """Store them."""
        self.trial, self.deadline, self.stop = trial, deadline, stop
        self.ending, self.epochs = "complete", 0

    def on_steps(self, run: Run) -> None:
        """Stop when the time is over, or on request."""
        if run.history.stopped is None and (self.stop.is_set() or time.monotonic() > self.deadline):
            self.ending = "interrupted"
            run.stop("the search ends")

    def on_epoch_end(self, run: Run) -> None:
        """Report the epoch."""
        self.epochs, loss = run.epoch, float(run.logs["val_loss"])
        self.on_steps(run)
        if self.trial is None or run.history.stopped is not None or not math.isfinite(loss):
            return
        self.trial.report(loss, run.epoch)
        if run.epoch >= WARM_UP * run.epochs and self.trial.should_prune():
            self.ending = "pruned"
            run.stop("pruned")

    def on_train_end(self, run: Run) -> None:
        """Note Ctrl-C, after which an estimator's fit returns as if nothing had been."""
        if isinstance(run.error, KeyboardInterrupt):
            self.ending = "interrupted"
            self.stop.set()


def metric_of(result: FitResult) -> str:
    """Return what a fit is judged by: log_loss, rmse, or its own loss where that is no squared error."""
    if result.targets.task != "regression":
        return "log_loss"
    return "rmse" if isinstance(result.model.network.loss, MeanSquaredError) else "loss"


def tried(
    estimator: MLPEstimator, parameters: dict[str, Any], problem: Problem, trial: Any, deadline: float
) -> Tried:
    """Fit the estimator with these parameters on each fold, and return the mean of its metric on the rows held out."""
    values, epochs, longest, first = list[float](), 0, 0.0, None
    for split in problem.folds:
        made, begun = clone(estimator).set_params(**parameters), time.monotonic()
        watch = Watch(trial if first is None else None, deadline, problem.stop)
        given = made.callbacks
        others = [] if given is None else list(given) if hasattr(given, "__iter__") else [given]
        made.set_params(callbacks=[watch, *others])
        data = problem.data.parted(split)
        X_val, y_val = data.X_val, data.y_val
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # what is to be said is said of all rows
                result = fit_under(
                    made, data, Conditions(grace=0.0)
                )  # the next setting needs the seconds more
        except (DataError, NonFiniteError) as error:
            return Tried(None, "failed", watch.epochs, time.monotonic() - begun, error=f"{error}")
        finally:
            made.set_params(callbacks=given)
        first, epochs = (made, watch.epochs) if first is None else (first, epochs)
        longest = max(longest, time.monotonic() - begun)
        if problem.stop.is_set() or watch.ending != "complete":
            state = "interrupted" if problem.stop.is_set() else watch.ending
            return Tried(None, state, epochs, longest)
        metric, preprocessor = metric_of(result), result.preprocessor
        assert preprocessor is not None, "a search is of tables"
        metrics = [metric] if metric != "loss" else []
        values.append(result.model.evaluate(preprocessor.transform(X_val), y_val, metrics=metrics)[metric])
    value = float(np.mean(values))
    if not math.isfinite(value):
        return Tried(None, "failed", epochs, longest, error="its predictions are not finite")
    return Tried(value, "complete", epochs, longest, first)


FIRST_SHARE = 0.4
"""The most of the time limit that the first trial takes; the later ones have the rest, less that of the last fit."""
LAST_FIT_MARGIN = 1.15
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
            return LAST_FIT_MARGIN * self.best.seconds
        return LAST_FIT_MARGIN * max(self.times, default=0.0)

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
