"""Train a network anew on all rows, for as many epochs as were best on the rows held out.

The rows held out say how long to train, and are then learned from too. On an engine whose sessions have a thread each,
the network of all rows is trained beside the one that is watched, and waits after each epoch until that one is judged:
so it takes half of the cores in place of twice the time. The result is the same either way, to the bit.
"""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from chainrule.data.samples import Samples
from chainrule.engines import Plan, select
from chainrule.errors import ConfigError, DataError, NonFiniteError
from chainrule.estimators import fitting
from chainrule.estimators.curve import LearningCurve
from chainrule.estimators.followed import FollowedFit
from chainrule.estimators.rates import RateControl, as_rates
from chainrule.estimators.settings import FitSettings
from chainrule.formulas.schedules import ReduceOnPlateau
from chainrule.model import Ensemble, Model
from chainrule.training.history import History
from chainrule.training.run import Run, copied
from chainrule.training.time_limit import SHARE, TimeLimit


def is_wanted(settings: FitSettings, holds_out: bool, first: bool) -> bool:
    """Return whether a fit is to be followed by one on all rows. Raises ConfigError where that is asked for in vain.

    holds_out: whether the fit holds out rows of its own.  first: whether it begins a network.
    """
    asked = settings.refit
    wanted = settings.proposal.refit if asked is None else bool(asked)
    if not (wanted and first):
        return False
    faults = {
        "rows that the fit itself holds out; set early_stopping=True, and leave out X_val and y_val": not holds_out,
        "rates that do not follow the score of rows held out; take another schedule, or learning_rate='constant'": (
            isinstance(settings.schedule, ReduceOnPlateau)
            or settings.schedule == ReduceOnPlateau.kind
            or (
                settings.optimizer is None
                and settings.solver == "sgd"
                and settings.learning_rate == "adaptive"
            )
        ),
    }
    for what, is_there in faults.items():
        if is_there and asked:
            raise ConfigError(f"refit=True needs {what}.")
    return not any(faults.values())


class Following(LearningCurve):
    """The order and the settings of each epoch of a fit that follows another, and the parameters of the best one."""

    def __init__(self, followed: FollowedFit, *args: Any) -> None:
        """Begin as any curve."""
        super().__init__(*args)
        self.followed = followed
        self.trained = 0, 0
        """the epochs and steps of the model at the end of the best epoch"""
        self.error: Exception | None = None
        """of training that diverged"""

    @property
    def is_complete(self) -> bool:
        """Whether the parameters of the best epoch were reached."""
        return self.best_epoch == self.followed.best and not self.followed.is_dropped

    def on_epoch_end(self, run: Run) -> None:
        """Keep the parameters of the best epoch so far, and stop behind the last one that is needed."""
        self.estimator.n_iter_ += 1
        self.estimator.t_ += run.rows_per_epoch
        if self.followed.judged(run.epoch):
            run.synchronize()
            self.best, self.best_epoch, self.trained = run.snapshot(), run.epoch, run.trained
        self.rates.after_epoch(self.estimator.t_)
        if self.followed.ends_at(run.epoch):
            run.stop("the epochs of the best score are over")

    def diverged(self, error: NonFiniteError) -> None:
        """Note the error, which matters where the best epoch was still to come."""
        self.error = error

    def on_steps(self, run: Run) -> None:
        """Stop within an epoch that is not needed any more."""
        if self.followed.ends_at(run.epoch) and run.history.stopped is None:
            run.stop("the epochs of the best score are over")


class Refit:
    """A fit on all rows that follows the one that an estimator is about to begin."""

    def __init__(self, estimator: Any, settings: FitSettings, samples: Samples, random: Any) -> None:
        """Copy the network at its start. samples: all of them.  random: the state that the fit itself draws from."""
        self.estimator, self.samples, self.limit = estimator, samples, settings.time_limit
        quiet = {"callbacks": None, "early_stopping": False, "time_limit": None, "verbose": False}
        self.settings = replace(settings, values={**settings.values, **quiet})
        self.begun = time.monotonic() if settings.begun is None else settings.begun
        self.followed = FollowedFit()
        self.shadow = _shadow(estimator, as_rates(settings))
        self.curve = Following(
            self.followed, self.shadow, self.settings, copy.deepcopy(random), fitting.is_weighted(samples)
        )

    def beside(self, fit: Callable[[FollowedFit], bool]) -> None:
        """Call `fit(followed)`, which trains the estimator and returns whether it came to its end, and follow it."""
        workers = select(self.settings.engine, Plan(self.estimator.model_.network)).workers()
        given = self.estimator._threads
        if workers == 1 or given is not None or self.limit is not None:
            begin = time.monotonic()
            self._end(fit(self.followed))
            if not self.followed.is_dropped and self._is_in_time(begin, time.monotonic()):
                self._train()
        else:
            self.estimator._threads = self.shadow._threads = max(1, workers // 2)
            with ThreadPoolExecutor(1) as pool:
                following = pool.submit(self._train)
                try:
                    self._end(fit(self.followed))
                    _awaited(following)
                finally:
                    self.followed.end(is_dropped=not following.done())
                    self.estimator._threads = given
        if self.curve.is_complete:
            self._take()
        elif self.curve.error is not None and not self.followed.is_dropped:
            warnings.warn(
                "training on all rows diverged, so the network of the rows that were not held out is kept: "
                f"{self.curve.error}",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _end(self, is_complete: bool) -> None:
        """Note the end of the fit. is_complete: whether it ended by itself, and not by a callback, Ctrl-C or NaN."""
        self.followed.end(is_dropped=not (is_complete and self.followed.best))

    def _is_in_time(self, begin: float, now: float) -> bool:
        """Return whether there is time for the epochs, at the seconds that each took from `begin` until now."""
        share = self.samples.n / max(1, self.estimator.t_ / self.estimator.n_iter_)
        expected = (now - begin) / self.estimator.n_iter_ * self.followed.best * share
        return self.limit is None or now + expected < self.begun + SHARE * float(self.limit)

    def _train(self) -> None:
        """Train the network of all rows."""
        size = fitting.batch_size(self.settings.batch_size, self.samples.n)
        limits = [] if self.limit is None else [TimeLimit(float(self.limit), since=self.begun, grace=0)]
        epochs = int(self.settings.max_iter)
        optimizer = self.shadow._optimizer.optimizer
        try:
            fitting.run(
                self.shadow,
                self.settings,
                optimizer,
                self.samples,
                None,
                size,
                epochs,
                self.curve,
                (*limits,),
            )
        except DataError as error:
            self.curve.error = error

    def _take(self) -> None:
        """Give the estimator what was learned from all rows; the curves stay those of the fit that was watched."""
        estimator, shadow = self.estimator, self.shadow
        if len(shadow.members_) != len(estimator.members_):  # one diverged
            return
        for own, new in zip(estimator.members_, shadow.members_, strict=True):
            own.theta[...], own.states = new.theta, new.states
            own.epochs_trained, own.steps_trained = self.curve.trained
        estimator.n_iter_refit_ = self.followed.best
        estimator._optimizer = as_rates(self.settings)  # how many steps lie behind the best epoch is chance


def _awaited(following: Future[None]) -> None:
    """Wait for the fit that follows; Ctrl-C leaves the network that was watched."""
    try:
        following.result()
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=6)


def _shadow(estimator: Any, rates: RateControl) -> Any:
    """Return an estimator that trains a copy of the model of another one and shares all else with it."""
    shadow = object.__new__(type(estimator))
    shadow.__dict__.update(estimator.__dict__)
    model = estimator.model_
    is_ensemble = isinstance(model, Ensemble)
    copies = [_copied(member) for member in estimator.members_]
    shadow.model_ = Ensemble.of(copies, seed=model.seed) if is_ensemble else copies[0]
    shadow._optimizer = rates
    return shadow


def _copied(model: Model) -> Model:
    """Return a copy of a model with parameters of its own."""
    made = copy.copy(model)
    made.theta, made.history = model.theta.copy(), History()
    made.states = {name: copied(state) for name, state in model.states.items()}
    return made
