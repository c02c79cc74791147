"""Two-parameter slices of a loss, theta = start + a d1 + b d2, and paths over them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.core.arrays import RowsLike, TargetsLike
from chainrule.data.checks import check_samples
from chainrule.engines import Plan
from chainrule.engines.step import gradient
from chainrule.formulas.layers import Context
from chainrule.formulas.optimizers import SGD, Adagrad, Adam, GradientDescent, Optimizer, RMSprop
from chainrule.lab.base import Progress, part
from chainrule.model import Model
from chainrule.network import objective
from chainrule.views import words

Floats = NDArray[np.float64]
STEPS = 40
SAMPLES = 500
POINTS = 33
RULES: dict[str, Callable[[float], Optimizer]] = {
    "gradient_descent": GradientDescent,
    "momentum": lambda rate: SGD(rate, momentum=0.9),
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
}
MAX_LOSS_RATIO = 1.1
"""A rule uses its smallest rate with a final loss of at most this multiple of its lowest: stable, not lucky steps"""
RATES = tuple(10.0 ** (k / 2) for k in range(-5, 4))


@records.kind("lab_slice")
class View(NamedTuple):
    """The loss over a plane, and paths on it."""

    a: Floats  # (points,)
    b: Floats  # (points,)
    loss: Floats  # (points of b, points of a)
    paths: dict[str, Floats]  # (steps + 1, 2) by rule
    share: float
    """the fraction of the paths' variance about their start that the plane explains"""
    rates: dict[str, float]
    """the learning rates of the paths; empty if those of the training"""
    final: dict[str, float]
    """the loss at the end of each path on the plane"""

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


class Plane:
    """The loss of some samples on the plane start + a d1 + b d2, in float64, with its gradient in (a, b)."""

    def __init__(
        self, model: Model, X: RowsLike, y: TargetsLike, start: NDArray[Any], directions: Floats
    ) -> None:
        """directions: (2, size), orthonormal."""
        self.model, self.start, self.directions = model, start.astype(np.float64), directions
        samples, _ = check_samples(model.network, X, y)
        self.batch = samples.batch(slice(None), np.float64)
        self.plan = Plan(model.network, GradientDescent(), samples.n, model.seed, np.float64)

    def at(self, c: Floats) -> tuple[float, Floats]:
        """Compute the loss at c (2,) and its gradient (d1^T g, d2^T g)."""
        params = self.plan.network.unflatten(self.start + c @ self.directions)
        here, g = gradient(self.plan, params, self.model.states, self.batch, 0, training=False)
        return float(here.loss), self.directions @ g

    def over(self, a: Floats, b: Floats, progress: Progress | None = None) -> Floats:
        """Compute the loss on a grid: (len(b), len(a))."""
        network, ctx = self.plan.network, Context(states=self.model.states)
        share = objective.shares(self.batch.s)
        loss = np.empty((len(b), len(a)))
        for i, b_i in enumerate(b):
            for j, a_j in enumerate(a):
                theta = self.start + np.array([a_j, b_i]) @ self.directions
                params = network.unflatten(theta)
                out = network.predict(params, self.batch.a, ctx)
                losses = network.loss.value(out, self.batch.y)
                loss[i, j] = objective.value(losses, share, network.penalty(params))
            part(progress, 0.0, 1.0)((i + 1) / len(b), words.lab_optimizers.SLICE)
        return loss


def principal_plane(paths: Sequence[NDArray[Any]]) -> tuple[Floats, float]:
    """Find the two orthonormal directions (2, size) that explain most of the variance of the paths about their start.

    Principal components, uncentered about the start, of all points of all paths (steps + 1, size), computed from the
    Gram matrix, whose side is the number of points. Signs: each path's mean end is on the positive side.
    Also returns the share of the sum of squares that they explain.
    Source: Li, Xu, Taylor, Studer, Goldstein, "Visualizing the loss landscape of neural nets", NeurIPS 2018, sec. 7.
    """
    steps = np.concatenate([path[1:].astype(np.float64) - path[0] for path in paths])  # (points, size)
    values, vectors = np.linalg.eigh(steps @ steps.T)
    top = vectors[:, [-1, -2]]  # (points, 2)
    directions: Floats = (steps.T @ top / np.sqrt(np.maximum(values[[-1, -2]], 1e-300))).T
    ends = np.array([path[-1].astype(np.float64) - path[0] for path in paths]).mean(0)
    directions *= np.where(directions @ ends < 0, -1.0, 1.0)[:, None]
    return directions, float(values[[-1, -2]].sum()) / float(values.sum())


def views(
    model: Model,
    X: RowsLike,
    y: TargetsLike,
    paths: Mapping[str, NDArray[Any]],
    budget: float,
    progress: Progress | None,
) -> tuple[View, View]:
    """Project the paths of a training on their principal plane, and walk rules on that plane alone.

    model: before training.  X, y: the training samples, of which the first 500 define the loss.
    """
    directions, share = principal_plane(list(paths.values()))
    plane = Plane(model, X[:SAMPLES], y[:SAMPLES], model.theta, directions)
    points = max(9, min(POINTS, round(POINTS * math.sqrt(budget))))
    shadows = {name: (path.astype(np.float64) - path[0]) @ directions.T for name, path in paths.items()}
    a, b = _axes(shadows.values(), points)
    loss = plane.over(a, b, part(progress, 0.0, 0.35))
    ends = {name: plane.at(shadow[-1])[0] for name, shadow in shadows.items()}
    projected = View(a, b, loss, shadows, share, {}, ends)
    steps = max(8, min(STEPS, round(STEPS * budget)))
    walks, rates, final = {}, {}, {}
    for i, (name, make) in enumerate(RULES.items()):
        part(progress, 0.35, 0.65)(i / len(RULES), words.lab_optimizers.on_a_slice(name))
        tried = {rate: walk(plane, make(rate), steps) for rate in RATES}
        lowest = min(end for _, end in tried.values())  # finite, because the smallest rate hardly moves
        rates[name] = min(rate for rate, (_, end) in tried.items() if end <= MAX_LOSS_RATIO * lowest)
        walks[name], final[name] = tried[rates[name]]
    a, b = _axes(walks.values(), points)
    loss = plane.over(a, b, part(progress, 0.65, 1.0))
    return projected, View(a, b, loss, walks, 1.0, rates, final)


def walk(plane: Plane, optimizer: Optimizer, steps: int) -> tuple[Floats, float]:
    """Return the path (steps + 1, 2) of a rule that updates only the two coordinates, and the loss at its end."""
    c = np.zeros(2)
    path, state = [c], optimizer.init(c)
    for t in range(1, steps + 1):
        _, g = plane.at(c)
        c, state = optimizer.update(g, state, c, np.float64(optimizer.learning_rate), t)
        if not np.isfinite(c).all() or np.abs(c).max() > 1e3:
            return np.array(path), math.inf
        path.append(c)
    last = plane.at(c)[0]
    return np.array(path), last if math.isfinite(last) else math.inf


def _axes(paths: Any, points: int) -> tuple[Floats, Floats]:
    """Return two axes of equal length that contain all paths with a margin of one sixth."""
    every = np.concatenate(list(paths))
    low, high = every.min(0), every.max(0)
    middle, reach = (low + high) / 2, max(float((high - low).max()), 1e-6) * 2 / 3
    a, b = (np.linspace(m - reach, m + reach, points) for m in middle)
    return a, b
