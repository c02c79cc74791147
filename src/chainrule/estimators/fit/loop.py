"""One run of the training loop: a network of a fit is trained by `chainrule.training`."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chainrule.core import hints
from chainrule.data.samples import Samples
from chainrule.engines import Plan
from chainrule.errors import DataError, NonFiniteError
from chainrule.estimators.fit.curve import LearningCurve, is_mean_over_outputs
from chainrule.estimators.fit.floor import ROWS
from chainrule.estimators.fit.level import Leveled
from chainrule.estimators.fit.limit import FitLimit, LimitCourse, RepeatedLimit
from chainrule.estimators.fit.plan import FitPlan
from chainrule.estimators.fit.start import members_of
from chainrule.formulas.losses import Loss, Poisson, saturated_poisson
from chainrule.formulas.optimizers import AnyOptimizer, GradientDescent, Optimizer
from chainrule.model import Ensemble, Model
from chainrule.network.network import Network
from chainrule.training import fit as training
from chainrule.training.callbacks import Callback, Checkpoint, as_callbacks
from chainrule.training.ensemble import ByMembers, WholeEpochs
from chainrule.training.history import History
from chainrule.training.run import Run, RunSettings
from chainrule.training.settings import as_schedule
from chainrule.training.time_limit import JUDGED, Shortfall

AUTO_BATCH = 200
"""The largest batch that batch_size="auto" makes."""
BETWEEN = 1.0
"""The seconds between two checkpoints of a fit."""
DIVERGED = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
    "preprocessed."
)


class Limited(NamedTuple):
    """What a time limit did to a run."""

    shortfall: Shortfall | None = None
    """how far it came, if the limit ended its first epoch"""
    course: LimitCourse = LimitCourse()
    """how the limit changed it"""


def batch_size(size: int | str, n: int) -> int:
    """Return the samples of a batch, of n; a size larger than n is cut, with a warning."""
    if isinstance(size, str):
        return min(AUTO_BATCH, n)
    if size > n:
        hints.give("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped")
    return min(int(size), n)


def is_weighted(samples: Samples) -> bool:
    """Return whether a sample has another weight than 1."""
    return bool((samples.weight != 1).any())


def with_penalty(network: Network, alpha: float, samples: float) -> Network:
    """Return the network with scikit-learn's alpha as l2: alpha / samples, samples the sum of the weights of a batch.

    scikit-learn divides its penalty by the samples of the batch: L = data loss + alpha / (2 samples) ||W||^2. A step
    whose batch has another sum of weights gets a factor, see `LearningCurve.settings`.
    """
    l2 = alpha / samples if samples > 0 else 0.0
    if network.l2 == l2:
        return network
    made = copy.copy(network)
    made.l2 = l2
    return made


def alpha_of(l2: float, samples: int) -> float:
    """Return the alpha from which `with_penalty` makes this l2."""
    return l2 * samples


def run(
    plan: FitPlan,
    model: Model | Ensemble,
    optimizer: AnyOptimizer,
    samples: Samples,
    validation: Samples | None,
    size: int,
    epochs: int,
    curve: LearningCurve | None = None,
    callbacks: tuple[Callback, ...] = (),
) -> tuple[History | None, Limited]:
    """Train a model in place, and return its history, and what time_limit did to it.

    The history is None if Ctrl-C ended the training, or NaN behind an epoch to return to.
    size: samples of a batch.  curve: orders, settings and records of the epochs; None for a solver's.
    Raises DataError where training produced NaN or infinity, unless early stopping has better parameters to return to.
    """
    p = plan.parameters
    members = members_of(model)
    total = float(size) if curve is not None else float(samples.weight.sum())
    model.network = with_penalty(model.network, float(p.alpha), total)
    measure(model, samples)
    schedule = as_schedule(p.schedule, optimizer)
    of_engine = Plan(
        network=model.network,
        optimizer=optimizer if isinstance(optimizer, Optimizer) else GradientDescent(),
        batch_size=size,
        seed=model.seed,
        dtype=model.dtype,
        clip_norm=None if p.clip_norm is None else float(p.clip_norm),
        frozen=model.frozen,
        threads=plan.conditions.threads,
    )
    watchers = [*([] if curve is None else [curve]), *callbacks]
    kept = None if curve is None else plan.conditions.kept  # a solver has no state to go on from
    if kept is not None:
        every = kept.every_steps if plan.proposal.folds is None else None  # members may be at different steps
        watchers.append(KeptState(kept.path, every))
    if p.callbacks is not None:
        watchers += as_callbacks(p.callbacks)
    limit: FitLimit | RepeatedLimit | None = None
    if plan.conditions.course is not None:
        limit = RepeatedLimit(plan.conditions.course)
    elif p.time_limit is not None:
        shorten = curve is not None and schedule.looks_ahead
        judged = (
            (0.0 if curve is None else curve.judged_share) if validation is None else validation.n / samples.n
        )
        leveled = min(ROWS, samples.n) / (samples.n * len(members))
        own = JUDGED * judged, JUDGED * leveled
        limit = FitLimit(float(p.time_limit), shorten, plan.begun, plan.conditions.grace, *own)
    if limit is not None:
        watchers.append(limit)
        if curve is not None and curve.is_new:
            watchers.insert(1, Leveled(limit, curve))
    watchers.sort(key=lambda each: isinstance(each, Checkpoint))  # which store the state of the others
    hooks: dict[str, Any] = {"reported": reported(model.network.loss, samples)}
    if curve is not None:
        hooks = {"order": curve.order, "steps": curve.settings, "optimizer_state": curve.rates.kept}
    if isinstance(model, Ensemble):
        watchers.insert(0, WholeEpochs())
        hooks["trainer"] = ByMembers(tuple(model.seeds), bool(p.own_batches))
    history = None
    try:
        settings = RunSettings(
            of_engine,
            optimizer,
            samples,
            validation,
            epochs=epochs,
            schedule=schedule,
            shuffle=bool(p.shuffle),
            callbacks=watchers,
            engine=p.engine,
            drop_last=plan.proposal.drop_last,
            averaging=plan.proposal.averaging,
            resume=kept.path if kept is not None and kept.path.is_file() else None,
            **hooks,
        )
        history = training.fit(model, settings)
    except KeyboardInterrupt:
        what = (
            "the network as it was is kept"
            if curve is None or curve.best is None
            else "its best epoch is kept"
        )
        hints.give(f"Training interrupted by user: {what}.")
    except NonFiniteError as error:
        if curve is None or curve.best is None:
            raise DataError(f"{DIVERGED} {error}") from error
        curve.diverged(error)
    finally:
        if isinstance(model, Ensemble):
            model.leave_out_diverged()
            if curve is not None and len(model) < len(members):
                curve.rates.forget()  # it is of more members
    return history, Limited() if limit is None else Limited(limit.shortfall, limit.course)


def measure(model: Model | Ensemble, samples: Samples) -> None:
    """Measure the layers of a model's networks that are measured on samples, unless already done."""
    members = members_of(model)
    states = training.measure_each(model.network, [one.states for one in members], samples, model.dtype)
    for one, own in zip(members, states, strict=True):
        one.states = own


class KeptState(Checkpoint):
    """The checkpoint of a fit, after its first and last epoch and every second between: a small one has 50 a second."""

    due = 0.0
    """the `time.monotonic()` from which the next one is written"""

    def on_epoch_end(self, run: Run) -> None:
        """Write it if it is due."""
        is_last = run.epoch >= run.epochs or run.history.stopped is not None
        if is_last or self.every_steps is not None or time.monotonic() >= self.due:
            self.write(run)
            self.due = time.monotonic() + BETWEEN

    def write(self, run: Run) -> None:
        """Write it, unless the fit that this one follows was dropped."""
        if not any(getattr(each, "is_dropped", False) for each in run.settings.callbacks):
            super().write(run)


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
