"""Level the outputs of a network whose training a time limit ended before it had learned even their mean.

    z = a z' + c        a at least 0, one number; c one number for each output

are fitted by the loss to some rows that the network was trained on, and become part of its last layer: its weights are
multiplied by a and its biases become a b + c. With a = 0 it predicts what is best without any column, so on these rows
it is never worse than that, however few steps it took; the signs that constraints ask of weights stay. The networks of
an ensemble, or side by side, have one level: a and c are fitted to rows that are dealt to them.

Source: the logistic case is Platt, "Probabilistic outputs for support vector machines", 1999, with one factor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from chainrule.estimators.fit.curve import LearningCurve
from chainrule.estimators.fit.floor import some
from chainrule.estimators.fit.limit import FitLimit, RepeatedLimit
from chainrule.formulas.layers import Dense, GroupedDense
from chainrule.formulas.losses import Loss
from chainrule.network.network import Network, Slot
from chainrule.network.objective import shares
from chainrule.training.callbacks import Callback
from chainrule.training.ensemble import of_each
from chainrule.training.run import Run, samples_of

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
