"""Train a network anew on all rows, for as many epochs as were best on the rows held out.

The rows held out say how long to train, and are then learned from too. On an engine whose sessions have a thread each,
the network of all rows is trained beside the one that is watched, and waits after each epoch until that one is judged:
so it takes half of the cores in place of twice the time. The result is the same either way, to the bit.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from chainrule.core import hints
from chainrule.core.settings import is_count
from chainrule.data.samples import Samples
from chainrule.engines import Plan, select
from chainrule.errors import ConfigError, DataError, FormatError, NonFiniteError
from chainrule.estimators.fit import loop
from chainrule.estimators.fit.begin import FitStart
from chainrule.estimators.fit.confidence import MAX_COMPARED, confidence_of
from chainrule.estimators.fit.curve import LearningCurve
from chainrule.estimators.fit.held_out import HeldOut, spaced
from chainrule.estimators.fit.plan import FitPlan
from chainrule.estimators.fit.rates import as_rates
from chainrule.estimators.fit.result import FitResult
from chainrule.estimators.fit.start import members_of
from chainrule.formulas.schedules import ReduceOnPlateau
from chainrule.model import Ensemble, Model
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run, copied
from chainrule.training.time_limit import SHARE, TimeLimit


def is_wanted(plan: FitPlan, holds_out: bool, is_new: bool) -> bool:
    """Return whether a fit is to be followed by one on all rows. Raises ConfigError where that is asked for in vain.

    holds_out: whether the fit holds out rows.  is_new: whether it begins a network.
    """
    p = plan.parameters
    wanted = plan.proposal.refit if p.refit is None else bool(p.refit)
    if not (wanted and is_new):
        return False
    faults = {
        "held-out rows, those of the fit itself or X_val and y_val; set early_stopping=True": not holds_out,
        "a learning rate that does not follow the held-out score; use another schedule, or learning_rate='constant'": (
            isinstance(p.schedule, ReduceOnPlateau)
            or p.schedule == ReduceOnPlateau.kind
            or (p.optimizer is None and p.solver == "sgd" and p.learning_rate == "adaptive")
        ),
    }
    for what, is_there in faults.items():
        if is_there and p.refit:
            raise ConfigError(f"refit=True needs {what}.")
    return not any(faults.values())


class FollowedFit(Callback):
    """How a fit goes, for the one that follows it: the epochs that are judged, and the best of them so far."""

    looks_inside = False

    def __init__(self) -> None:
        """Begin without an epoch."""
        self.condition = threading.Condition()
        self.curve: LearningCurve | None = None
        self.epochs = self.best = 0
        self.is_over = self.is_dropped = False

    def follow(self, curve: LearningCurve) -> None:
        """Take the curve of the fit that is followed."""
        self.curve = curve

    def on_train_begin(self, run: Run) -> None:
        """Note the epochs that a checkpoint has behind it."""
        if run.epoch:
            self.on_epoch_end(run)

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


class Following(LearningCurve):
    """The order and the settings of each epoch of a fit that follows another, and the parameters of the best one."""

    def __init__(self, followed: FollowedFit, plan: FitPlan, start: FitStart, is_weighted: bool) -> None:
        """Begin as any curve."""
        super().__init__(plan, start, is_weighted)
        self.followed = followed
        self.trained = 0, 0
        """the epochs and steps of the model at the end of the best epoch"""
        self.error: Exception | None = None
        """of training that diverged"""

    @property
    def is_complete(self) -> bool:
        """Whether the parameters of the best epoch were reached."""
        return self.best_epoch == self.followed.best and not self.followed.is_dropped

    @property
    def is_dropped(self) -> bool:
        """Whether nobody needs this fit."""
        return self.followed.is_dropped

    def state(self) -> dict[str, Any]:
        """Return the state of a curve, and how far the model of the best epoch was trained."""
        return super().state() | {"trained": list(self.trained)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from it. Raises FormatError for what is none."""
        super().load_state(state)
        epochs, steps = state["trained"]
        if not (is_count(epochs) and is_count(steps)):
            raise FormatError("the best epoch is not that of a fit")
        self.trained = epochs, steps

    def on_epoch_end(self, run: Run) -> None:
        """Keep the parameters of the best epoch so far, and stop behind the last one that is needed."""
        t = self.records.t + run.rows_per_epoch
        self.record(n_iter=self.records.n_iter + 1, t=t)
        if self.followed.judged(run.epoch):
            run.synchronize()
            self.best, self.best_epoch, self.trained = run.snapshot(), run.epoch, run.trained
        self.rates.after_epoch(t)
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
    """A fit on all rows that follows the one that is about to begin."""

    def __init__(self, plan: FitPlan, start: FitStart, samples: Samples, is_copy: bool = True) -> None:
        """Keep the start. samples: all of them.

        is_copy: whether it is that of the fit that is followed, whose network is copied; or one of its own.
        """
        quiet = replace(plan.parameters, callbacks=None, early_stopping=False, time_limit=None, verbose=False)
        kept = plan.conditions.kept
        own_state = plan.conditions._replace(kept=None if kept is None else kept.of_refit)
        self.plan = replace(plan, parameters=quiet, conditions=own_state)
        self.samples, self.is_copy = samples, is_copy
        self.limit = plan.parameters.time_limit
        self.begun = time.monotonic() if plan.begun is None else plan.begun
        self.followed = FollowedFit()
        self.model = copied_model(start.result.model) if is_copy else start.result.model
        self.result = replace(start.result, model=self.model, rates=as_rates(quiet))
        own = start._replace(result=self.result, random=copy.deepcopy(start.random))
        self.curve = Following(self.followed, self.plan, own, loop.is_weighted(samples))

    def beside(self, fit: Callable[..., tuple[FitResult, bool]]) -> FitResult:
        """Call fit(plan=, followed=), which returns a result and whether it came to its end; follow it, and return it.

        The result has what was learned from all rows; the curves stay those of the fit that was watched.
        """
        workers = select(self.plan.parameters.engine, Plan(self.model.network)).workers()
        if workers == 1 or self.plan.conditions.threads is not None or self.limit is not None:
            begin = time.monotonic()
            result, is_complete = fit(followed=self.followed)
            self._end(is_complete)
            now = time.monotonic()
            seconds = sum(record["seconds"] for record in result.model.history)
            before = max(0.0, seconds - (now - begin))  # those of epochs that a checkpoint had behind it
            self.begun -= before
            if not self.followed.is_dropped and self._is_in_time(result, begin - before, now):
                self._train(self.plan)
        else:
            conditions = self.plan.conditions._replace(threads=max(1, workers // 2))
            with ThreadPoolExecutor(1) as pool:
                following = pool.submit(self._train, replace(self.plan, conditions=conditions))
                try:
                    result, is_complete = fit(followed=self.followed, threads=conditions.threads)
                    self._end(is_complete)
                    _awaited(following)
                finally:
                    self.followed.end(is_dropped=not following.done())
        if self.curve.is_complete:
            return self._taken(result)
        if self.curve.error is not None and not self.followed.is_dropped:
            hints.give(
                "training on all rows diverged, so the network of the rows that were not held out is kept: "
                f"{self.curve.error}",
                ConvergenceWarning,
            )
        return result

    def _end(self, is_complete: bool) -> None:
        """Note the end of the fit. is_complete: whether it ended by itself, and not by a callback, Ctrl-C or NaN."""
        self.followed.end(is_dropped=not (is_complete and self.followed.best))

    def _is_in_time(self, result: FitResult, begin: float, now: float) -> bool:
        """Return whether there is time for the epochs, at the seconds that each took from `begin` until now."""
        epochs = result.records.n_iter
        share = self.samples.n / max(1, result.records.t / epochs)
        expected = (now - begin) / epochs * self.followed.best * share
        return self.limit is None or now + expected < self.begun + SHARE * float(self.limit)

    def _train(self, plan: FitPlan) -> None:
        """Train the network of all rows."""
        p, samples = plan.parameters, self.samples
        size = loop.batch_size(p.batch_size, samples.n)
        limits = () if self.limit is None else (TimeLimit(float(self.limit), since=self.begun, grace=0),)
        optimizer = self.curve.rates.optimizer
        try:
            loop.run(plan, self.model, optimizer, samples, None, size, int(p.max_iter), self.curve, limits)
        except DataError as error:
            self.curve.error = error

    def _taken(self, result: FitResult) -> FitResult:
        """Return the result with what was learned from all rows, in the model that was watched if this is its copy."""
        records = replace(result.records, n_iter_refit=self.followed.best)
        # How many steps lie behind the best epoch is chance, so the optimizer begins anew.
        rates = as_rates(self.plan.parameters)
        if not self.is_copy:
            for member in members_of(self.model):
                member.take(member.theta, member.states, self.curve.trained)
            self.model.keep_history(result.model.history)
            return replace(
                self.result,
                records=records,
                rates=rates,
                shortfall=result.shortfall,
                held_out=result.held_out,
            )
        own, new = members_of(result.model), members_of(self.model)
        if len(own) != len(new):  # one diverged
            return result
        held_out = self._compared(result)
        for member, taken in zip(own, new, strict=True):
            member.theta[...] = taken.theta
            member.take(member.theta, taken.states, self.curve.trained)
        return replace(result, records=records, rates=rates, held_out=held_out)

    def _compared(self, result: FitResult) -> HeldOut | None:
        """Return what the network that was watched predicts for the rows held out, and how much surer this one is."""
        held_out = result.held_out
        if held_out is None or result.targets.task != "binary":
            return held_out
        X, engine = self.samples.X[spaced(self.samples.n, MAX_COMPARED)], self.plan.parameters.engine
        before, after = result.predicted(X, engine), replace(result, model=self.model).predicted(X, engine)
        return replace(held_out, surer=confidence_of(before, after))


def _awaited(following: Future[None]) -> None:
    """Wait for the fit that follows; Ctrl-C leaves the network that was watched."""
    try:
        following.result()
    except KeyboardInterrupt:
        hints.give("Training interrupted by user.")


def copied_model(model: Model | Ensemble) -> Model | Ensemble:
    """Return a copy of a model, or of an ensemble, with parameters of its own."""
    if isinstance(model, Ensemble):
        return Ensemble.of(list(map(_copied, model.members)), seed=model.seed)
    return _copied(model)


def _copied(model: Model) -> Model:
    """Return a copy of a model with parameters of its own."""
    made = copy.copy(model)
    states = {name: copied(state) for name, state in model.states.items()}
    made.take(model.theta.copy(), states, (model.epochs_trained, model.steps_trained))
    return made
