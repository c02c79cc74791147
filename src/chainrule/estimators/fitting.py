"""Fit an estimator: its model is trained by `chainrule.training`, by batches or by a solver on all samples."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from chainrule.data.samples import Samples
from chainrule.engines import Plan
from chainrule.errors import DataError, NonFiniteError
from chainrule.estimators.architecture import with_penalty
from chainrule.estimators.curve import LearningCurve, is_mean_over_outputs
from chainrule.estimators.followed import FollowedFit
from chainrule.estimators.settings import FitSettings
from chainrule.formulas.losses import Loss, Poisson, saturated_poisson
from chainrule.formulas.optimizers import LBFGS, GradientDescent, Optimizer
from chainrule.formulas.schedules import ReduceOnPlateau
from chainrule.model import Ensemble
from chainrule.training import fit as training
from chainrule.training.callbacks import Callback, as_callbacks
from chainrule.training.ensemble import ByMembers, WholeEpochs
from chainrule.training.history import History
from chainrule.training.options import Clip
from chainrule.training.run import Run, RunSettings
from chainrule.training.settings import as_optimizer, as_schedule
from chainrule.training.time_limit import Shortfall, TimeLimit

AUTO_BATCH = 200
"""The largest batch that batch_size="auto" makes."""
DIVERGED = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
    "preprocessed."
)


def split(
    samples: Samples, fraction: float, random: Any, stratify: NDArray[Any] | None
) -> tuple[Samples, Samples]:
    """Split samples into those to train on and those held out, as scikit-learn's early stopping does."""
    if not fraction:
        raise DataError("validation_fraction must be above 0 for early_stopping=True; 0.1 is usual.")
    train, held_out = train_test_split(
        np.arange(samples.n), random_state=random, test_size=fraction, stratify=stratify
    )
    if len(held_out) < 2:
        raise DataError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
        )
    return samples.take(train), samples.take(held_out)


def batch_size(size: Any, n: int) -> int:
    """Return the samples of a batch, of n; a size larger than n is cut, with a warning."""
    if isinstance(size, str):
        return min(AUTO_BATCH, n)
    if size > n:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=4
        )
    return min(int(size), n)


def is_weighted(samples: Samples) -> bool:
    """Return whether a sample has another weight than 1."""
    return bool((samples.weight != 1).any())


def by_batches(
    estimator: Any,
    settings: FitSettings,
    samples: Samples,
    validation: Samples | None,
    random: Any,
    score: Callable[[Run], float] | None,
    once: bool,
    watched: Callback | None = None,
    followed: FollowedFit | None = None,
) -> bool:
    """Train for max_iter epochs of batches, or for one; the estimator's attributes are kept by a `LearningCurve`.

    followed: what tells a fit that follows of each epoch.
    Returns whether the training came to its end: no callback, Ctrl-C or NaN ended it.
    """
    size = batch_size(settings.batch_size, samples.n)
    curve = LearningCurve(estimator, settings, random, is_weighted(samples), score)
    estimator.n_iter_ = 0
    epochs, others = 1 if once else int(settings.max_iter), [] if watched is None else [watched]
    if followed is not None:
        followed.curve = curve
        others.append(followed)
    history = run(
        estimator, settings, curve.rates.optimizer, samples, validation, size, epochs, curve, tuple(others)
    )
    is_planned = settings.schedule is not None  # whose last epoch is the end, not a failure
    if history is not None and history.stopped is None and not once and not is_planned:
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({settings.max_iter}) reached and the optimization hasn't "
            "converged yet.",
            ConvergenceWarning,
            stacklevel=4,
        )
    return history is not None and history.stopped in (None, curve.message.rstrip("."))


def run(
    estimator: Any,
    settings: FitSettings,
    optimizer: Any,
    samples: Samples,
    validation: Samples | None,
    size: int,
    epochs: int,
    curve: LearningCurve | None = None,
    callbacks: tuple[Callback, ...] = (),
) -> History | None:
    """Train the estimator's model, and return its history; None if Ctrl-C ended the training.

    size: samples of a batch.  curve: orders, settings and records of the epochs; None for a solver's.
    Raises DataError where training produced NaN or infinity, unless early stopping has better parameters to return to.
    """
    model, members = estimator.model_, len(estimator.members_)
    total = float(size) if curve is not None else float(samples.weight.sum())
    model.network = with_penalty(model.network, float(settings.alpha), total)
    for one in estimator.members_:
        one.states = training.measure(model.network, one.states, samples, model.dtype)
    schedule = as_schedule(settings.schedule, optimizer)
    plan = Plan(
        network=model.network,
        optimizer=optimizer if isinstance(optimizer, Optimizer) else GradientDescent(),
        batch_size=size,
        seed=model.seed,
        dtype=model.dtype,
        clip_norm=Clip(settings.clip_norm).norm,
        frozen=model.frozen,
        threads=estimator._threads,
    )
    watchers = [*([] if curve is None else [curve]), *callbacks, *as_callbacks(settings.callbacks)]
    if settings.time_limit is not None:
        shorten = curve is not None and schedule.looks_ahead
        watchers.append(FitLimit(estimator, float(settings.time_limit), shorten, settings.begun))
    hooks: dict[str, Any] = {"reported": reported(model.network.loss, samples)}
    if curve is not None:
        hooks = {"order": curve.order, "steps": curve.settings, "optimizer_state": curve.rates.kept}
    if isinstance(model, Ensemble):
        watchers.insert(0, WholeEpochs())
        hooks["trainer"] = ByMembers(tuple(model.seeds), bool(settings.own_batches))
    try:
        given = RunSettings(
            plan,
            optimizer,
            samples,
            validation,
            epochs=epochs,
            schedule=schedule,
            shuffle=bool(settings.shuffle),
            callbacks=watchers,
            engine=settings.engine,
            drop_last=settings.proposal.drop_last,
            averaging=settings.proposal.averaging,
            **hooks,
        )
        return training.fit(model, given)
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=5)
        return None
    except NonFiniteError as error:
        if curve is None or curve.best is None:
            raise DataError(f"{DIVERGED} {error}") from error
        curve.diverged(error)
        return None
    finally:
        if isinstance(model, Ensemble):
            model.leave_out_diverged()
            if curve is not None and len(model) < members:
                curve.rates.session = None  # it is of more members


class FitLimit(TimeLimit):
    """The time limit of a fit, which warns at its end where the first epoch did not end."""

    def __init__(self, estimator: Any, seconds: float, shorten: bool, since: float | None) -> None:
        """Give the first epoch the grace that the estimator has for it."""
        super().__init__(seconds, shorten=shorten, since=since, grace=estimator._grace)
        self.estimator = estimator

    def on_train_end(self, run: Run) -> None:
        """Note how far a fit came that ended within its first epoch."""
        super().on_train_end(run)
        self.estimator._shortfall = self.shortfall

    def warn(self, shortfall: Shortfall) -> None:
        """Leave it to the fit."""


def warn_of(shortfall: Shortfall | None) -> None:
    """Warn of a fit that time_limit ended within its first epoch."""
    if shortfall is not None:
        warnings.warn(
            f"time_limit={shortfall.limit:g} ended the training after {shortfall}; raise time_limit, or fit fewer "
            "rows.",
            ConvergenceWarning,
            stacklevel=6,
        )


def by_solver(
    estimator: Any,
    settings: FitSettings,
    samples: Samples,
    validation: Samples | None,
    watched: Callback | None = None,
) -> None:
    """Train by SciPy's L-BFGS on all samples at once, with scikit-learn's options for it."""
    solver = LBFGS(
        tolerance=float(settings.tol),
        max_evaluations=int(settings.max_fun),
        loss_tolerance=FTOL,
    )
    if settings.optimizer is not None:
        solver = as_optimizer(settings.optimizer)  # type: ignore[assignment]
    others: tuple[Callback, ...] = (Lines(),) if settings.verbose else ()
    others += () if watched is None else (watched,)
    epochs = int(settings.max_iter)
    history = run(estimator, settings, solver, samples, validation, samples.n, epochs, callbacks=others)
    if history is None:
        return
    estimator.n_iter_ = len(history)
    estimator.loss_curve_ = [record["loss"] for record in history]
    if validation is not None:
        estimator.validation_loss_curve_ = [record["val_loss"] for record in history]
    if estimator.loss_curve_:
        estimator.loss_ = estimator.loss_curve_[-1]
    reason = history.stopped or "total no. of iterations reached limit"
    if "convergence" not in reason and "time limit" not in reason:
        warnings.warn(
            f"lbfgs failed to converge after {estimator.n_iter_} iteration(s): {reason}. "
            "Increase max_iter or max_fun, or scale the data.",
            ConvergenceWarning,
            stacklevel=4,
        )


def reported(loss: Loss, samples: Samples) -> Callable[[float, float], float] | None:
    """Return scikit-learn's value of the objective, from the loss and the penalty; None for their sum.

    Of several outputs of a squared error it is the mean, though its gradient is that of the sum; of counts half the
    deviance.
    """
    if is_mean_over_outputs(loss, samples.outputs):
        return lambda value, penalty: value / samples.outputs + penalty
    if isinstance(loss, Poisson):
        offset = float(np.average(saturated_poisson(samples.y), weights=samples.weight))
        return lambda value, penalty: value + penalty + offset
    return None


FTOL = 1e7 * float(np.finfo(float).eps)
"""SciPy's default, which scikit-learn leaves as it is."""


class Lines(Callback):
    """Print a line for each iteration of a solver."""

    looks_inside = False

    def on_epoch_end(self, run: Run) -> None:
        """Print the line."""
        print(f"Iteration {run.epoch}, loss = {run.logs['loss']:.8f}")


def check_schedule(schedule: Any, is_validated: bool) -> None:
    """Check that a schedule which watches a validation figure gets one."""
    if schedule == ReduceOnPlateau.kind:
        schedule = ReduceOnPlateau()
    if isinstance(schedule, ReduceOnPlateau) and schedule.monitor.startswith("val_") and not is_validated:
        raise DataError(
            f"schedule watches {schedule.monitor!r}, which needs early_stopping=True or X_val and y_val."
        )
