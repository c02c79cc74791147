"""One setting of a search: fitted on the rows to learn from, and judged by those held out."""

from __future__ import annotations

import math
import threading
import time
import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from chainrule.errors import DataError, NonFiniteError
from chainrule.estimators.base import MLPEstimator, fit_under
from chainrule.estimators.fit.data import FitInput
from chainrule.estimators.fit.plan import Conditions
from chainrule.estimators.fit.result import FitResult
from chainrule.estimators.fit.splits import Split
from chainrule.estimators.fit.structure import RowStructure
from chainrule.formulas.losses import MeanSquaredError
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
                warnings.simplefilter("ignore", ConvergenceWarning)
                warnings.filterwarnings("ignore", "Training interrupted by user")
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
