"""Level the outputs of a network whose training a time limit ended before it had learned even their mean.

    z = a z' + c        a at least 0, one number; c one number for each output

are fitted by the loss to some rows that the network was trained on, and become part of its last layer: its weights are
multiplied by a and its biases become a b + c. With a = 0 it predicts what is best without any column, so on these rows
it is never worse than that, however few steps it took; the signs that constraints ask of weights stay. The networks of
an ensemble, or side by side, have one level: a and c are fitted to rows that are dealt to them.

Source: the logistic case is Platt, "Probabilistic outputs for support vector machines", 1999, with one factor.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from chainrule.core import hints
from chainrule.data.samples import Samples
from chainrule.engines import Plan
from chainrule.errors import DataError, NonFiniteError
from chainrule.fitting.curve import LearningCurve, is_mean_over_outputs
from chainrule.fitting.floor import ROWS, some
from chainrule.fitting.limit import FitLimit, LimitCourse, RepeatedLimit
from chainrule.fitting.plan import FitPlan
from chainrule.fitting.start import members_of
from chainrule.formulas.layers import Dense, GroupedDense
from chainrule.formulas.losses import LogLink, Loss
from chainrule.formulas.optimizers import AnyOptimizer, GradientDescent, Optimizer
from chainrule.model import Ensemble, Model
from chainrule.network.network import Network, Slot
from chainrule.network.objective import shares
from chainrule.training import fit as training
from chainrule.training.arguments import check_precision
from chainrule.training.callbacks import Callback, Checkpoint, as_callbacks
from chainrule.training.ensemble import ByMembers, WholeEpochs, of_each
from chainrule.training.history import History
from chainrule.training.options import as_schedule
from chainrule.training.run import Run, RunSettings, samples_of
from chainrule.training.slopes import check_slopes
from chainrule.training.time_limit import JUDGED, Shortfall

Numbers = NDArray[np.float64]
WIDEST = 10.0
"""The largest standard deviation of a z', in logits or in standard deviations of y."""


class Level(NamedTuple):
    """What the outputs of a network are multiplied by, and what is added."""

    factor: float
    shift: Numbers
    """(outputs,)"""
    loss: float
    """of the rows that it was fitted to"""


class OutputsToLevel(NamedTuple):
    """Outputs and targets of the networks side by side, one below the other."""

    loss: Loss
    """of one of them, without what label smoothing adds"""
    out: Numbers
    """(members * n, outputs)"""
    y: Numbers
    share: Numbers
    """(members * n,), whose sum is 1"""

    def at(self, level: Numbers) -> tuple[float, Numbers]:
        """Return the loss at a level (1 + outputs,), a and then c, and its gradient."""
        z = level[0] * self.out + level[1:]
        slopes = self.share[:, None] * self.loss.gradient(z, self.y)
        slope = np.array([(slopes * self.out).sum(), *slopes.sum(0)])
        return float(self.share @ self.loss.value(z, self.y)), slope


def to_level(loss: Loss, out: Numbers, y: Numbers, weight: Numbers) -> OutputsToLevel:
    """Return outputs (n, members * outputs) beside the targets (n, outputs), with weights (n,)."""
    count = loss.members
    own = loss.of_member.smoothed(np.float64(0))
    share = (shares(weight) / count).repeat(count)
    return OutputsToLevel(own, out.reshape(len(share), -1), y.repeat(count, 0), share)


def level_of(found: OutputsToLevel) -> Level:
    """Return the level of outputs with the least loss."""
    spread, outputs = float(found.out.std(0).max(initial=0.0)), found.out.shape[1]
    bounds = [(0.0, WIDEST / spread if spread else 1.0), *[(None, None)] * outputs]
    levels = [np.array([first, *np.zeros(outputs)]) for first in (1.0, 0.0)]
    with np.errstate(all="ignore"):
        levels += [minimize(found.at, each, jac=True, method="L-BFGS-B", bounds=bounds).x for each in levels]
        losses = np.nan_to_num([found.at(each)[0] for each in levels], nan=np.inf)
    best = int(np.argmin(losses))
    return Level(float(levels[best][0]), levels[best][1:], float(losses[best]))


def outputs_of(run: Run, networks: Mapping[int, NDArray[Any]]) -> OutputsToLevel | None:
    """Return the outputs of the networks of a run for samples that are dealt to them; None where none is finite.

    networks: the parameters (size,), by number.
    """
    samples = some(samples_of(run), run.plan.seed)
    states = [run.states] if run.theta.ndim == 1 else of_each(run.states, len(run.theta))
    out = np.empty((samples.n, run.plan.network.fan_out))
    for place, (number, theta) in enumerate(networks.items()):
        rows = np.arange(place, samples.n, len(networks))
        if len(rows):
            out[rows] = run.walks.predict(theta, states[number], samples.take(rows).X)
    rows = np.flatnonzero(np.isfinite(out).all(1))
    return to_level(run.plan.network.loss, out[rows], *samples.targets_of(rows)) if len(rows) else None


def put(network: Network, theta: NDArray[Any], level: Level) -> None:
    """Put a level into the last layer of parameters theta (size,), in place."""
    for slot in last_slots(network):
        part = theta[slot.start : slot.stop]
        part *= level.factor
        if slot.field == "b":
            part += np.tile(level.shift, len(part) // len(level.shift))


def last_slots(network: Network) -> list[Slot]:
    """Return the places of W and b of the last layer; none where it has none to multiply."""
    last = network.slots[-2:]
    layers = {slot.link.layer for slot in last}
    is_dense = len(layers) == 1 and isinstance(next(iter(layers)), (Dense, GroupedDense))
    return list(last) if is_dense and [slot.field for slot in last] == ["W", "b"] else []


class Leveled(Callback):
    """Levels the outputs of a new network that its time limit ended within the first epoch.

    A later one is leveled where it is worse than a constant.  limit: the limit.  curve: what records the score.
    """

    looks_inside = False

    def __init__(self, limit: FitLimit | RepeatedLimit, curve: LearningCurve) -> None:
        """Keep them."""
        self.limit, self.curve = limit, curve

    def on_train_end(self, run: Run) -> None:
        """Level the outputs of each network of the run."""
        network, frozen = run.plan.network, run.plan.frozen
        last = last_slots(network)
        if run.error is not None or not self.limit.has_ended or not last or last[0].link.name in frozen:
            return
        thetas = run.theta.reshape(-1, network.size)
        is_trained = run.states["members"].in_training if run.theta.ndim > 1 else [True]
        networks = {number: thetas[number] for number in np.flatnonzero(is_trained).tolist()}
        found = outputs_of(run, networks)
        if found is None:
            return
        nothing = found._replace(out=np.zeros_like(found.out))
        enough = level_of(nothing).loss if run.epoch else -np.inf
        with np.errstate(all="ignore"):
            reached = found.at(np.array([1.0, *np.zeros(network.outputs)]))[0]
        if not reached <= enough:
            level = level_of(found)
            for theta in networks.values():
                put(network, theta, level)
            self.curve.score_again(run)


# --- one run of the training loop: a network of a fit is trained by `chainrule.training` -----------------------------

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
    course: LimitCourse = LimitCourse(())
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
    check_slopes(model.network, model.frozen, members[0].states, samples)
    schedule = as_schedule(p.schedule, optimizer)
    of_engine = Plan(
        network=model.network,
        optimizer=optimizer if isinstance(optimizer, Optimizer) else GradientDescent(),
        batch_size=size,
        seed=model.seed,
        dtype=model.dtype,
        clip_norm=None if p.clip_norm is None else float(p.clip_norm),
        precision=check_precision(p.precision, model.dtype, optimizer),
        frozen=model.frozen,
        threads=plan.conditions.threads,
        slopes=samples.slopes is not None,
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

    Of several outputs of a squared error it is the mean, though its gradient is that of the sum; of amounts half the
    deviance.
    """
    if is_mean_over_outputs(loss, samples.outputs):
        return lambda value, penalty: value / samples.outputs + penalty
    if isinstance(loss, LogLink):
        offset = float(np.average(loss.saturated(samples.y), weights=samples.weight))
        return lambda value, penalty: value + penalty + offset
    return None
