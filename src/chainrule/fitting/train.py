"""Train the network of a fit, by batches or by a solver on all samples, and return what it has found."""

from __future__ import annotations

import copy
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from chainrule.core import hints
from chainrule.core.settings import is_count
from chainrule.data.samples import Samples
from chainrule.engines import Plan, select
from chainrule.errors import ChainruleError, ConfigError, DataError, FormatError, NonFiniteError, option
from chainrule.fitting import folds, loop
from chainrule.fitting.begin import FitStart, as_rates, start_at_mean
from chainrule.fitting.curve import LearningCurve
from chainrule.fitting.floor import ITERATIONS, PENALTY, Floor, some
from chainrule.fitting.held import HoldsResult, as_fitted
from chainrule.fitting.parameters import is_stochastic
from chainrule.fitting.plan import FitPlan
from chainrule.fitting.result import FEW, FitResult, Records
from chainrule.fitting.start import copied_model, members_of
from chainrule.formulas.layers import Dense, Standardize
from chainrule.formulas.optimizers import LBFGS, AnyOptimizer
from chainrule.formulas.schedules import ReduceOnPlateau, Schedule
from chainrule.model import Ensemble, Model
from chainrule.network.network import Network
from chainrule.network.objective import shares
from chainrule.tables.data import FitData
from chainrule.tables.held_out import (
    MAX_COMPARED,
    HeldOut,
    HeldRows,
    confidence_of,
    sample_places,
    space_places,
)
from chainrule.tables.numbers import NumericTargets
from chainrule.tables.rows import rows_of
from chainrule.tables.splits import holdout
from chainrule.tables.structure import Split, check_split
from chainrule.trained.evaluation import BATCH
from chainrule.training.callbacks import Callback
from chainrule.training.options import as_optimizer
from chainrule.training.run import Run
from chainrule.training.time_limit import SHARE, TimeLimit
from chainrule.trust.scorers import HeldOutScorer

FTOL = 1e7 * float(np.finfo(float).eps)
"""SciPy's default, which scikit-learn leaves as it is."""


class Listeners(NamedTuple):
    """Who is told of a fit."""

    estimator: HoldsResult
    """whose parameters a scorer sees"""
    callbacks: tuple[Callback, ...] = ()
    """those beside the ones of the parameters"""


class SplitSamples(NamedTuple):
    """The samples of a fit by batches, in the units of its targets."""

    train: Samples
    validation: Samples | None = None
    y_val: Any = None
    """the targets of the validation as the user gave them"""
    held: HeldRows | None = None
    """the rows of the validation, where the network has not learned from them before"""
    X_val: Any = None
    """the rows of the validation as the user gave them"""


class WholeFit(NamedTuple):
    """A fit to all rows that follows one to a part of them, with data that were prepared on their own."""

    plan: FitPlan
    data: FitData
    start: FitStart


def train(
    plan: FitPlan, data: FitData, start: FitStart, listen: Listeners, whole: WholeFit | None = None
) -> FitResult:
    """Train the network of a start, in place, and return what the fit has found.

    whole: the fit to follow, where `data` are a part of its data.
    """
    p, model = plan.parameters, start.result.model
    if plan.proposal.folds is not None:
        return folds.train(plan, data, start, listen.callbacks)
    samples = data.samples.scaled(model.target_scale)
    parts = SplitSamples(samples)
    if (given := data.validation) is not None:
        scaled = given.scaled(model.target_scale)
        X_val = given.X if data.table is None else data.table.X_val
        held = HeldRows.passed(given)
        if data.whole is not None and data.held_out is not None:
            held = HeldRows.of_fit(data.whole, data.held_out)
        parts = SplitSamples(samples, scaled, data.y_val, held, X_val)
    if not is_stochastic(p):
        if len(start.result.members) > 1:
            raise ConfigError(
                "n_members above 1 needs training in batches, as with solver='adam'; a solver trains one network."
            )
        return by_solver(plan, start, parts, listen)
    if p.early_stopping and plan.is_incremental:
        raise ConfigError("partial_fit does not support early_stopping=True")
    if given is None and p.early_stopping:
        parts = split(plan, data, samples, start)
    if start.is_drawn and plan.proposal.start == "samples":
        model.start_on(parts.train)
        start_at_mean(model, parts.train)
    check_schedule(p.schedule, parts.validation is not None)
    fit = partial(by_batches, plan, start, parts, listen)
    passes = data.validation is not None and data.whole is None
    holds_out = bool(p.early_stopping and p.refit) if passes else parts.train.n < data.rows
    if plan.is_incremental or not is_wanted(plan, holds_out, start.is_new):
        return fit()[0]
    if whole is None:
        of_all = data.with_passed().scaled(model.target_scale) if passes else samples
        following = Refit(plan, start, of_all, learned=learned_of(plan, data, parts.train))
    else:
        of_all = whole.data.samples.scaled(whole.start.result.model.target_scale)
        if whole.start.is_drawn and plan.proposal.start == "samples":
            whole.start.result.model.start_on(of_all)
            start_at_mean(whole.start.result.model, of_all)
        following = Refit(whole.plan, whole.start, of_all, is_copy=False)
    with following:
        return following.result(*fit(followed=following.followed, threads=following.threads))


def holdout_of(plan: FitPlan, data: FitData) -> Split:
    """Return which rows of data that belong together or have an order are held out, as `holdout` says."""
    random = check_random_state(plan.parameters.random_state)
    return check_split(holdout(data.structure, fraction_of(plan), data.labels, random))


def fraction_of(plan: FitPlan) -> float:
    """Return the fraction of the rows to hold out. Raises DataError for 0."""
    if not plan.parameters.validation_fraction:
        raise DataError("validation_fraction must be above 0 for early_stopping=True; 0.1 is usual.")
    return float(plan.parameters.validation_fraction)


def split(plan: FitPlan, data: FitData, samples: Samples, start: FitStart) -> SplitSamples:
    """Split samples into those to train on and those held out, as scikit-learn's early stopping does.

    Where groups or times tie them together, `splits.holdout` does.
    """
    fraction = fraction_of(plan)
    if data.structure.is_free:
        from sklearn.model_selection import train_test_split

        stratify: NDArray[Any] | None = data.targets.stratify(data.samples.y, data.preprocessor is not None)
        rows = np.arange(samples.n)
        try:
            kept, held_out = train_test_split(
                rows, random_state=start.random, test_size=fraction, stratify=stratify
            )
        except ValueError as error:  # too few rows, or of one class, on one side
            said = f"{error}".rstrip(".")
            raise DataError(f"{said}; choose another validation_fraction than {fraction:g}.") from error
    else:
        kept, held_out = holdout(data.structure, fraction, data.labels, start.random)
    check_split(Split(kept, held_out), samples.weight)
    validation = samples.take(held_out)
    y = validation.y if validation.scale is None else validation.scale.restore(validation.y)
    held = HeldRows.of_fit(data, held_out) if start.is_new else None
    X_val: Any = validation.X
    if data.table is not None and plan.parameters.scoring not in (None, "loss"):
        X_val = rows_of(data.table.X, held_out)
    return SplitSamples(samples.take(kept), validation, data.targets.as_given(y), held, X_val)


def predicted(plan: FitPlan, result: FitResult, parts: SplitSamples) -> HeldOut | None:
    """Return what the network of a result predicts for the rows that were held out from it; None without any."""
    if parts.held is None or parts.validation is None:
        return None
    X = parts.validation.X
    keeps_inputs = result.targets.task == "regression" or result.preprocessor is not None
    found = result.predicted(X, plan.parameters.engine)
    return HeldOut.of(parts.held, found, X[sample_places(X.shape[0])] if keeps_inputs else None)


def by_batches(
    plan: FitPlan,
    start: FitStart,
    parts: SplitSamples,
    listen: Listeners,
    *,
    followed: FollowedFit | None = None,
    threads: int | None = None,
) -> tuple[FitResult, bool]:
    """Train for max_iter epochs of batches, or for one.

    followed: what tells a fit that follows of each epoch.  threads: the most, where another fit has the others.
    Returns what was found, and whether the training came to its end: no callback, Ctrl-C or NaN ended it.
    """
    p, samples = plan.parameters, parts.train
    if threads is not None:
        plan = replace(plan, conditions=plan.conditions._replace(threads=threads))
    score = None
    if parts.validation is not None:
        score = Score(plan, start.result, parts.validation, (parts.X_val, parts.y_val), listen.estimator)
    size = loop.batch_size(p.batch_size, samples.n)
    curve = LearningCurve(plan, start, loop.is_weighted(samples), score)
    epochs, callbacks = 1 if plan.is_incremental else int(p.max_iter), listen.callbacks
    if followed is not None:
        followed.follow(curve)
        callbacks = *callbacks, followed
    optimizer, model = curve.rates.optimizer, start.result.model
    history, limited = loop.run(
        plan, model, optimizer, samples, parts.validation, size, epochs, curve, callbacks
    )
    is_planned = p.schedule is not None  # whose last epoch is the end, not a failure
    if history is not None and history.stopped is None and not plan.is_incremental and not is_planned:
        hints.give(
            f"Stochastic Optimizer: Maximum iterations ({p.max_iter}) reached and the optimization hasn't "
            "converged yet.",
            ConvergenceWarning,
        )
    is_complete = history is not None and history.stopped in (None, curve.message.rstrip("."))
    found = replace(
        start.result,
        records=curve.records,
        shortfall=limited.shortfall,
        course=limited.course,
        floor=None
        if (short := limited.shortfall) is None
        or short.is_of_epochs
        or parts.validation is None
        or not plan.conditions.is_alone
        else floor_of(model, samples, parts.validation),
        held_out=predicted(plan, start.result, parts),
    )
    return found, is_complete


def floor_of(model: Model | Ensemble, train: Samples, held_out: Samples) -> Floor | None:
    """Return what a model and a linear one reach on rows held out; None where that one cannot be fitted."""
    network = model.network
    loss = network.loss.of_member.smoothed(np.float64(0))
    layers = [Standardize(), Dense(network.outputs)]
    linear = Model(Network(network.inputs, layers, loss, l2=PENALTY), dtype="float64")
    few, judged = some(train, 0), some(held_out, 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            linear.fit(
                *(few.X, few.y),
                sample_weight=few.weight,
                optimizer=LBFGS(),
                epochs=ITERATIONS,
                scale_targets=False,
            )
    except ChainruleError:
        return None
    y, weight = judged.targets_of()
    found = list[float]()
    for each in (model, linear):
        out = np.asarray(each.raw_outputs(judged.X, "auto", BATCH), np.float64)
        own = loss if out.shape[1] == network.outputs else network.loss
        with np.errstate(all="ignore"):
            found.append(float(shares(weight) @ own.value(out, y)))
    return Floor(*found)


class Score:
    """The score of a network in training; higher is better, NaN where it has none.

    result: of the network.  validation: the samples that it is scored on.  given: their rows and targets as the user
    gave them, which a scorer sees.  estimator: the one whose parameters a scorer sees.
    """

    def __init__(
        self,
        plan: FitPlan,
        result: FitResult,
        validation: Samples,
        given: tuple[Any, Any],
        estimator: HoldsResult,
    ) -> None:
        """Keep them."""
        self.scoring, self.engine = plan.parameters.scoring, plan.parameters.engine
        self.result, self.validation, self.given, self.estimator = result, validation, given, estimator
        self.is_by_run: bool | None = None

    def __call__(self, run: Run) -> float:
        """Return the score of an epoch. Raises ConfigError where it cannot score such targets."""
        if self.scoring == "loss":
            return -float(run.logs["val_loss"])
        if self.scoring is None:
            return self.own(run)
        return self.scorer(self.result.predicted(self.validation.X, self.engine))

    @cached_property
    def scorer(self) -> Callable[[NDArray[Any]], float]:
        """The score of predictions of the rows; the estimator predicts others, should a function ask for them."""
        scorer = HeldOutScorer(self.scoring, self.result.targets, *self.given)
        return partial(scorer, others=as_fitted(self.estimator, self.result))

    def own(self, run: Run) -> float:
        """Return accuracy or R2, by the forward pass that the run has ready where prediction would have the same."""
        X, scale, model = self.validation.X, self.validation.scale, self.result.model
        if self.is_by_run is None:
            chosen = select(self.engine, Plan(model.network))
            self.is_by_run = isinstance(model, Model) and X.shape[0] > FEW and chosen is run.engine
        out = (
            run.walks.predict(run.theta, run.states, X)
            if self.is_by_run
            else self.result.outputs(X, self.engine)
        )
        if scale is not None and scale.clamps:
            out = scale.standardize(scale.clamp(scale.restore(out)))
        if not np.isfinite(out).all():
            return float("nan")
        return self.result.targets.score(model.network.loss, out, self.validation)


def by_solver(plan: FitPlan, start: FitStart, parts: SplitSamples, listen: Listeners) -> FitResult:
    """Train by SciPy's L-BFGS on all samples at once, with scikit-learn's options for it."""
    p, result, (samples, validation) = plan.parameters, start.result, parts[:2]
    own = LBFGS(
        tolerance=float(p.tol), max_evaluations=int(p.max_fun), loss_tolerance=FTOL / plan.rate_weight
    )
    solver: AnyOptimizer = own if p.optimizer is None else as_optimizer(p.optimizer)
    callbacks = (*((Lines(),) if p.verbose else ()), *listen.callbacks)
    history, limited = loop.run(
        plan, result.model, solver, samples, validation, samples.n, int(p.max_iter), callbacks=callbacks
    )
    found = replace(result, shortfall=limited.shortfall, held_out=predicted(plan, result, parts))
    if history is None:
        return found
    losses = [record["loss"] for record in history]
    loss = losses[-1] if losses else result.records.loss
    records = replace(result.records, n_iter=len(history), loss_curve=losses, loss=loss)
    if validation is not None:
        records = replace(records, validation_loss_curve=[record["val_loss"] for record in history])
    reason = history.stopped or "total no. of iterations reached limit"
    if "convergence" not in reason and "time limit" not in reason:
        hints.give(
            f"lbfgs failed to converge after {records.n_iter} iteration(s): {reason}. "
            "Increase max_iter or max_fun, or scale the data.",
            ConvergenceWarning,
        )
    return replace(found, records=records)


def warn_of(result: FitResult) -> None:
    """Warn of a fit that time_limit ended early; within its first epoch, say where a linear model is better."""
    short, floor = result.shortfall, result.floor
    if short is None:
        return
    beside = ""
    if floor is not None and not floor.reached <= floor.linear:
        beside = (
            f"; on the rows held out its loss is {floor.reached:.3g}, and that of a linear model "
            f"{floor.linear:.3g}"
        )
    asked = option("time_limit", f"time_limit={short.limit:g}", f"{short.limit:g}")
    hints.give(
        f"{asked} ended the training after {short}{beside}; raise {option('time_limit')}, or fit fewer rows.",
        ConvergenceWarning,
    )


class Lines(Callback):
    """Print a line for each iteration of a solver."""

    looks_inside = False

    def on_epoch_end(self, run: Run) -> None:
        """Print the line."""
        print(f"Iteration {run.epoch}, loss = {run.logs['loss']:.8f}")


def check_schedule(schedule: Schedule | str | None, is_validated: bool) -> None:
    """Check that a schedule which watches a validation figure gets one."""
    if schedule == ReduceOnPlateau.kind:
        schedule = ReduceOnPlateau()
    if isinstance(schedule, ReduceOnPlateau) and schedule.monitor.startswith("val_") and not is_validated:
        raise DataError(
            f"schedule monitors {schedule.monitor!r}, which needs early_stopping=True or X_val and y_val."
        )


# --- A fit that follows another one: the same training on other rows, for as many epochs as were best in the other ---


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
        self.n_iter += 1
        self.t += run.rows_per_epoch
        if self.followed.judged(run.epoch):
            run.synchronize()
            self.best, self.best_epoch, self.trained = run.snapshot(), run.epoch, run.trained
        self.rates.after_epoch(self.t)
        if self.followed.ends_at(run.epoch):
            run.stop("the epochs of the best score are over")

    def diverged(self, error: NonFiniteError) -> None:
        """Note the error, which matters where the best epoch was still to come."""
        self.error = error

    def on_steps(self, run: Run) -> None:
        """Stop within an epoch that is not needed any more."""
        if self.followed.ends_at(run.epoch) and run.history.stopped is None:
            run.stop("the epochs of the best score are over")


class Follower:
    """A training that follows a fit, of a network of its own."""

    def __init__(
        self, plan: FitPlan, start: FitStart, samples: Samples, followed: FollowedFit, is_copy: bool = True
    ) -> None:
        """Keep the start, before the fit that is followed trains its network.

        plan: without callbacks and early stopping.  is_copy: whether a copy of the network is trained, or itself.
        """
        self.plan, self.samples = plan, samples
        self.model = copied_model(start.result.model) if is_copy else start.result.model
        rates = as_rates(plan.parameters)
        # Its curves are not those of the fit that is followed, which is at another epoch when a checkpoint is written.
        self.result = replace(start.result, model=self.model, rates=rates, records=Records())
        own = start._replace(result=self.result, random=copy.deepcopy(start.random))
        self.curve = Following(followed, plan, own, loop.is_weighted(samples))
        self.is_cut = False
        """whether Ctrl-C ended it"""

    def train(self, size: int, threads: int | None, limits: tuple[TimeLimit, ...]) -> None:
        """Train the network until the best epoch is behind it. size: samples of a batch.  threads: None for all."""
        plan = replace(self.plan, conditions=self.plan.conditions._replace(threads=threads))
        epochs, optimizer = int(plan.parameters.max_iter), self.curve.rates.optimizer
        try:
            history, _ = loop.run(
                plan, self.model, optimizer, self.samples, None, size, epochs, self.curve, limits
            )
        except DataError as error:
            self.curve.error = error
        else:
            self.is_cut = history is None and self.curve.error is None


# --- train a network anew on all rows, for as many epochs as were best on the rows held out --------------------------
# The rows held out say how long to train, and are then learned from too. On an engine whose sessions have a thread
# each, the network of all rows is trained beside the one that is watched, and waits after each epoch until that one is
# judged: so it takes half of the cores in place of twice the time. The result is the same either way, to the bit.
#
# Intervals are calibrated by the errors of the network that has not learned from the rows held out, and are then those
# of one that has. Where more rows help much, they would be too wide. Errors fall as a power of the rows that are
# learned from, so a third network, of a part of them, tells by how much, judged on the same rows held out:
#
#     E(n) = c n^-a        E(all) / E(learned) = (E(learned) / E(part)) ^ (log(all / learned) / log(learned / part))
#
# It is trained only where the network of all rows has moved far on the rows held out, by FAR of the errors and more:
# where more rows help little, what they say of each other moves it little. `benchmarks/notes/intervals.md` has figures.
# Source: Cortes, Jackel, Solla, Vapnik, Denker, "Learning curves: asymptotic values and rate of convergence" (1993).

Numbers = NDArray[np.float64]
PART = 4
"""One in so many of the rows learned from are those of the third network, evenly spaced."""
FAR = 0.45
"""The mean distance of the two networks on the rows held out, in mean absolute errors, from which it is trained."""
MIN_JUDGED = 100
"""With fewer rows held out, or learned from, the ratio of errors is mostly chance."""


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


class Refit:
    """A fit on all rows that follows the one that is about to begin."""

    def __init__(
        self,
        plan: FitPlan,
        start: FitStart,
        samples: Samples,
        is_copy: bool = True,
        learned: Samples | None = None,
    ) -> None:
        """Keep the start. samples: all of them.

        is_copy: whether it is that of the fit that is followed, whose network is copied; or one of its own.
        learned: those that the other one trains on, where it may be asked how much less its network errs for the rows
        that they lack.
        """
        quiet = replace(plan.parameters, callbacks=None, early_stopping=False, time_limit=None, verbose=False)
        kept = plan.conditions.kept
        own_state = plan.conditions._replace(kept=None if kept is None else kept.of_refit)
        self.plan = replace(plan, parameters=quiet, conditions=own_state)
        self.samples, self.is_copy = samples, is_copy
        self.limit = plan.parameters.time_limit
        self.begun = time.monotonic() if plan.begun is None else plan.begun
        self.pace = 0.0
        """the seconds that a row took in an epoch of the other fit, where there is a limit"""
        self.followed = FollowedFit()
        self.whole = Follower(self.plan, start, samples, self.followed, is_copy)
        self.learned, self.start = learned, start
        if learned is not None:
            kept_start = replace(start.result, model=copied_model(start.result.model))
            self.start = start._replace(result=kept_start, random=copy.deepcopy(start.random))
        workers = select(quiet.engine, Plan(self.whole.model.network)).workers()
        is_behind = workers == 1 or plan.conditions.threads is not None or self.limit is not None
        self.threads = None if is_behind else max(1, workers // 2)
        """those of the fit that is followed: half of them where this one is beside it, None for all"""
        self.is_cut = False
        """whether Ctrl-C ended a training"""
        self._entered = self.begun
        self._pool: ThreadPoolExecutor | None = None
        self._beside: Future[None] | None = None

    def __enter__(self) -> Self:
        """Begin with the other fit, beside it where there are threads for both."""
        self._entered = time.monotonic()
        if self.threads is not None:
            self._pool = ThreadPoolExecutor(1)
            self._beside = self._pool.submit(self._train, self.whole, self.threads)
        return self

    def __exit__(self, *error: object) -> None:
        """Let the training beside the other fit end, which nobody needs if that one has failed."""
        if self._beside is not None and self._pool is not None:
            self.followed.end(is_dropped=not self._beside.done())
            self._pool.shutdown()

    def result(self, watched: FitResult, is_complete: bool) -> FitResult:
        """Return the result of the fit that was followed, with what was learned from all rows; its curves stay.

        is_complete: whether it ended by itself, and not by a callback, Ctrl-C or NaN.
        """
        self.followed.end(is_dropped=not (is_complete and self.followed.best))
        if self._beside is None:
            self._train_behind(watched)
        else:
            self._await(self._beside)
        found = self._taken(watched) if self.whole.curve.is_complete else self._left(watched)
        return replace(found, is_cut=self.is_cut)

    def _left(self, watched: FitResult) -> FitResult:
        """Return the result of the fit that was followed, and say why if the training on all rows diverged."""
        error = self.whole.curve.error
        if error is not None and not self.followed.is_dropped:
            hints.give(
                "training on all rows diverged, so the network of the rows that were not held out is kept: "
                f"{error}",
                ConvergenceWarning,
            )
        return watched

    def _await(self, beside: Future[None]) -> None:
        """Wait for the training beside the fit that was followed; Ctrl-C leaves the network of that one."""
        try:
            beside.result()
        except KeyboardInterrupt:
            self.followed.end(is_dropped=not beside.done())
            self._interrupted()

    def _interrupted(self) -> None:
        """Note Ctrl-C, and say so."""
        self.is_cut = True
        hints.give("Training interrupted by user.")

    def _train_behind(self, watched: FitResult) -> None:
        """Train behind the fit that was followed, if there is time."""
        now = time.monotonic()
        seconds = sum(record["seconds"] for record in watched.model.history)
        before = max(0.0, seconds - (now - self._entered))  # those of epochs that a checkpoint had behind it
        self.begun -= before
        self.pace = (now - self._entered + before) / max(1, watched.records.t)
        if not self.followed.is_dropped and self._is_in_time(self.samples.n, now):
            self._train(self.whole, self.plan.conditions.threads)

    def _is_in_time(self, rows: int, now: float) -> bool:
        """Return whether there is time for the best epochs of so many rows, at the pace of the watched fit."""
        expected = self.pace * self.followed.best * rows
        return self.limit is None or now + expected < self.begun + SHARE * float(self.limit)

    def _train(self, follower: Follower, threads: int | None) -> None:
        """Train a network that follows, in batches as large as those of all rows."""
        size = min(loop.batch_size(self.plan.parameters.batch_size, self.samples.n), follower.samples.n)
        limits = () if self.limit is None else (TimeLimit(float(self.limit), since=self.begun, grace=0),)
        follower.train(size, threads, limits)
        self.is_cut |= follower.is_cut

    def _taken(self, result: FitResult) -> FitResult:
        """Return the result with what was learned from all rows, in the model that was watched if this is its copy."""
        records = replace(result.records, n_iter_refit=self.followed.best)
        # How many steps lie behind the best epoch is chance, so the optimizer begins anew.
        rates = as_rates(self.plan.parameters)
        whole = self.whole
        if not self.is_copy:
            for member in members_of(whole.model):
                member.take(member.theta, member.states, whole.curve.trained)
            whole.model.keep_history(result.model.history)
            held_out, shortfall = result.held_out, result.shortfall
            return replace(whole.result, records=records, rates=rates, shortfall=shortfall, held_out=held_out)
        own, new = members_of(result.model), members_of(whole.model)
        if len(own) != len(new):  # one diverged
            return result
        held_out = result.held_out
        if held_out is not None:
            try:
                held_out = self._compared(result, held_out)
            except KeyboardInterrupt:  # while the rows held out are predicted
                self._interrupted()
        for member, taken in zip(own, new, strict=True):
            member.theta[...] = taken.theta
            member.take(member.theta, taken.states, whole.curve.trained)
        return replace(result, records=records, rates=rates, held_out=held_out)

    def _compared(self, result: FitResult, held_out: HeldOut) -> HeldOut:
        """Return what the watched network predicts for the rows held out, and how the one of all rows differs."""
        engine, after = self.plan.parameters.engine, replace(result, model=self.whole.model)
        if result.targets.task == "binary":
            X = self.samples.X[space_places(self.samples.n, MAX_COMPARED)]
            surer = confidence_of(result.predicted(X, engine), after.predicted(X, engine))
            return replace(held_out, surer=surer)
        judged = held_out.thinned()
        learned, X = self.learned, judged.inputs
        if learned is None or X is None or min(learned.n, len(judged.y)) < MIN_JUDGED:
            return held_out
        moved = has_moved(judged, after.predicted(X, engine))
        part = self._of_part(learned) if moved.any() else None
        if part is None:
            return held_out
        of_part = replace(result, model=part.model).predicted(X, engine)
        ratio = error_ratio(judged, of_part, (part.samples.n, learned.n, self.samples.n))
        return replace(held_out, gain=np.where(moved, ratio, 1.0))

    def _of_part(self, learned: Samples) -> Follower | None:
        """Train a network of a part of the rows that the watched one learned from; None if it comes to no end."""
        if not self._is_in_time(learned.n // PART, time.monotonic()):
            return None
        plan = replace(self.plan, conditions=self.plan.conditions._replace(kept=None))
        made = Follower(
            plan, self.start, learned.take(np.arange(0, learned.n, PART)), self.followed, is_copy=False
        )
        self._train(made, plan.conditions.threads)
        return made if made.curve.is_complete else None


def learned_of(plan: FitPlan, data: FitData, train: Samples) -> Samples | None:
    """Return the rows that a fit trains on, where it is to be told how much the others help; None where it is not.

    It is told of numbers, not of several quantiles, whose intervals are their own; of rows that are not tied
    together, more of which are more of the same; and not in a race or a search, whose fits are of parts.
    """
    targets = data.targets
    is_of_numbers = isinstance(targets, NumericTargets) and targets.middle is None
    return train if is_of_numbers and plan.conditions.is_alone and data.structure.is_free else None


def mean_distance(held_out: HeldOut, first: Numbers, second: Numbers) -> Numbers:
    """Return the weighted mean absolute distances (outputs,) between numbers for the rows held out, (m, outputs)."""
    return np.asarray(np.average(np.abs(first - second), axis=0, weights=held_out.weight), np.float64)


def has_moved(held_out: HeldOut, after: Numbers) -> NDArray[np.bool_]:
    """Return whether the network of all rows, which predicts `after` (m, outputs), has moved far: (outputs,)."""
    errors = mean_distance(held_out, held_out.y, held_out.predicted)
    return (errors > 0) & (mean_distance(held_out, after, held_out.predicted) > FAR * errors)


def error_ratio(held_out: HeldOut, of_part: Numbers, rows: tuple[int, int, int]) -> Numbers:
    """Return the errors of the network of all rows in those of the one that was watched (outputs,), at most 1.

    of_part: (m, outputs) what the network of a part predicts.  rows: those of the part, learned from, and all.
    """
    part, learned, whole = rows
    errors = mean_distance(held_out, held_out.y, held_out.predicted)
    before = mean_distance(held_out, held_out.y, of_part)
    ratio = np.divide(errors, before, out=np.ones_like(errors), where=before > 0)
    found = ratio ** (np.log(whole / learned) / np.log(learned / part))
    return np.asarray(np.clip(found, learned / whole, 1.0), np.float64)
