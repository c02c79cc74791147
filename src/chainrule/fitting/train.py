"""Train the network of a fit, by batches or by a solver on all samples, and return what it has found."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from chainrule.core import hints
from chainrule.data.samples import Samples
from chainrule.errors import ConfigError, DataError, option
from chainrule.fitting import folds, loop, refit
from chainrule.fitting.begin import FitStart
from chainrule.fitting.curve import LearningCurve, Score
from chainrule.fitting.floor import floor_of
from chainrule.fitting.held import HoldsResult
from chainrule.fitting.parameters import is_stochastic
from chainrule.fitting.plan import FitPlan
from chainrule.fitting.refit import FollowedFit
from chainrule.fitting.result import FitResult
from chainrule.formulas.optimizers import LBFGS, AnyOptimizer
from chainrule.formulas.schedules import ReduceOnPlateau, Schedule
from chainrule.tables.data import FitData
from chainrule.tables.held_out import HeldOut, HeldRows, sampled
from chainrule.tables.rows import rows_of
from chainrule.tables.splits import holdout
from chainrule.tables.structure import Split, check_split
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run
from chainrule.training.settings import as_optimizer

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
    check_schedule(p.schedule, parts.validation is not None)
    fit = partial(by_batches, plan, start, parts, listen)
    passes = data.validation is not None and data.whole is None
    holds_out = bool(p.early_stopping and p.refit) if passes else parts.train.n < data.rows
    if plan.is_incremental or not refit.is_wanted(plan, holds_out, start.is_new):
        return fit()[0]
    if whole is None:
        of_all = data.with_passed().scaled(model.target_scale) if passes else samples
        following = refit.Refit(plan, start, of_all, learned=refit.learned_of(plan, data, parts.train))
    else:
        of_all = whole.data.samples.scaled(whole.start.result.model.target_scale)
        if whole.start.is_drawn and plan.proposal.start == "samples":
            whole.start.result.model.start_on(of_all)
        following = refit.Refit(whole.plan, whole.start, of_all, is_copy=False)
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
    return HeldOut.of(parts.held, found, X[sampled(X.shape[0])] if keeps_inputs else None)


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


def by_solver(plan: FitPlan, start: FitStart, parts: SplitSamples, listen: Listeners) -> FitResult:
    """Train by SciPy's L-BFGS on all samples at once, with scikit-learn's options for it."""
    p, result, (samples, validation) = plan.parameters, start.result, parts[:2]
    own = LBFGS(tolerance=float(p.tol), max_evaluations=int(p.max_fun), loss_tolerance=FTOL)
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
